"""Sweep files of other tools: recognised, named, and shown in the form that is read here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cnnjobs.config.run import RunConfig, our_name
from cnnjobs.config.yaml import Node
from cnnjobs.sweep.other_tools.form import Foreign, unused
from cnnjobs.sweep.other_tools.hydra import is_hydra, read_hydra
from cnnjobs.sweep.other_tools.hyperherd import is_hyperherd, read_hyperherd
from cnnjobs.sweep.other_tools.matrices import is_matrix, read_matrices
from cnnjobs.sweep.other_tools.polyaxon import is_polyaxon, read_polyaxon
from cnnjobs.sweep.other_tools.seml import is_seml, read_seml
from cnnjobs.sweep.other_tools.services import read_service, service_of
from cnnjobs.sweep.other_tools.tuners import read_space, space_of

__all__ = ["Offer", "recognise"]

Offer = tuple[str, dict[str, str]]
"""What a file is, and the same sweep in ours: the texts of its parts by their names, "" where it is one."""

# Keys that a file of ours and one of another tool may both have.
_NEUTRAL: Final = frozenset(("name", "description", "project", "apiVersion", "kind", "metric"))
_SHARED: Final = ("lr", "learning_rate", "batch_size", "weight_decay")
_EXAMPLE: Final = Foreign(parameters={"lr": [0.1, 0.01]})


def recognise(root: Node, ours: frozenset[str]) -> Offer | None:
    """Another tool's file in our form; None for our own. `ours` are our keys."""
    if isinstance(root.value, list):
        return _from_list(root.plain)
    keys: Mapping[str, Any] = root.plain
    is_foreign = not ours & set(keys)
    is_untold = not _telling(keys, ours)
    convert: Callable[[Mapping[str, Any]], dict[str, Foreign]]
    if is_hyperherd(keys):
        name, convert = "a HyperHerd configuration", read_hyperherd
    elif is_hydra(keys):
        name, convert = "a Hydra configuration", read_hydra
    elif is_seml(keys):
        name, convert = "a seml configuration", read_seml
    elif is_foreign and isinstance(keys.get("trainer"), dict):
        name, convert = "a Lightning configuration", _from_lightning
    elif is_untold and is_polyaxon(keys):
        name, convert = "a Polyaxon operation", read_polyaxon
    elif is_untold and (service := service_of(keys)) is not None:
        name, convert = service, read_service
    elif is_untold and is_matrix(keys):
        name, convert = "a table of jobs", read_matrices
    elif is_untold and space_of(keys) is not None:
        name, convert = "another tool's search space", read_space
    elif is_foreign and any(isinstance(value, list) for value in keys.values()):
        name, convert = "a plain mapping of lists", _from_lists
    elif is_foreign and any(our_name(key) in RunConfig.model_fields for key in keys):
        name, convert = "a plain mapping of settings", _from_lists
    else:
        return None
    return f"this is {name}", _in_ours(convert, keys)


def _telling(keys: Mapping[str, Any], ours: frozenset[str]) -> frozenset[str]:
    """The keys that tell a file of ours; a list of named parameters is Ax's."""
    listed = {"parameters"} if isinstance(keys.get("parameters"), list) else set()
    return (ours & set(keys)) - _NEUTRAL - listed


def _in_ours(convert: Callable[[Any], dict[str, Foreign]], keys: Any) -> dict[str, str]:
    """The sweeps in our form; the form alone where the other tool would not read its file either."""
    try:
        return {name: sweep.text() for name, sweep in convert(keys).items()}
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, IndexError):
        return {"": f"# an example, since this file could not be read in its tool's form\n{_EXAMPLE.text()}"}


def _from_lists(keys: Mapping[str, Any]) -> dict[str, Foreign]:
    lists = [key for key, value in keys.items() if isinstance(value, list)]
    if len(lists) == 1 and (listed := _variants(keys[lists[0]])) is not None:
        listed.share({key: value for key, value in keys.items() if key not in lists})
        return {"": listed}
    sweep = Foreign(parameters={key: value for key, value in keys.items() if isinstance(value, list)})
    sweep.share({key: value for key, value in keys.items() if key not in sweep.parameters})
    return {"": sweep}


def _from_list(entries: list[Any]) -> Offer | None:
    """A list of configurations, or Guild's list of models with their operations."""
    if not entries or not all(isinstance(each, dict) and each for each in entries):
        return None
    spaces = [each for each in entries if space_of(each) is not None]
    if spaces:
        texts: dict[str, str] = {}
        for each in spaces:
            texts[unused(str(each.get("model", "")), texts)] = _in_ours(read_space, each)[""]
        return "this is another tool's search space", texts if spaces[1:] else {"": next(iter(texts.values()))}
    sweep = _variants(entries)
    return None if sweep is None else ("this is a list of configurations", {"": sweep.text()})


def _variants(entries: list[Any]) -> Foreign | None:
    """The sweep of a list of configurations; None for what is none."""
    if not entries or not all(isinstance(each, dict) and each for each in entries):
        return None
    names = [str(each.get("name", number)) for number, each in enumerate(entries, start=1)]
    changes = [{key: value for key, value in each.items() if key != "name"} for each in entries]
    if len(set(names)) < len(names) or not all(changes):
        return None
    return Foreign(variants=dict(zip(names, changes, strict=True)))


def _from_lightning(keys: Mapping[str, Any]) -> dict[str, Foreign]:
    sweep = Foreign()
    sweep.share({"seed": keys["seed_everything"]} if isinstance(keys.get("seed_everything"), int) else {})
    sweep.share({key: keys["trainer"][key] for key in ("max_epochs", "precision") if key in keys["trainer"]})
    for part in ("model", "data", "optimizer", "lr_scheduler"):
        given = keys.get(part)
        settings = given.get("init_args") or given if isinstance(given, dict) else {}
        kept = {name: value for name, value in settings.items() if name in _SHARED}
        sweep.share(kept)
        if given:
            rest = ", ".join(name for name in settings if name not in kept)
            again = f"choose it anew: {our_name(part)}: ..."
            sweep.left_out[part] = f"{again} ({rest})" if rest else again
    rest = ", ".join(name for name in keys["trainer"] if name not in ("max_epochs", "precision"))
    sweep.left_out.update({"trainer": f"{rest}: cnnjobs trains by itself"} if rest else {})
    return {"": sweep}
