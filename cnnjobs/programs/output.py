"""The output of a program on its way into the log: text, in lines, and never too much of it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Final

MOST_BYTES: Final = 4_000_000
TAIL_LINES: Final = 200
_MOST_IN_LINE: Final = 2_000
_MOST_PENDING: Final = 1 << 16
# Colours and cursor movements, then what no log should hold.
_ESCAPES: Final = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Output:
    """Bytes that a program writes, as lines: each is heard by `hear`, and the first `most_bytes` of them by `say`.

    A line that is overwritten by \\r, as a progress bar is, counts as it stands at its end. What is no UTF-8 or no text
    is replaced, and the rest of a very long line left out. The last lines are kept for the end.
    """

    def __init__(
        self, say: Callable[[str], None], hear: Callable[[str], None] = lambda _: None, *, most_bytes: int = MOST_BYTES
    ) -> None:
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._say, self._hear, self._room = say, hear, most_bytes
        self._pending, self._cut = b"", 0
        self._unsaid: deque[str] = deque(maxlen=TAIL_LINES)
        self._left_out = 0

    def feed(self, content: bytes) -> None:
        """Take what has been read; a line that is not at its end waits."""
        *lines, pending = (self._pending + content).split(b"\n")
        for number, line in enumerate(lines):
            self._line(line, self._cut if number == 0 else 0)
        if lines:
            self._cut = 0
        if b"\r" in pending:
            # The last one that was drawn whole, and the one that is being drawn.
            pending = b"\r".join(pending.split(b"\r")[-2:])
        self._cut += max(0, len(pending) - _MOST_PENDING)
        self._pending = pending[:_MOST_PENDING]

    def close(self) -> None:
        """Take the end: the last line may have none, and the last lines that had no room are said."""
        if self._pending:
            self._line(self._pending, self._cut)
            self._pending = b""
        if self._left_out:
            shown = sum(map(len, self._unsaid))
            self._say(f"... {max(0, self._left_out - shown) / 1e6:.1f} MB of output left out, then its last lines:")
            for line in self._unsaid:
                self._say(line)

    def _line(self, raw: bytes, cut: int) -> None:
        drawn = [part for part in raw.split(b"\r") if part]
        line = _plain(drawn[-1] if drawn else b"", cut)
        self.tail.append(line)
        self._hear(line)
        if self._room > 0:
            self._room -= len(line) + 1
            self._say(line)
        else:
            self._left_out += len(raw) + 1
            self._unsaid.append(line)


def _plain(raw: bytes, cut: int) -> str:
    text = _CONTROLS.sub("\ufffd", _ESCAPES.sub("", raw.decode(errors="replace")))
    cut += max(0, len(text) - _MOST_IN_LINE)
    return f"{text[:_MOST_IN_LINE]} ... ({cut} more)" if cut else text
