"""The author's own words: the parts of a Markdown file, each in the section that its heading names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

from cnnjobs.disk.files import write_whole
from cnnjobs.report.text.blocks import Chapter, Section, Words
from cnnjobs.sweep.report_settings import SECTIONS

DISCUSSION: Final = "Discussion"
_REST: Final = "notes"
# Sections that hold the author's words and nothing else.
_OWN: Final = (_REST, "references", "feedback")
_PICTURES: Final = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp")
_OWN_LEVEL: Final = 3
# The tokens of a heading itself: its opening, its words, its end.
_HEADING: Final = 3
_CODE_BLOCKS: Final = ("fence", "code_block")


def markdown_reader() -> MarkdownIt:
    """Markdown with tables; HTML in it is shown as it is typed, and never taken for markup."""
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


# A chapter by its number, the id of a section there, and the title of a part of that section.
_Aim = tuple[int, str, str]


@dataclass
class _Part:
    """Notes of one section."""

    tokens: list[Token] = field(default_factory=list)
    source: list[str] = field(default_factory=list)


def with_notes(chapters: Sequence[Chapter], text: str, titles: Sequence[Mapping[str, str]]) -> list[Chapter]:
    """The chapters with what a Markdown text says of each section; `titles` are those of all their sections.

    A heading that is the id or title of a section, or of a part of it, gives it all that stands below; the name of a
    sweep picks its chapter. What no section asks for becomes the notes at the end of the last chapter.
    """
    known = [_headings(chapter, own) for chapter, own in zip(chapters, titles, strict=True)]
    names = [_plain(chapter.name) for chapter in chapters]
    rest: _Aim = (len(chapters) - 1, _REST, "")
    aim, level, here = rest, 0, None
    parts: dict[_Aim, _Part] = {}
    for tokens, source in _pieces(text):
        opened, body = tokens[0], (tokens[_HEADING:], source.partition("\n")[2].strip("\n"))
        if opened.type != "heading_open":
            body = (tokens, source)
        else:
            heading, own = _plain(tokens[1].content), int(opened.tag[1])
            order = [here] if here is not None else range(len(chapters))
            found = next(((number, *known[number][heading]) for number in order if heading in known[number]), None)
            if heading in names and len(chapters) > 1:
                here, aim, level = names.index(heading), rest, 0
            elif found is not None:
                aim, level = found, own
            else:
                body = (tokens, source)
                if own <= level:
                    aim, level = rest, 0
        part = parts.setdefault(aim, _Part())
        part.tokens += body[0]
        part.source.append(body[1])
    return [
        _filled(
            chapter, {aim[1:]: part for aim, part in parts.items() if aim[0] == number and part.tokens}, titles[number]
        )
        for number, chapter in enumerate(chapters)
    ]


def _headings(chapter: Chapter, titles: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Each heading that names a place: the id of the section, and the title of a part of it."""
    known = {
        _plain(block.title): (section.id, block.title)
        for section in chapter.sections
        for block in section.blocks
        if isinstance(block, Section)
    }
    for id_, title in titles.items():
        known |= {_plain(SECTIONS[id_]): (id_, ""), _plain(title): (id_, ""), id_: (id_, "")}
    for id_, title in titles.items():
        # `Task 3 d` is enough for `Task 3 d: before and after`, and the first of several.
        known.setdefault(_plain(title.partition(":")[0]), (id_, ""))
    return known


def task(id_: str, title: str) -> str:
    """Task named at the start of a section's title: `Task 3 d: before and after` -> `task-3-d`; else ""."""
    words = re.findall(r"\w+", title.partition(":")[0].casefold())
    slug = "-".join(words)
    return "" if title == SECTIONS[id_] or slug in SECTIONS else slug


def _plain(heading: str) -> str:
    return " ".join(heading.casefold().split())


def _pieces(text: str) -> list[tuple[list[Token], str]]:
    """The text heading by heading: the tokens of each piece, its heading in front, and its lines, safe to hand on."""
    tokens, lines = markdown_reader().parse(text), _without_html(text)
    starts = [number for number, token in enumerate(tokens) if token.type == "heading_open" and token.level == 0]
    if tokens and 0 not in starts:
        starts.insert(0, 0)
    ends = [*starts[1:], len(tokens)]
    places = [(tokens[start].map or [0, 0])[0] for start in starts]
    bounds = zip(starts, ends, places, [*places[1:], len(lines)], strict=True)
    return [(tokens[start:end], "\n".join(lines[top:bottom]).strip("\n")) for start, end, top, bottom in bounds]


def _without_html(text: str) -> list[str]:
    """The lines, with every `<` that would begin a tag in Markdown written so that it is shown."""
    lines = text.splitlines()
    code = {
        number
        for token in markdown_reader().parse(text)
        if token.type in _CODE_BLOCKS and token.map
        for number in range(*token.map)
    }
    return [line if number in code else _escaped(line) for number, line in enumerate(lines)]


def _escaped(line: str) -> str:
    """A line whose tags are shown; what stands between backticks is shown as it is anyway."""
    parts = re.split(r"(`+[^`]*`+)", line)
    escaped = (re.sub(r"(?<!\\)<(?=[A-Za-z/!?])(?!https?:|mailto:)", r"\\<", part) for part in parts[::2])
    return "".join(word for pair in zip(escaped, [*parts[1::2], ""], strict=True) for word in pair)


def _filled(chapter: Chapter, parts: dict[tuple[str, str], _Part], titles: Mapping[str, str]) -> Chapter:
    """The chapter with these parts; sections that only the author fills come in their order."""
    known = {section.id: section for section in chapter.sections}
    for (id_, title), part in parts.items():
        section = known.get(id_) or Section(titles[id_], (), id_, task(id_, titles[id_]))
        if title:
            blocks = tuple(
                _discussed(block, part, _OWN_LEVEL + 2)
                if isinstance(block, Section) and block.title == title
                else block
                for block in section.blocks
            )
            known[id_] = replace(section, blocks=blocks)
        elif id_ in _OWN:
            known[id_] = replace(section, blocks=(*section.blocks, _words(part, _OWN_LEVEL)))
        else:
            known[id_] = _discussed(section, part, _OWN_LEVEL + 1)
    return replace(chapter, sections=tuple(known[id_] for id_ in titles if id_ in known))


def _discussed(section: Section, part: _Part, level: int) -> Section:
    return replace(section, blocks=(*section.blocks, Section(DISCUSSION, (_words(part, level),))))


def _words(part: _Part, level: int) -> Words:
    """As a block whose highest heading is of this level."""
    levels = [int(token.tag[1]) for token in part.tokens if token.type == "heading_open"]
    shift = level - min(levels, default=level)
    tokens = []
    for token in part.tokens:
        moved = token.type.startswith("heading")
        tokens.append(token.copy(tag=f"h{min(int(token.tag[1]) + shift, 6)}") if moved else token)
    source = "\n\n".join(filter(None, part.source))
    source = re.sub(r"^(#{1,6})(?=\s)", lambda marks: "#" * min(len(marks[1]) + shift, 6), source, flags=re.MULTILINE)
    return Words(tuple(SyntaxTreeNode(tokens).children), source)


def read_notes(notes: Path, folder: Path, place: str) -> tuple[str, list[str]]:
    """The text, with copies of the pictures that lie beside it shown as PLACE-01.png in `folder`; and what is missing.

    Raises StorageError.
    """
    text = notes.read_text(encoding="utf-8", errors="replace")
    told = []
    for number, given in enumerate(dict.fromkeys(_pictures(text)), 1):
        file = notes.parent / given
        if "://" in given or file.suffix.lower() not in _PICTURES or not file.is_file():
            told.append(f"{notes}: no picture {given} beside it; allowed: files that end in {', '.join(_PICTURES)}")
            continue
        copy = f"{place}-{number:02}{file.suffix.lower()}"
        write_whole(folder / copy, file.read_bytes())
        text = text.replace(f"]({given}", f"]({copy}")
    return text, told


def _pictures(text: str) -> list[str]:
    """The source of every picture in a Markdown text."""
    inline = [token for token in markdown_reader().parse(text) if token.type == "inline"]
    return [str(child.attrs["src"]) for token in inline for child in token.children or () if child.type == "image"]
