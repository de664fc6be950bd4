"""Another tool's sweep file is named, and the form shown in its place is a sweep that is read here."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent, indent

import pytest

from cnnjobs.spec.sweep import Sweep

FILES = {
    "Hydra": (
        """\
        defaults: [_self_, {override hydra/launcher: submitit_slurm}]
        batch_size: 32
        hydra:
          sweeper:
            params:
              learning_rate: 1e-2,1e-3
              +seed: range(1,4)
              model: choice(cnn, lenet5)
              epochs: 3
        """,
        "this is a Hydra configuration",
        """\
        method: grid
        base:
          batch_size: 32
        parameters:
          lr: {values: [1e-2, 1e-3]}
          seed: {values: [1, 2, 3]}
          model: {values: [cnn, lenet5]}
          epochs: {value: 3}
        """,
        12,
    ),
    "Hydra with ranges": (
        """\
        hydra:
          sweeper:
            params: {lr: "tag(log, interval(1e-4, 1e-1))", weight_decay: "interval(0, 0.1)"}
        """,
        "this is a Hydra configuration",
        """\
        method: random
        run_cap: 20
        parameters:
          lr: {distribution: log_uniform_values, min: 0.0001, max: 0.1}
          weight_decay: {min: 0.0, max: 0.1}
        """,
        20,
    ),
    "seml": (
        """\
        seml: {executable: train.py}
        slurm: {experiments_per_job: 1}
        fixed: {epochs: 3}
        grid:
          lr: {type: loguniform, min: 1e-3, max: 1e-1, num: 3}
          batch_size: {type: choice, options: [16, 32]}
          seed: {type: range, min: 0, max: 2, step: 1}
        """,
        "this is a seml configuration",
        """\
        method: grid
        base:
          epochs: 3
        parameters:
          lr: {values: [0.001, 0.01, 0.1]}
          batch_size: {values: [16, 32]}
          seed: {distribution: q_uniform, min: 0, max: 2, q: 1}
        """,
        12,
    ),
    "seml at random": (
        """\
        fixed: {epochs: 3}
        random:
          samples: 5
          seed: 7
          lr: {type: uniform, min: 0.1, max: 0.2}
          weight_decay: {type: loguniform, min: 1e-5, max: 1e-2}
          batch_size: {type: randint, min: 1, max: 65}
          drop_last: true
        """,
        "this is a seml configuration",
        """\
        method: random
        run_cap: 5
        sampling_seed: 7
        base:
          epochs: 3
        parameters:
          lr: {distribution: uniform, min: 0.1, max: 0.2}
          weight_decay: {distribution: log_uniform_values, min: 1e-05, max: 0.01}
          batch_size: {min: 1, max: 64}
          drop_last: {value: true}
        """,
        5,
    ),
    "HyperHerd": (
        """\
        name: mine
        grid: all
        parameters:
          lr: {type: continuous, low: 1e-3, high: 1e-1, scale: log, steps: 3}
          model: {type: discrete, values: [cnn, lenet5]}
          epochs: 3
        """,
        "this is a HyperHerd configuration",
        """\
        method: grid
        base:
          epochs: 3
        parameters:
          lr: {values: [0.001, 0.01, 0.1]}
          model: {values: ["cnn", "lenet5"]}
        """,
        6,
    ),
    "HyperHerd with ranges": (
        """\
        parameters:
          lr: {type: continuous, low: 1e-3, high: 1e-1, scale: log}
          weight_decay: {type: continuous, low: 0.0, high: 0.1}
        """,
        "this is a HyperHerd configuration",
        """\
        method: random
        run_cap: 20
        parameters:
          lr: {distribution: log_uniform_values, min: 0.001, max: 0.1}
          weight_decay: {distribution: uniform, min: 0.0, max: 0.1}
        """,
        20,
    ),
    "a mapping of lists": (
        "learning_rate: [0.1, 0.2]\nbatch_size: [32, 64]\nepochs: 3\n",
        "this is a plain mapping of lists",
        """\
        method: grid
        base:
          epochs: 3
        parameters:
          lr: {values: [0.1, 0.2]}
          batch_size: {values: [32, 64]}
        """,
        4,
    ),
}


@pytest.mark.parametrize("tool", FILES)
def test_another_tools_file_is_shown_in_ours(
    tool: str, read: Callable[[str], Sweep], mistakes: Callable[[str], list[str]]
) -> None:
    theirs, name, ours, num_runs = FILES[tool]
    assert "\n".join(mistakes(theirs)) == (
        f"1: {name}; the same sweep in the form that is read here:\n{indent(dedent(ours), '    ').rstrip()}"
    )
    variants = "variants: {only: {dataset: mnist}}\n"
    if "  model:" not in ours:
        variants = variants.replace("mnist", "mnist, model: cnn")
    assert len(read(variants + dedent(ours)).runs) == num_runs


@pytest.mark.parametrize(
    "text",
    [
        "hydra: 3\n",
        "hydra: {sweeper: {params: {lr: 'interval(a, b)'}}}\n",
        "grid: {lr: {type: uniform, min: a, max: b, num: 3}}\n",
        "random: {lr: {type: randint}}\n",
        "parameters: {lr: {type: continuous, steps: 3}}\n",
        "parameters: {lr: {type: continuous, low: 0, high: 1, scale: log, steps: 3}}\n",
    ],
)
def test_a_broken_file_of_another_tool_is_named_all_the_same(text: str, mistakes: Callable[[str], list[str]]) -> None:
    first, *shown = mistakes(text)
    assert first.startswith("1: this is a ")
    assert shown[0] == "    method: grid"
