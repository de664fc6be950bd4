"""Trials that a plan has made in a process that loads torch, and their answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict


class Images(BaseModel):
    """The images of a data set without their pixels: (C, H, W) of each, and how many every split has."""

    model_config = ConfigDict(frozen=True)
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    sizes: dict[str, int]
    are_fitted: bool = False


class Asked(BaseModel):
    """A run to be tried, by the user's own `code` there; without `images` its data set, one of their own, is built."""

    model_config = ConfigDict(frozen=True)
    config: dict[str, Any]
    images: Images | None
    code: Path | None = None


class Request(BaseModel):
    """The runs to be tried, in order, until so many `seconds` are over; data and weights are looked for as by them."""

    model_config = ConfigDict(frozen=True)
    runs: tuple[Asked, ...]
    folders: tuple[Path, ...]
    results: Path
    seconds: float


class Answer(BaseModel):
    """Answer about the run of this `number`; nothing is known of one that has only `begun`.

    The `cause` is why it cannot be trained, `key` that of the run which it is about. `missing` is why this Python
    cannot try any run at all. `files` are those of the user's own that were imported until then, with their SHA-256.
    """

    model_config = ConfigDict(frozen=True)
    number: int = -1
    begun: bool = False
    missing: str = ""
    cause: str = ""
    key: str | None = None
    notes: tuple[str, ...] = ()
    files: dict[str, str] = {}
