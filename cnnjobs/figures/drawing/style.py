"""Style of every figure, and its SVG and PNG: the same bytes for the same data."""

from __future__ import annotations

import html
import io
import re
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK: Final = "#1b1f24"
PAPER: Final = "#ffffff"
RULE: Final = "#d4d8dd"
# Half a page wide, so that two figures stand side by side in print; and sharp enough for it.
HALF_PAGE: Final = 4.8
PNG_DPI: Final = 200
# Of pixels within an SVG; all else in it is lines.
_SVG_IMAGE_DPI: Final = 100
_TITLE_LETTERS_PER_INCH: Final = 10.5

# Sets have one colour and one line everywhere (Okabe and Ito 2008, told apart by all common kinds of colour vision).
SPLIT_COLOURS: Final = {"train": "#0072b2", "validation": "#d55e00", "test": "#009e73"}
SIDE_COLOURS: Final = {"before": "#7d8590", "after": "#882255"}
# Paul Tol's muted scheme, https://personal.sron.nl/~pault/, the strongest first.
SERIES_COLOURS: Final = ("#332288", "#cc6677", "#44aa99", "#ddcc77", "#aa4499", "#117733", "#88ccee", "#999933")

# What these colours are called where a page gives them values of its own, light and dark.
COLOUR_NAMES: Final = {
    INK: "ink",
    PAPER: "paper",
    RULE: "rule",
    **{colour: name for name, colour in (SPLIT_COLOURS | SIDE_COLOURS).items()},
    **{colour: f"series-{number}" for number, colour in enumerate(SERIES_COLOURS, 1)},
}

# Fonts for the scripts that matplotlib's own has no letters for; those that are installed are used.
_OTHER_SCRIPTS: Final = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Hiragino Sans", "PingFang SC", "Microsoft YaHei")


@contextmanager
def style() -> Iterator[None]:
    """Style of every figure."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    settings: Any = {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans", *(name for name in _OTHER_SCRIPTS if name in installed)],
        "font.size": 9.5,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "axes.grid": True,
        "grid.color": RULE,
        "grid.linewidth": 0.6,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "legend.handlelength": 2.6,
        "lines.linewidth": 1.6,
        "text.color": INK,
        "text.parse_math": False,
        "xtick.color": INK,
        "ytick.color": INK,
        "figure.facecolor": PAPER,
        "axes.facecolor": PAPER,
        "svg.fonttype": "none",
        "svg.hashsalt": "cnnjobs",
    }
    with mpl.rc_context(settings), warnings.catch_warnings():
        # A letter that no installed font has is a box in the PNG, and right in the SVG: the viewer has the font.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        yield


def plain(text: str) -> str:
    """A user's text on one line, without control characters."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())


def set_title(axes: Axes, title: str, width: float) -> None:
    """A title on as many lines as it takes in so many inches."""
    axes.set_title("\n".join(textwrap.wrap(plain(title), int(width * _TITLE_LETTERS_PER_INCH))))


def png_bytes(figure: Figure) -> bytes:
    """The figure as PNG, sharp enough for print."""
    return _saved(figure, "png", {"Software": None}, dpi=PNG_DPI)


def svg_text(figure: Figure) -> str:
    """The figure as an SVG file; text stays text."""
    return _saved(figure, "svg", {"Date": None, "Creator": None}).decode()


def svg_and_png(figure: Figure) -> tuple[str, bytes]:
    """Both files, with the same room for everything: laid out once, drawn once for each."""
    drawing, pixels = io.BytesIO(), io.BytesIO()
    with style():
        canvas: Any = FigureCanvasSVG(figure)
        layout = figure.get_layout_engine()
        if layout is not None:
            # Letters have the sizes in which the SVG is drawn.
            figure.dpi = canvas.fixed_dpi
            layout.execute(figure)
            figure.set_layout_engine("none")
        figure.dpi = PNG_DPI
        raster: Any = FigureCanvasAgg(figure)
        raster.print_png(pixels, metadata={"Software": None})
        figure.dpi = _SVG_IMAGE_DPI
        canvas.print_svg(drawing, metadata={"Date": None, "Creator": None})
    return drawing.getvalue().decode(), pixels.getvalue()


def figure_bytes(figure: Figure, suffix: str) -> bytes:
    """The figure as the file that `suffix`, .svg or .png, asks for."""
    return svg_text(figure).encode() if suffix.lower() == ".svg" else png_bytes(figure)


def _saved(figure: Figure, kind: str, metadata: dict[str, Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    with style():
        figure.savefig(stream, format=kind, metadata=metadata, **options)
    return stream.getvalue()


def inline_svg(svg: str, name: str, alt: str) -> str:
    """An SVG file as a part of a page: ids of its own, described by `alt`, colours and font those of the page."""
    drawing = re.sub(r"<metadata>.*?</metadata>\s*", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    drawing = re.sub(r"<[a-z][^>]*>", lambda tag: _inline_tag(tag.group(), name), drawing)
    return drawing.replace("<svg", f'<svg role="img" aria-label="{html.escape(alt)}"', 1)


def _inline_tag(tag: str, name: str) -> str:
    tag = re.sub(r'\s(xmlns(:\w+)?|version)="[^"]*"', "", tag)
    tag = re.sub(r'\b(id="|xlink:href="#|url\(#)', rf"\g<1>{name}-", tag)
    tag = re.sub(r"#[0-9a-f]{6}\b", _named_colour, tag)
    # matplotlib writes the fonts as `font-family: ...` or, before 3.11, at the end of `font: ...`.
    return re.sub(r"(font-family: |font: [^'\";]*)'[^;\"]*", _page_font, tag)


def _page_font(match: re.Match[str]) -> str:
    return f"{match.group(1)}var(--font)"


def _named_colour(match: re.Match[str]) -> str:
    name = COLOUR_NAMES.get(match.group())
    return f"var(--{name})" if name else match.group()
