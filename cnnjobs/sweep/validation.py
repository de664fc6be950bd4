"""Settings -> runs: each checked against the signatures of what it chooses, mistakes at the line of the value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

from cnnjobs import registry
from cnnjobs.config.kinds import AnyConfig
from cnnjobs.config.run import COMPONENTS, KeyMistake, RunConfig, read_config
from cnnjobs.config.yaml import Findings, Node, shown
from cnnjobs.sweep.consistency import contradictions, idle_settings
from cnnjobs.sweep.labels import SweepRun, name_runs
from cnnjobs.sweep.overrides import OF_NETWORKS, Layer, nest, node_at
from cnnjobs.sweep.space.expansion import Candidate
from cnnjobs.sweep.space.space import Space

# Faulty runs that are looked at, and mistakes that are told of the values of one key: the others are like them.
_MOST_FAULTY: Final = 300
_MOST_VALUES: Final = 3


def check_base(base: Layer, findings: Findings) -> None:
    """Find what is wrong in `base` itself, also where every run replaces it."""
    config = read_config(nest(base))
    for mistake in config if isinstance(config, list) else ():
        kind, _, option = mistake.key.partition(".")
        # Whether something is missing, and which options there are, may be for variants and parameters to decide.
        undecided = mistake.found == "missing" or (option and kind in COMPONENTS and kind not in base)
        node = node_at(base, mistake.key)
        if node is not None and not undecided and mistake.found != "a mapping without `name`":
            findings.mistake(node.line, mistake.key, mistake.found, _remedy(node, mistake))


def _remedy(node: Node, mistake: KeyMistake) -> str:
    """Remedy; a list in the place of one value was meant to be varied."""
    is_single = mistake.found.startswith("found [") and "a list" not in mistake.remedy
    if is_single and isinstance(node.value, list) and len(node.value) > 1:
        return f"to try each of them, write parameters: {{{mistake.key}: {{values: {shown(node.plain)}}}}}"
    return mistake.remedy


def check_runs(
    space: Space, candidates: Sequence[Candidate], unread: Collection[str], findings: Findings
) -> tuple[SweepRun, ...]:
    """Every different run, or none after a mistake; that keys in `unread` are missing was reported where they stand."""
    faulty = 0
    looked_at: set[int] = set()
    told: Counter[str] = Counter()
    kept: dict[str, tuple[AnyConfig, Candidate]] = {}
    doubles: list[Candidate] = []
    for candidate in candidates:
        if faulty and not _is_news(candidate, looked_at):
            continue
        config = candidate.config
        if isinstance(config, RunConfig):
            config = _consistent(config, candidate, findings)
        if isinstance(config, list):
            _report(config, candidate, candidates, unread, told=told, space=space, findings=findings)
            faulty += 1
            if faulty == _MOST_FAULTY:
                break
            continue
        if config.run_id not in kept:
            kept[config.run_id] = (config, candidate)
        elif kept[config.run_id][0].nested() == config.nested():
            doubles.append(candidate)
        else:
            findings.mistake(None, "", f"two different runs are called {config.run_id}", "change one of them slightly")
    if faulty or not kept:
        return ()
    _notice_doubles(doubles, len(candidates), findings)
    _notice_unused(space.base, candidates, findings)
    configs, chosen = zip(*kept.values(), strict=True)
    changed = [candidate.changed if space.ablate else None for candidate in chosen]
    named = name_runs(configs, [candidate.variant for candidate in chosen], changed)
    return tuple(replace(run, lines=_lines(candidate)) for run, candidate in zip(named, chosen, strict=True))


def _lines(candidate: Candidate) -> dict[str, int]:
    return {key: node.line for key, node in candidate.settings.items() if node.line}


def _is_news(candidate: Candidate, looked_at: set[int]) -> bool:
    """Check whether it has a value that no faulty candidate had: where something is wrong, each is looked at once."""
    values = {id(node) for node in candidate.settings.values()}
    is_news = not values <= looked_at
    looked_at |= values
    return is_news


def _consistent(config: RunConfig, candidate: Candidate, findings: Findings) -> RunConfig | list[KeyMistake]:
    """The run, what changes nothing in it told at the line that sets it; or what contradicts what in it."""
    against = contradictions(config)
    if against and not findings.is_started:
        return against
    for key, text in (*((each.key, f"{each.found}; {each.remedy}") for each in against), *idle_settings(config)):
        node = node_at(candidate.settings, key)
        findings.notice(node.line if node else None, key, text)
    return config


def _report(
    mistakes: Iterable[KeyMistake],
    candidate: Candidate,
    candidates: Sequence[Candidate],
    unread: Collection[str],
    *,
    told: Counter[str],
    space: Space,
    findings: Findings,
) -> None:
    """Report the errors of a candidate: a name once, the first few of its values."""
    for mistake in mistakes:
        kind, _, option = mistake.key.partition(".")
        if kind in unread or mistake.key in unread:
            continue
        node = node_at(candidate.settings, mistake.key)
        of_name = mistake.found == "unknown key" or " has no `" in mistake.found
        is_drawn = any(axis.rows is None and mistake.key in axis.names for axis in space.axes)
        told[mistake.key] += 1
        if told[mistake.key] > (1 if of_name or is_drawn else _MOST_VALUES):
            continue
        line = node.line if node else space.lines.get("base")
        varied = mistake.key in candidate.changed
        remedy = mistake.remedy if node is None or varied else _remedy(node, mistake)
        if is_drawn and mistake.remedy.endswith("a whole number"):
            remedy += "; min and max that are whole draw such, or a distribution whose name begins with q_"
        if option and varied and "has no" in mistake.found:
            owners = _owners(kind, option, candidates)
            remedy += f"; or only where it exists: when: {{{mistake.key}: {{{kind}: {owners[0]}}}}}" if owners else ""
        findings.mistake(line, mistake.key, mistake.found, remedy)


def _owners(kind: str, option: str, candidates: Sequence[Candidate]) -> list[str]:
    """The components of the sweep that have an option which another one lacks."""
    chosen = dict.fromkeys(OF_NETWORKS.lookup(candidate.settings, kind) for candidate in candidates)
    known = registry.components(kind)
    return [name for name in chosen if name in known and option in known[name].parameters]


def _notice_doubles(doubles: Sequence[Candidate], count: int, findings: Findings) -> None:
    if doubles:
        first = doubles[0]
        values = ", ".join(f"{key}: {shown(first.settings[key].plain)}" for key in first.changed)
        example = f" (the first: {values or first.variant})" if values or first.variant else ""
        told = f"{len(doubles)} of {count} runs equal an earlier one, defaults included, and run once{example}"
        findings.notice(None, "", told)


def _notice_unused(base: Layer, candidates: Sequence[Candidate], findings: Findings) -> None:
    """Say which values of `base` no run takes over."""
    used = {id(node) for candidate in candidates for node in candidate.settings.values()}
    unused = {key: node for key, node in base.items() if id(node) not in used}
    for key, node in unused.items():
        kind, _, option = key.partition(".")
        if option and kind in COMPONENTS and not any(key in candidate.settings for candidate in candidates):
            told = f"no run uses it, as all set `{kind}` anew; to keep it, write {kind}: {{name: ..., {option}: ...}}"
            findings.notice(node.line, f"base.{key}", told)
        elif option and not all(key in candidate.settings for candidate in candidates):
            told = f"no run uses it, as each sets its own or `{kind}` anew"
            findings.notice(node.line, f"base.{key}", told)
        elif not any(other.startswith(f"{key}.") for other in unused):
            findings.notice(node.line, f"base.{key}", "no run uses it, as each sets its own")
