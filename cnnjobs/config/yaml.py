"""Values with their lines, what is found about them, and the checks that every reader of a file makes."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnjobs.errors import Mistake, SpecError, suggest


@dataclass(frozen=True, eq=False)
class Node:
    """A value and the line of its key or list item; a mapping holds {key: Node}, a list [Node, ...]."""

    value: Any
    line: int | None

    @property
    def plain(self) -> Any:
        """The value without lines."""
        if isinstance(self.value, dict):
            return {key: node.plain for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain for node in self.value]
        return self.value

    def at(self, path: Sequence[str]) -> Node:
        """The node at the end of `path`, or the last one on the way that exists."""
        inner = None
        if path and isinstance(self.value, dict):
            inner = self.value.get(path[0])
        elif path and isinstance(self.value, list) and path[0].isdigit() and int(path[0]) < len(self.value):
            inner = self.value[int(path[0])]
        return self if inner is None else inner.at(path[1:])


class Findings:
    """Mistakes and notices of one file, each kept once; one of a sweep that `is_started` has results to be read."""

    def __init__(self, file: Path, *, is_started: bool = False) -> None:
        self.file, self.is_started = str(file), is_started
        self._mistakes: dict[Mistake, None] = {}
        self._notices: dict[str, None] = {}

    def mistake(self, line: int | None, key: str, found: str, remedy: str = "") -> None:
        """Keep a mistake; the same one at the same place counts once."""
        self._mistakes[Mistake(self.file, line, _cut(key), found, remedy)] = None

    def notice(self, line: int | None, key: str, text: str) -> None:
        """Keep one line that the user should read; it stops nothing."""
        self._notices[str(Mistake(self.file, line, _cut(key), text))] = None

    def tell(self, line: int | None, text: str) -> None:
        """Keep a notice about the file itself."""
        self.notice(line, "", text)

    @property
    def notices(self) -> tuple[str, ...]:
        """Every notice, in the order they were found."""
        return tuple(self._notices)

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """Every mistake, in the order they were found."""
        return tuple(self._mistakes)

    @property
    def num_mistakes(self) -> int:
        """Number of mistakes so far."""
        return len(self._mistakes)

    def stop_at_mistakes(self) -> None:
        """Raise SpecError with all mistakes, if there are any."""
        if self._mistakes:
            raise SpecError(self.mistakes, self.notices)


def _cut(key: str) -> str:
    """A key as a message shows it: a long one cut, signs that would move the cursor spelled out."""
    text = key if key.isprintable() else json.dumps(key)
    return text if len(text) <= 120 else f"{text[:117]}..."


def shown(value: Any) -> str:
    """A value as a message shows it: like YAML's flow style, texts in quotes, long ones cut."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."


def number_in(value: Any) -> float | None:
    """The finite number that a text spells, or None: `"1e-4"` in quotes is such a text."""
    if not isinstance(value, str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def known_keys(node: Node, place: str, allowed: Sequence[str], findings: Findings) -> dict[str, Node]:
    """The allowed keys of a mapping; unknown ones, and what is no mapping, are mistakes."""
    if not is_mapping(node, place, findings):
        return {}
    for key, inner in node.value.items():
        if key not in allowed:
            findings.mistake(inner.line, f"{place}.{key}", "unknown key", suggest(key, allowed))
    return {key: inner for key, inner in node.value.items() if key in allowed}


def is_mapping(node: Node, place: str, findings: Findings) -> bool:
    """Check whether `node` is a mapping with something in it; else a mistake."""
    if isinstance(node.value, dict) and node.value:
        return True
    if node.value in (None, {}):
        findings.mistake(node.line, place, "empty", "fill it or leave the key out")
    else:
        findings.mistake(node.line, place, f"found {shown(node.plain)}", "allowed: a mapping of keys")
    return False


def is_list(node: Node, place: str, findings: Findings, example: str) -> bool:
    """Check whether `node` is a list with something in it; else a mistake that shows `example`."""
    if isinstance(node.value, list) and node.value:
        return True
    if node.value in (None, []):
        findings.mistake(node.line, place, "empty list", f"fill it or leave the key out, for example {example}")
    else:
        flat = shown(node.plain)
        inner = f"write [{flat}]" if isinstance(node.value, dict) and not example.startswith("zip:") else ""
        remedy = inner or f"allowed: a list, for example {example}"
        findings.mistake(node.line, place, f"found {flat}", remedy)
    return False
