"""Networks that a user names without a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from cnnjobs.errors import InputError, UnknownNameError, suggest

if TYPE_CHECKING:
    from cnnjobs.config.run import RunConfig
    from cnnjobs.disk.run_folder import RunFolder


def names_model(what: str) -> bool:
    """Check whether it is a model's name, import path or YAML mapping, and so no run."""
    from cnnjobs import registry

    return what.startswith("{") or bool({":", "/"} & {*what}) or what in registry.components("model")


def find_run_or_model(what: str, results: Path, *, is_model: bool = False) -> RunFolder | None:
    """The run that is meant; None for a model. A run goes first where both are called so, and a notice tells of both.

    With `is_model` the model goes first. Raises InputError where nothing fits, or several runs do.
    """
    from cnnjobs.console.terminal import notice
    from cnnjobs.status.named_runs import find_folder, find_folder_before_model, names_place

    if what.startswith("{"):
        return None
    if names_place(what, results) or not names_model(what):
        try:
            return find_folder(what, results)
        except UnknownNameError:
            return _refuse(what, results)
    if is_model:
        return None
    folder, told = find_folder_before_model(what, results)
    if told:
        notice(told)
    return folder


def _refuse(what: str, results: Path) -> NoReturn:
    from cnnjobs import registry
    from cnnjobs.disk.run_folder import stores

    runs = [run.run_id for store in stores(results) for run in store.runs()]
    name, _ = registry.spelling("model", what) or (None, "")
    allowed = f"did you mean `{name}`?" if name else suggest(what, [*registry.components("model"), *runs])
    raise UnknownNameError(f"`{what}` is neither a model nor a run under {results}; {allowed}") from None


def read_model(what: str, **settings: Any) -> RunConfig:
    """These settings and the model of that name, import path or YAML mapping. Raises InputError."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    from cnnjobs.config.run import read_config

    value: Any = what
    if what.startswith("{"):
        try:
            value = YAML(typ="safe").load(what)
        except YAMLError:
            raise InputError(
                f"{what}: cannot be read as YAML; write for example '{{name: cnn, dropout: 0.5}}'"
            ) from None
    config = read_config({"dataset": "cifar10", "model": value, **settings})
    if isinstance(config, list):
        raise InputError("\n".join(f"{mistake.key}: {mistake.found}; {mistake.remedy}" for mistake in config))
    return config


def read_shape(text: str | None) -> tuple[int, int, int] | None:
    """Channels, height and width of `--input`. Raises InputError."""
    if text is None:
        return None
    parts = text.replace("x", ",").split(",")
    numbers = [int(part) for part in parts if part.strip().isdecimal()]
    if len(numbers) != 3 or len(parts) != 3 or 0 in numbers or numbers[1] != numbers[2]:
        raise InputError(f"--input {text}: write channels, height and width of a square image, for example 3,32,32")
    channels, height, width = numbers
    return channels, height, width
