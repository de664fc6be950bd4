"""A program as a run: what it is told, what becomes of what it reports, and how it ends."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from cnnjobs.config.program import ProgramMetric
from cnnjobs.disk.run_folder import RunState
from cnnjobs.programs.workload import ProgramWorkload
from cnnjobs.system.processes import is_dead
from cnnjobs.system.stop_request import Stopped
from tests.programs.conftest import Runs

REPORT = """
import json, os, sys
def report(**metrics):
    with open(os.environ["CNNJOBS_METRICS"], "a") as file:
        file.write(json.dumps(metrics) + "\\n")
"""


def test_it_is_run_with_its_parameters_and_its_metrics_are_those_of_the_run(runs: Runs) -> None:
    text = REPORT + "for e in range(3): report(epoch=e, loss=1 / (e + 1), args=sys.argv[1:][0])\nprint('done')"
    assert runs.python(text, parameters={"lr": 0.1}, seed=4) is RunState.FINISHED
    lines = runs.folder.read_metrics()
    assert [(line["attempt"], line["step"], line["epoch"]) for line in lines] == [(1, 0, 0), (1, 1, 1), (1, 2, 2)]
    assert lines[0]["args"] == "--lr=0.1"
    assert lines[0]["source"] == "CNNJOBS_METRICS"
    assert runs.record.metrics == pytest.approx({"epoch": 2, "loss": 1 / 3})
    assert "done" in runs.said


def test_lines_are_kept_at_the_moment_they_are_reported(runs: Runs) -> None:
    # It ends once it has seen its own line among the metrics of the run.
    text = REPORT + (
        "import pathlib, time\nreport(a=1)\n"
        "file = pathlib.Path(os.environ['CNNJOBS_RUN_DIR']).parent / 'metrics.jsonl'\n"
        "while '\"a\": 1' not in file.read_text(): time.sleep(0.01)"
    )
    assert runs.python(text) is RunState.FINISHED


def test_its_environment_is_that_of_the_run(runs: Runs) -> None:
    text = "import os; print(*(f'{k}={v}' for k, v in os.environ.items()), os.getcwd(), sep='\\n')"
    assert runs.python(text, seed=3, gpu=1) is RunState.FINISHED
    places = {each.partition("=")[0]: each.partition("=")[2] for each in runs.said if "=" in each}
    assert places["CNNJOBS_RUN_DIR"] == str(runs.folder.path / "files")
    assert places["CNNJOBS_CHECKPOINT_DIR"] == str(runs.folder.path / "checkpoints")
    assert (places["CNNJOBS_SEED"], places["CUDA_VISIBLE_DEVICES"]) == ("3", "1")
    assert (places["WANDB_RUN_ID"], places["WANDB_SWEEP_ID"]) == (runs.folder.run_id, "sweep")
    assert str(Path.cwd()) in runs.said
    assert runs.record.attempts[0].device == "GPU 1"


def test_nothing_reported_is_finished_with_a_note(runs: Runs) -> None:
    assert runs.python("print('hello')", metric=None) is RunState.FINISHED
    assert any(note.startswith("no metric was reported: call wandb.log") for note in runs.record.notes)


def test_a_metric_that_never_came_is_named_with_those_that_came(runs: Runs) -> None:
    metric = ProgramMetric(name="val_acc", goal="maximize", best=False)
    assert runs.python(REPORT + "report(acc=1, loss=2)", metric=metric) is RunState.FINISHED
    assert "metric `val_acc` was never reported; reported: `acc`, `loss`" in runs.record.notes


def test_nan_is_told_and_kept_out_of_the_results(runs: Runs) -> None:
    text = REPORT + "report(loss=1.0, acc=0.5)\nreport(loss=float('nan'), acc=float('inf'))"
    assert runs.python(text) is RunState.FINISHED
    assert runs.record.metrics == {}
    assert "`loss` ended with nan" in runs.record.notes
    assert [line.get("nan") for line in runs.folder.read_metrics()] == [None, {"loss": "nan", "acc": "inf"}]


def test_best_or_last_counts(runs: Runs) -> None:
    text = REPORT + "[report(epoch=e, acc=a) for e, a in enumerate([0.1, 0.9, 0.5])]"
    assert runs.python(text) is RunState.FINISHED
    assert runs.record.metrics["acc"] == 0.5
    metric = ProgramMetric(name="acc", goal="maximize", best=True)
    runs.folder.record_file.unlink()
    assert runs.python(text, metric=metric) is RunState.FINISHED
    assert (runs.record.metrics["acc"], runs.record.best_epoch) == (0.9, 1.0)


def test_names_and_values_of_every_kind_keep_the_file_whole(runs: Runs) -> None:
    text = REPORT + (
        "report(**{'step': 7, 'attempt': 'x', 'windows': 3, 'val.acc': 'good', 'deep': {'a': {'b': 1}}, 'ok': True})\n"
        "report(**{'step': 'late', 'seconds': 'x', 'epoch': '1/3', 'long': 'x' * 999, 'list': [1], 'a': 2})\n"
        "with open(os.environ['CNNJOBS_METRICS'], 'ab') as f: f.write(b'\\xff\\n[1]\\n{\"b\": 3}')"
    )
    assert runs.python(text) is RunState.FINISHED
    first, second, third = runs.folder.read_metrics()
    assert {name: first[name] for name in first if name not in ("seconds", "source", "attempt")} == {
        **{"step": 7, "attempt_": "x", "windows_": 3, "val.acc": "good", "deep.a.b": 1, "ok": 1}
    }
    assert (second["a"], second["seconds_"], "epoch" in second, third["b"]) == (2, "x", False, 3)
    notes = " ".join(runs.record.notes)
    assert "`list`: a list is no metric" in notes
    assert "attempt-1.jsonl: a line is no JSON object" in notes


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("def f():\n  raise ValueError('no\\nway')\nf()", "ValueError: no (train.py:2 in f) (exit code 1)"),
        ("import argparse; argparse.ArgumentParser().parse_args(['--lr=1'])", "error: unrecognized arguments: --lr=1"),
        ("import sys; print('it is broken'); sys.exit(3)", "it is broken (exit code 3)"),
        ("import sys; sys.exit(3)", "it said nothing (exit code 3)"),
        ("import os; os.kill(os.getpid(), 11)", "killed by SIGSEGV (a crash inside a library)"),
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL: out of memory, or ended from outside"),
        ("raise MemoryError", "the machine's memory is full: make its batch smaller, or run fewer at once"),
        ("raise RuntimeError('CUDA out of memory. Tried')", "the GPU's memory is full: make its batch smaller"),
        ("import not_there", "ModuleNotFoundError: No module named 'not_there' (train.py:1 in <module>)"),
        ("open('/dev/full', 'w').write('x' * 9999)", "OSError: [Errno 28] No space left on device"),
    ],
)
def test_its_end_becomes_the_cause(runs: Runs, text: str, cause: str) -> None:
    assert runs.python(text) is RunState.FAILED
    assert cause in (runs.record.cause or "")
    assert runs.record.traceback is not None
    assert "cnnjobs/worker" not in runs.record.traceback


def test_a_program_that_cannot_be_started_says_why(runs: Runs) -> None:
    Path("plain.sh").write_text("echo hello")
    assert runs.attempt(command=["./none.sh"]) is RunState.FAILED
    assert runs.record.cause == "./none.sh: cannot be started (No such file or directory)"
    assert runs.attempt(command=["${env}", "./plain.sh"]) is RunState.FAILED
    assert "Permission denied (exit code 126); make it executable (chmod +x)" in (runs.record.cause or "")
    assert runs.attempt(command=["${env}", "no-such-python"]) is RunState.FAILED
    assert "No such file or directory (exit code 127); install it here" in (runs.record.cause or "")


def test_a_huge_binary_output_is_bounded(runs: Runs) -> None:
    text = (
        "import sys\nout = sys.stdout.buffer\nout.write(b'\\xff\\x00\\x1b[31mred\\x1b[0m\\n')\n"
        "for i in range(200): out.write(b'x' * 99_999 + b'\\n')\n"
        "out.write(b'\\r'.join(b'%d%%' % i for i in range(101)) + b'\\nend')"
    )
    assert runs.python(text) is RunState.FINISHED
    assert sum(map(len, runs.said)) < 5_000_000
    assert "\ufffd\ufffdred" in runs.said
    assert runs.said[-4:-2] == ["100%", "end"] or "100%" in runs.said
    assert "end" in runs.said


def test_what_it_leaves_behind_is_ended_and_named(runs: Runs) -> None:
    text = REPORT + (
        "import subprocess\nsleeper = [sys.executable, '-S', '-c', 'import time; time.sleep(600)']\n"
        "p = subprocess.Popen(sleeper, start_new_session=True); report(pid=p.pid)"
    )
    assert runs.python(text) is RunState.FINISHED
    assert any("left 1 process behind, ended with it" in note for note in runs.record.notes)
    with pytest.raises(ProcessLookupError):
        os.kill(int(runs.record.metrics["pid"]), 0)


def test_one_that_goes_into_the_background_has_failed(runs: Runs) -> None:
    text = "import os, time\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\ntime.sleep(600)"
    assert runs.python(text) is RunState.FAILED
    assert (runs.record.cause or "").endswith("start it in the foreground")


STOPPABLE = REPORT + (
    "import signal, time\nsignal.signal(signal.SIGTERM, {handler})\nreport(ready=1)\nwhile True: time.sleep(0.01)"
)


@pytest.mark.parametrize(
    ("handler", "grace_s"),
    [("lambda *_: sys.exit(75)", 60.0), ("signal.SIG_DFL", 60.0), ("signal.SIG_IGN", 0.2)],
)
def test_a_stop_is_passed_on_and_insisted_upon(runs: Runs, handler: str, grace_s: float) -> None:
    def stopped() -> bool:
        return bool(runs.folder.read_metrics())

    text = STOPPABLE.format(handler=handler)
    assert runs.python(text, stopped=stopped, grace_s=grace_s) is RunState.INTERRUPTED
    assert runs.record.cause == "stopped; starts again from nothing"
    assert runs.values("ready") == [(0, 1)]


def test_one_whose_results_are_away_when_it_is_to_end_may_save_itself(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        if Path("ready").exists():
            raise Stopped

    monkeypatch.setattr(ProgramWorkload, "_report", away)
    handler = "lambda *_: (open('saved', 'w'), sys.exit())"
    text = STOPPABLE.format(handler=handler).replace("report(ready=1)", "open('ready', 'w')")
    assert runs.python(text) is RunState.INTERRUPTED
    assert Path("saved").exists()


def test_a_program_that_slurm_has_told_before_its_worker_is_stopped(runs: Runs) -> None:
    ended = REPORT + "report(pid=os.getpid())\nos.kill(os.getpid(), 15)"

    def stopped() -> bool:
        reported = (runs.folder.program_folder / "attempt-1.jsonl").read_text().splitlines()
        return bool(reported) and is_dead(json.loads(reported[0])["pid"])

    assert runs.python(ended, stopped=stopped) is RunState.INTERRUPTED


def test_a_cancelled_one_is_ended_with_all_that_it_has_started(runs: Runs) -> None:
    text = REPORT + (
        "import subprocess, time\np = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'])\n"
        "report(pid=p.pid)\ntime.sleep(600)"
    )

    def stopped() -> bool:
        if runs.folder.read_metrics():
            runs.folder.cancel("cancelled by me")
        return bool(runs.folder.read_metrics())

    assert runs.python(text, stopped=stopped) is RunState.CANCELLED
    assert runs.record.cause == "cancelled by me"
    with pytest.raises(ProcessLookupError):
        os.kill(int(runs.folder.read_metrics()[0]["pid"]), 0)


def test_the_parameters_as_json(runs: Runs) -> None:
    text = REPORT + "report(**json.load(open(sys.argv[1])))"
    command = [sys.executable, "-S", "${program}", "${args_json_file}"]
    assert runs.python(text, parameters={"a": 1, "b": {"c": 2}}, command=command) is RunState.FINISHED
    assert runs.record.metrics == {"a": 1.0, "b.c": 2.0}
    assert json.loads((runs.folder.program_folder / "parameters.json").read_text()) == {"a": 1, "b": {"c": 2}}


def test_a_macro_that_is_none_is_told(runs: Runs) -> None:
    command = [sys.executable, "-S", "${program}", "${argss}"]
    assert runs.python("", command=command) is RunState.FINISHED
    assert any("`${argss}` in `command:` is no macro" in note for note in runs.record.notes)


@pytest.mark.parametrize(("command", "is_told"), [((), True), (("sh", "train.py"), False)])
def test_a_python_that_is_not_the_first_is_told_where_one_is_asked_for(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], is_told: bool
) -> None:
    monkeypatch.setattr("cnnjobs.programs.preparation.path_note", lambda _: "another python")
    Path("train.py").touch()
    assert runs.attempt(program="train.py", command=command) is RunState.FINISHED
    assert ("another python" in runs.record.notes) is is_told


PROCESSES = """
import os, sys
os.write(1, f"process {os.environ['RANK']} of {os.environ['WORLD_SIZE']} {sys.argv[1:]}{os.linesep}".encode())
if os.environ["RANK"] == "1": raise ValueError("it is broken")
"""


def test_torchrun_starts_it_in_several_processes(runs: Runs) -> None:
    Path("train.py").write_text(PROCESSES)
    assert runs.attempt(program="train.py", launch="torchrun", processes=2, parameters={"a": 1}) is RunState.FAILED
    assert "process 1 of 2 ['--a=1']" in runs.said
    assert runs.record.cause == "ValueError: it is broken (train.py:4 in <module>) (exit code 1)"


def test_torchrun_has_to_have_a_place_in_the_command(runs: Runs) -> None:
    assert runs.python("", launch="torchrun", processes=2) is RunState.FAILED
    assert (runs.record.cause or "").startswith("`launch: torchrun` starts its processes by ${interpreter}, which")
