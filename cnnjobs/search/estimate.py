"""Cost of a search with early stopping, estimated before anything is trained."""

from __future__ import annotations

from random import Random

from cnnjobs.search.rule import Seen, StoppingRule, in_blocks, judge

_ORDERS = 40


def share_of_iterations(rule: StoppingRule, configurations: int, iterations: int) -> float:
    """Mean share of all iterations that is trained, where a configuration has the same rank at every band.

    Over some orders of the configurations, of the very rule; in truth ranks change, and about as many go on.
    """
    bands, draw, total = rule.bands(iterations - 1), Random(0), 0.0
    names = [(str(index),) for index in range(configurations)]
    for _ in range(_ORDERS):
        ranks = draw.sample(range(configurations), configurations)
        first, kept = 0, [set(range(configurations))]
        for band in bands:
            earlier: list[float] = []
            left: set[int] = set()
            first = 0
            for number, block in enumerate(in_blocks(rule, [], names)):
                members = [index for index in range(first, first + len(block)) if index in kept[-1]]
                seen = {index: Seen(value=ranks[index], best=ranks[index]) for index in members}
                left |= {*members} - {*judge(rule, band, number, earlier, seen).stopped}
                earlier += [float(ranks[index]) for index in members]
                first += len(block)
            kept.append(left)
        ends = [*bands, iterations]
        total += sum(len(going) * (end - start) for going, start, end in zip(kept, [0, *ends], ends, strict=False))
    return total / (_ORDERS * configurations * iterations)
