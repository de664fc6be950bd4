"""The same report as a page, a PDF and a Markdown file."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from cnnjobs.disk.run_folder import RunState, RunStore
from cnnjobs.errors import InputError
from cnnjobs.report.build import Built, build_report
from cnnjobs.report.pages.pdf import template
from cnnjobs.report.results.table import ResultsTable
from cnnjobs.sweep.file import read_sweep

if TYPE_CHECKING:
    from conftest import Results

torch.set_num_threads(1)

NAME = "a_100% & <script>$x$ #1 @me \"q\" 's' \\n 日本語 🚀"
# A name becomes a folder: what no folder can hold is replaced, and a line says so.
KEPT = NAME.replace(" \\n", "-n")
HOSTILE = f"""
name: {json.dumps(NAME, ensure_ascii=False)}
description: '#set page(width: 1cm) *bold* `code` <img src=x>'
base: {{dataset: fashion_mnist_mini, model: lenet5, epochs: 1}}
variants:
  '= heading [x] <label> // no comment': {{}}
  '#panic("in a table")': {{lr: 0.01}}
compare: [{{title: '</title> $a$ #panic()', before: {{lr: 0.05}}, after: {{lr: 0.01}}}}]
report: {{notes: notes.md}}
"""
NOTES = """
Before any heading: <script>alert(1)</script>

# References

1. LeCun et al. #panic()

# Results

Batch norm *wins*, see `x <b>` and $a_1$.

## Why

| a | b |
|---|--:|
| <b>1</b> | 2 |

![a sketch](sketch.png) ![gone](gone.png)

# </title> $a$ #panic()

Said of the pair. [a link](javascript:alert(1))

# Another thought

```
<i>code</i>
```
"""


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def hostile(module_results: Callable[[str], Results]) -> Built:
    """A report of names and notes that look like markup in every format."""
    results = module_results(HOSTILE)
    beside = results.sweep.path.parent
    (beside / "notes.md").write_text(NOTES, encoding="utf-8")
    (beside / "sketch.png").write_bytes(bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
    ))  # fmt: skip
    sweep = read_sweep(results.sweep.path)
    results.write(sweep.runs[0])
    results.write(sweep.runs[1], RunState.FAILED, epochs=1, cause="#panic() </td>", traceback="<i>#panic()</i>")
    drawn = results.store.report_folder / "figures" / sweep.runs[0].run_id
    drawn.mkdir(parents=True)
    (drawn / "filters-conv1.png").write_bytes((beside / "sketch.png").read_bytes())
    (drawn / "filters-conv1.json").write_text(json.dumps({"caption": "Filters of <conv1> #1."}), encoding="utf-8")
    return build_report(ResultsTable.load(sweep, results.store), command="cnnjobs report hostile")


def test_every_format_is_there_and_names_are_words(hostile: Built) -> None:
    assert [*hostile.pages] == ["html", "pdf", "md"]
    # Where no font has a rocket there is a line that says so; these runs kept no layers, as an earlier version's.
    expected = ("gone.png", "(ROCKET)", "no table of layers was kept in training")
    assert [text for text in hostile.notices if not any(each in text for each in expected)] == []
    page, pdf, text = (path.read_bytes() for path in hostile.pages.values())
    assert pdf.startswith(b"%PDF-")
    assert b"/CreationDate" not in pdf
    # Of the boxes for letters that no font has, one would make boxes of its whole line.
    assert b"DejaVuSans" in pdf
    assert b"LastResort" not in pdf
    assert not re.search(rb"(?<!\\)<script>alert", page + text)
    assert b"javascript:alert(1)</a>" not in page
    assert "日本語 🚀" in text.decode()
    assert text.decode().startswith("# a\\_100% &amp; &lt;script>\\$x\\$ \\#1 @me \"q\" 's'-n 日本語 🚀\n")


def test_notes_stand_where_their_headings_say(hostile: Built) -> None:
    text = hostile.pages["md"].read_text(encoding="utf-8")
    headings = re.findall(r"^(#+ .*)$", re.sub("```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    assert headings.index("## Results") < headings.index("### Discussion") < headings.index("#### Why")
    assert headings.index("#### Why") < headings.index("## Before and after") < headings.index("#### Discussion")
    assert headings[-2:] == ["### Remarks", "## References"] or headings[-1] == "## References"
    assert "### Another thought" in headings
    assert "Batch norm *wins*" in text
    assert "\\<script>alert(1)\\</script>" in text
    page = hostile.pages["html"].read_text(encoding="utf-8")
    assert "<em>wins</em>" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert '<img src="data:image/png;base64,' in page
    assert "[gone]" in page
    assert [text for text in hostile.notices if "gone.png" in text]
    assert (hostile.folder / "figures" / "notes-1-01.png").is_file()


def test_figures_of_networks_are_shown_with_their_captions(hostile: Built) -> None:
    page, text = (hostile.pages[kind].read_text(encoding="utf-8") for kind in ("html", "md"))
    assert "What the network has learned" in text
    assert 'alt="Filters of &lt;conv1&gt; #1."' in page
    assert "Filters of &lt;conv1> \\#1." in text


def test_the_manifest_has_every_file_and_twice_is_the_same(hostile: Built) -> None:
    found = files(hostile.folder)
    manifest = json.loads(found.pop("manifest.json"))
    assert manifest["files"] == {name: hashlib.sha256(content).hexdigest() for name, content in sorted(found.items())}
    assert manifest["command"] == "cnnjobs report hostile"
    assert sorted(manifest["runs"][KEPT].values()) == ["failed", "finished"]
    store = RunStore(hostile.folder.parent)
    sweep = read_sweep(store.path.parents[1] / "sweep.yaml")
    again = build_report(ResultsTable.load(sweep, store), command="cnnjobs report hostile")
    assert {name: content for name, content in files(again.folder).items() if name != "manifest.json"} == found


def test_several_sweeps_are_chapters_of_one_report(make_results: Callable[..., Results]) -> None:
    base = (
        "base: {dataset: fashion_mnist_mini, model: lenet5, epochs: 1}\nreport: {figures: [curves], notes: notes.md}\n"
    )
    first, second = (make_results(f"name: {name}\n{base}", drawn=False) for name in ("task 2", "task 3"))
    notes = first.sweep.path.parent / "notes.md"
    notes.write_text("# task 3\n## Results\nOf the third.\n# Feedback\nTen hours.\n", encoding="utf-8")
    stores = [RunStore(first.store.path.parent / each.sweep.name) for each in (first, second)]
    tables = []
    for each, store in zip((first, second), stores, strict=True):
        each.store = store
        each.sweep = replace(each.sweep, report=replace(each.sweep.report, notes=notes))
        each.write_all()
        tables.append(each.table())
    built = build_report(*tables, formats=["html", "md"])
    assert built.folder == first.store.path.parent / "report"
    text, page = (built.pages[kind].read_text(encoding="utf-8") for kind in ("md", "html"))
    assert text.startswith("# task 2 and task 3\n\nThe best configuration of each sweep,")
    assert text.index("## task 2\n") > text.index("The best of each sweep")
    assert text.index("## task 3") < text.index("Of the third.") < text.index("### Feedback")
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(set(ids)) == len(ids)
    assert {"task-2", "task-3", "task-2-results", "task-3-results"} <= set(ids)
    found = files(built.folder)
    assert {"task-2/results.csv", "task-3/tables/runs.tex"} <= found.keys()
    build_report(tables[0], tables[0], formats=["md"])
    left = files(built.folder)
    assert not [name for name in left if name.startswith("task-3/") or name.endswith(".html")]


def test_without_typst_there_is_the_rest(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    built = build_report(results.table())
    assert [*built.pages] == ["html", "md"]
    (told,) = built.notices
    assert told.startswith("no report.pdf: the package `typst` cannot be loaded")
    assert told.endswith("install it with: pip install typst")


def test_the_template_of_users_replaces_ours(results: Results, tmp_path: Path) -> None:
    own = tmp_path / "own.typ"
    own.write_text(template(None).replace('paper: "a4"', 'paper: "a5"'), encoding="utf-8")
    content = build_report(results.table(), formats=["pdf"], template=own).page.read_bytes()
    assert re.search(rb"/MediaBox\s*\[0 0 419", content)
    own.write_text("#let report(body) = [", encoding="utf-8")
    with pytest.raises(InputError, match=r"own\.typ: typst: unclosed delimiter"):
        build_report(results.table(), formats=["pdf"], template=own)
    with pytest.raises(InputError, match="the template cannot be read"):
        build_report(results.table(), formats=["pdf"], template=tmp_path / "gone.typ")
