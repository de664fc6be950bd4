"""The example notebook and the page about it: their code runs, on made-up results of the same sweep."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from cnnjobs.disk.run_folder import RunRecord, RunState, RunStore
from cnnjobs.status.sweeps import QUICKSTART
from cnnjobs.sweep.file import read_sweep
from cnnjobs.sweep.settings import METRICS

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "quickstart.ipynb"
PAGE = ROOT / "docs" / "notebook.md"


@pytest.fixture
def quickstart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that it is run in, with results/quickstart."""
    monkeypatch.chdir(tmp_path)
    store = RunStore(Path("results/quickstart"))
    store.keep_sweep_file(QUICKSTART.read_text(encoding="utf-8"))
    for run in read_sweep(QUICKSTART).runs:
        folder, draws = store.run(run.run_id), random.Random(run.run_id)
        folder.create(run.config)
        with folder.claim() as log:
            assert log is not None
            for epoch in range(1, 9):
                measured = {name: draws.random() for name in METRICS[:4]}
                log.append({"attempt": 1, "step": 84 * epoch, "epoch": epoch, "seconds": epoch, "lr": 0.02, **measured})
        metrics = {name: draws.random() for name in METRICS}
        folder.write_record(
            RunRecord(run_id=run.run_id, state=RunState.FINISHED, best_epoch=3, epochs_done=8, metrics=metrics)
        )


@pytest.mark.usefixtures("quickstart")
@pytest.mark.parametrize("folder", [".", "docs"])
def test_the_cells_of_the_notebook_run(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(folder).mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert repr(names["sweep"]) == "SweepResults('quickstart': 9 of 9 runs finished)"


def test_the_notebook_shows_what_came_out_and_no_machine() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]
    kinds = [kind for cell in code for output in cell["outputs"] for kind in output["data"]]
    assert kinds.count("image/png") == 4
    told = [output["data"]["text/plain"] for cell in code for output in cell["outputs"]]
    assert not re.search(r"/home/|/root/|/tmp/|/work/|Traceback", json.dumps(told))


@pytest.mark.usefixtures("quickstart")
def test_the_code_of_the_page_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert blocks
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
