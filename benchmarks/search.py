"""Early stopping replayed on learning curves: epochs until a search is as good as random search of 16 and of 27 runs.

    python -m benchmarks.search curves.jsonl                # two minutes, and no part of `make bench`: it needs a table
    python -m benchmarks.search curves.jsonl --min-iter 1 --orders 600

The table has a JSON object a line, with `acc`: the accuracies of one configuration after each epoch, of equal number
in all lines. No table comes with cnnjobs. That of the reports is of 110 random configurations of LeNet-5 (learning
rate, momentum, weight decay, initial gain, schedule), 27 epochs each on 1,280 images of CIFAR-10, validated on 1,024;
one of your own is made of the `validation.accuracy` of a sweep of random configurations that was trained to the end.

Every search proposes the same configurations in the same order; the orders are shuffles of the table. Workers train
in step, an epoch a round. Optuna's pruners are replayed where it is installed (`pip install optuna`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Final

from benchmarks import reports, search_optuna
from benchmarks.search_replay import (
    NEVER,
    Curve,
    Search,
    TableError,
    Trace,
    expected_best,
    orders,
    quartiles,
    reached_in_the_mean,
    read_curves,
    replay,
    whole_search,
)
from benchmarks.search_rules import Asha, Ours, RandomSearch, WandbRule, rule_of

MANY: Final = 8
RANDOM: Final = "random search"
OURS: Final = "cnnjobs"
IN_ORDER: Final = "cnnjobs, order: wandb"
WANDB: Final = "W&B's rule"
ASHA: Final = "ASHA"

Make = Callable[[int, int], Search]
"""A search over so many runs, for the order with this number."""


@dataclass(frozen=True)
class Found:
    """Epochs, over all workers, until one search with so many workers is as good as the target.

    `in_the_mean` over orders; `low`, `median` and `high` (quartiles) and `rounds` (median) of single orders;
    `whole` those of whole searches of as many runs as are needed for it.
    """

    in_the_mean: float
    low: float
    median: float
    high: float
    rounds: float
    whole: float


Row = tuple[str, int]
"""Name of a search, and its number of workers."""


def main(words: Sequence[str] | None = None) -> None:
    """Replay and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="JSON lines with `acc`")
    parser.add_argument("--runs", type=int, nargs="+", default=[16, 27], help="of random search, for the targets")
    parser.add_argument("--min-iter", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--eta", type=int, default=3)
    parser.add_argument("--orders", type=int, default=60)
    parser.add_argument("--reports", type=Path, help="where the report goes")
    given = parser.parse_args(words)
    try:
        curves = read_curves(given.table)
    except TableError as error:
        parser.error(str(error))
    if told := _refused(given, curves):
        parser.error(told)
    epochs, shuffled = len(curves[0]), orders(curves, given.orders)
    targets = {runs: expected_best([curve[-1] for curve in curves], runs) for runs in given.runs}
    parts = [_about(given, curves, targets)]
    numbers: dict[str, dict[str, dict[int, Found]]] = {}
    for min_iter in given.min_iter:
        found: dict[Row, dict[int, Found]] = {}
        for (name, workers), make in _searches(min_iter, given.eta, epochs).items():
            found[name, workers] = _measure(make, workers, shuffled, targets, given.eta**2)
            print(f"min_iter {min_iter}: {name}, {workers} at a time", flush=True)
        parts += [f"## min_iter {min_iter}", *_parts(found, targets, epochs)]
        parts.append(
            "### What is expected of early stopping\n\n"
            + reports.table(["claim", "target", "until found", "whole searches", "met"], list(_claims(found, epochs)))
        )
        numbers[f"min_iter {min_iter}"] = {f"{name}, {workers}": own for (name, workers), own in found.items()}
    reports.write("search", "Early stopping, replayed on learning curves", parts, numbers, given.reports)


def _refused(given: argparse.Namespace, curves: Sequence[Curve]) -> str | None:
    """Why these settings cannot be replayed."""
    if (most := max(given.runs)) > len(curves) or min(given.runs) < 1:
        return f"{given.table}: {len(curves)} curves; --runs allows 1 to {len(curves)}, found {most}"
    if min(given.min_iter) < 1 or given.eta < 2 or given.orders < 1:
        return "--min-iter and --orders are at least 1, --eta at least 2"
    return None


def _searches(min_iter: int, eta: int, epochs: int) -> dict[Row, Make]:
    rule, in_order = rule_of(min_iter, eta), rule_of(min_iter, eta, "wandb")
    each: dict[str, Make] = {
        RANDOM: lambda runs, _: RandomSearch(runs),
        OURS: lambda runs, _: Ours(runs, epochs, rule),
        IN_ORDER: lambda runs, _: Ours(runs, epochs, in_order),
        WANDB: lambda runs, _: WandbRule(runs, epochs, rule),
        ASHA: lambda runs, _: Asha(runs, epochs, rule),
    }
    found = {(name, workers): make for name, make in each.items() for workers in (1, MANY)}
    if not search_optuna.is_there():
        print("optuna is not installed (pip install optuna): its pruners are left out", flush=True)
        return found
    for name, pruner in search_optuna.PRUNERS.items():
        found[name, MANY] = partial(_trials, epochs=epochs, pruner=partial(pruner, epochs, min_iter, eta))
    return found


def _trials(runs: int, order: int, *, epochs: int, pruner: Callable[[], object]) -> Search:
    return search_optuna.Pruned(runs, epochs, pruner(), f"order {order}")


def _measure(
    make: Make, workers: int, shuffled: Sequence[Sequence[Curve]], targets: Mapping[int, float], block: int
) -> dict[int, Found]:
    """Found by number of runs of random search; whole searches are of whole blocks of runs."""
    size = len(shuffled[0])
    by_size: dict[int, list[Trace]] = {
        runs: [replay(make(runs, number), workers, curves[:runs]) for number, curves in enumerate(shuffled)]
        for runs in sorted({*range(block, size, block), size})
    }
    wholes = [(fmean(each.spent for each in own), fmean(each.best for each in own)) for own in by_size.values()]
    found = {}
    for runs, target in targets.items():
        reached = [trace.reached(target) for trace in by_size[size]]
        low, median, high = quartiles([spent for spent, _ in reached])
        rounds = quartiles([rounds for _, rounds in reached])[1]
        mean = reached_in_the_mean(by_size[size], target)
        found[runs] = Found(mean, low, median, high, rounds, whole_search(wholes, target))
    return found


def _about(given: argparse.Namespace, curves: Sequence[Curve], targets: Mapping[int, float]) -> str:
    epochs = len(curves[0])
    goals = ", ".join(
        f"{100 * target:.1f} % is what {runs} runs ({runs * epochs} epochs) of random search find in the mean"
        for runs, target in targets.items()
    )
    return (
        f"{given.table.name}: {len(curves)} curves of {epochs} epochs; {given.orders} orders, eta {given.eta}. "
        f"Targets: {goals}. Counted is the final accuracy of whole runs alone.\n\n"
        "Epochs are those of all workers together. *Until found*: while the search goes on, until the best final "
        "accuracy in the mean over orders is the target; and median (quartiles) of single orders. Several workers have "
        f"begun others by then: {MANY} of them, always busy, have trained {MANY * epochs} epochs before any run is "
        "whole. *Whole searches*: mean epochs of a search of so many runs, all that it begins included, as are needed "
        "for a mean best equal to the target. Times are those of random search's epochs, as above, by it."
    )


def _parts(found: Mapping[Row, Mapping[int, Found]], targets: Mapping[int, float], epochs: int) -> Iterator[str]:
    for runs, target in targets.items():
        header = ["search", "at a time", "until found", "times fewer", "single orders", "rounds", "whole searches",
                  "times fewer"]  # fmt: skip
        rows = []
        for (name, workers), own in found.items():
            each = own[runs]
            spread = f"{_told(each.median)} ({_told(each.low)} to {_told(each.high)})"
            rows.append([name, workers, _told(each.in_the_mean), _times(runs * epochs, each.in_the_mean), spread,
                         _told(each.rounds), _told(each.whole), _times(runs * epochs, each.whole)])  # fmt: skip
        yield f"### Epochs to {100 * target:.1f} % ({runs} runs of random search)\n\n" + reports.table(header, rows)


def _claims(found: Mapping[Row, Mapping[int, Found]], epochs: int) -> Iterator[list[str]]:
    """Expectations of early stopping, and what was measured of them."""
    for runs in found[OURS, 1]:
        whole = Found(*[runs * epochs] * 6)
        for workers in (1, MANY):
            where, own = f"{runs} runs, {workers} at a time", found[OURS, workers][runs]
            yield _claim("at most 1/3 of random search", where, 1 / 3, own, whole)
            yield _claim("no more than ASHA", where, 1, own, found[ASHA, workers][runs])
        own, other = found[OURS, MANY][runs], found[WANDB, MANY][runs]
        yield _claim("at most 0.6 of W&B's rule", f"{runs} runs, {MANY} at a time", 0.6, own, other)


def _claim(claim: str, where: str, most: float, own: Found, other: Found) -> list[str]:
    """A row; the share of the other's epochs is infinite where the target is never reached."""
    pairs = {"until found": (own.in_the_mean, other.in_the_mean), "whole searches": (own.whole, other.whole)}
    shares = {words: mine / its if mine < NEVER else NEVER for words, (mine, its) in pairs.items()}
    met = [words for words, share in shares.items() if share <= most]
    return [claim, where, *(f"{share:.2f}" for share in shares.values()), " and ".join(met) or "no"]


def _times(epochs: float, own: float) -> str:
    return "-" if own == NEVER else f"{epochs / own:.2f}"


def _told(epochs: float) -> str:
    return "never" if epochs == NEVER else f"{epochs:.0f}"


if __name__ == "__main__":
    main()
