"""Content of a report, written once: the page, the Markdown file and the PDF are three ways to write these blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from markdown_it.tree import SyntaxTreeNode

from cnnjobs.report.results.files import Grid

Tone = Literal["", "strong", "code", "faint", "good", "bad"]


@dataclass(frozen=True)
class Span:
    """Words of one look; `target` is the id of the section that they lead to."""

    text: str
    tone: Tone = ""
    target: str = ""


@dataclass(frozen=True)
class Paragraph:
    """Words that belong together; `faint` for what explains the rest."""

    spans: tuple[Span, ...]
    faint: bool = False


@dataclass(frozen=True)
class Numbers:
    """The few numbers that count, as (name, value)."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """A table with its caption. `name` is that of its files, if it has any; `sortable` where readers look for rows."""

    grid: Grid
    caption: str
    name: str = ""
    sortable: bool = False


@dataclass(frozen=True)
class Picture:
    """A figure: `place` is its file in the report's folder without a suffix, as PNG and SVG.

    With a `mark`, which is in front of the ids within it, its SVG is part of a page, else its PNG. A `wide` one has a
    row of its own. Of `lines`, parallel_lines() of its data, a page's script makes a drawing that answers.
    """

    place: str
    caption: str
    alt: str
    mark: str = ""
    wide: bool = False
    lines: str = ""


@dataclass(frozen=True)
class Pictures:
    """Figures side by side."""

    items: tuple[Picture, ...]


@dataclass(frozen=True)
class Code:
    """Text to be read letter by letter."""

    text: str


@dataclass(frozen=True)
class Items:
    """A list of sentences."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Words:
    """Text of the author: the nodes of a Markdown text, and that text."""

    nodes: tuple[SyntaxTreeNode, ...]
    source: str


@dataclass(frozen=True)
class Details:
    """Content that a page shows on demand, under its title."""

    title: str
    blocks: tuple[Block, ...]
    is_open: bool = False


@dataclass(frozen=True)
class Section:
    """A part with its title; one without an id is no aim of links.

    `task` is a second aim, after what its own title says in front: `task-3-d`.
    """

    title: str
    blocks: tuple[Block, ...]
    id: str = ""
    task: str = ""


Block = Paragraph | Numbers | Table | Pictures | Code | Items | Words | Details | Section


@dataclass(frozen=True)
class Chapter:
    """Chapter of one sweep. `id` is in front of the ids of its sections, where there are several chapters."""

    name: str
    description: str
    progress: str
    summary: tuple[Block, ...]
    sections: tuple[Section, ...]
    id: str = ""

    def blocks(self) -> Iterator[Block]:
        """Every block, those within others too, in the order in which they are read."""
        yield from _within(self.summary)
        yield from _within(self.sections)


@dataclass(frozen=True)
class Report:
    """One report: a chapter for every sweep, and what is said of all of them first."""

    title: str
    chapters: tuple[Chapter, ...] = field(default=())
    summary: tuple[Block, ...] = ()

    def blocks(self) -> Iterator[Block]:
        """Every block in the order in which they are read."""
        yield from _within(self.summary)
        for chapter in self.chapters:
            yield from chapter.blocks()


def _within(blocks: tuple[Block, ...]) -> Iterator[Block]:
    for block in blocks:
        yield block
        if isinstance(block, Details | Section):
            yield from _within(block.blocks)


def paragraph(*words: str | Span, faint: bool = False) -> Paragraph:
    """A paragraph of texts and spans, the empty ones left out."""
    spans = [Span(word) if isinstance(word, str) else word for word in words]
    return Paragraph(tuple(span for span in spans if span.text), faint)


def without_doubles(chapters: Sequence[Chapter]) -> list[Chapter]:
    """The chapters with each task as an aim once: where it comes first."""
    seen: set[str] = set()

    def once(section: Section) -> Section:
        kept = section if section.task not in seen else replace(section, task="")
        seen.add(section.task)
        return kept

    return [replace(chapter, sections=tuple(map(once, chapter.sections))) for chapter in chapters]


def with_prefix(chapter: Chapter, prefix: str) -> Chapter:
    """The chapter with ids that no other chapter has."""

    def renamed(block: Block) -> Block:
        if isinstance(block, Paragraph):
            spans = (replace(span, target=prefix + span.target) if span.target else span for span in block.spans)
            return replace(block, spans=tuple(spans))
        if isinstance(block, Details):
            return replace(block, blocks=tuple(map(renamed, block.blocks)))
        if isinstance(block, Section):
            return replace(block, id=block.id and prefix + block.id, blocks=tuple(map(renamed, block.blocks)))
        return block

    def section(each: Section) -> Section:
        blocks = tuple(map(renamed, each.blocks))
        return replace(each, id=prefix + each.id, blocks=blocks)

    sections = tuple(map(section, chapter.sections))
    return replace(chapter, id=prefix.rstrip("-"), summary=tuple(map(renamed, chapter.summary)), sections=sections)
