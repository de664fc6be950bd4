"""The report of a sweep or of several: a page, a PDF and a Markdown file, with tables and figures."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from cnnjobs.disk.files import can_write, write_whole
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.errors import InputError
from cnnjobs.report import manifest
from cnnjobs.report.chapter import chapter
from cnnjobs.report.pages import html, pdf
from cnnjobs.report.pages import markdown as markdown_page
from cnnjobs.report.pages.fonts import boxes
from cnnjobs.report.plots.catalogue import Drawings
from cnnjobs.report.results.files import csv_bytes, grid_csv, markdown, tex
from cnnjobs.report.results.table import ResultsTable, Tell, tell_nobody
from cnnjobs.report.sections.architectures import unrecorded
from cnnjobs.report.sections.best import best_sweep
from cnnjobs.report.sections.side_by_side import side_by_side
from cnnjobs.report.text.blocks import Block, Chapter, Report, Table, with_prefix, without_doubles
from cnnjobs.report.text.notes import read_notes, with_notes
from cnnjobs.report.text.numbers import listed

FORMATS: Final = ("html", "pdf", "md")
# A folder of the report itself, which no chapter's may be called.
_RESERVED: Final = ("figures", "tables")
_LONGEST: Final = 80
_TABLE_FILES: Final = (".csv", ".md", ".tex")


@dataclass(frozen=True)
class Built:
    """Where a report is, format by format, where the files of each sweep are, and what is to be known of it."""

    folder: Path
    parts: tuple[Path, ...]
    pages: dict[str, Path]
    notices: tuple[str, ...]

    @property
    def page(self) -> Path:
        """The format that one looks at first."""
        return next(iter(self.pages.values()))


def build_report(
    *tables: ResultsTable,
    formats: Collection[str] = FORMATS,
    template: Path | None = None,
    command: str = "",
    folder: Path | None = None,
    tell: Tell = tell_nobody,
) -> Built:
    """Write the report of what is known, whatever is still running: a chapter for each sweep.

    It lies in `folder`, or else in that of `own_folder`. Without what the PDF
    takes there are the other formats, and a notice. Raises StorageError, and InputError for a template that is wrong.
    """
    several = len(tables) > 1
    folder = folder or own_folder([table.store for table in tables])
    earlier = manifest.read(folder)
    prefixes = _prefixes([table.sweep.name for table in tables]) if several else [""]
    chapters = [_chapter(table, folder, prefix, tell) for table, prefix in zip(tables, prefixes, strict=True)]
    chapters, notices = _with_notes(chapters, tables, folder)
    if several:
        chapters = [with_prefix(told, f"{prefix}-") for told, prefix in zip(chapters, prefixes, strict=True)]
    report = Report(
        listed([table.sweep.name for table in tables]), tuple(without_doubles(chapters)), _all(tables, folder)
    )
    tell("setting pages", 1, 1)
    pages, told = _write(report, folder, formats, template or _template(tables))
    written = [page.name for page in pages.values()] + ([pdf.SOURCE, pdf.TEMPLATE] if "pdf" in formats else [])
    files = manifest.files(folder, report, prefixes, written)
    manifest.write(folder, files, tables, command)
    manifest.remove_others(folder, earlier, files)
    return Built(
        folder,
        tuple(folder / prefix for prefix in prefixes),
        pages,
        (*notices, *told, *chain.from_iterable(map(unrecorded, tables))),
    )


def own_folder(found: Sequence[RunStore]) -> Path:
    """Where the report of one sweep lies, in its folder, and that of several, beside their folders."""
    return found[0].path.parent / "report" if len(found) > 1 else found[0].report_folder


def place_for(found: Sequence[RunStore], out: Path | None) -> tuple[Path, str | None]:
    """Where a report can be written, and a notice where nobody has said so. Raises InputError for what others hold."""
    own = own_folder(found)
    if out is None and can_write(own):
        return own, None
    place = out or Path(f"{'-'.join(store.path.resolve().name for store in found)[:_LONGEST]}-report")
    if not can_write(place):
        raise InputError(f"{place}: cannot be written; name a folder for the report with --out")
    if place.exists() and any(place.iterdir()) and not manifest.read(place):
        raise InputError(f"{place}: holds files that are no report of ours; name a new folder with --out")
    told = f"{own} cannot be written: the report goes to {place}; --out says where"
    return place, None if out is not None else told


def _prefixes(names: Sequence[str]) -> list[str]:
    """Prefix for the ids and files of each sweep: its name in plain letters."""
    slugs = [re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.") or "sweep" for name in names]
    return [f"{slug}-{n}" if slugs.count(slug) > 1 or slug in _RESERVED else slug for n, slug in enumerate(slugs, 1)]


def _chapter(table: ResultsTable, folder: Path, prefix: str, tell: Tell) -> Chapter:
    """Chapter of one sweep, and its files."""
    ranked, own = table.ranked(), folder / prefix
    table.write_csv(own / "results.csv")
    write_whole(own / "history.csv", csv_bytes(table.history))
    if not table.evaluations.empty:
        write_whole(own / "evaluations.csv", csv_bytes(table.evaluations))
    best = best_sweep(table, ranked)
    if best:
        write_whole(own / "best.yaml", best.encode())
    else:
        (own / "best.yaml").unlink(missing_ok=True)
    place = f"{prefix}/figures" if prefix else "figures"
    drawings = Drawings(table, own / "figures", prefix=f"{prefix}-" if prefix else "", place=place, tell=tell)
    told = chapter(table, ranked, drawings)
    write_whole(own / "tables" / "results.csv", csv_bytes(table.aggregate()))
    _write_tables(own / "tables", told.blocks(), {"results.csv"})
    return told


def _all(tables: Sequence[ResultsTable], folder: Path) -> tuple[Block, ...]:
    """Comparison of several sweeps, and its files; nothing of one."""
    told = tuple(side_by_side(tables)) if len(tables) > 1 else ()
    if told:
        _write_tables(folder / "tables", told, set())
    return told


def _write_tables(folder: Path, blocks: Iterable[Block], written: set[str]) -> None:
    """Every table as CSV, Markdown and TeX; results.csv has numbers. What the report no longer has is removed."""
    for table in blocks:
        if not isinstance(table, Table) or not table.name or not table.grid.rows:
            continue
        texts = (grid_csv(table.grid), markdown(table.grid).encode(), tex(table.grid).encode())
        for suffix, text in zip(_TABLE_FILES, texts, strict=True):
            if f"{table.name}{suffix}" != "results.csv":
                write_whole(folder / f"{table.name}{suffix}", text)
                written.add(f"{table.name}{suffix}")
    for file in folder.iterdir():
        if file.suffix in _TABLE_FILES and file.name not in written:
            file.unlink()


def _with_notes(
    chapters: list[Chapter], tables: Sequence[ResultsTable], folder: Path
) -> tuple[list[Chapter], list[str]]:
    """The chapters with what their authors wrote; sweeps that name the same file share it."""
    told: list[str] = []
    for number, notes in enumerate(dict.fromkeys(table.sweep.report.notes for table in tables)):
        if notes is None:
            continue
        places = [place for place, table in enumerate(tables) if table.sweep.report.notes == notes]
        text, missing = read_notes(notes, folder, f"figures/notes-{number + 1}")
        titles = [tables[place].sweep.report.sections for place in places]
        for place, filled in zip(places, with_notes([chapters[place] for place in places], text, titles), strict=True):
            chapters[place] = filled
        told += missing
    return chapters, told


def _template(tables: Sequence[ResultsTable]) -> Path | None:
    """The template of the first sweep that names one."""
    return next((table.sweep.report.template for table in tables if table.sweep.report.template), None)


def _write(
    report: Report, folder: Path, formats: Collection[str], template: Path | None
) -> tuple[dict[str, Path], list[str]]:
    """The formats that are asked for, and why one of them could not be made."""
    pages = {kind: folder / f"report.{kind}" for kind in FORMATS if kind in formats}
    setting = pdf.template(template) if "pdf" in formats else ""
    if "html" in formats:
        write_whole(pages["html"], html.page(report, folder).encode())
    if "md" in formats:
        write_whole(pages["md"], markdown_page.document(report).encode())
    if "pdf" not in formats:
        return pages, []
    write_whole(folder / pdf.TEMPLATE, setting.encode())
    source = pdf.source(report)
    write_whole(folder / pdf.SOURCE, source.encode())
    try:
        write_whole(pages["pdf"], pdf.pdf(folder))
    except pdf.PdfError as error:
        if template is not None and pdf.is_there():
            raise InputError(f"{template}: {error}") from error
        pages.pop("pdf").unlink(missing_ok=True)
        return pages, [f"no report.pdf: {error}"]
    return pages, [text for text in [boxes(source)] if text]
