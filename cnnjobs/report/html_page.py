"""The report as one page that opens anywhere: no network, and no script but its own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources
from itertools import count
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, StrictUndefined
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape

from cnnjobs.report.document import Report, Words
from cnnjobs.report.notes import markdown_reader

_KINDS: Final = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".svg": "image/svg+xml",
    ".webp": "image/webp",
}  # fmt: skip
_SCRIPTS: Final = ("tables.js",)


def page(report: Report, folder: Path) -> str:
    """The page; pictures that are files are read from the report's folder."""
    files = resources.files("cnnjobs.report")
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    css, html, *scripts = (
        files.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.html", *_SCRIPTS)
    )
    return environment.from_string(html).render(
        report=report,
        css=Markup(css),
        scripts=[Markup(script) for script in scripts],
        hashes=" ".join(map(_hash, scripts)),
        kind=lambda block: type(block).__name__,
        figure=count(1).__next__,
        table_number=count(1).__next__,
        embedded=lambda place: _embedded(folder, place),
        words=lambda words: _words(words, folder),
    )


def _hash(script: str) -> str:
    """What the page's policy lets run: this text, and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _embedded(folder: Path, place: str) -> str:
    """A picture as an address that holds all of it; "" where there is none."""
    file = folder / place
    if file.suffix.lower() not in _KINDS or not file.is_file():
        return ""
    return f"data:{_KINDS[file.suffix.lower()]};base64,{base64.b64encode(file.read_bytes()).decode()}"


def _words(words: Words, folder: Path) -> Markup:
    reader = markdown_reader()

    def image(_: RendererHTML, tokens: Sequence[Token], index: int, *__: Any) -> str:
        address = _embedded(folder, str(tokens[index].attrs["src"]))
        alt = escape(tokens[index].content)
        return f'<img src="{address}" alt="{alt}">' if address else f"[{alt}]"

    reader.add_render_rule("image", image)
    tokens = [token for node in words.nodes for token in node.to_tokens()]
    return Markup(reader.renderer.render(tokens, reader.options, {}))
