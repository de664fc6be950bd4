"""ProgramConfig: a program of the user's own with its parameters, as one run of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import PurePath
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

DEFAULT_COMMAND: Final = ("${env}", "${interpreter}", "${program}", "${args}")
"""What W&B's agent calls where a sweep file names no command."""

# Neither a result nor a command line depends on them.
LOOSE: Final = {"metric", "collect", "resume", "workdir", "launch"}


class ProgramMetric(BaseModel):
    """The metric that a sweep is about; with `best` its best value counts, else the last one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    goal: Literal["maximize", "minimize"] = "minimize"
    best: bool = False


class ProgramConfig(BaseModel):
    """One run of a program: what is called with what.

    `command` is the template as it is written. Each run gets its `seed` as the argument `seed_argument`. `collect` are
    the patterns of files or output that metrics are read from, `resume` are arguments for a start that goes on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    program: str | None = None
    command: tuple[str | int | float, ...] = DEFAULT_COMMAND
    parameters: dict[str, Any] = Field(default_factory=dict)
    seed: int | None = None
    seed_argument: str = "seed"
    metric: ProgramMetric | None = None
    collect: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    resume: tuple[str, ...] = ()
    workdir: Literal["start", "run"] = "start"
    launch: Literal["once", "torchrun"] = "once"

    @property
    def kind_name(self) -> str:
        """The file name of the program, or of what the command begins with."""
        words = (str(item) for item in self.command if not str(item).startswith("${"))
        return PurePath(self.program or next(words, "program")).name

    @property
    def budget(self) -> None:
        """None: how long a program takes is not known before."""
        return None

    def nested(self) -> dict[str, Any]:
        """Identity of the run as plain values: all but how it is listened to and where it works."""
        plain: dict[str, Any] = self.model_dump(mode="json", exclude=LOOSE)
        return plain

    def loose(self) -> dict[str, Any]:
        """Settings that a later start of the same run may change, as plain values."""
        plain: dict[str, Any] = self.model_dump(mode="json", include=LOOSE, exclude_defaults=True)
        return plain

    def flat(self) -> dict[str, Any]:
        """Dotted key -> plain value of every parameter, and the seed."""
        seed = {} if self.seed is None else {"seed": self.seed}
        return {**dict(_flattened(self.parameters)), **seed}

    @cached_property
    def run_id(self) -> str:
        """A readable part and 8 hex digits of SHA-256 over program, command, parameters and seed."""
        text = json.dumps(self.nested(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        stem = self.kind_name.partition(".")[0] or "program"
        values = [f"{key.rpartition('.')[2]}{_brief(value)}" for key, value in self.flat().items() if key != "seed"]
        words = [stem, *values[:4], *([] if self.seed is None else [f"s{self.seed}"])]
        readable = "-".join(re.sub(r"[^A-Za-z0-9_.]+", "_", word) for word in words).strip("._-")
        return f"{readable[:80]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _flattened(parameters: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in parameters.items():
        if isinstance(value, Mapping) and value:
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _brief(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)[:20]
