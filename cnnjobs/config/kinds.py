"""The kinds of run: training of a network here, or a program of the user's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from pydantic import ValidationError

from cnnjobs.config.mistakes import KeyMistake
from cnnjobs.config.program import LOOSE, ProgramConfig
from cnnjobs.config.run import RunConfig, read_config
from cnnjobs.errors import InputError

AnyConfig: TypeAlias = RunConfig | ProgramConfig

LOOSE_KEYS: Final = frozenset({"print_every", *LOOSE})
"""Keys of a run on disk that a later start of the same run may change."""


def is_config(nested: Any) -> bool:
    """Check whether plain values may be the configuration of a run at all."""
    return isinstance(nested, dict) and ({"dataset", "model"} <= nested.keys() or "program" in nested)


def read_any_config(nested: Mapping[str, Any]) -> AnyConfig | list[KeyMistake]:
    """The configuration that a nested mapping stands for, or every mistake in it."""
    if "program" not in nested:
        return read_config(nested)
    try:
        return ProgramConfig.model_validate(dict(nested))
    except ValidationError as error:
        return [KeyMistake(".".join(map(str, each["loc"])), each["msg"], "") for each in error.errors()]


def network(config: AnyConfig) -> RunConfig:
    """The configuration of a network's training. Raises InputError for a program's."""
    if isinstance(config, ProgramConfig):
        raise InputError(
            f"it is a run of the program {config.kind_name}: layers, weights and figures are known of networks that "
            "cnnjobs trains itself"
        )
    return config


def networks(configs: Iterable[AnyConfig]) -> list[RunConfig]:
    """Those that train a network here."""
    return [config for config in configs if isinstance(config, RunConfig)]
