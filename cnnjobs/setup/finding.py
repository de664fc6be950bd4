"""Findings of doctor: one line each, with its remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """`topic` says what was looked at; a note is good to know, a problem keeps runs from working."""

    level: Level
    topic: str
    text: str
    remedy: str = ""
