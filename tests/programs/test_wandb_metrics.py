"""Metrics that programs give wandb are those a run reports, with the real wandb and where there is none."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from cnnjobs.disk.run_folder import RunState
from tests.programs.conftest import Runs
from tests.programs.reporting import run

BARE = getattr(sys, "_base_executable", sys.executable)
INTERPRETERS = pytest.mark.parametrize("python", [sys.executable, BARE], ids=["wandb", "stand-in"])
PARAMETERS = '"lr": {value: 0.5}\n"model": {value: {"layers": 3, "name": "gr\\U000000fcn"}}\n"eps": {value: 1.0e-08}\n'

LOOP = """
import argparse
import threading
import wandb as tracking
from wandb import init

run = init(project="p", config={"lr": 1, "batch": 32, "model": {"layers": 1, "depth": 9}})
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=7)
tracking.config.update(parser.parse_args(), allow_val_change=True)
config = tracking.config
assert (config.lr, config["batch"], config.eps) == (0.5, 32, 1e-8), config
assert config.model["layers"] == 3 and config.model["name"] == "gr\\u00fcn", config
assert config.model["depth"] == 9, config
assert dict(**config)["lr"] == 0.5 and "lr" in config and config.get("no") is None
config.setdefaults({"momentum": 0.9, "lr": 3})
assert config.momentum == 0.9 and config.lr == 0.5
tracking.define_metric("val/acc", summary="max")
for epoch in range(3):
    tracking.log({"epoch": epoch, "train": {"loss": 1 / (epoch + 1)}}, commit=False)
    run.log({"val/acc": epoch / 10})
run.log({"late": float("nan"), "right": True, "text": "so", "list": [1, 2], "html": tracking.Html("<b>")}, step=7)
other = threading.Thread(target=tracking.log, args=({"thread": 1},))
other.start()
other.join()
run.summary["best"] = 0.25
tracking.summary.update({"more": {"deep": 4}})
assert tracking.run is run and run.id == "ab12" and tracking.login() is True
tracking.finish()
with tracking.init() as again:
    again.log({"fold": 2})
"""


@INTERPRETERS
@pytest.mark.parametrize("mode", ["offline", "disabled"])
def test_every_log_is_a_line_at_wandbs_step(python: str, mode: str, tmp_path: Path) -> None:
    found = run(tmp_path, LOOP, python=python, parameters=PARAMETERS, more={"WANDB_MODE": mode})
    assert found.code == 0, found.output
    assert found.series("train.loss") == [(0, 1), (1, 1 / 2), (2, 1 / 3)]
    assert found.series("val/acc") == [(0, 0), (1, 0.1), (2, 0.2)]
    assert found.series("epoch") == [(0, 0), (1, 1), (2, 2)]
    assert found.series("right") == [(7, 1)]
    assert math.isnan(found.series("late")[0][1])
    assert found.series("thread") == [(7, 1)]
    assert found.series("best") == [(None, 0.25)]
    assert found.series("more.deep") == [(None, 4)]
    # A second run goes on after the first.
    assert found.series("fold") == [(8, 2)]
    assert all(name not in one.metrics for one in found.found for name in ("text", "list", "html"))
    source = "wandb" if python == sys.executable else "wandb (stand-in)"
    assert found.notes == (f"{source}: no numbers and so no metrics: text (text), list (list), html (Html)",)
    assert found.series("val/acc.max") == [(None, 0.2)]
    assert found.sources == (source, "wandb.summary")


@INTERPRETERS
def test_a_child_process_and_another_name_are_heard(python: str, tmp_path: Path) -> None:
    child = "import importlib; w = importlib.import_module('wandb'); w.init(); w.log({'inner': 2}); w.finish()"
    program = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}], check=True)\n"
    found = run(tmp_path, program, python=python)
    assert found.series("inner") == [(0, 2)]


@INTERPRETERS
def test_a_sweep_inside_the_program_is_refused_with_the_lines_to_change(python: str, tmp_path: Path) -> None:
    program = "import wandb\ntry:\n    wandb.agent(wandb.sweep({}), function=print)\nexcept Exception:\n    pass\n"
    found = run(tmp_path, program, python=python)
    assert found.code == 2
    assert "Traceback" not in found.output
    assert "write `configuration` into sweep.yaml, with `program: train.py`" in found.output


@INTERPRETERS
def test_wandb_stays_offline_whatever_the_program_says(python: str, tmp_path: Path) -> None:
    program = "import wandb\nwandb.init(mode='online', project='p')\nwandb.log({'a': 1})\n"
    found = run(tmp_path, program, python=python)
    assert (found.code, found.series("a")) == (0, [(0, 1)]), found.output


def test_a_wandb_that_cannot_be_loaded_is_stood_in_for(tmp_path: Path) -> None:
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "part.py").write_text("value = 1\n")
    (tmp_path / "wandb" / "__init__.py").write_text("import wandb.part\nimport numpy_of_another_time\n")
    found = run(tmp_path, "import wandb, wandb.plot\nwandb.init()\nwandb.log({'a': 1})\n", python=BARE)
    assert found.series("a") == [(0, 1)], found.output
    assert "cannot be imported: ModuleNotFoundError: No module named 'numpy_of_another_time'" in found.output


def test_a_module_of_that_name_in_the_project_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "wandb.py").write_text("def init(): print('mine')\n")
    found = run(tmp_path, "import wandb\nwandb.init()\n", python=BARE)
    assert (found.code, "mine" in found.output, "is not W&B's" in found.output) == (0, True, True)


def test_a_service_of_wandb_that_does_not_start_ends_no_run(tmp_path: Path) -> None:
    program = """
import wandb.sdk.wandb_init as module
real = module._WandbInit.init
def init(self, settings, *given, **more):
    if settings.mode != "disabled":
        raise wandb.errors.CommError("no service")
    return real(self, settings, *given, **more)
import wandb
module._WandbInit.init = init
wandb.init(config={"lr": 1})
assert wandb.config.lr == 0.5
wandb.log({"a": 1})
"""
    found = run(tmp_path, program, parameters=PARAMETERS)
    assert found.series("a") == [(0, 1)], found.output
    assert "wandb.init failed (CommError: no service): W&B is disabled, metrics are kept" in found.output


@INTERPRETERS
def test_a_killed_program_has_lost_no_line(python: str, tmp_path: Path) -> None:
    program = (
        "import os, signal, wandb\nwandb.init()\nfor i in range(6):\n    wandb.log({'a': i})\nos.kill(os.getpid(), 9)\n"
    )
    assert [value for _, value in run(tmp_path, program, python=python).series("a")] == [0, 1, 2, 3, 4, 5]


def test_numbers_of_other_libraries_count(tmp_path: Path) -> None:
    program = """
import wandb, numpy, torch
from decimal import Decimal
wandb.init()
wandb.log({"scalar": numpy.float32(0.5), "array": numpy.array([2]), "tensor": torch.tensor(3.0, requires_grad=True),
           "counts": torch.tensor([4]), "decimal": Decimal("0.25"), "many": torch.zeros(3)})
"""
    found = run(tmp_path, program)
    assert found.found[0].metrics == {"scalar": 0.5, "array": 2, "tensor": 3.0, "counts": 4, "decimal": 0.25}


STAND_IN = """
import importlib.metadata, importlib.util, wandb, wandb.plot
from wandb.errors import CommError, UsageError
from wandb.sdk.lib import RunDisabled
try:
    wandb.log({"a": 1})
except wandb.errors.Error as error:
    assert "wandb.init() before" in str(error)
run = wandb.init(config={"a": 1}, settings=wandb.Settings(start_method="fork"), tags=["x"])
assert not isinstance(run, RunDisabled) and isinstance(run, wandb.sdk.wandb_run.Run)
try:
    wandb.config.a = 2
except wandb.errors.ConfigError as error:
    assert "allow_val_change" in str(error)
table = wandb.Table(columns=["x", "y"])
table.add_data(1, 2)
assert table.get_column("y") == [2]
artifact = wandb.Artifact("model", type="model", metadata={"a": 1})
artifact.add_file("train.py")
with artifact.new_file("x") as file:
    file.write("x")
run.log_artifact(artifact).wait()
wandb.watch(object(), log="all")
wandb.save("*.pt")
wandb.log({"t": table, "i": [wandb.Image(1)], "h": wandb.Histogram([1]), "p": wandb.plot.line(table, "x", "y"), "n": 1})
wandb.alert(title="x", text="y", level=wandb.AlertLevel.WARN)
assert importlib.util.find_spec("wandb") and importlib.metadata.version("wandb") > "0.12"
run.get_project_url(), run.something_new("x")
assert len(wandb.util.generate_id()) == 8 and run.dir and run.step == 1
for call in (lambda: run.use_artifact("a:latest"), lambda: wandb.Api()):
    try:
        call()
        assert False
    except wandb.Error as error:
        assert "no network" in str(error)
"""


def test_the_stand_in_has_what_programs_use(tmp_path: Path) -> None:
    (tmp_path / "wandb").mkdir()
    found = run(tmp_path, STAND_IN, python=BARE)
    assert found.code == 0, found.output
    assert [dict(one.metrics) for one in found.found] == [{"n": 1}]
    assert found.output.count("no wandb in") == 1


def test_a_path_of_modules_in_the_command_leaves_wandb_heard(runs: Runs) -> None:
    Path("src").mkdir()
    Path("src/part.py").write_text("value = 3\n")
    Path("train.py").write_text("import part, wandb\nwandb.init()\nwandb.log({'a': part.value})\n")
    command = ["${env}", "PYTHONPATH=src", BARE, "${program}"]
    assert runs.attempt(program="train.py", command=command) is RunState.FINISHED, runs.said
    assert runs.values("a") == [(0, 3)]


def test_a_program_that_closes_all_files_keeps_its_metrics_and_its_own_files_apart(tmp_path: Path) -> None:
    program = """
import os, wandb
wandb.init(config=wandb.config)
wandb.log({"a": 1})
os.closerange(3, 100)
files = [open(f"own{number}", "w") for number in range(5)]
wandb.log({"a": 2})
"""
    found = run(tmp_path, program, python=BARE)
    assert found.series("a") == [(0, 1), (1, 2)]
    assert [(tmp_path / f"own{number}").read_text() for number in range(5)] == [""] * 5


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_ends_no_program(tmp_path: Path) -> None:
    program = "import wandb\nwandb.init()\nfor i in range(3): wandb.log({'a': i})\nprint('to the end')\n"
    found = run(tmp_path, program, python=BARE, more={"CNNJOBS_METRICS": "/dev/full"})
    assert found.code == 0
    assert "to the end" in found.output
    assert found.output.count("metrics wait in memory, as /dev/full cannot be written: No space left") == 1
    assert "3 lines of metrics are lost" in found.output


def test_a_program_without_wandb_loads_nothing_for_it(tmp_path: Path) -> None:
    program = [BARE, "-c", "import sys; print(*sorted(sys.modules))"]
    plain = subprocess.run(program, capture_output=True, text=True, check=True).stdout.split()
    assert set(run(tmp_path, program).output.split()) - set(plain) <= {
        "sitecustomize",
        "importlib",
        "importlib.machinery",
    }


def test_the_users_own_sitecustomize_is_loaded_too(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "sitecustomize.py").write_text("import builtins; builtins.theirs = 1\n")
    found = run(tmp_path, "assert theirs == 1", more={"PYTHONPATH": str(tmp_path / "own")})
    assert found.code == 0, found.output


def test_counts_of_wandb_go_on_where_the_program_does(runs: Runs) -> None:
    Path("train.py").write_text("""
import os, sys, wandb
last = os.path.join(os.environ["CNNJOBS_CHECKPOINT_DIR"], "last")
begins = int(open(last).read()) if os.path.exists(last) else 0
open(last, "w").write("2")
wandb.init()
for epoch in range(begins, 4 if begins == 0 else 6):
    wandb.log({"epoch": epoch, "loss": epoch / 10 + begins}, commit=False)
    wandb.log({"acc": epoch / 10})
sys.exit(begins == 0)
""")
    command = [BARE, "${program}"]
    assert runs.attempt(program="train.py", command=command) is RunState.FAILED
    assert runs.attempt(program="train.py", command=command) is RunState.FINISHED
    assert runs.values("acc") == [(epoch, epoch / 10) for epoch in range(6)]
    assert runs.values("loss") == [(0, 0), (1, 0.1), *((epoch, epoch / 10 + 2) for epoch in range(2, 6))]


def test_cnnjobs_log_outside_of_a_run_says_once_that_it_goes_nowhere(tmp_path: Path) -> None:
    program = "import cnnjobs, sys; cnnjobs.log(loss=1); cnnjobs.log(loss=2); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "cnnjobs: log: this is no run of a sweep, so what is logged goes nowhere\n"
