"""The report as PDF, set by Typst from a template that users can replace."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from importlib import resources
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Final

from cnnjobs.errors import InputError
from cnnjobs.report.pages.fonts import font_files
from cnnjobs.report.pages.typst import content, string, words
from cnnjobs.report.results.files import Grid, beginning
from cnnjobs.report.text.blocks import (
    Block,
    Code,
    Details,
    Items,
    Numbers,
    Paragraph,
    Picture,
    Pictures,
    Report,
    Section,
    Span,
    Table,
    Words,
)

SOURCE: Final = "report.typ"
TEMPLATE: Final = "template.typ"
# Widths in letters of a table that fills the page at its usual size.
_PAGE_LETTERS: Final = 120
_LARGEST, _SMALLEST = 9.0, 5.5
_LETTERS_BESIDE: Final = 2
# Long cells are broken at so many letters: the first at which all are of a good size, if there is one.
_LONG_CELLS: Final = (40, 30, 24)
_GOOD: Final = 7.0
_CODE_LINES: Final = 120
# Letters of a heading are bold, and so a tenth wider.
_BOLD: Final = 1.1


_BREAK: Final = "\u200b"
_MARKS: Final = re.compile(r"(?<=[_\-./=,:|])")


class PdfError(InputError):
    """Typst is missing, or cannot set the report; the message says why."""


def template(path: Path | None) -> str:
    """The template of that file, or our own. Raises InputError."""
    if path is None:
        return resources.files("cnnjobs.report.pages").joinpath(TEMPLATE).read_text(encoding="utf-8")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the template cannot be read ({error})") from error


def is_there() -> bool:
    """Check whether Typst can be loaded."""
    return find_spec("typst") is not None


def pdf(folder: Path) -> bytes:
    """PDF that Typst makes of the source in a report's folder, the same bytes every time. Raises PdfError."""
    try:
        import typst
    except ImportError as error:
        raise PdfError(f"the package `typst` cannot be loaded ({error}); install it with: pip install typst") from None
    try:
        made = typst.compile(str(folder / SOURCE), root=str(folder), font_paths=font_files(), format="pdf")
    except (typst.TypstError, RuntimeError) as error:
        raise PdfError(f"typst: {' '.join(str(error).split())}") from None
    assert isinstance(made, bytes)
    return made


def source(report: Report) -> str:
    """The whole report in Typst's language; it needs the template beside it. All texts are string literals."""
    names = ", ".join(string(chapter.name) for chapter in report.chapters)
    lines = [f'#import "{TEMPLATE}": *', f"#show: report.with(title: {string(report.title)}, sweeps: ({names},))"]
    many = len(report.chapters) > 1
    lines += _blocks(report.summary, 2)
    for number, chapter in enumerate(report.chapters):
        if many and not number:
            lines.append("#contents()")
        lines.append(_heading(1, chapter.name, chapter.id))
        lines += [f"#lead({content(text)})\n" for text in (chapter.description, chapter.progress) if text]
        lines += _blocks(chapter.summary, 2)
        if not many:
            lines.append("#contents()")
        lines += _blocks(chapter.sections, 2)
    return "\n".join(lines) + "\n"


def _blocks(blocks: Sequence[Block], level: int) -> Iterator[str]:
    for number, block in enumerate(blocks):
        match block:
            case Paragraph(spans, faint):
                said = f"#prose(is-faint: {_bool(faint)})[{''.join(map(_span, spans))}]"
                yield f"#introduction[{said}]" if _introduces(blocks[number:]) else said
            case Numbers(items):
                yield f"#numbers({', '.join(f'({content(name)}, {content(value)})' for name, value in items)})"
            case Table():
                yield from _table(block)
            case Pictures(items):
                yield from _pictures(items)
            case Code(text):
                lines = text.rstrip().splitlines()
                yield f"#code({string(chr(10).join(lines[:_CODE_LINES]))})"
                if len(lines) > _CODE_LINES:
                    yield f"#prose(is-faint: true){content(f'{_CODE_LINES} of {len(lines):,} lines')}"
            case Items(texts):
                yield f"#list({', '.join(map(content, texts))})"
            case Words(nodes):
                yield f"#discussion[{words(nodes)}]"
            case Details(title, inner):
                yield _heading(min(level + 1, 4), title, "")
                yield from _blocks(inner, level + 1)
            case Section(title, inner, id_):
                yield _heading(level, title, id_)
                yield from _blocks(inner, level + 1)


def _introduces(blocks: Sequence[Block]) -> bool:
    """Check whether a table or figures come after these paragraphs."""
    others = (block for block in blocks if not isinstance(block, Paragraph))
    return isinstance(next(others, None), Table | Pictures)


def _heading(level: int, title: str, id_: str) -> str:
    return f"#heading(level: {level}){content(title)}" + (f" #label({string(id_)})" if id_ else "")


def _span(span: Span) -> str:
    text = f"#{string(span.text)};"
    if span.target:
        return f"#link(label({string(span.target)}))[{text}];"
    if span.tone == "strong":
        return f"#strong[{text}];"
    if span.tone == "code":
        return f"#raw({string(span.text)});"
    return f'#toned("{span.tone}")[{text}];' if span.tone else text


def _pictures(items: Sequence[Picture]) -> Iterator[str]:
    """Figures side by side; wide ones in a row of their own."""
    for alone, group in groupby(items, lambda each: each.wide):
        parts = [
            f"path: {string(each.place + ('.svg' if each.mark else '.png'))}, "
            f"caption: {content(each.caption)}, alt: {string(each.alt)}"
            for each in group
        ]
        if alone:
            yield from (f"#picture({part})" for part in parts)
        else:
            yield f"#pictures({', '.join(f'({part})' for part in parts)})"


def _table(table: Table) -> Iterator[str]:
    grid, left_out = beginning(table.grid)
    aligns = ["left"] * grid.labels + ["right"] * (len(grid.columns) - grid.labels)
    widths = _widths(grid)
    room = _room(widths)
    rows = ",\n  ".join(f"({', '.join(map(_cell, row, room))},)" for row in grid.rows)
    header = ", ".join(_cell(name, letters / _BOLD) for name, letters in zip(grid.columns, room, strict=True))
    marked = "none" if grid.marked is None else str(grid.marked)
    yield (
        f"#data(caption: {content(table.caption)}, columns: {_columns(widths)}, aligns: ({', '.join(aligns)},), "
        f"size: {_size(widths):.2f}pt, marked: {marked},\n  header: ({header},),\n"
        f"  rows: ({rows}{',' if grid.rows else ''}))"
    )
    if left_out:
        everything = f": tables/{table.name}.csv has all" if table.name else ""
        yield f"#prose(is-faint: true){content(left_out + everything)}"


def _widths(grid: Grid) -> list[float]:
    """Letters that each column takes where long cells are broken."""
    # A heading takes two lines where it can, and breaks within no word.
    headings: list[float] = [
        math.ceil(_BOLD * max(*map(len, name.split()), len(name) * 0.6)) if name else 0 for name in grid.columns
    ]
    cells = [max(map(len, column)) for column in zip(*grid.rows, strict=True)] if grid.rows else [0] * len(headings)
    whole = [max(both) for both in zip(headings, cells, strict=True)]
    tried = [[min(each, longest) + _LETTERS_BESIDE for each in whole] for longest in _LONG_CELLS]
    return next((widths for widths in tried if _size(widths) >= _GOOD), tried[0])


def _size(widths: Sequence[float]) -> float:
    """The size of letters, in points, at which a table with these columns fits the page."""
    return max(_SMALLEST, min(_LARGEST, _LARGEST * _PAGE_LETTERS / sum(widths)))


def _columns(widths: Sequence[float]) -> str:
    """Widths of their own; of a table that only fits with smaller letters, shares of the page."""
    if sum(widths) <= _PAGE_LETTERS:
        return f"({', '.join(['auto'] * len(widths))},)"
    return f"({', '.join(f'{width:.1f}fr' for width in widths)},)"


def _room(widths: Sequence[float]) -> list[float]:
    """Letters that each column has room for at the size of the table."""
    letters = _LARGEST * _PAGE_LETTERS / _size(widths)
    share = min(1.0, letters / sum(widths))
    return [max(1.0, width * share - _LETTERS_BESIDE) for width in widths]


def _cell(text: str, room: float) -> str:
    """A cell whose words may be broken where they are longer than its column: after the marks within, else anywhere."""
    most = max(1, int(room))
    if all(len(word) <= most for word in text.split()):
        return content(text)
    pieces = [part[at : at + most] for part in _MARKS.split(text) for at in range(0, len(part), most)]
    return content(_BREAK.join(pieces))


def _bool(value: bool) -> str:
    return "true" if value else "false"
