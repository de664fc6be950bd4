"""The search of a sweep file: which runs are stopped early, and how the next ones are found.

early_terminate: {type: hyperband, min_iter: 3, eta: 3}    # W&B's keys; also max_iter with s, and strict
search: {order: wandb}                                     # each run judged alone, as by W&B; else in blocks of eta^2
search: {engine: tpe, startup: 10, parallel: 8}            # for method: bayes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from cnnjobs.config.yaml import Findings, Node, known_keys, shown
from cnnjobs.errors import suggest
from cnnjobs.sweep.settings import Metric, number, whole_number

Engine = Literal["tpe", "gp", "cmaes", "qmc"]
_CHOICES: Final = (("engine", ("tpe", "gp", "cmaes", "qmc")), ("order", ("blocks", "wandb")))
_KEYS: Final = ("type", "min_iter", "max_iter", "s", "eta", "strict")


@dataclass(frozen=True)
class EarlyTerminate:
    """W&B's `early_terminate`: bands at min_iter * eta^k, or at max_iter / eta^i for i = 1 to `s`."""

    min_iter: int | None = None
    max_iter: int | None = None
    s: int | None = None
    eta: float = 3.0
    strict: bool = True


@dataclass(frozen=True)
class SearchSettings:
    """Settings of the search; `order` and `parallel` are None where the file leaves them open.

    The first `startup` configurations are drawn at random; the others are proposed by `engine`, each from the results
    of those that are `parallel` behind it.
    """

    order: Literal["blocks", "wandb"] | None = None
    engine: Engine = "tpe"
    startup: int = 10
    parallel: int | None = None


def read_search(node: Node, findings: Findings) -> SearchSettings:
    """`search: {engine, startup, parallel, order}`."""
    keys = known_keys(node, "search", ("engine", "startup", "parallel", "order"), findings)
    chosen = {key: _one_of(keys[key], f"search.{key}", allowed, findings) for key, allowed in _CHOICES if key in keys}
    given: dict[str, Any] = dict(chosen)
    for key in ("startup", "parallel"):
        if key in keys:
            given[key] = whole_number(keys[key], f"search.{key}", findings, low=1)
    given = {key: value for key, value in given.items() if value is not None}
    return replace(SearchSettings(), **given)


def _one_of(node: Node, place: str, allowed: Sequence[str], findings: Findings) -> str | None:
    if node.value in allowed:
        return str(node.value)
    findings.mistake(node.line, place, f"found {shown(node.plain)}", suggest(str(node.value), allowed))
    return None


def read_early_terminate(node: Node, metric: Metric, findings: Findings) -> EarlyTerminate | None:
    """`early_terminate: {type: hyperband, min_iter: 3}`; what is wrong becomes mistakes."""
    if isinstance(node.value, str):
        remedy = "write early_terminate: {type: hyperband, min_iter: 3}"
        findings.mistake(node.line, "early_terminate", f"found {shown(node.value)}", remedy)
        return None
    keys = known_keys(node, "early_terminate", _KEYS, findings)
    if not keys:
        return None
    if keys.get("type", Node(None, None)).value != "hyperband":
        line = keys["type"].line if "type" in keys else node.line
        found = f"found {shown(keys['type'].plain)}" if "type" in keys else "missing"
        findings.mistake(line, "early_terminate.type", found, "allowed: hyperband")
    if not metric.name:
        remedy = "write metric: {name: the name that the program reports, goal: minimize or maximize}"
        findings.mistake(node.line, "early_terminate", "needs a metric to judge runs by", remedy)
    before = findings.num_mistakes
    read = {
        key: whole_number(keys[key], f"early_terminate.{key}", findings, low=1)
        for key in ("min_iter", "max_iter", "s")
        if key in keys
    }
    eta = number(keys["eta"], "early_terminate.eta", findings, low=1) if "eta" in keys else 3.0
    if eta == 1:
        findings.mistake(keys["eta"].line, "early_terminate.eta", "found 1", "allowed: a number above 1")
    strict = keys["strict"].value if "strict" in keys else True
    if not isinstance(strict, bool):
        findings.mistake(
            keys["strict"].line, "early_terminate.strict", f"found {shown(strict)}", "allowed: true or false"
        )
    if findings.num_mistakes > before:
        return None
    return _bands(EarlyTerminate(**read, eta=eta or 3.0, strict=strict), keys, node, findings)


def _bands(found: EarlyTerminate, keys: dict[str, Node], node: Node, findings: Findings) -> EarlyTerminate | None:
    """The same with bands by one of the two ways alone, as W&B's engine chooses between them."""
    by_max = found.max_iter is not None and found.s is not None
    if not by_max and found.min_iter is None:
        findings.mistake(node.line, "early_terminate", "neither min_iter nor max_iter with s", "give one of the two")
        return None
    left = ("min_iter",) if by_max else ("max_iter", "s")
    why = "max_iter with s counts" if by_max else "min_iter counts; these two go together"
    for key in left:
        if key in keys:
            findings.notice(keys[key].line, f"early_terminate.{key}", f"passed over: {why}, as with W&B")
    found = EarlyTerminate(
        None if by_max else found.min_iter,
        found.max_iter if by_max else None,
        found.s if by_max else None,
        found.eta,
        found.strict,
    )
    if by_max and found.max_iter is not None and found.max_iter / found.eta < 1:
        told = f"no band is left: max_iter / eta is {found.max_iter / found.eta:.2g}"
        findings.mistake(node.line, "early_terminate", told, "raise max_iter or lower eta")
    return found
