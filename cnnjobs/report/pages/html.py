"""The report as one page that opens anywhere: no network, and no script but its own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

from cnnjobs.figures.drawing.style import inline_svg
from cnnjobs.report.text.blocks import Picture, Report, Words
from cnnjobs.report.text.notes import markdown_reader

_KINDS: Final = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".svg": "image/svg+xml",
    ".webp": "image/webp",
}  # fmt: skip
_SCRIPTS: Final = ("tables.js", "parallel.js")
# With more pictures than that a page no longer opens at once; of a thousand configurations the tables take 5 MB more.
MOST_BYTES: Final = 9_000_000


def page(report: Report, folder: Path) -> str:
    """The page; pictures that are files are read from the report's folder."""
    files = resources.files("cnnjobs.report.pages")
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    css, html, *scripts = (
        files.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.html", *_SCRIPTS)
    )
    pictures = _Pictures(folder)
    return environment.from_string(html).render(
        report=report,
        css=Markup(css),
        scripts=[Markup(script) for script in scripts],
        hashes=" ".join(map(_hash, scripts)),
        kind=lambda block: type(block).__name__,
        figure=count(1).__next__,
        table_number=count(1).__next__,
        shown=pictures.shown,
        linked=lambda: pictures.linked,
        words=lambda words: _words(words, pictures),
    )


class _Pictures:
    """Puts pictures into the page as long as there is room; the others are linked, where they lie beside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._room = MOST_BYTES
        self.linked = 0

    def shown(self, picture: Picture) -> Markup:
        """A figure of the report: its drawing, its PNG or a link to that."""
        if not picture.mark:
            return self.image(f"{picture.place}.png", picture.alt)
        svg = (self._folder / f"{picture.place}.svg").read_text(encoding="utf-8")
        drawing = inline_svg(svg, picture.mark, picture.alt)
        return Markup(drawing) if self._fits(drawing) else self._link(f"{picture.place}.svg")

    def image(self, place: str, alt: str) -> Markup:
        """A picture that is a file."""
        address = _embedded(self._folder, place)
        if address and not self._fits(address):
            return self._link(place)
        return Markup('<img src="{}" alt="{}">').format(address, alt) if address else Markup("[{}]").format(alt)

    def _fits(self, text: str) -> bool:
        size = len(text.encode())
        fits = size <= self._room
        self._room -= size if fits else 0
        return fits

    def _link(self, place: str) -> Markup:
        self.linked += 1
        return Markup('<a class="linked" href="{}">{}</a>').format(quote(place), place)


def _hash(script: str) -> str:
    """Hash by which the page's policy lets this text run, and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _embedded(folder: Path, place: str) -> str:
    """A picture as an address that holds all of it; "" where there is none."""
    file = folder / place
    if file.suffix.lower() not in _KINDS or not file.is_file():
        return ""
    return f"data:{_KINDS[file.suffix.lower()]};base64,{base64.b64encode(file.read_bytes()).decode()}"


def _words(words: Words, pictures: _Pictures) -> Markup:
    reader = markdown_reader()

    def image(_: RendererHTML, tokens: Sequence[Token], index: int, *__: Any) -> str:
        return pictures.image(str(tokens[index].attrs["src"]), tokens[index].content)

    reader.add_render_rule("image", image)
    tokens = [token for node in words.nodes for token in node.to_tokens()]
    return Markup(reader.renderer.render(tokens, reader.options, {}))
