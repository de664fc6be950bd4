"""The command line of a program, with W&B's own agent (PyPI `wandb`) as the oracle."""

from __future__ import annotations

import os
import string
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnjobs.programs.command import command_line, resume_arguments, torchrun_arguments, unknown_macros

MACROS = [
    *("env", "interpreter", "program", "args", "args_no_equals", "args_no_hyphens", "args_no_boolean_flags"),
    *("args_append_hydra", "args_override_hydra", "args_json", "args_json_file", "args_dict"),
    *("envvar:CNNJOBS_TEST_SET", "envvar:CNNJOBS_TEST_UNSET", "envvar:", "envvar:lower", "unknown", "", "args}/${args"),
]
TEXTS = st.text(string.ascii_letters + string.digits + " _-./:=,'\"${}[]äñ中", max_size=8)
NAMES = st.text(string.ascii_letters + string.digits + "_-./@", min_size=1, max_size=8)
NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([1e-3, 0.1, 5e-05, 1.0, 100000.0]))
VALUES = st.recursive(
    st.one_of(NUMBERS, st.booleans(), st.none(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=6,
)
ITEMS = st.one_of(
    st.sampled_from(MACROS).map(lambda name: f"${{{name}}}"),
    st.sampled_from(MACROS).map(lambda name: f"hydra.run.dir=runs/${{{name}}}_x"),
    st.sampled_from(["--epochs=1e-3", "${now:%Y}", "a=${oc.env:WANDB_RUN_ID}", "-u", 3, 0.10, 1e-5, True, None]),
    TEXTS,
)
CONFIGURATIONS = st.tuples(
    st.lists(ITEMS, max_size=8), st.dictionaries(NAMES, VALUES, max_size=6), st.sampled_from(["train.py", "a b/c.sh"])
)


class Agent:
    """W&B's own, without its server and its processes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.module = pytest.importorskip("wandb.wandb_agent", reason="wandb is not installed: no oracle")
        self.lines: list[list[str]] = []

        def keep(command: list[str], **_: Any) -> SimpleNamespace:
            self.lines.append(command)
            return SimpleNamespace()

        monkeypatch.setattr(self.module, "AgentProcess", keep)

    def line(self, template: list[Any], parameters: dict[str, Any], program: str) -> list[str]:
        agent = self.module.Agent.__new__(self.module.Agent)
        agent._sweep_command, agent._in_jupyter, agent._function = list(template), False, None
        agent._forward_signals, agent._run_processes = False, {}
        args = {name: {"value": value} for name, value in parameters.items()}
        agent._command_run({"run_id": "r1", "args": args, "program": program})
        return self.lines[-1]


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Agent]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CNNJOBS_TEST_SET", "of the environment")
    # It keeps these for the process that it starts.
    for name, value in {"WANDB_SWEEP_ID": "s1", "WANDB_RUN_ID": "", "WANDB_SWEEP_PARAM_PATH": ""}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "wandb" / "sweep-s1").mkdir(parents=True)
    return Agent(monkeypatch)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CONFIGURATIONS)
def test_it_is_that_of_wandbs_agent(agent: Agent, configuration: tuple[list[Any], dict[str, Any], str]) -> None:
    template, parameters, program = configuration
    json_file = os.path.join("wandb", "sweep-s1", "config-r1.json")  # noqa: PTH118
    ours = command_line(template, parameters, program=program, environment=os.environ, json_file=json_file)
    assert ours == agent.line(template, parameters, program)


def line(template: list[Any], parameters: dict[str, Any] | None = None, **given: Any) -> list[str]:
    given = {"program": "train.py", "environment": {}, "json_file": "a.json", **given}
    return command_line(template, parameters or {}, **given)


def test_the_default_one() -> None:
    assert line([], {"lr": 0.1, "deep": {"a": True}}) == [
        *("/usr/bin/env", "python", "train.py", "--lr=0.1", "--deep={'a': True}")
    ]


def test_resume_arguments_stand_where_they_are_asked_or_at_the_end() -> None:
    assert line(["${program}", "fit"], resume=["--resume", "x"]) == ["train.py", "fit", "--resume", "x"]
    assert line(["${program}", "${resume_args}", "fit"], resume=["-r"]) == ["train.py", "-r", "fit"]
    assert line(["${program}", "${resume_args}", "fit"]) == ["train.py", "fit"]


def test_resume_names_the_checkpoint_folder_and_is_left_out_where_its_file_is_missing(tmp_path: Path) -> None:
    places = {"checkpoint_dir": tmp_path, "run_dir": tmp_path}
    asked = ["--resume", "ckpt=${checkpoint_dir}/last.ckpt"]
    assert resume_arguments(asked, places) == ([], f"{tmp_path}/last.ckpt is not there: started without `resume:`")
    (tmp_path / "last.ckpt").touch()
    assert resume_arguments(asked, places) == (["--resume", f"ckpt={tmp_path}/last.ckpt"], "")
    assert resume_arguments(["${run_dir}"], places) == ([str(tmp_path)], "")


def test_torchrun_stands_in_the_interpreters_place() -> None:
    started = line(["${env}", "${interpreter}", "${program}", "${args}"], {"a": 1}, processes=4)
    assert started == ["/usr/bin/env", "python", *torchrun_arguments(4), "train.py", "--a=1"]


def test_items_that_vanish_are_known() -> None:
    assert unknown_macros(["${env}", "${prgram}", "${envvar:HOME}", "x=${args}", "${resume_args}"]) == ["${prgram}"]
