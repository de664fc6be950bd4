"""A whole run of the loop that courses teach: what `python train.py --lr 0.01` is there.

    python -m benchmarks.plain_run --data FOLDER --model lenet5 --lr 0.01 --epochs 2 --out result.json

It leaves what a run of cnnjobs leaves: a validation after every epoch, the weights of the best one, and with them loss
and accuracy over each whole split.
"""

from __future__ import annotations

import argparse
import copy
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks import arrays, plain_loop

BATCH: Final = 64
_SPLITS: Final = ("train", "validation", "test")


@dataclass(frozen=True)
class PlainRun:
    """Training settings, and the file of metrics; `threads` None are torch's own."""

    data: str
    model: str
    lr: float
    epochs: int
    out: Path
    momentum: float = 0.9
    seed: int = 0
    threads: int | None = None
    workers: int = 0
    augmented: bool = True


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, kind in {"data": str, "model": str, "lr": float, "epochs": int, "out": Path}.items():
        parser.add_argument(f"--{name}", type=kind, required=True)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="default: torch's own")
    parser.add_argument("--workers", type=int, default=0, help="of each DataLoader")
    parser.add_argument("--no-augmentation", dest="augmented", action="store_false", help="without crops and flips")
    train(PlainRun(**vars(parser.parse_args())))


def train(run: PlainRun) -> None:
    """Train, evaluate, and write the metrics to `out` and the weights beside it."""
    if run.threads:
        torch.set_num_threads(run.threads)
    torch.manual_seed(run.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    about = arrays.arrays("", (), folder=run.data)
    network = plain_loop.network(run.model, about.in_channels, about.num_classes, about.image_size).to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=run.lr, momentum=run.momentum)
    load = partial(plain_loop.loader, run.data, batch=BATCH, workers=run.workers)
    batches = load("train", augmented=run.augmented, shuffled=True)
    evaluated = {name: load(name, augmented=False) for name in _SPLITS}
    lines: list[dict[str, float]] = []
    best = copy.deepcopy(network.state_dict())
    for _ in range(run.epochs):
        network.train()
        running = 0.0
        for images, labels in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(network(images.to(device)), labels.to(device))
            loss.backward()
            optimizer.step()
            running += loss.item()
        lines.append({"train.loss": running / len(batches), **_evaluate(network, "validation", evaluated, device)})
        if lines[-1]["validation.loss"] == min(line["validation.loss"] for line in lines):
            best = copy.deepcopy(network.state_dict())
    network.load_state_dict(best)
    metrics = {key: value for name in _SPLITS for key, value in _evaluate(network, name, evaluated, device).items()}
    torch.save(best, run.out.with_suffix(".pth"))
    num_images = {name: len(evaluated[name].dataset) for name in _SPLITS}
    found = {"device": device, "epochs": run.epochs, "num_images": num_images, "metrics": metrics, "lines": lines}
    run.out.write_text(json.dumps(found), encoding="utf-8")


@torch.no_grad()
def _evaluate(network: nn.Module, name: str, evaluated: dict[str, Any], device: str) -> dict[str, float]:
    network.eval()
    loss = right = 0.0
    for images, labels in evaluated[name]:
        logits, wanted = network(images.to(device)), labels.to(device)
        loss += F.cross_entropy(logits, wanted, reduction="sum").item()
        right += (logits.argmax(1) == wanted).sum().item()
    count = len(evaluated[name].dataset)
    return {f"{name}.loss": loss / count, f"{name}.accuracy": right / count}


if __name__ == "__main__":
    main()
