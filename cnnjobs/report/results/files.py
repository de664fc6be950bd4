"""Data frames as CSV, tables of texts as Markdown and TeX: the same bytes for the same data."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any, Final

import pandas as pd

from cnnjobs.disk.files import table_bytes

_MOST_ROWS: Final = 60
_LONG_CELL: Final = 60
_NARROW_LETTERS: Final = 42
_LETTERS_BETWEEN: Final = 2
# What pdflatex sets without a package, and how many of the other letters are named.
_LATIN: Final = 0x17F
_MOST_TOLD: Final = 20
_TEX: Final = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": "$<$", ">": "$>$", "|": "$|$", "×": r"$\times$", "±": r"$\pm$", "−": "$-$", "–": "--", "…": r"\dots{}"},
    **{"·": r"$\cdot$", "→": r"$\to$", "≥": r"$\ge$", "≤": r"$\le$", "°": r"$^\circ$"},
    # At the start of a line these would belong to the `\\` before it.
    **{"[": "{[}", "*": "{*}"},
}


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """The frame as CSV: floats in full, missing values empty, texts on one line, none of them a formula."""
    rows = frame.itertuples(index=False, name=None)
    return table_bytes(frame.columns, ([None if value is pd.NA else value for value in row] for row in rows))


def is_missing(value: Any) -> bool:
    """Check whether a cell holds nothing: None, NaN or pandas' own mark."""
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


@dataclass(frozen=True)
class Grid:
    """A table of texts for readers; the first `labels` columns are words, the others numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 1
    marked: int | None = None
    """The row that stands out, if any."""

    @property
    def is_broad(self) -> bool:
        """True if its rows are longer than the lines of a telephone."""
        longest = [max(map(len, column)) for column in zip(*self.rows, strict=True)] if self.rows else []
        return sum(longest) + _LETTERS_BETWEEN * len(longest) > _NARROW_LETTERS


def grid_csv(grid: Grid) -> bytes:
    """The grid as CSV: the texts that readers see."""
    return table_bytes(grid.columns, grid.rows)


def beginning(grid: Grid) -> tuple[Grid, str]:
    """Beginning of a long table, for a text that is read page by page, and its share: `60 of 3,000 rows`.

    The row that stands out, as a total does at the end, is among them.
    """
    if len(grid.rows) <= _MOST_ROWS:
        return grid, ""
    rows, marked = grid.rows[:_MOST_ROWS], grid.marked
    if marked is not None and marked >= _MOST_ROWS:
        rows, marked = (*rows[:-1], grid.rows[marked]), _MOST_ROWS - 1
    return replace(grid, rows=rows, marked=marked), f"{_MOST_ROWS} of {len(grid.rows):,} rows"


def markdown(grid: Grid) -> str:
    """The grid as a Markdown table; what the cells say is never taken for markup."""
    rules = [":--"] * grid.labels + ["--:"] * (len(grid.columns) - grid.labels)
    lines = [[markdown_text(cell) for cell in row] for row in (grid.columns, *grid.rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in (lines[0], rules, *lines[1:]))


def markdown_text(text: str) -> str:
    """A text as Markdown shows it, on one line."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_\[\]|~$#])", r"\\\1", text)


def tex(grid: Grid) -> str:
    """The grid as a TeX `tabular` that needs no package; what the cells say is never taken for a command."""
    lines = [" & ".join(map(tex_text, row)) for row in (grid.columns, *grid.rows)]
    if grid.marked is not None:
        cells = [f"\\textbf{{{tex_text(cell)}}}" if cell else "" for cell in grid.rows[grid.marked]]
        lines[grid.marked + 1] = " & ".join(cells)
    body = "".join(f"{line} \\\\\n" for line in lines[1:])
    begin = f"\\begin{{tabular}}{{{_tex_columns(grid)}}}"
    text = f"{begin}\n\\hline\n{lines[0]} \\\\\n\\hline\n{body}\\hline\n\\end{{tabular}}\n"
    others = sorted({letter for letter in text if ord(letter) > _LATIN and letter not in _TEX})
    needs = "".join(others[:_MOST_TOLD])
    return f"% Set it with xelatex or lualatex, in a font that has these letters: {needs}\n{text}" if others else text


def _tex_columns(grid: Grid) -> str:
    """Alignment of each column: words to the left, long ones on several lines, numbers to the right."""
    labels = range(grid.labels)
    long = [any(len(row[number]) > _LONG_CELL for row in grid.rows) for number in labels]
    width = 0.6 / max(1, sum(long))
    kinds = [f"p{{{width:.2g}\\linewidth}}" if long[number] else "l" for number in labels]
    return "".join(kinds) + "r" * (len(grid.columns) - grid.labels)


def tex_text(text: str) -> str:
    """A text as TeX sets it, on one line."""
    return "".join(_TEX.get(letter, letter) for letter in " ".join(text.split()))
