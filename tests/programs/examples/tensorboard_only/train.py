"""TensorBoard alone, in its own folder `runs/`."""

import argparse

from torch.utils.tensorboard import SummaryWriter

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, required=True)
args = parser.parse_args()

weight = 1.0
with SummaryWriter() as writer:
    for epoch in range(3):
        writer.add_scalar("val/loss", weight**2, epoch)
        weight -= args.lr * 2 * weight
