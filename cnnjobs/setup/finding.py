"""What a look at this place has found: one line each, with what to do about it."""

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
