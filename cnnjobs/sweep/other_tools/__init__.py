"""Sweep files of other tools: recognised, named, and shown in the form that is read here."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from cnnjobs.config.run import RunConfig, our_name
from cnnjobs.errors import InputError
from cnnjobs.sweep.other_tools.commands import read_commands
from cnnjobs.sweep.other_tools.form import PARALLEL, Foreign, flow, places_of, unused
from cnnjobs.sweep.other_tools.hydra import is_hydra, read_hydra
from cnnjobs.sweep.other_tools.hyperherd import is_hyperherd, read_hyperherd
from cnnjobs.sweep.other_tools.matrices import is_matrix, read_matrices
from cnnjobs.sweep.other_tools.polyaxon import is_polyaxon, read_polyaxon
from cnnjobs.sweep.other_tools.seml import is_seml, read_seml
from cnnjobs.sweep.other_tools.services import read_service, service_of
from cnnjobs.sweep.other_tools.tuners import is_space, named_forms, read_space, space_of

__all__ = ["FORMS", "Offer", "recognise", "recognise_text"]

Offer = tuple[str, dict[str, str]]
"""What a file is, and the same sweep in ours: the texts of its parts by their names, "" where it is one."""

Convert = Callable[[Mapping[str, Any]], dict[str, Foreign]]

# Endings of files that are no YAML, and that may hold such a sweep all the same.
FORMS: Final = (".toml", ".sh", ".bash")

# Keys that a file of ours and one of another tool may both have.
_NEUTRAL: Final = frozenset(("name", "description", "project", "apiVersion", "kind", "metric"))
_SHARED: Final = ("lr", "learning_rate", "batch_size", "weight_decay")
_EXAMPLE: Final = Foreign(parameters={"lr": [0.1, 0.01]})


def recognise(plain: Any, ours: frozenset[str]) -> Offer | None:
    """Another tool's file in our form; None for our own. `ours` are our keys."""
    if isinstance(plain, list):
        return _from_list(plain)
    keys: Mapping[str, Any] = plain
    is_foreign = not ours & set(keys)
    is_untold = not _telling(keys, ours)
    convert: Convert
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
    elif is_untold and (of_programs := _of_programs(keys)) is not None:
        name, convert = of_programs
    elif is_foreign and (told := _settings_of(keys)) is not None:
        name, convert = told
    else:
        return None
    return f"this is {name}", _in_ours(convert, keys)


def _of_programs(keys: Mapping[str, Any]) -> tuple[str, Convert] | None:
    """Name and reader of a file that holds commands, or says how a program is run without a value of its settings."""
    commands = read_commands(keys)
    if commands is not None:
        return commands[0], lambda _: commands[1]
    if places_of(keys, ("flagsimport",)):
        return "a Guild file whose flags stand in the program", _without_values
    stages = keys.get("stages")
    is_pipeline = isinstance(stages, dict) and places_of(stages, ("cmd",))
    return ("a pipeline of DVC", _without_values) if is_pipeline else None


def _without_values(keys: Mapping[str, Any]) -> dict[str, Foreign]:
    sweep = Foreign(said=["what is to be tried goes under parameters: {lr: {values: [0.1, 0.01]}}"])
    sweep.left_out[", ".join(keys)] = "a program of one's own is run by program: train.py, see docs/programs.md"
    return {"": sweep}


def _settings_of(keys: Mapping[str, Any]) -> tuple[str, Convert] | None:
    """Name and reader of a file that holds settings alone."""
    if any(isinstance(value, list) for value in keys.values()):
        return "a plain mapping of lists", _from_lists
    if any(our_name(key) in RunConfig.model_fields for key in keys):
        return "a plain mapping of settings", _from_lists
    return ("a file of settings in sections", _from_sections) if _sections(keys) else None


def recognise_text(path: Path, content: str, ours: frozenset[str]) -> tuple[Offer | None, str]:
    """The sweep of a file that is no YAML, in our form, or else the YAML of a TOML file. Raises InputError."""
    if path.suffix != ".toml":
        told = read_commands(content)
        return told and (f"this is {told[0]}", {name: sweep.text() for name, sweep in told[1].items()}), ""
    try:
        keys = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not TOML: {error}; a sweep is a YAML file") from None
    return recognise(keys, ours), "\n".join(f"    {key}: {flow(value)}" for key, value in keys.items())


def _telling(keys: Mapping[str, Any], ours: frozenset[str]) -> frozenset[str]:
    """The keys that tell a file of ours; a list of named parameters is Ax's."""
    listed = {"parameters"} if isinstance(keys.get("parameters"), list) else set()
    return (ours & set(keys)) - _NEUTRAL - listed


def _in_ours(convert: Callable[[Any], dict[str, Foreign]], keys: Any) -> dict[str, str]:
    """The sweeps in our form; the form alone where the other tool would not read its file either."""
    try:
        sweeps = convert(keys)
        for sweep in sweeps.values():
            sweep.max_parallel = _parallel(keys)
        return {name: sweep.text() for name, sweep in sweeps.items()}
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, IndexError):
        return {"": f"# an example, since this file could not be read in its tool's form\n{_EXAMPLE.text()}"}


def _parallel(keys: Any) -> int | None:
    """Number of runs that the other tool has at once, where its file says so."""
    for place in places_of(keys, PARALLEL):
        value = keys
        for key in place:
            value = next(inner for name, inner in value.items() if str(name) == key)
        if isinstance(value, int) and value > 0 and not isinstance(value, bool):
            return value
    return None


def _from_lists(keys: Mapping[str, Any]) -> dict[str, Foreign]:
    lists = [key for key, value in keys.items() if isinstance(value, list)]
    if len(lists) == 1 and (listed := _variants(keys[lists[0]])) is not None:
        listed.share({key: value for key, value in keys.items() if key not in lists})
        return {"": listed}
    sweep = Foreign(parameters={key: value for key, value in keys.items() if isinstance(value, list)})
    sweep.share({key: value for key, value in keys.items() if key not in sweep.parameters})
    return {"": sweep}


def _sections(keys: Mapping[str, Any]) -> list[str]:
    """The keys whose values are mappings with settings of a run among them, as in a params.yaml of DVC."""
    inner = {key: value for key, value in keys.items() if isinstance(value, dict)}
    return [key for key, value in inner.items() if any(our_name(name) in RunConfig.model_fields for name in value)]


def _from_sections(keys: Mapping[str, Any]) -> dict[str, Foreign]:
    """Settings of a run stand in ours without their section; all others keep it."""
    flat: dict[str, Any] = {}
    for section, value in keys.items():
        for key, each in value.items() if isinstance(value, dict) else ():
            is_ours = our_name(key) in RunConfig.model_fields and key not in flat
            flat[key if is_ours else f"{section}.{key}"] = each
        flat.update({} if isinstance(value, dict) else {section: value})
    return _from_lists(flat)


def _from_list(entries: list[Any]) -> Offer | None:
    """A list of commands, of parameters, of configurations, or Guild's list of models with their operations."""
    told = read_commands(entries)
    if told is not None:
        return f"this is {told[0]}", {name: sweep.text() for name, sweep in told[1].items()}
    if not entries or not all(isinstance(each, dict) and each for each in entries):
        return None
    named = named_forms(entries)
    if is_space(named):
        return "this is another tool's search space", _in_ours(read_space, {"space": named})
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
