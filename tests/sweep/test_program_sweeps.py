"""Sweep files of programs: W&B's as they are, with any names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cnnjobs.config.kinds import read_any_config
from cnnjobs.config.program import DEFAULT_COMMAND, ProgramConfig, ProgramMetric
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.errors import SpecError
from cnnjobs.sweep.file import Sweep
from cnnjobs.sweep.search import EarlyTerminate

Read = Callable[[str], Sweep]
Answered = Callable[[str, list[str]], None]


PROGRAM = "program: train.py\nmethod: grid\nparameters: {lr: {value: 1}}\n"
PATTERN = r"name each metric by a group, as in 'epoch (?P<epoch>\d+).*acc (?P<acc>[\d.]+)'"


@pytest.fixture(autouse=True)
def train(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print(1)\n", encoding="utf-8")


def configs(sweep: Sweep) -> list[ProgramConfig]:
    found = [run.config for run in sweep.runs]
    assert all(isinstance(config, ProgramConfig) for config in found)
    return found  # type: ignore[return-value]


def test_a_file_of_wandb_needs_no_other_key(read: Read) -> None:
    sweep = read("""
        program: train.py
        method: grid
        metric: {name: val_acc, goal: maximize}
        parameters:
          lr: {values: [0.1, 0.01]}
          layers: {value: 2}
    """)
    assert sweep.is_of_program
    assert [run.label for run in sweep.runs] == ["lr=0.1", "lr=0.01"]
    first, second = configs(sweep)
    assert first.parameters == {"layers": 2, "lr": 0.1}
    assert (first.program, first.command, first.seed) == ("train.py", DEFAULT_COMMAND, None)
    assert first.metric == ProgramMetric(name="val_acc", goal="maximize")
    assert first.run_id.startswith("train-2-") or first.run_id.startswith("train-layers2-lr0.1-")
    assert first.run_id != second.run_id
    assert sweep.notices == ()


def test_names_are_taken_as_they_are_written(read: Read) -> None:
    sweep = read("""
        program: train.py
        method: grid
        metric: {name: val/loss, goal: minimize}
        parameters:
          model.name: {values: [a, b]}
          optimizer: {parameters: {lr: {value: 0.1}, betas: {parameters: {first: {value: 0.9}}}}}
    """)
    first, _ = configs(sweep)
    assert first.parameters == {"model.name": "a", "optimizer": {"betas": {"first": 0.9}, "lr": 0.1}}
    assert [run.label for run in sweep.runs] == ["name=a", "name=b"]


def test_seeds_are_of_the_sweep_or_a_parameter(read: Read) -> None:
    given = configs(read("program: train.py\nmethod: grid\nparameters: {lr: {value: 1}}\nseeds: 2\n"))
    assert [(each.seed, each.parameters) for each in given] == [(0, {"lr": 1}), (1, {"lr": 1})]
    own = configs(read("program: train.py\nmethod: grid\nparameters: {lr: {value: 1}, seed: {values: [3, 4]}}\n"))
    assert [(each.seed, each.parameters) for each in own] == [(3, {"lr": 1}), (4, {"lr": 1})]
    text = "program: train.py\nmethod: grid\nseed_argument: rng\nparameters: {rng: {values: [3, 4]}}\n"
    assert [each.seed for each in configs(read(text))] == [3, 4]


def test_draws_variants_and_conditions_take_free_names(read: Read) -> None:
    sweep = read("""
        program: train.py
        method: random
        run_cap: 6
        parameters:
          opt: {values: [sgd, adam]}
          momentum: {min: 0.0, max: 0.9}
        when: {momentum: {opt: sgd}}
        base: {epochs: 3}
        variants: {small: {width: 8}, large: {width: 64}}
    """)
    found = configs(sweep)
    assert {each.parameters["width"] for each in found} == {8, 64}
    assert all(each.parameters["epochs"] == 3 for each in found)
    assert all(("momentum" in each.parameters) == (each.parameters["opt"] == "sgd") for each in found)


def test_a_run_on_disk_is_read_back(read: Read, tmp_path: Path) -> None:
    (config,) = configs(
        read("""
            program: train.py
            method: grid
            command: [python3, "${program}", 1.50, "${args_no_hyphens}"]
            metric: {name: acc, goal: maximize, best: true}
            parameters: {lr: {value: 0.1}, layers: {value: [1, 2]}}
            collect: {csv: "**/metrics.csv", stdout: ["acc: (?P<acc>[0-9.]+)"]}
            resume: [--resume, "${checkpoint_dir}/last.ckpt"]
            workdir: run
            launch: torchrun
        """)
    )
    folder = RunStore(tmp_path / "results").run(config.run_id)
    folder.create(config)
    assert folder.read_config() == config
    assert read_any_config({**config.nested(), **config.loose()}) == config
    # What changes no result may be changed afterwards, and enters no id.
    changed = config.model_copy(update={"collect": {}, "metric": None, "workdir": "start", "resume": ()})
    assert changed.run_id == config.run_id
    folder.create(changed)
    assert folder.read_config() == changed


def test_early_termination_of_programs_needs_a_metric(read: Read) -> None:
    text = "program: train.py\nmethod: grid\nparameters: {lr: {value: 1}}\n"
    text += "early_terminate: {type: hyperband, min_iter: 3}\n"
    with pytest.raises(SpecError, match=r"sweep.yaml:4: early_terminate: needs a metric to judge runs by"):
        read(text)
    assert read(f"{text}metric: {{name: loss, goal: minimize}}\n").early_terminate == EarlyTerminate(min_iter=3)


def test_a_goal_that_is_not_given_is_wandbs(read: Read) -> None:
    sweep = read("program: train.py\nmethod: grid\nmetric: {name: loss}\nparameters: {lr: {value: 1}}\n")
    assert sweep.metric.goal == "minimize"
    assert sweep.notices == (
        "sweep.yaml:3: metric.goal: missing, and less loss is better then, as with W&B; for the other way write "
        "goal: maximize",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "program: tain.py\nmethod: grid\nparameters: {lr: {value: 1}}\n",
            ["1: program: no file tain.py in {cwd}; write its path from {cwd}"],
        ),
        (
            "program: .\nmethod: grid\nparameters: {lr: {value: 1}}\n",
            ["1: program: . is a folder; name the file in it that is to be run"],
        ),
        (
            'program: train.py\ncommand: ["${program}", "${args}"]\nmethod: grid\nparameters: {lr: {value: 1}}\n',
            [
                "1: program: train.py is not executable, and the command begins with it; chmod +x train.py, or name "
                "its interpreter in command:"
            ],
        ),
        (
            "program: train.py\nmethod: grid\nmetric: {goal: maximize}\nparameters: {lr: {value: 1}}\n",
            ["3: metric.name: missing; write the name that the program reports"],
        ),
        (
            'command: [python, "${program}"]\nmethod: grid\nparameters: {lr: {value: 1}}\n',
            ["1: command: has ${program}, and the file names none; write program: train.py"],
        ),
        (
            "program: train.py\ncommand: python train.py\nmethod: grid\nparameters: {lr: {value: 1}}\n",
            ['2: command: found the text "python train.py"; write a list: command: [python, train.py]'],
        ),
        (
            f"{PROGRAM}collect: {{stdout: ['acc (.*)', 'acc (?P<acc']}}\n",
            [
                f"4: collect.stdout: acc (.*) names no metric; {PATTERN}",
                "4: collect.stdout: acc (?P<acc is no regular expression: missing >, unterminated name at position 8; "
                f"{PATTERN}",
            ],
        ),
        (
            "base: {dataset: mnist, model: cnn}\nworkdir: run\n",
            [
                "2: workdir: stands in a file without `program`; it belongs to a program: write program: train.py, or "
                "leave it out"
            ],
        ),
        (
            "program: train.py\nmethod: bayes\nrun_cap: 3\nparameters: {lr: {value: 1}}\n",
            [
                "2: method: bayes needs a metric to learn from; write metric: {name: the name that the program "
                "reports, goal: minimize or maximize}"
            ],
        ),
    ],
)
def test_bad_files_are_answered(text: str, expected: list[str], is_answered: Answered) -> None:
    is_answered(text, expected)
