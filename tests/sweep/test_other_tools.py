"""Another tool's sweep file is named, and the form shown in its place is the same sweep, with as many runs."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnjobs.sweep.file import Sweep
from cnnjobs.sweep.other_tools.form import split
from cnnjobs.sweep.other_tools.hydra import override

# By what is tried: the file, what it is, what the offer says, and how many runs the other tool would start.
FILES: dict[str, tuple[str, str, list[str], list[int]]] = {
    "Hydra": (
        """\
        defaults: [_self_, {model: resnet}, {override hydra/launcher: submitit_slurm}]
        batch_size: 32
        optim: {momentum: 0.9, root: "${oc.env:HOME}"}
        hydra:
          sweeper:
            params:
              learning_rate: 1e-2,1e-3
              +seed: range(1,4)
              model: choice(cnn, lenet5)
              epochs: 3
        """,
        "a Hydra configuration",
        [
            "  batch_size: 32",
            "  lr: {values: [0.01, 0.001]}",
            "  seed: {values: [1, 2, 3]}",
            '  model: {values: ["cnn", "lenet5"]}',
            "  epochs: {value: 3}",
            "# no keys of a run here, to be renamed or dropped: optim.momentum",
            "# left out: optim.root: ${oc.env:HOME} is known to the other tool alone",
            "# left out: defaults.model: the file of resnet is not read: write its settings into base",
            "# left out: hydra.launcher: resources stand in jobs/NAME.yaml",
        ],
        [12],
    ),
    "Hydra with ranges": (
        """\
        hydra:
          sweeper:
            params: {lr: "tag(log, interval(1e-4, 1e-1))", batch_size: "int(interval(16, 64))", seed: 7}
        """,
        "a Hydra configuration",
        [
            "  lr: {distribution: log_uniform_values, min: 0.0001, max: 0.1}",
            "  batch_size: {min: 16, max: 64}",
            "# run_cap: 20 is a guess, since the file does not say how many to draw",
        ],
        [20],
    ),
    "Hydra's search_space of Optuna": (
        """\
        hydra:
          sweeper:
            sampler: {_target_: optuna.samplers.TPESampler, seed: 3}
            n_trials: 7
            search_space:
              lr: {type: float, low: 1.0e-4, high: 0.1, log: true}
              batch_size: {type: categorical, choices: [16, 32]}
              epochs: {type: int, low: 1, high: 3}
        """,
        "a Hydra configuration",
        [
            "run_cap: 7",
            "sampling_seed: 3",
            "  batch_size: {values: [16, 32]}",
            "  epochs: {min: 1, max: 3}",
            "# left out: hydra.sweeper.sampler: configurations are drawn at random",
        ],
        [7],
    ),
    "Hydra's Ax": (
        "hydra: {sweeper: {ax_config: {max_trials: 4, params: {lr: {type: range, bounds: [0.1, 0.2]}}}}}\n",
        "a Hydra configuration",
        ["  lr: {distribution: uniform, min: 0.1, max: 0.2}"],
        [4],
    ),
    "seml": (
        """\
        seml: {executable: train.py}
        slurm: {experiments_per_job: 1}
        fixed: {epochs: 3, optimizer: {momentum: 0.9}}
        grid:
          lr: {type: loguniform, min: 1e-3, max: 1e-1, num: 3}
          batch_size: {type: choice, options: [16, 32]}
          seed: {type: range, min: 0, max: 2, step: 1}
        """,
        "a seml configuration",
        [
            "  optimizer.momentum: 0.9",
            "  lr: {values: [0.001, 0.01, 0.1]}",
            "  seed: {values: [0, 1]}",
            "# left out: seml: its program is not run here",
            "# left out: slurm: resources stand in jobs/NAME.yaml",
        ],
        [12],
    ),
    "seml at random": (
        """\
        fixed: {epochs: 3}
        random:
          samples: 5
          seed: 7
          lr: {type: uniform, min: 0.1, max: 0.2}
          batch_size: {type: randint, min: 1, max: 65}
          drop_last: true
        """,
        "a seml configuration",
        ["run_cap: 5", "sampling_seed: 7", "  batch_size: {min: 1, max: 64}", "  drop_last: {value: true}"],
        [5],
    ),
    "seml with both, and parameters that go together": (
        """\
        grid:
          batch_size: {type: choice, options: [16, 32]}
          epochs: {type: choice, options: [1, 2], zip_id: z}
          seed: {type: choice, options: [1, 2], zip_id: z}
        random:
          samples: 3
          weight_decay: {type: loguniform, min: 1e-6, max: 1e-3}
        """,
        "a seml configuration",
        ["zip: [[epochs, seed]]", "# weight_decay: drawn here, 3 times, and written out"],
        [12],
    ),
    "seml with sub-configurations": (
        """\
        fixed: {epochs: 5}
        grid: {learning_rate: {type: loguniform, min: 1e-5, max: 1e-1, num: 5}}
        random: {samples: 3, model.dropout: {type: uniform, min: 0, max: 0.7}}
        small:
          grid:
            dataset: {type: choice, options: [mnist, kmnist]}
            batch_size: {type: choice, options: [16, 32]}
          random: {samples: 3, epochs: {type: randint, min: 2, max: 90}}
        large:
          fixed: {epochs: 10}
          grid:
            learning_rate: {type: choice, options: [0.001]}
            dataset: {type: choice, options: [svhn, stl10]}
            batch_size: {type: choice, options: [64, 128]}
        """,
        "a seml configuration",
        ["# small: a file of its own", "# large: a file of its own", "  lr: {value: 0.001}"],
        [60, 12],
    ),
    "HyperHerd, all combined": (
        """\
        name: mine
        grid: all
        launcher: ./launch.sh
        static_overrides: ["weight_decay=0.01"]
        parameters:
          lr: {type: continuous, low: 1e-3, high: 1e-1, scale: log, steps: 3}
          model: {type: discrete, values: [cnn, lenet5]}
          epochs: 3
        """,
        "a HyperHerd configuration",
        [
            "  weight_decay: 0.01",
            "  epochs: 3",
            "  lr: {values: [0.001, 0.01, 0.1]}",
            "# left out: launcher: runs are trained by cnnjobs itself",
        ],
        [6],
    ),
    "HyperHerd, some combined": (
        """\
        grid: [lr, weight_decay]
        parameters:
          lr: {type: continuous, low: 1e-4, high: 1e-1, scale: log, steps: 4, default: 0.001}
          optimizer: {type: discrete, values: [sgd, adamw, adam], default: adamw}
          weight_decay: {type: continuous, low: 0.0, high: 0.01, steps: 3, default: 0.001}
          batch_size: {type: discrete, values: [64, 128, 256], default: 128}
        """,
        "a HyperHerd configuration",
        ['  optimizer: "adamw"', "  batch_size: 128", "  weight_decay: {values: [0.0, 0.005, 0.01]}"],
        [12],
    ),
    "HyperHerd, one at a time": (
        """\
        parameters:
          lr: {type: discrete, values: [0.1, 0.2, 0.3, 0.4], default: 0.1}
          epochs: {type: discrete, values: [1, 2, 3], default: 2}
          seed: {type: discrete, values: [1, 2], default: 1}
        conditions:
          - {name: no, when: {epochs: 3}, exclude: {seed: [1]}}
          - {name: much, when: {lr: ">0.1"}, set: {x: 1}}
        """,
        "a HyperHerd configuration",
        ["ablate: true", "  - {epochs: 3, seed: [1]}", "# left out: conditions.much: write it as `when` or `exclude`"],
        [6],
    ),
    "HyperHerd without a grid": (
        "parameters: {lr: {type: continuous, low: 0.1, high: 0.5}, seed: {type: discrete, values: [1, 2]}}\n",
        "a HyperHerd configuration",
        ["  lr: {values: [0.1, 0.2, 0.3, 0.4, 0.5]}", "# the file names no grid, and not every default"],
        [10],
    ),
    "Ray Tune": (
        "trainable: {num_samples: 4, config: {lr: {grid_search: [0.1, 0.2]}, epochs: 2, seed: {randint: [0, 9]}}}\n",
        "another tool's search space",
        ["  epochs: 2", "  lr: {values: [0.1, 0.2]}", "# seed: drawn here, 4 times, and written out"],
        [8],
    ),
    "calls of Optuna and Ray": (
        "n_trials: 6\nlr: tune.loguniform(1e-4, 1e-1)\nepochs: trial.suggest_int('epochs', 1, 3)\n"
        "batch_size: tune.choice([16, 32])\n",
        "another tool's search space",
        [
            "  lr: {distribution: log_uniform_values, min: 0.0001, max: 0.1}",
            "  epochs: {min: 1, max: 3}",
            "  batch_size: {values: [16, 32]}",
        ],
        [6],
    ),
    "NNI": (
        """\
        trialCommand: python train.py
        maxTrialNumber: 9
        searchSpace:
          lr: {_type: loguniform, _value: [0.0001, 0.1]}
          batch_size: {_type: choice, _value: [16, 32, 64]}
          seed: {_type: randint, _value: [0, 10]}
        """,
        "another tool's search space",
        ["run_cap: 9", "  seed: {min: 0, max: 9}", "# left out: trialCommand: see docs/sweep-file.md"],
        [9],
    ),
    "Determined": (
        """\
        hyperparameters:
          lr: {type: log, base: 10, minval: -4, maxval: -1, count: 4}
          batch_size: {type: int, minval: 16, maxval: 64, count: 4}
          epochs: 2
        searcher: {name: grid}
        """,
        "another tool's search space",
        ["  epochs: 2", "  lr: {values: [0.0001, 0.001, 0.01, 0.1]}"],
        [16],
    ),
    "Determined, with its name": (
        """\
        name: mine
        entrypoint: model_def:Trial
        hyperparameters:
          lr: {type: log, base: 10, minval: -4, maxval: -1}
          epochs: {type: int, minval: 1, maxval: 5}
        searcher: {name: random, metric: val_loss, max_trials: 10}
        """,
        "another tool's search space",
        [
            "  lr: {distribution: log_uniform_values, min: 0.0001, max: 0.1}",
            "# left out: name, entrypoint, searcher.name, searcher.metric: ",
        ],
        [10],
    ),
    "Katib": (
        """\
        apiVersion: kubeflow.org/v1beta1
        kind: Experiment
        spec:
          algorithm: {algorithmName: random}
          maxTrialCount: 12
          parameters:
            - {name: lr, parameterType: double, feasibleSpace: {min: "0.01", max: "0.03"}}
            - {name: batch_size, parameterType: discrete, feasibleSpace: {list: ["16", "32"]}}
        """,
        "another tool's search space",
        ["  lr: {distribution: uniform, min: 0.01, max: 0.03}", "  batch_size: {values: [16, 32]}"],
        [12],
    ),
    "Ax": (
        """\
        parameters:
          - {name: lr, type: range, bounds: [1.0e-4, 0.4], log_scale: true}
          - {name: batch_size, type: choice, values: [16, 32]}
        objective_name: accuracy
        """,
        "another tool's search space",
        ["  lr: {distribution: log_uniform_values, min: 0.0001, max: 0.4}", "  batch_size: {values: [16, 32]}"],
        [20],
    ),
    "Azure": (
        """\
        type: sweep
        sampling_algorithm: random
        search_space:
          lr: {type: loguniform, min_value: -6, max_value: -1}
          batch_size: {type: choice, values: [16, 32]}
        limits: {max_total_trials: 9}
        """,
        "another tool's search space",
        ["  lr: {distribution: log_uniform, min: -6, max: -1}", "# left out: type, sampling_algorithm: "],
        [9],
    ),
    "NNI, with forms of its own": (
        """\
        lr: {_type: qloguniform, _value: [0.01, 1, 0.01]}
        weight_decay: {_type: lognormal, _value: [-7, 1]}
        epochs: {_type: mine, _value: [0, 1]}
        """,
        "another tool's search space",
        [
            "  lr: {distribution: q_log_uniform_values, min: 0.01, max: 1, q: 0.01}",
            "  weight_decay: {distribution: log_normal, mu: -7, sigma: 1}",
            "# left out: epochs: its",
        ],
        [20],
    ),
    "Guild's whole numbers": (
        "train: {flags: {lr: [0.1, 0.2], epochs: '[1:3]'}}\n",
        "another tool's search space",
        ["  epochs: {min: 1, max: 3}"],
        [6],
    ),
    "Hydra's mappings": (
        "hydra: {sweeper: {params: {optimizer: '{name:sgd,momentum:0.9},{name:adam}'}}}\n",
        "a Hydra configuration",
        ['  optimizer: {values: [{"name": "sgd", "momentum": 0.9}, {"name": "adam"}]}'],
        [2],
    ),
    "Ray's and Optuna's steps": (
        "config: {weight_decay: 'tune.quniform(0, 1, 0.25)', epochs: 'trial.suggest_int(\"e\", 1, 9, step=4)'}\n",
        "another tool's search space",
        ["  weight_decay: {values: [0.0, 0.25, 0.5, 0.75, 1.0]}", "  epochs: {values: [1, 5, 9]}"],
        [15],
    ),
    "plain settings": (
        "dataset: fashion_mnist_mini\nmodel: cnn\nlr: 0.1\n",
        "a plain mapping of settings",
        ['  dataset: "fashion_mnist_mini"', "  lr: 0.1"],
        [1],
    ),
    "a named list of configurations": (
        "dataset: mnist\nruns:\n  - {model: cnn, lr: 0.1}\n  - {model: cnn, lr: 0.2}\n  - {model: cnn, lr: 0.2}\n",
        "a plain mapping of lists",
        ['  "2": {model: "cnn", lr: 0.2}'],
        [2],
    ),
    "Guild": (
        "train: {main: train, flags: {lr: [0.1, 0.2], epochs: 'range[1:3]', seed: 1}}\n",
        "another tool's search space",
        ["  lr: {values: [0.1, 0.2]}", "  epochs: {values: [1, 2, 3]}", "  seed: 1"],
        [6],
    ),
    "Guild's list of models": (
        "- model: net\n  operations: {train: {flags: {lr: [0.1, 0.2], seed: [1, 2]}}}\n",
        "another tool's search space",
        ["  seed: {values: [1, 2]}"],
        [4],
    ),
    "Lightning": (
        "seed_everything: 3\ntrainer: {max_epochs: 2, accelerator: gpu}\n"
        "model: {class_path: nets.Net, init_args: {learning_rate: 0.1, width: 3}}\n",
        "a Lightning configuration",
        [
            "  seed: 3",
            "  epochs: 2",
            "  lr: 0.1",
            "# left out: model: choose it anew: model: ... (width)",
            "# left out: trainer: accelerator: cnnjobs trains by itself",
        ],
        [1],
    ),
    "a mapping of lists, none of them cut": (
        f"learning_rate: {[each / 100 for each in range(1, 41)]}\nbatch_size: [32, 64]\nepochs: 3\n",
        "a plain mapping of lists",
        ["  epochs: 3", f"  lr: {{values: {[each / 100 for each in range(1, 41)]}}}"],
        [80],
    ),
    "a list of configurations": (
        "- {name: a, lr: 0.1}\n- {name: b, lr: 0.2, epochs: 3}\n",
        "a list of configurations",
        ['  "a": {lr: 0.1}', '  "b": {lr: 0.2, epochs: 3}'],
        [2],
    ),
    "GitHub's matrix, with what is excluded": (
        """\
        name: train
        on: [push]
        jobs:
          train:
            runs-on: ubuntu-latest
            strategy:
              matrix:
                lr: [0.1, 0.01]
                batch_size: [32, 64]
                exclude: [{lr: 0.1, batch_size: 64}]
        """,
        "a table of jobs",
        ["  lr: {values: [0.1, 0.01]}", "  - {lr: 0.1, batch_size: 64}", "# left out: name, on, jobs.train.runs-on: "],
        [3],
    ),
    "GitHub's matrix, with what is included": (
        """\
        strategy:
          matrix:
            lr: [0.1, 0.01]
            batch_size: [32, 64]
            exclude: [{lr: 0.01}]
            include:
              - {epochs: 3}
              - {batch_size: 64, epochs: 5}
              - {lr: 0.5, batch_size: 128}
        """,
        "a table of jobs",
        [
            '  "lr=0.1 batch_size=32 epochs=3": {lr: 0.1, batch_size: 32, epochs: 3}',
            '  "lr=0.1 batch_size=64 epochs=5": {lr: 0.1, batch_size: 64, epochs: 5}',
            '  "lr=0.5 batch_size=128": {lr: 0.5, batch_size: 128}',
        ],
        [3],
    ),
    "GitHub's matrix, made by an expression": (
        "jobs: {train: {strategy: {matrix: '${{ fromJson(inputs.matrix) }}'}}}\n",
        "a table of jobs",
        ["# left out: matrix: ${{ fromJson(inputs.matrix) }} is known to the other tool alone"],
        [1],
    ),
    "GitLab's matrix": (
        "train: {parallel: {matrix: [{lr: [0.1, 0.2], seed: [1, 2]}, {lr: 0.5}]}, script: [make]}\n",
        "a table of jobs",
        ['  "lr=0.2 seed=1": {lr: 0.2, seed: 1}', '  "lr=0.5": {lr: 0.5}', "# left out: train.script: "],
        [5],
    ),
    "matrices of two jobs of one name": (
        """\
        workflows:
          all:
            jobs:
              - train: {matrix: {parameters: {lr: [0.1, 0.2]}, exclude: [{lr: 0.2}]}}
              - train: {matrix: {parameters: {seed: [1, 2, 3]}}}
        """,
        "a table of jobs",
        ["# workflows.all.train: a file of its own", "# workflows.all.train 2: a file of its own"],
        [1, 3],
    ),
    "DVC": (
        """\
        stages:
          one: {foreach: [{lr: 0.1, epochs: 2}, {lr: 0.2, epochs: 3}], do: {cmd: python a.py}}
          two: {matrix: {lr: [0.1, 0.2, 0.3], seed: [1, 2]}, cmd: python b.py}
        """,
        "a table of jobs",
        ["# one: a file of its own", '  "lr=0.1 epochs=2": {lr: 0.1, epochs: 2}', "# left out: stages.one.do, "],
        [2, 6],
    ),
    "a grid of scikit-learn": (
        "param_grid: [{lr: [0.1], epochs: [1, 2]}, {lr: [0.01, 0.001]}]\n",
        "a table of jobs",
        ['  "lr=0.1 epochs=2": {lr: 0.1, epochs: 2}', '  "lr=0.001": {lr: 0.001}'],
        [4],
    ),
    "Polyaxon": (
        """\
        kind: operation
        matrix:
          kind: random
          numRuns: 7
          concurrency: 2
          params:
            lr: {kind: loguniform, value: {low: -9, high: -2}}
            weight_decay: {kind: qnormal, value: [0.1, 0.01, 0.001]}
            epochs: {kind: range, value: [2, 10, 2]}
            seed: {kind: pchoice, value: [[1, 0.1], [2, 0.9]]}
        component: {run: {kind: job}}
        """,
        "a Polyaxon operation",
        [
            "  lr: {distribution: log_uniform, min: -9, max: -2}",
            "  weight_decay: {distribution: q_normal, mu: 0.1, sigma: 0.01, q: 0.001}",
            "  epochs: {values: [2, 4, 6, 8]}",
            "# left out: seed: its form is known to the other tool alone",
            "# left out: component: cnnjobs runs no operations",
        ],
        [7],
    ),
    "Polyaxon's grid": (
        "matrix: {kind: grid, params: {lr: {kind: logspace, value: '-3:-1:3'}, "
        "weight_decay: {kind: geomspace, value: {start: 0.01, stop: 1, num: 3}}, seed: {kind: choice, value: [1]}}}\n",
        "a Polyaxon operation",
        ["  lr: {values: [0.001, 0.01, 0.1]}", "  weight_decay: {values: [0.01, 0.1, 1.0]}"],
        [9],
    ),
    "Polyaxon's older files": (
        "hptuning: {random_search: {n_experiments: 3}, matrix: {lr: {uniform: '0.1:0.2'}, seed: {values: [1, 2]}}}\n",
        "a Polyaxon operation",
        ["  lr: {distribution: uniform, min: 0.1, max: 0.2}", "  seed: {values: [1, 2]}"],
        [3],
    ),
    "Polyaxon's mapping": (
        "matrix: {kind: mapping, values: [{lr: 0.1, seed: 1}, {lr: 0.2, seed: 2}]}\n",
        "a Polyaxon operation",
        ['  "lr=0.1 seed=1": {lr: 0.1, seed: 1}'],
        [2],
    ),
    "SageMaker": (
        """\
        HyperParameterTuningJobConfig:
          Strategy: Bayesian
          ResourceLimits: {MaxNumberOfTrainingJobs: 12}
          ParameterRanges:
            ContinuousParameterRanges:
              - {Name: lr, MinValue: "0.0001", MaxValue: "0.1", ScalingType: Logarithmic}
              - {Name: weight_decay, MinValue: "0.5", MaxValue: "0.9", ScalingType: ReverseLogarithmic}
            IntegerParameterRanges: [{Name: epochs, MinValue: "2", MaxValue: "8"}]
            CategoricalParameterRanges: [{Name: batch_size, Values: ["32", "64"]}]
        TrainingJobDefinition: {StaticHyperParameters: {seed: "3"}}
        """,
        "a SageMaker tuning job",
        [
            "  seed: 3",
            "  lr: {distribution: log_uniform_values, min: 0.0001, max: 0.1}",
            "  epochs: {min: 2, max: 8}",
            "  batch_size: {values: [32, 64]}",
            "# left out: weight_decay: its form is known to the other tool alone",
            "# left out: Bayesian: configurations are drawn at random",
        ],
        [12],
    ),
    "SageMaker's grid": (
        "Strategy: Grid\nParameterRanges: {CategoricalParameterRanges: [{Name: lr, Values: ['0.1', '0.2', '0.3']}]}\n",
        "a SageMaker tuning job",
        ["method: grid", "  lr: {values: [0.1, 0.2, 0.3]}"],
        [3],
    ),
    "Vertex AI": (
        """\
        maxTrialCount: 9
        studySpec:
          metrics: [{metricId: accuracy, goal: MAXIMIZE}]
          parameters:
            - {parameterId: lr, doubleValueSpec: {minValue: 0.001, maxValue: 0.1}, scaleType: UNIT_LOG_SCALE}
            - {parameterId: epochs, integerValueSpec: {minValue: 2, maxValue: 8}}
            - {parameterId: optimizer, categoricalValueSpec: {values: [sgd, adam]}}
        """,
        "a Vertex AI study",
        [
            "  lr: {distribution: log_uniform_values, min: 0.001, max: 0.1}",
            "  epochs: {min: 2, max: 8}",
            '  optimizer: {values: ["sgd", "adam"]}',
            "# left out: studySpec.metrics: see docs/sweep-file.md",
        ],
        [9],
    ),
    "ClearML": (
        """\
        optimizer_class: GridSearch
        hyper_parameters:
          - {type: UniformIntegerParameterRange, name: General/epochs, min_value: 2, max_value: 8, step_size: 2}
          - {type: DiscreteParameterRange, name: Args/batch_size, values: [32, 64]}
        """,
        "a ClearML search",
        ["method: grid", "  epochs: {values: [2, 4, 6, 8]}", "  batch_size: {values: [32, 64]}"],
        [8],
    ),
    "ClearML's exponents": (
        "total_max_jobs: 5\n"
        "hyper_parameters: [{type: LogUniformParameterRange, name: lr, min_value: -5, max_value: -2}]\n",
        "a ClearML search",
        ["  lr: {distribution: log_uniform_values, min: 1e-05, max: 0.01}"],
        [5],
    ),
    "Keras Tuner": (
        """\
        max_trials: 11
        executions_per_trial: 2
        space:
          - {class_name: Float, config: {name: lr, min_value: 0.001, max_value: 0.1, sampling: log}}
          - {class_name: Int, config: {name: epochs, min_value: 2, max_value: 8, step: 2}}
          - {class_name: Int, config: {name: batch_size, min_value: 16, max_value: 128, step: 2, sampling: log}}
          - {class_name: Choice, config: {name: optimizer, values: [sgd, adam]}}
        """,
        "a Keras Tuner search",
        [
            "  lr: {distribution: log_uniform_values, min: 0.001, max: 0.1}",
            "  epochs: {values: [2, 4, 6, 8]}",
            "  batch_size: {values: [16, 32, 64, 128]}",
            "# left out: executions_per_trial: each configuration is run 2 times there: write seeds: 2",
        ],
        [11],
    ),
    "Ray's calls, a grid among them": (
        "param_space: {lr: 'tune.uniform(0.1, 0.2)', epochs: 'tune.grid_search([1, 2])', "
        "weight_decay: 'tune.sample_from(f)'}\nnum_samples: 3\n",
        "another tool's search space",
        ["  epochs: {values: [1, 2]}", "# lr: drawn here, 3 times", "# left out: weight_decay: its form is known"],
        [6],
    ),
    "Guild's two models": (
        "- {model: a, operations: {train: {flags: {lr: [0.1, 0.2]}, max-trials: 2}}}\n"
        "- {model: b, operations: {train: {flags: {seed: [1, 2, 3]}}}}\n",
        "another tool's search space",
        ["# a: a file of its own", "# b: a file of its own"],
        [2, 3],
    ),
    "parameters of MLflow, with their defaults": (
        "entry_points: {main: {parameters: {lr: {type: float, default: 0.1}}, command: python a.py}}\n",
        "another tool's search space",
        ["  lr: {value: 0.1}"],
        [1],
    ),
}  # fmt: skip


def offered(lines: list[str]) -> list[str]:
    """The sweeps that an answer offers."""
    text = dedent("\n".join(lines[1:])) + "\n"
    return text.split(": a file of its own\n")[1:] if ": a file of its own" in text else [text]


@pytest.mark.parametrize("tool", FILES)
def test_another_tools_file_is_shown_in_ours(
    tool: str, read: Callable[[str], Sweep], mistakes: Callable[[str], list[str]]
) -> None:
    theirs, name, parts, num_runs = FILES[tool]
    lines = mistakes(theirs)
    assert lines[0].startswith(f"1: this is {name}; the same sweep in the form that is read here")
    for part in parts:
        assert any(line.startswith(f"    {part}") for line in lines), (part, lines)
    sweeps = offered(lines)
    for text, count in zip(sweeps, num_runs, strict=True):
        assert f"# {count} run" in text
        # What trains is left to the reader of the offer; the runs are those of the other tool.
        completed = "\n".join(line for line in text.split("\n") if "momentum" not in line or "optimizer" in line)
        needs = {"dataset": "mnist", "model": "cnn"}
        given = ", ".join(f"{key}: {value}" for key, value in needs.items() if f"\n  {key}:" not in text)
        if "variants:" in completed:
            completed = completed.replace("{lr:", f"{{{given}, lr:")
        elif "\nbase:\n" in completed:
            completed = completed.replace(
                "base:\n", "base:\n" + "".join(f"  {each}\n" for each in given.split(", ") if each), 1
            )
        else:
            completed += f"\nbase: {{{given}}}\n"
        assert len(read(completed).runs) == count


@pytest.mark.parametrize(
    "text",
    [
        "hydra: 3\n",
        "hydra: {sweeper: {params: {lr: 'interval(a, b)'}}}\n",
        "grid: {lr: {type: uniform, min: a, max: b, num: 3}}\n",
        "random: {lr: {type: randint}}\n",
        "parameters: {lr: {type: continuous, steps: 3}}\n",
        "parameters: {lr: {type: continuous, low: 0, high: 1, scale: log, steps: 3}}\n",
        "search_space: {lr: {type: float, low: b, high: a}}\n",
    ],
)
def test_a_broken_file_of_another_tool_is_named_all_the_same(text: str, mistakes: Callable[[str], list[str]]) -> None:
    first, *shown = mistakes(text)
    assert first.startswith("1: this is a")
    assert "    method: grid" in shown


def test_an_offer_of_more_runs_than_a_sweep_has_says_so(mistakes: Callable[[str], list[str]]) -> None:
    lines = mistakes(f"lr: {[0.1] * 200}\nseed: {list(range(200))}\n")
    assert lines[-2] == "    # 40,000 configurations"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,2", [1, 2]),
        ("adam,'a,b',[1,2]", ["adam", "a,b", [1, 2]]),
        ("choice(true, null, 1e-3)", [True, None, 0.001]),
        ("range(3)", [0, 1, 2]),
        ("range(0, 1, step=0.25)", [0, 0.25, 0.5, 0.75]),
        ("int(range(1.0, 3.0))", [1, 2]),
        ("shuffle(range(1, 3))", [1, 2]),
        ("glob(*)", None),
    ],
)
def test_hydras_grammar(text: str, values: object) -> None:
    assert override(text) == values


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text("abc123 .-", min_size=1).map(str.strip).filter(bool), min_size=1, max_size=5))
def test_a_list_is_split_where_it_was_joined(parts: list[str]) -> None:
    assert split(",".join(parts)) == parts
