"""Metrics that a program leaves in files, or prints: found by themselves, or by `collect:`."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from cnnjobs.disk.run_folder import RunState
from cnnjobs.programs.metrics.collector import Collector, variables
from tests.programs.conftest import Runs
from tests.programs.reporting import places, run

BARE = getattr(sys, "_base_executable", sys.executable)


def test_event_files_are_read_with_splits_groups_and_steps(tmp_path: Path) -> None:
    program = """
from torch.utils.tensorboard import SummaryWriter
with SummaryWriter("runs/a") as writer:
    for step in range(3):
        writer.add_scalar("loss", 1 / (step + 1), 10 * step)
    writer.add_scalars("rates", {"low": 0.1, "high": 0.2}, 5)
    writer.add_text("notes", "text")
for split in ("train", "validation"):
    with SummaryWriter("logs/" + split) as writer:
        writer.add_scalar("epoch_loss", 0.25, 1)
"""
    found = run(tmp_path, program)
    assert found.code == 0, found.output
    assert found.series("loss") == [(0, 1), (10, 0.5), (20, 0.33333334)]
    assert (found.series("rates/low"), found.series("rates/high")) == ([(5, 0.1)], [(5, 0.2)])
    assert (found.series("train/epoch_loss"), found.series("validation/epoch_loss")) == ([(1, 0.25)], [(1, 0.25)])
    assert found.sources == ("TensorBoard",)


def test_a_table_that_gets_a_column_and_is_written_anew_has_each_row_once(tmp_path: Path) -> None:
    where = places(tmp_path)
    collector = Collector(where)
    table = where.outputs / "metrics.csv"
    table.write_text("epoch,step,train_loss\n0,9,0.5\n1,19,0.")
    first = collector.close()
    table.write_text("epoch,step,train_loss,val_loss\n0,9,0.5,\n1,19,0.25,\n1,19,,0.75\n2,29,nan,inf\n")
    second = collector.close()
    assert [(one.step, one.metrics) for one in first] == [
        (9, {"epoch": 0, "train_loss": 0.5}),
        (19, {"epoch": 1, "train_loss": 0}),
    ]
    assert [one.step for one in second] == [19, 29]
    assert second[0].metrics == {"epoch": 1, "val_loss": 0.75}
    assert math.isnan(second[1].metrics["train_loss"])
    assert second[1].metrics["val_loss"] == math.inf


def test_a_table_of_data_is_read_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnnjobs.programs.metrics.tables._MOST_ROWS", 3)
    where = places(tmp_path)
    (where.outputs / "track.csv").write_text("step,x\n" + "".join(f"{step},1\n" for step in range(9)))
    collector = Collector(where)
    assert [one.step for one in collector.close()] == [0, 1, 2]
    assert any("only its first 3 rows count" in note for note in collector.notes)
    assert len(Collector(where, collect={"csv": "track.csv"}).close()) == 9


def test_rows_come_while_they_are_written(tmp_path: Path) -> None:
    where = places(tmp_path)
    (where.outputs / "log.csv").write_text("epoch;loss\n0;1\n1;0")
    collector = Collector(where)
    assert [one.metrics for one in collector.poll()] == [{"epoch": 0, "loss": 1}]
    with (where.outputs / "log.csv").open("a") as file:
        file.write(".5\n")
    assert [one.metrics for one in collector.poll()] == [{"epoch": 1, "loss": 0.5}]


def test_other_tables_are_none_of_metrics(tmp_path: Path) -> None:
    where = places(tmp_path)
    (where.outputs / "data.csv").write_text("name,size\na,3\n")
    (where.outputs / "plain.csv").write_text("1,2\n3,4\n")
    (where.outputs / "debug.log").write_text("step 1, loss 3\n")
    collector = Collector(where)
    assert collector.poll() == []
    (where.outputs / "debug.log").write_text("step 1, loss 3\nepoch,loss\n0,1\n")
    assert collector.close() == []


@pytest.mark.parametrize("own", [True, False], ids=["beside its own", "alone"])
def test_files_of_before_and_of_other_runs_do_not_count(own: bool, tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("epoch,loss\n0,1\n")
    os.utime(tmp_path / "old.csv", (1, 1))
    other = "open('other.csv', 'w').write('epoch,loss\\n0,7\\n')"
    # As another run of the sweep in this folder: its process tells another run.
    program = f"""
import os, subprocess, sys
environment = {{**os.environ, "CNNJOBS_METRICS": os.path.abspath("another.jsonl")}}
subprocess.run([sys.executable, "-c", {other!r}], env=environment, check=True)
if {own}: open("own.csv", "w").write("epoch,loss\\n0,3\\n")
"""
    found = run(tmp_path, program, python=BARE)
    assert found.series("loss") == [(0, 3)] * own
    assert found.sources == ("CSV own.csv",) * own
    told = any("other.csv was written meanwhile, perhaps by another run" in note for note in found.notes)
    assert told != own


def test_a_history_of_hugging_face_is_read_once_by_either_name(tmp_path: Path) -> None:
    where = places(tmp_path)
    history = [{"epoch": 0.5, "loss": 2.0, "step": 2}, {"epoch": 1.0, "eval_loss": 1.5, "step": 4}]
    for number, entries in ((2, 1), (4, 2)):
        folder = where.outputs / f"checkpoint-{number}"
        folder.mkdir()
        (folder / "trainer_state.json").write_text(json.dumps({"log_history": history[:entries]}))
    plain = Collector(where).close()
    assert [(one.step, one.metrics) for one in plain] == [
        (2, {"epoch": 0.5, "loss": 2}),
        (4, {"epoch": 1, "eval_loss": 1.5}),
    ]
    (where.outputs / "checkpoint-2").rename(where.outputs / "older")
    as_wandb = Collector(where, metric="eval/loss").close()
    assert [one.metrics for one in as_wandb] == [{"epoch": 0.5, "train/loss": 2}, {"epoch": 1, "eval/loss": 1.5}]


def test_mlflows_file_store_is_read(tmp_path: Path) -> None:
    # Its layout by hand, as its library is not small.
    where = places(tmp_path)
    folder = where.outputs / "mlruns" / "0" / "abc"
    (folder / "metrics" / "val").mkdir(parents=True)
    (folder / "meta.yaml").write_text("run_id: abc\n")
    (folder / "metrics" / "val" / "acc").write_text("1700000000000 0.5 0\n1700000002000 0.75 1\n")
    (folder / "metrics" / "loss").write_text("1700000001000 0.125 0\n")
    found = Collector(where).close()
    assert [(one.step, one.metrics) for one in found] == [
        (0, {"val/acc": 0.5}),
        (0, {"loss": 0.125}),
        (1, {"val/acc": 0.75}),
    ]


def test_mlflows_database_is_read_of_the_runs_own_runs(tmp_path: Path) -> None:
    where = places(tmp_path)
    tag = json.loads(variables(where, {"MLFLOW_RUN_CONTEXT": '{"team": "x"}'})["MLFLOW_RUN_CONTEXT"])
    assert tag.pop("team") == "x"
    ((key, value),) = tag.items()
    with closing(sqlite3.connect(where.outputs / "mlflow.db")) as database, database:
        database.execute("CREATE TABLE metrics (key, value, timestamp, run_uuid, step, is_nan)")
        database.execute("CREATE TABLE tags (key, value, run_uuid)")
        database.executemany("INSERT INTO tags VALUES (?, ?, ?)", [(key, value, "a"), (key, "another", "b")])
        rows = [("loss", 0.5, 1000, "a", 3, 0), ("loss", 9, 1000, "b", 3, 0), ("loss", 0, 2000, "a", 4, 1)]
        database.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", rows)
    first, second = Collector(where).close()
    assert (first.step, first.metrics, second.step) == (3, {"loss": 0.5}, 4)
    assert math.isnan(second.metrics["loss"])


def test_one_source_of_a_metric_counts_and_it_is_said(tmp_path: Path) -> None:
    program = """
import wandb
wandb.init()
wandb.log({"loss": 1, "epoch": 0})
open("log.csv", "w").write("epoch,loss,more\\n0,9,8\\n")
"""
    found = run(tmp_path, program, python=BARE)
    assert (found.series("loss"), found.series("more")) == ([(0, 1)], [(0, 8)])
    assert "loss: from wandb (stand-in) and from CSV log.csv; wandb (stand-in) counts" in found.notes


def test_a_pattern_goes_before_what_is_found(tmp_path: Path) -> None:
    program = "import wandb\nwandb.init()\nwandb.log({'acc': 1})\nprint('epoch 3: acc 12.5%')\n"
    found = run(tmp_path, program, python=BARE, collect={"stdout": r"epoch (?P<epoch>\d+): acc (?P<acc>\S+)"})
    assert found.series("acc") == [(3, 12.5)]


@pytest.mark.parametrize(
    ("collect", "expected"),
    [
        ({"csv": "out/*.csv"}, [(0, {"a": 1}), (1, {"a": 3})]),
        ({"json": "out/rows.json"}, [(0, {"a": 1}), (5, {"a": 2})]),
        ({"json": "out/columns.json"}, [(0, {"a": 1, "b": 3}), (1, {"a": 2, "b": 4})]),
        ({"json": "out/lines.jsonl"}, [(0, {"a": 1}), (1, {"a": 2})]),
        ({"json": ["out/one.json"]}, [(0, {"a": 7, "b.c": 8})]),
        ({"stdout": [r"a=(?P<a>[-\d.]+)"]}, [(0, {"a": -1}), (1, {"a": 0.5})]),
    ],
)
def test_patterns_find_what_they_name(collect: dict[str, str], expected: list[object], tmp_path: Path) -> None:
    program = """
import json, os
os.mkdir("out")
def write(name, text):
    with open("out/" + name, "w") as file:
        file.write(text)
write("any.csv", "a,b\\n1,x\\n3,y\\n")
write("rows.json", json.dumps([{"a": 1}, {"a": 2, "step": 5}]))
write("columns.json", json.dumps({"a": [1, 2], "b": [3, 4]}))
write("lines.jsonl", '{"a": 1}\\n{"a": 2}\\n')
write("one.json", json.dumps({"a": 7, "b": {"c": 8}}))
print("a=-1 and then")
print("a=.5")
"""
    found = run(tmp_path, program, python=BARE, collect=collect)
    assert [(one.step, one.metrics) for one in found.found] == expected


def test_a_pattern_that_finds_nothing_says_what_there_was(tmp_path: Path) -> None:
    program = "open('other.csv', 'w').write('a,b\\n')\nprint('loss: 3')\n"
    found = run(tmp_path, program, python=BARE, collect={"csv": "**/metrics.csv", "stdout": r"acc (?P<acc>\d+)"})
    assert found.found == []
    in_vain = "collect: csv: **/metrics.csv matches no file that was written since the start"
    assert f"{in_vain}; csv files that it has written: other.csv" in found.notes
    assert r"collect: stdout: acc (?P<acc>\d+) matches none of 1 lines; the last one: loss: 3" in found.notes


def test_lines_of_any_language_count_with_numbers_that_json_has_not(tmp_path: Path) -> None:
    script = """echo '{"step": 2, "a": nan, "b": -inf}' >> "$CNNJOBS_METRICS"
printf '{"step": 3, "a": 1}' >> "$CNNJOBS_METRICS"
"""
    program = ["sh", "-c", script]
    found = run(tmp_path, program)
    assert found.found[0].metrics["b"] == -math.inf
    assert math.isnan(found.found[0].metrics["a"])
    assert found.found[1].metrics == {"step": 3, "a": 1}


@pytest.mark.parametrize("python", [sys.executable, BARE], ids=["cnnjobs", "none"])
def test_cnnjobs_log_works_with_and_without_the_package(python: str, tmp_path: Path) -> None:
    program = "import cnnjobs\ncnnjobs.log({'val/acc': 0.5}, step=3)\ncnnjobs.log(loss=1, deep={'a': 2})\n"
    found = run(tmp_path, program, python=python)
    assert [(one.step, one.metrics) for one in found.found] == [(3, {"val/acc": 0.5}), (None, {"loss": 1, "deep.a": 2})]


def test_several_processes_append_whole_lines(tmp_path: Path) -> None:
    program = """
import multiprocessing, cnnjobs
def work(number):
    for step in range(200):
        cnnjobs.log({f"m{number}": step, "pad": "x" * 3000}, step=step)
if __name__ == "__main__":
    processes = [multiprocessing.Process(target=work, args=(number,)) for number in range(4)]
    for each in processes: each.start()
    for each in processes: each.join()
"""
    found = run(tmp_path, program, python=BARE)
    assert [len(found.series(f"m{number}")) for number in range(4)] == [200] * 4


def test_rows_of_a_file_that_a_killed_worker_had_not_taken_over_are_there_afterwards(runs: Runs) -> None:
    program = """
import os
last = os.path.join(os.environ["CNNJOBS_CHECKPOINT_DIR"], "last")
begins = int(open(last).read()) if os.path.exists(last) else 0
with open(f"log{begins}.csv", "w") as table:
    table.write("epoch,loss\\n")
    for epoch in range(begins, begins + 3):
        table.write(f"{epoch},{epoch / 10}\\n")
open(last, "w").write(str(begins + 3))
raise SystemExit(begins == 0)
"""
    Path("train.py").write_text(program)
    command = [BARE, "${program}"]
    assert runs.attempt(program="train.py", command=command) is RunState.FAILED
    # As if the worker had been killed after the first row.
    lines = runs.folder.metrics_file.read_text().splitlines(keepends=True)
    runs.folder.metrics_file.write_text(lines[0])
    (attempt,) = runs.record.attempts
    killed = attempt.model_copy(update={"ended": None})
    runs.folder.write_record(runs.record.model_copy(update={"attempts": (killed,), "state": RunState.RUNNING}))
    assert runs.attempt(program="train.py", command=command) is RunState.FINISHED
    assert runs.values("loss") == [(epoch, epoch / 10) for epoch in range(6)]
