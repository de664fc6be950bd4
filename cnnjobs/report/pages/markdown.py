"""The report as a Markdown file, with its figures beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Final

from cnnjobs.report.results.files import beginning, markdown, markdown_text
from cnnjobs.report.text.blocks import (
    Block,
    Code,
    Details,
    Items,
    Numbers,
    Paragraph,
    Pictures,
    Report,
    Section,
    Span,
    Table,
    Words,
)

_MARKS: Final = {"strong": "**", "good": "**", "bad": "**"}


def document(report: Report) -> str:
    """The whole report as Markdown."""
    return "\n\n".join(_Writer().report(report)) + "\n"


class _Writer:
    """Writes blocks one after the other; figures and tables are numbered on the way."""

    def __init__(self) -> None:
        self._figures, self._tables = count(1), count(1)

    def report(self, report: Report) -> Iterator[str]:
        many = len(report.chapters) > 1
        if many:
            yield f"# {markdown_text(report.title)}"
            yield from self.blocks(report.summary, 2)
        for chapter in report.chapters:
            yield f"{'##' if many else '#'} {markdown_text(chapter.name)}"
            yield from (markdown_text(text) for text in (chapter.description, chapter.progress) if text)
            yield from self.blocks(chapter.summary, 2 + many)
            yield from self.blocks(chapter.sections, 2 + many)

    def blocks(self, blocks: Sequence[Block], level: int) -> Iterator[str]:
        """Each block as a paragraph of Markdown or several."""
        for block in blocks:
            match block:
                case Paragraph(spans):
                    yield "".join(map(_span, spans))
                case Numbers(items):
                    yield "\n".join(f"- {markdown_text(name)}: **{markdown_text(value)}**" for name, value in items)
                case Table():
                    yield from self._table(block)
                case Pictures(items):
                    for picture in items:
                        yield f"![{markdown_text(picture.alt)}](<{picture.place}.png>)"
                        yield f"*Figure {next(self._figures)}.* {markdown_text(picture.caption)}"
                case Code(text):
                    yield fenced(text)
                case Items(texts):
                    yield "\n".join(f"- {markdown_text(text)}" for text in texts)
                case Words():
                    yield block.source
                case Details(title, inner) | Section(title, inner):
                    if isinstance(block, Section) and block.id:
                        yield "".join(f'<a id="{aim}"></a>' for aim in (block.id, block.task) if aim)
                    yield f"{'#' * min(level, 6)} {markdown_text(title)}"
                    yield from self.blocks(inner, level + 1)

    def _table(self, table: Table) -> Iterator[str]:
        shown, left_out = beginning(table.grid)
        yield f"*Table {next(self._tables)}.* {markdown_text(table.caption)}"
        yield markdown(shown).rstrip("\n")
        if left_out:
            yield markdown_text(left_out + (f": tables/{table.name}.csv has all" if table.name else ""))


def fenced(text: str) -> str:
    """A text as it is, in a fence that is longer than any within."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text.rstrip()}\n{fence}"


def _span(span: Span) -> str:
    text = markdown_text(span.text)
    ahead = " " if span.text[:1] == " " else ""
    behind = " " if span.text[-1:] == " " and text else ""
    if span.target:
        return f"{ahead}[{text}](#{span.target}){behind}"
    mark = _MARKS.get(span.tone, "")
    return f"{ahead}{mark}{text}{mark}{behind}"
