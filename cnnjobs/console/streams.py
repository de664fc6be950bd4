"""This process's streams and locale, made such that every command can write whatever the terminal, pipe or shell is.

A stream gets the nearest sign that its encoding can show; what is closed is opened on nothing; files are UTF-8 under
any locale, in the workers, too, since Python is started again in its UTF-8 mode where the locale is another.
"""

from __future__ import annotations

import codecs
import os
import sys
import unicodedata
from typing import IO, Final

READABLE: Final = "cnnjobs.readable"

UNREAD: Final = 141
"""The exit code of a program whose output is read no further: 128 and the number of SIGPIPE."""

_SIGNS: Final = str.maketrans(
    {
        "×": "x", "÷": "/", "±": "+/-", "−": "-", "–": "-", "—": "-", "‑": "-", "…": "...", "·": ".", "•": "*",
        "→": "->", "←": "<-", "↑": "^", "↓": "v", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "∞": "inf", "∕": "/",
        "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "µ": "u", "°": " deg", "✓": "ok", "✔": "ok", "✗": "x",
        "✘": "x", "©": "(c)", "ß": "ss", "λ": "lambda",
    }
)  # fmt: skip


def prepare() -> None:
    """Ready the streams and the environment of this command and its workers; starts Python anew in another locale."""
    _open_what_is_closed()
    _leave_the_locale()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=READABLE)
    # It speaks of this terminal; the logs of workers are files.
    os.environ.pop("PYTHONIOENCODING", None)
    # Figures are drawn into files, never on a screen, whatever the shell or a notebook has left here.
    os.environ["MPLBACKEND"] = "Agg"


def _open_what_is_closed() -> None:
    """Where the shell has closed a stream (`>&-`), the next file that is opened would get what is printed."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _leave_the_locale() -> None:
    if sys.flags.utf8_mode or codecs.lookup(sys.getfilesystemencoding()).name == "utf-8" or not sys.executable:
        return
    encoding = (sys.stdout.encoding if sys.stdout else None) or "ascii"
    os.environ.update(PYTHONUTF8="1", PYTHONIOENCODING=encoding)
    os.execv(sys.executable, [sys.orig_argv[0], "-X", "utf8", *sys.orig_argv[1:]])


def silence(stream: IO[str]) -> None:
    """From now on what is written to this stream, whose reader has gone, goes nowhere."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


def _readable(error: UnicodeError) -> tuple[str, int]:
    """The error handler of the streams: the nearest ASCII for signs that the encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(nearest_ascii, error.object[error.start : error.end])), error.end


def nearest_ascii(sign: str) -> str:
    """ASCII replacement of one character."""
    known = sign.translate(_SIGNS)
    plain = "".join(each for each in unicodedata.normalize("NFKD", known) if each.isascii())
    if plain:
        return plain
    if "\ud800" <= sign <= "\udfff":
        # A byte of a file's name that is no text.
        return f"\\x{ord(sign) & 0xFF:02x}"
    name = unicodedata.name(sign, "")
    if name.startswith("GREEK"):
        return name.split()[-1].lower()
    if name.startswith("BOX DRAWINGS"):
        return "+" if " AND " in name else "|" if name.endswith(("VERTICAL", "UP", "DOWN")) else "-"
    return "#" if "BLOCK" in name else "." if name.startswith("BRAILLE") else "?"


codecs.register_error(READABLE, _readable)
