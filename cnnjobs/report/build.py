"""The report of a sweep: one page that opens anywhere, and its tables and figures as files."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from cnnjobs.files import write_whole
from cnnjobs.report import grids, summary, wording
from cnnjobs.report.architectures import Architecture, architectures
from cnnjobs.report.best import best_sweep
from cnnjobs.report.drawings import MOST_CONFIGURATIONS, Drawings
from cnnjobs.report.layers import layers_grid, stages_grid
from cnnjobs.report.pairs import multiplicity, paired_result
from cnnjobs.report.results import Choice, ResultsTable
from cnnjobs.report.tables import Grid, csv_bytes, markdown, tex
from cnnjobs.spec.settings import SECTIONS
from cnnjobs.spec.sweep import Sweep

# The tables of the page that are files too, by their names.
_TABLES: Final = ("results", "runs", "changes", "fitting", "unfinished", "varying", "shared", "environment")


def build_report(table: ResultsTable) -> Path:
    """Write the report of what is known, whatever is still running, and return its page. Raises StorageError."""
    ranked, folder = table.ranked(), table.store.report_folder
    results = grids.results_grid(table, ranked)
    table.write_csv(folder / "results.csv")
    write_whole(folder / "history.csv", csv_bytes(table.history))
    if not table.evaluations.empty:
        write_whole(folder / "evaluations.csv", csv_bytes(table.evaluations))
    write_whole(folder / "tables" / "results.csv", csv_bytes(table.aggregate()))
    drawings = Drawings(table, folder / "figures", [])
    content = {"results": results, **_content(table, ranked), **_drawn(table, ranked, drawings)}
    _write_tables(folder / "tables", content)
    _write_best(folder / "best.yaml", content["best_sweep"])
    content["remarks"] = summary.remarks(table)
    content["sections"] = _sections(table.sweep, content)
    page = folder / "report.html"
    write_whole(page, _render(content).encode())
    drawings.remove_others()
    return page


def _write_tables(folder: Path, content: dict[str, Any]) -> None:
    """Every table of the page as Markdown and TeX; one that the page no longer has is removed."""
    named: dict[str, Grid] = {name: content[name] for name in _TABLES}
    networks = [each["grids"][0] for each in content["networks"] if each["grids"]]
    named |= {f"network-{number}": layers for number, layers in enumerate(networks, 1)}
    written = set()
    for name, grid in named.items():
        for suffix, text in ((".md", markdown(grid)), (".tex", tex(grid))) if grid.rows else ():
            write_whole(folder / f"{name}{suffix}", text.encode())
            written.add(f"{name}{suffix}")
    for file in folder.iterdir():
        if file.suffix in (".md", ".tex") and file.name not in written:
            file.unlink()


def _write_best(path: Path, text: str) -> None:
    if text:
        write_whole(path, text.encode())
    else:
        path.unlink(missing_ok=True)


def _content(table: ResultsTable, ranked: list[Choice]) -> dict[str, Any]:
    """What the page says, without its figures."""
    sweep = table.sweep
    varying, shared = grids.settings_grids(table)
    return {
        "name": sweep.name,
        "description": sweep.description,
        "text": sweep.text,
        "metric": wording.metric_name(sweep.metric.name),
        "progress": summary.progress(table),
        "state_of": summary.state_of(table),
        "complete": summary.is_complete(table),
        "best": summary.best(table, ranked),
        "best_sweep": best_sweep(table, ranked),
        "targets": summary.targets(table, ranked),
        "runs": grids.runs_grid(table),
        "evaluations": grids.evaluations_grid(table),
        "fitting": grids.fitting_grid(table, ranked),
        "unfinished": grids.unfinished_grid(table),
        "tracebacks": [(record.run_id, record.traceback) for record in table.records.values() if record.traceback],
        "varying": varying,
        "shared": shared,
        "networks": [_network(architecture) for architecture in architectures(table)],
        "notes": sweep.report.notes.read_text(encoding="utf-8", errors="replace") if sweep.report.notes else "",
        "environment": grids.environment_grid(table),
    }


def _drawn(table: ResultsTable, ranked: list[Choice], drawings: Drawings) -> dict[str, Any]:
    """The figures, and the pairs with theirs."""
    pairs, results = [], [paired_result(pair, table) for pair in table.sweep.pairs]
    for number, result in enumerate(results, 1):
        own = {
            "pictures": drawings.pair(number, result),
            "grid": grids.pair_grid(result),
            "images": grids.images_grid(result),
        }
        pairs.append({"title": result.pair.title, "differing": result.differing, "verdict": result.verdict, **own})
    count, not_drawn = len(table.configurations), ""
    if count > MOST_CONFIGURATIONS and drawings.wants("curves"):
        not_drawn = (
            f"Of {count} configurations the best {MOST_CONFIGURATIONS} are drawn one by one; history.csv has all."
        )
    overview, curves = drawings.overview(ranked), drawings.configurations(ranked)
    return {
        "pairs": pairs,
        "changes": grids.changes_grid(results, table.sweep.metric),
        "multiplicity": multiplicity(len(pairs)),
        "overview": overview,
        "curves": curves,
        "not_drawn": not_drawn,
    }


def _network(architecture: Architecture) -> dict[str, Any]:
    """A network's title, who uses it, its layers and the sums of its stages."""
    table, used = architecture.table, len(architecture.labels)
    if table is None:
        title, drawn = f"{architecture.name}: {architecture.problem}", []
    else:
        frozen = f", {table.frozen:,} of them frozen" if table.frozen else ""
        cost = f"{wording.quantity(table.macs)} multiply-accumulates"
        title = f"{architecture.name}: {table.parameters:,} parameters{frozen}, {cost}"
        drawn = [grid for grid in (layers_grid(table), stages_grid(table)) if grid.rows]
    listed = "; ".join(architecture.labels)
    return {"title": title, "grids": drawn, "used_by": f"{wording.counted(used, 'configuration')}: {listed}"}


def _sections(sweep: Sweep, content: dict[str, Any]) -> dict[str, str]:
    """id -> title of every section that the page has, in its order."""
    absent = {"compare": not content["pairs"], "notes": not content["notes"]}
    absent |= {"curves": not (content["overview"] or content["curves"]), "unfinished": not content["unfinished"].rows}
    absent["fitting"] = not content["fitting"].rows
    return {id_: sweep.report.titles.get(id_, title) for id_, title in SECTIONS.items() if not absent.get(id_)}


def _render(content: dict[str, Any]) -> str:
    files = resources.files("cnnjobs.report")
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    css = Markup(files.joinpath("page.css").read_text(encoding="utf-8"))
    return environment.from_string(files.joinpath("page.html").read_text(encoding="utf-8")).render(**content, css=css)
