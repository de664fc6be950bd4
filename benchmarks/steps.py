"""Images per second of cnnjobs' own loop against the loops of others, on the same images, one network after the other.

    python -m benchmarks.steps                                   # all networks, all cores for every side
    python -m benchmarks.steps --models lenet5 --threads 1 --pairs 9

Every side trains with crops and flips in batches of 64 with SGD and momentum. `sources` is the loop that courses teach
(PIL, DataLoader without workers, `.item()` at every step), `sources at its best` the same with the number of workers
and threads that runs fastest here, which torchvision's style and Lightning get too. On a machine that others use, give
each side one thread: both then suffer alike.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from benchmarks import arrays, reports, utilisation
from benchmarks.interleaved import Rounds, Side, Spread, measure
from cnnjobs.components.data.datasets import data_folders
from cnnjobs.launch.plan.resources import allowed_cores

BATCH: Final = 64


@dataclass(frozen=True)
class Case:
    """A network and what it is trained on."""

    title: str
    model: str
    kind: str
    size: int


CASES: Final = {
    "lenet5": Case("LeNet-5", "lenet5", "colour", 32),
    "mnist_cnn": Case("MNIST CNN", "mnist_cnn", "gray", 28),
    "cnn": Case("Table-2 CNN", "cnn", "colour", 32),
    "resnet18_32": Case("ResNet18, 32 px", "resnet18", "colour", 32),
    "resnet18_64": Case("ResNet18, 64 px", "resnet18", "colour", 64),
}
OWN: Final = ("cnnjobs", "cnnjobs bfloat16")
BEST: Final = "sources at its best"
FRAMEWORKS: Final = ("torchvision", "Lightning")
OTHERS: Final = ("sources", BEST, *FRAMEWORKS)
# The loop costs the same around any network; beside the step of a larger one its cost is lost in the spread.
_TINY: Final = {"model": {"name": "cnn", "filters": [2, 2, 2], "kernel_size": 3}, "batch": 8}
PEAKS: Final = {"cnnjobs": "peak float32", "cnnjobs bfloat16": "peak bfloat16"}


@dataclass
class Found:
    """Results by the title of the case."""

    data: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    gflop: dict[str, float] = field(default_factory=dict)
    rounds: dict[str, Rounds] = field(default_factory=dict)
    utilisation: dict[str, dict[str, Spread]] = field(default_factory=dict)


def main(words: Sequence[str] | None = None) -> None:
    """Measure and report."""
    given = _read(words)
    folders = data_folders(given.data_dir)
    found = Found()
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        sides = {name: stack.enter_context(Side(name)) for name in _names(given)}
        for name in given.models:
            case, folder = CASES[name], Path(scratch) / name
            found.data[case.title] = arrays.write(folder, folders, case.kind, case.size, given.images)
            _measure_case(found, case, str(folder), sides, given)
            print(f"{case.title}: {found.rounds[case.title].ratio('cnnjobs', 'sources')} times the sources", flush=True)
        first = str(Path(scratch) / given.models[0])
        parts = [*_parts(found, given), _loop(first, sides, given), _batches(first, sides, given)]
    reports.write("steps", "Images per second, as ratios", parts, vars(found), given.reports)


def _read(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--sides", nargs="+", choices=(*OWN, *OTHERS), default=[*OWN, *OTHERS])
    parser.add_argument("--pairs", type=int, default=5, help="undisturbed pairs of windows")
    parser.add_argument("--seconds", type=float, default=0.6, help="length of a window")
    parser.add_argument("--threads", type=int, default=allowed_cores(), help="of every side but `at its best`")
    parser.add_argument("--images", type=int, default=10_000, help="training images")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="default: the GPU where there is one")
    parser.add_argument("--data-dir", type=Path, help="where data sets are looked for first")
    parser.add_argument("--reports", type=Path, help="where the report goes")
    given = parser.parse_args(words)
    given.device = reports.choose_device(parser, given.device)
    return given


def _names(given: argparse.Namespace) -> list[str]:
    """The sides that can be measured here; cnnjobs and the sources are always among them."""
    names = [name for name in (*OWN, *OTHERS) if name in ("cnnjobs", "sources", *given.sides)]
    if "Lightning" in names and find_spec("lightning") is None:
        names.remove("Lightning")
        print("Lightning is not installed and is left out: `make bench` installs it")
    return [*names, *(peak for own, peak in PEAKS.items() if own in names)]


def _measure_case(found: Found, case: Case, folder: str, sides: dict[str, Side], given: argparse.Namespace) -> None:
    shared: dict[str, Any] = {"data": folder, "model": case.model, "batch": BATCH, "device": given.device}
    same: dict[str, Any] = {"cores": given.threads, "threads": given.threads}
    for name, side in sides.items():
        if name in PEAKS.values():
            side.prepare("convolutions", precision=name.removeprefix("peak "), device=given.device, **same)
        elif name in OWN:
            side.prepare("cnnjobs", precision=PEAKS[name].removeprefix("peak "), **same, **shared)
    sides["sources"].prepare("sources", **same, **shared)
    for side in sides.values():
        side.wait()  # nothing that loads disturbs the search
    if BEST in sides:
        workers, threads = best_setting(sides[BEST], shared, given.seconds)
        found.settings[case.title] = f"{workers} workers, {threads} threads"
        same = {"cores": allowed_cores(), "workers": workers, "threads": threads}
    for name in FRAMEWORKS:
        if name in sides:
            sides[name].prepare(name, **same, **shared)
    found.gflop[case.title] = _gflop(folder, case.model)
    found.rounds[case.title] = measure(sides, seconds=given.seconds, pairs=given.pairs)
    if given.device == "cuda":
        training = {name: side for name, side in sides.items() if name not in PEAKS.values()}
        found.utilisation[case.title] = utilisation.watch(training)


def best_setting(side: Side, shared: dict[str, Any], seconds: float) -> tuple[int, int]:
    """Workers and threads of the fastest window of two, and the side made ready with them."""
    cores = allowed_cores()

    def rate(setting: tuple[int, int]) -> float:
        side.prepare("sources", cores=cores, workers=setting[0], threads=setting[1], **shared)
        side.window(seconds / 2)
        return max(side.window(seconds).rate for _ in range(2))

    best = max(_settings(cores), key=rate)
    side.prepare("sources", cores=cores, workers=best[0], threads=best[1], **shared)
    return best


def _settings(cores: int) -> Iterator[tuple[int, int]]:
    """Workers and threads that users would try."""
    few = [number for number in (1, 2, 4, 8, 16) if number <= cores]
    return itertools.product((0, *few), sorted({1, cores}))


def _gflop(folder: str, model: str) -> float:
    from benchmarks.convolutions import training_gflop
    from cnnjobs.config.run import read_choice

    data = arrays.arrays("", (), folder=folder)
    shape = (data.in_channels, data.image_size, data.image_size)
    built = read_choice("model", model).build(in_channels=shape[0], num_classes=data.num_classes, image_size=shape[1])
    return training_gflop(built, shape)


def _loop(folder: str, sides: dict[str, Side], given: argparse.Namespace) -> str:
    """Cost of the loop around a step, with one thread each."""
    settings = {"data": folder, "threads": 1, "device": given.device, **_TINY}
    doing = {"bare step": sides["peak float32"], "cnnjobs": sides["cnnjobs"]}
    if "Lightning" in sides:
        doing["Lightning step"] = sides["Lightning"]
    for name, side in doing.items():
        side.prepare(name, **settings)
    # Tenths of a millisecond take many rounds: the median of few is theirs who share the machine.
    rounds = measure(doing, seconds=given.seconds / 3, pairs=6 * given.pairs)
    extra = (rounds.extra_ms, rounds.extra_processor_ms)
    rows = [[name, *(str(number(name, "bare step")) for number in extra)] for name in [*doing][1:]]
    return (
        "## The loop around a step\n\nThe same batches of 8 images, network (three convolutions of 2 filters) and "
        "optimizer, one thread: milliseconds beyond forward, backward and the optimizer.\n\n"
        + reports.table(["loop", "ms per step", "ms of processor time"], rows)
    )


def _batches(folder: str, sides: dict[str, Side], given: argparse.Namespace) -> str:
    """Ratio of augmented batches by cnnjobs to those by PIL and a DataLoader, one thread each."""
    case = CASES[given.models[0]]
    settings = {"data": folder, "model": case.model, "batch": BATCH, "threads": 1, "device": "cpu"}
    doing = {f"{name} batches": sides[name].prepare(f"{name} batches", **settings) for name in ("cnnjobs", "sources")}
    ratio = measure(doing, seconds=given.seconds, pairs=given.pairs).ratio(*doing)
    return (
        f"## Augmented batches\n\nOf {case.title}'s images, one thread: cnnjobs makes {ratio} times as many as PIL "
        "and a DataLoader."
    )


def _parts(found: Found, given: argparse.Namespace) -> Iterator[str]:
    yield (
        f"Medians within rounds, with quartiles and the number of rounds; device {given.device}, threads of each side: "
        f"{given.threads}, windows of {given.seconds} s, batches of {BATCH}. All sides train with crops and flips on "
        "the same images; torchvision's style and Lightning have the best setting of the sources where it was measured."
    )
    if given.device == "cpu":
        yield "On a GPU: not measured, there is none in use here. Where there is one, the same command takes it."
    yield "## Images per second\n\n" + _rates(found)
    yield "## How many times as many images per second as\n\n" + _ratios(found)
    yield (
        "## Share of the convolution peak\n\nFLOPs of convolutions and linear layers over the fastest convolution "
        "measured here in the same rounds and the same precision.\n\n" + _shares(found)
    )
    yield utilisation.part(found.utilisation)


def _rates(found: Found) -> str:
    sides = [name for name in (*OWN, *OTHERS) if name in next(iter(found.rounds.values())).windows]
    rows = [
        [title, *(f"{BATCH * rounds.rate(side).median:,.0f}" for side in sides), found.data[title]]
        for title, rounds in found.rounds.items()
    ]
    return reports.table(["network", *sides, "images"], rows)


def _ratios(found: Found) -> str:
    known = next(iter(found.rounds.values())).windows
    others = [name for name in OTHERS if name in known]
    rows = [
        [
            title,
            own,
            *(str(rounds.ratio(own, other)) for other in others),
            found.settings.get(title, "not measured"),
        ]
        for title, rounds in found.rounds.items()
        for own in OWN
        if own in known
    ]
    return reports.table(["network", "side", *others, "best setting"], rows)


def _shares(found: Found) -> str:
    rows = [
        [title, own, f"{1e3 * found.gflop[title]:.4g}", str(rounds.ratio(own, PEAKS[own], BATCH * found.gflop[title]))]
        for title, rounds in found.rounds.items()
        for own in OWN
        if own in rounds.windows
    ]
    return reports.table(["network", "side", "MFLOP per image", "share"], rows)


if __name__ == "__main__":
    main()
