"""Forms of other tools beside a plain YAML mapping: lists, TOML, commands, loops; how many runs they have at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from cnnjobs.errors import InputError
from cnnjobs.sweep.file import Sweep, read_sweep

BASE = "base: {dataset: mnist, model: cnn}"
LOG = "  lr: {distribution: log_uniform_values, min: 0.0001, max: 0.1}"
SIZES = "  batch_size: {values: [32, 64]}"

# By what is tried: the file's ending, the file, what the offer says, and how many runs it has.
FILES: dict[str, tuple[str, str, list[str], int]] = {
    "Optuna, a list of named forms": (
        ".yaml",
        "- {name: lr, type: float, low: 0.0001, high: 0.1, log: true}\n- {name: epochs, type: int, low: 5, high: 20}\n",
        [LOG, "  epochs: {min: 5, max: 20}", "# run_cap: 20 is a guess"],
        20,
    ),
    "Optuna, a list of mappings": (
        ".yaml",
        "- lr: {type: float, low: 0.0001, high: 0.1, log: true}\n"
        "- batch_size: {type: categorical, choices: [32, 64]}\n",
        [LOG, SIZES],
        20,
    ),
    "Optuna, suggestions": (
        ".yaml",
        "optuna: {n_trials: 6, params: [{param: lr, suggest: float, low: 0.0001, high: 0.1, log: true},"
        " {param: batch_size, suggest: suggest_categorical, choices: [32, 64]}]}\n",
        [LOG, SIZES],
        6,
    ),
    "Optuna's GridSampler": (
        ".yaml",
        "study_name: a\nn_trials: 30\nsearch_space: {lr: [0.0001, 0.1], batch_size: [32, 64]}\n",
        ["  lr: {values: [0.0001, 0.1]}", SIZES, "# lists are read as values", "# left out: study_name"],
        4,
    ),
    "Optuna's distributions": (
        ".yaml",
        "lr: {distribution: FloatDistribution, low: 0.0001, high: 0.1, log: true}\n"
        "batch_size: {name: CategoricalDistribution, attributes: {choices: [32, 64]}}\n",
        [LOG, SIZES],
        20,
    ),
    "Optuna's distributions as calls": (
        ".yaml",
        "param_space:\n  lr: FloatDistribution(low=1e-4, high=1e-1, log=True)\n"
        "  batch_size: optuna.distributions.CategoricalDistribution([32, 64])\nn_trials: 5\n",
        [LOG, SIZES],
        5,
    ),
    "Optuna in TOML": (
        ".toml",
        "[study]\nn_trials = 7\ndirection = 'minimize'\n[search_space.lr]\ntype = 'float'\nlow = 1e-4\nhigh = 1e-1\n"
        "log = true\n",
        [LOG, "# left out: study.direction: "],
        7,
    ),
    "DVC's queue": (
        ".sh",
        "# all\ndvc exp run --queue -S 'train.lr=0.1,0.01' \\\n  --set-param params.yaml:train.batch_size=32,64\n"
        "dvc queue start\n",
        ["  lr: {values: [0.1, 0.01]}", SIZES],
        4,
    ),
    "DVC's queue, an experiment a line": (
        ".yaml",
        "- dvc exp run --queue -S lr=0.1 -S seed=1\n- dvc exp run --queue -S lr=0.01 -S seed=2\n",
        ['  "lr=0.1 seed=1": {lr: 0.1, seed: 1}', '  "lr=0.01 seed=2": {lr: 0.01, seed: 2}'],
        2,
    ),
    "DVC's settings": (
        ".yaml",
        "train: {lr: 0.1, epochs: 3}\nprepare: {split: 0.2}\n",
        ["  lr: 0.1", "  epochs: 3"],
        1,
    ),
    "DVC's pipeline": (
        ".yaml",
        "stages: {train: {cmd: python train.py, params: [train.lr]}}\n",
        ["# left out: stages: a program of one's own is run by program: train.py"],
        1,
    ),
    "Hydra's multirun": (
        ".sh",
        "python train.py -m lr=0.1,0.01 +seed=range(0,3)\n",
        ["  lr: {values: [0.1, 0.01]}", "  seed: {values: [0, 1, 2]}"],
        6,
    ),
    "Guild's command": (
        ".sh",
        "guild run train lr=loguniform[1e-4:1e-1] batch_size=[32,64] --max-trials 10 --yes\n",
        [LOG, SIZES],
        10,
    ),
    "Guild's flags in the program": (
        ".yml",
        "train: {main: train, flags-import: all}\n",
        ["# what is to be tried goes under parameters"],
        1,
    ),
    "Guild's flags with defaults": (
        ".yml",
        "train: {flags: {lr: {default: 0.1, min: 0.001, max: 0.5}, epochs: 10}}\n",
        ['# the file\'s defaults, for a run without a search: {"lr": 0.1}', "  epochs: 10"],
        20,
    ),
    "a loop of a shell": (
        ".sh",
        "for lr in 0.1 0.01; do\n  for s in {0..2}; do\n    for bs in $(seq 16 16 64); do\n"
        '      python train.py --lr $lr --batch-size="$bs" seed=${s}\n    done\n  done\ndone\n',
        ["  lr: {values: [0.1, 0.01]}", "  seed: {values: [0, 1, 2]}", "  batch_size: {values: [16, 32, 48, 64]}"],
        24,
    ),
    "SageMaker's limits": (
        ".yaml",
        "ResourceLimits: {MaxNumberOfTrainingJobs: 6, MaxParallelTrainingJobs: 2, MaxRuntimeInSeconds: 3600}\n"
        "ParameterRanges: {IntegerParameterRanges: [{Name: epochs, MinValue: '2', MaxValue: '20'}]}\n",
        ["run_cap: 6", "job: {max_parallel: 2}", "# left out: ResourceLimits.MaxRuntimeInSeconds: "],
        6,
    ),
    "SageMaker's calls": (
        ".yaml",
        "max_jobs: 8\nmax_parallel_jobs: 3\nhyperparameter_ranges:\n"
        '  lr: ContinuousParameter(0.0001, 0.1, scaling_type="Logarithmic")\n'
        "  batch_size: CategoricalParameter([32, 64])\n",
        [LOG, SIZES, "job: {max_parallel: 3}"],
        8,
    ),
    "Vertex AI's limits": (
        ".yaml",
        "max_trial_count: 4\nparallel_trial_count: 2\nparameters: [{parameterId: lr, doubleValueSpec: {minValue: 0.1,"
        " maxValue: 0.2}}]\n",
        ["job: {max_parallel: 2}"],
        4,
    ),
    "NNI's limits": (
        ".yaml",
        "trialConcurrency: 2\nmaxTrialNumber: 5\nsearchSpace: {lr: {_type: loguniform, _value: [0.0001, 0.1]}}\n",
        [LOG, "job: {max_parallel: 2}"],
        5,
    ),
    "GitHub's limits": (
        ".yaml",
        "jobs: {train: {strategy: {max-parallel: 2, matrix: {lr: [0.1, 0.01]}}}}\n",
        ["job: {max_parallel: 2}"],
        2,
    ),
}  # fmt: skip


@pytest.fixture(name="offer")
def _offer(tmp_path: Path) -> Callable[[str, str], str]:
    def offer(ending: str, text: str) -> str:
        path = tmp_path / f"theirs{ending}"
        path.write_text(text)
        with pytest.raises(InputError) as error:
            read_sweep(path)
        return str(error.value)

    return offer


@pytest.mark.parametrize("form", FILES)
def test_the_same_sweep_is_offered(form: str, offer: Callable[[str, str], str], read: Callable[[str], Sweep]) -> None:
    ending, theirs, parts, num_runs = FILES[form]
    first, *lines = offer(ending, theirs).split("\n")
    assert first.endswith("the same sweep in the form that is read here:")
    for part in parts:
        assert any(line.startswith(f"    {part}") for line in lines), (part, lines)
    assert f"    # {num_runs} run{'s' if num_runs > 1 else ''}" in lines
    ours = dedent("\n".join(lines)) + "\n"
    ours = "\n".join(line for line in ours.split("\n") if not line.startswith("  prepare."))
    given = "base:\n  dataset: mnist\n  model: cnn\n"
    ours = ours.replace("base:\n", given) if "\nbase:\n" in ours else f"{ours}{given}"
    sweep = read(ours)
    assert len(sweep.runs) == num_runs
    assert ("max_parallel" in sweep.job.overrides) == ("job:" in ours)


def test_what_the_other_tool_has_at_once_leaves_no_line_behind(offer: Callable[[str, str], str]) -> None:
    for form in ("SageMaker's calls", "Vertex AI's limits", "NNI's limits", "GitHub's limits"):
        assert "left out" not in offer(*FILES[form][:2])


def test_a_list_of_commands_with_several_grids_is_a_sweep_each(offer: Callable[[str, str], str]) -> None:
    told = offer(".sh", "dvc exp run --queue -S lr=0.1,0.2\ndvc exp run --queue -S seed=1\n")
    assert "as 2 sweeps:\n    # 1: a file of its own\n" in told


@pytest.mark.parametrize(
    ("ending", "text", "told"),
    [
        (".toml", "a = = 3\n", "theirs.toml: not TOML: Invalid value (at line 1, column 5); a sweep is a YAML file"),
        (".toml", "[base]\nlr = 0.1\n", 'is a TOML file; the same in YAML:\n    base: {"lr": 0.1}'),
        (".sh", "python train.py\n", "theirs.sh: is a shell script; name a YAML file"),
        (".sh", "for f in *.png; do echo $f; done\n", "theirs.sh: is a shell script; name a YAML file"),
        (".sh", "dvc exp run 'unbalanced\n", "theirs.sh: is a shell script; name a YAML file"),
    ],
)
def test_files_that_hold_no_other_tools_sweep_have_their_answer(
    ending: str, text: str, told: str, offer: Callable[[str, str], str]
) -> None:
    assert offer(ending, text).endswith(told)
