"""Letters of a report that no font at hand can draw: the PDF has a box in their place."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

from cnnjobs.report.pages.typst import content
from cnnjobs.report.text.numbers import listed

_MOST: Final = 5
# A standard that has none of such boxes: the only way to hear of them from Typst.
_STRICT: Final = "a-2b"


def font_files() -> list[str]:
    """The fonts of the figures; those of Typst itself and of the system come beside them.

    Not all that lie there: the font of last resort has a box for every letter, and one that no other font has would
    make boxes of its whole line.
    """
    from matplotlib import get_data_path

    return [str(file) for file in sorted((Path(get_data_path()) / "fonts" / "ttf").glob("DejaVu*.ttf"))]


def boxes(text: str) -> str:
    """One sentence on the letters that a PDF of this text shows as boxes; "" where it has all of them."""
    letters = sorted(letter for letter in set(text) if not letter.isascii() and letter.isprintable())
    found = [*islice(_missing(letters), _MOST + 1)]
    if found and not _are_drawn("a"):
        return ""  # It is not the letters that Typst minds.
    named = [f"{letter} ({unicodedata.name(letter, f'U+{ord(letter):X}')})" for letter in found[:_MOST]]
    more = ["more"] if len(found) > _MOST else []
    return f"no font here has {listed([*named, *more])}: the PDF shows a box for each" if found else ""


def _missing(letters: Sequence[str]) -> Iterator[str]:
    """The letters without a glyph, by halves: most texts have none."""
    if not letters or _are_drawn(letters):
        return
    if len(letters) == 1:
        yield letters[0]
        return
    middle = len(letters) // 2
    yield from _missing(letters[:middle])
    yield from _missing(letters[middle:])


def _are_drawn(letters: Sequence[str]) -> bool:
    import typst

    text, fonts = "".join(map(content, letters)).encode(), cast(list[Any], font_files())
    try:
        typst.compile(text, font_paths=fonts, format="pdf", pdf_standards=_STRICT)
    except (typst.TypstError, RuntimeError):
        return False
    return True
