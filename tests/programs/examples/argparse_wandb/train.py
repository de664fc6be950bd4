"""Argparse and wandb.log, as in most programs."""

import argparse

import wandb

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, required=True)
parser.add_argument("--epochs", type=int, default=3)
args = parser.parse_args()

wandb.init(project="quadratic", config=vars(args))
weight = 1.0
for epoch in range(args.epochs):
    loss = weight**2
    wandb.log({"epoch": epoch, "loss": loss})
    weight -= args.lr * 2 * weight
wandb.finish()
