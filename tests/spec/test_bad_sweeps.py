"""Every kind of bad sweep file is answered with exact messages, all of them at once."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import pytest

from cnnjobs import registry
from cnnjobs.spec.run import RunConfig

Mistakes = Callable[[str], list[str]]


def names(kind: str) -> str:
    return ", ".join(sorted(registry.allowed_names(kind)))


def options(kind: str, name: str) -> str:
    return ", ".join(sorted(registry.find(kind, name).parameters))


KEYS = ", ".join(sorted(RunConfig.model_fields))
TOP = (
    "ablate, base, compare, description, early_terminate, exclude, job, method, metric, name, parameters, report, "
    "run_cap, sampling_seed, seeds, variants, when, zip"
)
FORMS = "a, b, distribution, max, min, mu, parameters, probabilities, q, sigma, value, values"
BASE = "base: {dataset: mnist, model: cnn}\n"
GRID = f"method: grid\n{BASE}"

FILES: dict[str, tuple[str, list[str]]] = {
    "not YAML": (
        "method: grid\nbase: {dataset: mnist\n",
        ["3: not YAML: expected ',' or '}', but got '<stream end>' (while parsing a flow mapping)"],
    ),
    "a text that needs quotes": (
        "description: this: that\n",
        [
            "1: not YAML: mapping values are not allowed here; a text with `: ` in it needs quotes, and keys of one "
            "mapping the same indentation"
        ],
    ),
    "tabs": (
        "base:\n\tmodel: cnn\n",
        [
            "2: not YAML: found character '\\t' that cannot start any token (while scanning for the next token); "
            "indent with spaces, not tabs"
        ],
    ),
    "two documents": (
        "method: grid\n---\nmethod: grid\n",
        [
            "2: not YAML: but found another document (expected a single document in the stream); "
            "one file holds one sweep: remove the `---` between"
        ],
    ),
    "a character that is no text": (
        "name: \0\n",
        [" not YAML: unacceptable character #x0000: special characters are not allowed"],
    ),
    "nested without end": ("[" * 500, [" not YAML that can be read: nested too deeply"]),
    "empty": ("# nothing yet\n", [" no key in it; a sweep has at least base: {dataset: ..., model: ...}"]),
    "a list": (
        "- 1\n",
        [
            "1: found a list; a sweep is a mapping of keys: name, description, method, metric, parameters, "
            "early_terminate, run_cap, base, seeds, sampling_seed, zip, when, exclude, variants, ablate, compare, "
            "report, job"
        ],
    ),
    "doubled keys": (
        f"{GRID}seeds: 1\nbase:\n  lr: 1\nparameters:\n  lr: {{value: 1, value: 2}}\n",
        [
            "4: base: doubled key, first given in line 2; keep one of them",
            "7: value: doubled key, first given in line 7; keep one of them",
        ],
    ),
    "a key that is no text": (f"{GRID}? [1, 2]\n: 3\n", ["3: a key that is no text; write a name"]),
    "a Python tag": (
        f"{GRID}parameters:\n  model.filters: {{value: !!python/tuple [8, 8, 8]}}\n",
        ["4: the tag `!!python/tuple` has no meaning here; write a list: [1, 2]"],
    ),
    "unknown keys at every depth": (
        """\
        metod: grid
        base:
          dataset: mnist
          model: {name: cnn, dropot: 0.1}
          learning_rate: 0.1
          momentum: 0.9
          augment: [{name: crop, paddin: 2}]
          optimizer.nestrov: true
        parameters:
          lr: {vales: [1]}
          weight_decay: {distribution: uniform, min: 0, max: 1, sigma: 2}
        metric: {nam: validation.loss}
        report: {target: {test.accuracy: 0.5}}
        job: {max_paralel: 2}
        """,
        [
            f" method: missing; allowed: {names('sampler')}",
            f"1: metod: unknown key; did you mean `method`? allowed: {TOP}",
            f"4: model.dropot: model `cnn` has no `dropot`; did you mean `dropout`? allowed: {options('model', 'cnn')}",
            f"5: learning_rate: unknown key; did you mean `lr`? allowed: {KEYS}",
            f"6: momentum: unknown key; did you mean `optimizer.momentum`? allowed: {KEYS}",
            "7: augment.0.paddin: augmentation `crop` has no `paddin`; did you mean `padding`? "
            f"allowed: {options('augmentation', 'crop')}",
            "8: optimizer.nestrov: optimizer `sgd` has no `nestrov`; did you mean `nesterov`? "
            f"allowed: {options('optimizer', 'sgd')}",
            f"10: parameters.lr.vales: unknown key; did you mean `values`? allowed: {FORMS}",
            "11: parameters.weight_decay.sigma: distribution `uniform` has no `sigma`; allowed: max, min",
            "12: metric.nam: unknown key; did you mean `name`? allowed: goal, impute, name, target",
            "13: report.target: unknown key; did you mean `targets`? allowed: figures, notes, targets, titles, ylim",
            "14: job.max_paralel: unknown key; did you mean `max_parallel`? "
            "allowed: account, canary, constraint, cpus_per_run, data_dir, exclude, extra, gpus_per_run, "
            "max_parallel, max_requeues, mem_gb, partition, profile, qos, runs_per_job, setup, "
            "signal_lead_s, timeout_min",
        ],
    ),
    "keys that stand elsewhere": (
        f"{GRID}epochs: 3\nnet: cnn\nslurm: {{partition: gpu}}\nseed: 3\nfixed: 3\n",
        [
            "3: epochs: stands at the top of the file; write base: {epochs: ...}",
            "4: net: stands at the top of the file; write base: {model: ...}",
            "5: slurm: unknown key; resources stand in a file of jobs/: write job: {profile: its name}",
            "6: seed: unknown key; write seeds: [0], or base: {seed: 0}",
            "7: fixed: unknown key; what every run shares stands in `base`",
        ],
    ),
    "wrong types": (
        """\
        base:
          dataset: mnist
          model: {name: cnn, batch_norm: "yes", filters: "(8, 8)", dropout: 2}
          lr: "1e-4"
          batch_size: 12.5
          epochs: 0
          drop_last: no
          precision: float16
          seed: -1
          weight_decay: .nan
          validate_every: [1]
          augment: flip
          early_stopping: 2.5
        """,
        [
            '3: model.filters: found the text "(8, 8)"; write a list: [8, 8]',
            '3: model.batch_norm: found "yes"; allowed: true or false',
            "3: model.dropout: found 2; allowed: at most 1",
            '4: lr: found the text "1e-4"; write 1e-4 without quotes',
            "5: batch_size: found 12.5; allowed: a whole number",
            "6: epochs: found 0; allowed: a number above 0",
            '7: drop_last: found "no"; allowed: true or false',
            '8: precision: found "float16"; did you mean `bfloat16`? allowed: bfloat16, float32',
            "9: seed: found -1; allowed: 0 or more",
            "10: weight_decay: found NaN; allowed: a finite number",
            "11: validate_every: found [1]; allowed: a number",
            '12: augment: found "flip"; allowed: a list',
            "13: early_stopping: found 2.5; allowed: a whole number",
        ],
    ),
    "nothing chosen": (
        "base: {lr: 0.1}\n",
        [
            f" dataset: missing; name a data set: {names('dataset')}",
            f" model: missing; choose one: {names('model')}",
        ],
    ),
    "unknown components": (
        """\
        base:
          dataset: mnist
          model: lenet6
          optimizer: {name: sdg, momentum: 0.9}
          schedule: {gamma: 0.1}
          loss: nowhere.at_all:Loss
          augment:
            - flop
            - {padding: 2}
            - 3
        """,
        [
            "3: model: no model is called `lenet6`; did you mean `lenet5`? "
            f"allowed: {names('model')}, or an import path `module:Name`",
            "4: optimizer: no optimizer is called `sdg`; did you mean `sgd`? "
            f"allowed: {names('optimizer')}, or an import path `module:Name`",
            "5: schedule.gamma: schedule `constant` has no `gamma`; `constant` has no options",
            "6: loss: loss `nowhere.at_all:Loss`: no module `nowhere.at_all` can be found from {cwd}; "
            "write `module:Name`",
            "8: augment.0: no augmentation is called `flop`; did you mean `flip`? "
            f"allowed: {names('augmentation')}, or an import path `module:Name`",
            f"9: augment.1: a mapping without `name`; write a name ({names('augmentation')}) or a mapping with `name`",
            f"10: augment.2: found 3; write a name ({names('augmentation')}) or a mapping with `name`",
        ],
    ),
    "a component that nobody chose": (
        "base: {dataset: mnist, model: {dropout: 0.1}}\n",
        [f"1: model: a mapping without `name`; write a name ({names('model')}) or a mapping with `name`"],
    ),
    "a value of the wrong type in a list, once for all its runs": (
        f"{GRID}parameters:\n  lr: {{values: [0.1, 0.2]}}\n  epochs:\n    values:\n      - 3\n      - three\n",
        ['8: epochs: found "three"; allowed: a whole number'],
    ),
    "an option that the chosen model does not have": (
        """\
        method: grid
        base: {dataset: mnist}
        parameters:
          model: {values: [cnn, lenet5]}
          model.dropout: {values: [0, 0.5]}
        """,
        [
            "5: model.dropout: model `lenet5` has no `dropout`; `lenet5` has no options; "
            "or only where it exists: when: {model.dropout: {model: cnn}}"
        ],
    ),
    "parameters that are no parameters": (
        BASE
        + dedent("""\
        method: grid
        parameters:
          lr: 0.1
          epochs: [1, 2]
          batch_size:
          seed: {}
          weight_decay: {sigma: 1}
          drop_last: {values: 3}
          validate_every: {values: []}
          precision: {values: "float32, bfloat16"}
          optimizer: {parameters: {momentum: {value: 0.9}}, values: [sgd]}
          optimizer.momentum: {value: 0.5}
          schedule: {parameters: {}}
          loss: {distribution: 3}
        """),
        [
            "4: parameters.lr: found 0.1; write {value: 0.1}",
            "5: parameters.epochs: found [1, 2]; write {values: [1, 2]}",
            "6: parameters.batch_size: empty; give it value, values or min and max",
            "7: parameters.seed: empty; give it value, values, min and max, "
            f"or a distribution: {names('distribution')}",
            '8: parameters.weight_decay: found {"sigma": 1}; give it value, values, min and max, or a distribution: '
            + names("distribution"),
            "9: parameters.drop_last.values: found 3; allowed: a list, for example values: [0.1, 0.01]",
            "10: parameters.validate_every.values: empty list; fill it or leave the key out, "
            "for example values: [0.1, 0.01]",
            '11: parameters.precision.values: found "float32, bfloat16"; '
            "allowed: a list, for example values: [float32, bfloat16]",
            "12: parameters.optimizer.values: stands beside `parameters`; keep one of them",
            "13: parameters.optimizer.momentum: `optimizer.momentum` is given twice; keep one of them",
            "14: parameters.schedule.parameters: empty; fill it or leave the key out",
            "15: parameters.loss.distribution: found 3; allowed: the name of a distribution",
        ],
    ),
    "ranges that are none": (
        BASE
        + dedent("""\
        method: random
        run_cap: 3
        parameters:
          lr: {min: 0.5, max: 0.1}
          epochs: {min: 3, max: 3}
          batch_size: {min: 3}
          weight_decay: {distribution: log_uniform, min: 0.0001, max: 0.1}
          validate_every: {distribution: loguniform, min: 1, max: 2}
          model.dropout: {min: "0.1", max: 0.5}
          optimizer.momentum: {values: [0, 0.9], probabilities: [0.5, 0.6]}
          drop_last: {values: [true, false], probabilities: [1]}
        """),
        [
            "5: parameters.lr: min 0.5 is above max 0.1; swap them",
            "6: parameters.epochs: min and max are both 3; for one value write value: 3",
            "7: parameters.batch_size.max: missing; distribution `int_uniform` needs it: give it a value",
            "8: parameters.weight_decay: min and max of `log_uniform` are exponents of e: 0.0001 and 0.1 give values "
            "from 1 to 1.105; did you mean `log_uniform_values`?",
            "9: parameters.validate_every.distribution: no distribution is called `loguniform`; "
            f"did you mean `log_uniform`? allowed: {names('distribution')}, or an import path `module:Name`",
            '10: parameters.model.dropout.min: found the text "0.1"; write 0.1 without quotes',
            "11: parameters.optimizer.momentum: the probabilities add up to 1.1; they must add up to 1",
            "12: parameters.drop_last: 2 values, 1 probabilities; give one for each value",
        ],
    ),
    "a grid over a continuous range": (
        BASE
        + dedent("""\
        method: grid
        parameters:
          lr: {min: 0.1, max: 0.5}
          weight_decay: {values: [0, 0.1], probabilities: [0.5, 0.5]}
          seed: {min: 1, max: 1000000}
          epochs: {values: [1, x]}
        """),
        [
            "4: parameters.lr: is a continuous range; a grid takes value, values, whole-number min and max, "
            "or q_uniform; or use method: random",
            "5: parameters.weight_decay: has probabilities, and a grid tries every value once; a grid takes value, "
            "values, whole-number min and max, or q_uniform; or use method: random",
            "6: parameters.seed: has 1,000,000 values; a grid takes value, values, whole-number min and max, "
            "or q_uniform; or use method: random",
            '7: epochs: found "x"; allowed: a whole number',
        ],
    ),
    "a grid too large": (
        f"{GRID}parameters: {{seed: {{min: 1, max: 1000}}, epochs: {{min: 1, max: 1000}}}}\n",
        [
            " parameters: the grid has 1,000,000 configurations; leave values out, set run_cap, or use method: random",
        ],
    ),
    "methods that are none": (
        f"method: gird\n{BASE}",
        [
            "1: method: no sampler is called `gird`; "
            f"did you mean `grid`? allowed: {names('sampler')}, or an import path `module:Name`"
        ],
    ),
    "bayes": (
        f"method: bayes\n{BASE}parameters: {{lr: {{min: 0.1, max: 0.2}}}}\n",
        [
            "1: method: `bayes` comes later; "
            "use method: random with the same parameters, and run_cap for how many to draw"
        ],
    ),
    "random without a bound": (
        f"method: random\n{BASE}parameters: {{lr: {{min: 0.1, max: 0.2}}}}\n",
        [
            " run_cap: missing, and method: random needs it; "
            "say how many configurations to draw, for example run_cap: 20"
        ],
    ),
    "empty parts": (
        "base:\nseeds: []\nvariants: {}\nexclude: []\nwhen:\ncompare: []\nzip: []\nreport: {}\njob:\n"
        "name: ''\nrun_cap:\n",
        [
            f" dataset: missing; name a data set: {names('dataset')}",
            f" model: missing; choose one: {names('model')}",
            "1: base: empty; fill it or leave the key out",
            "2: seeds: empty list; fill it or leave the key out, for example [0, 1, 2]",
            "3: variants: empty; fill it or leave the key out",
            "4: exclude: empty list; fill it or leave the key out, for example [{model: lenet5, lr: 0.3}]",
            "5: when: empty; fill it or leave the key out",
            "6: compare: empty list; fill it or leave the key out, for example - {title: ..., before: {...}, "
            "after: {...}}",
            "7: zip: empty list; fill it or leave the key out, for example zip: [[lr, batch_size]]",
            "8: report: empty; fill it or leave the key out",
            "9: job: empty; fill it or leave the key out",
            "10: name: empty; fill it or leave the key out",
            "11: run_cap: empty; fill it or leave the key out",
        ],
    ),
    "settings of the wrong type": (
        BASE
        + dedent("""\
        name: ../up
        description: 3
        seeds: [0, 0, -1, "2"]
        sampling_seed: 1.5
        ablate: yes
        early_terminate: {type: median, min_iter: 0, eta: 1, s: x}
        variants: [1]
        """),
        [
            '2: name: found "../up"; it becomes a folder\'s name: no `/`, no dot in front, at most 100 characters',
            "3: description: found 3; allowed: a text (a number needs quotes)",
            "4: seeds.2: found -1; allowed: a whole number, 0 or more",
            '4: seeds.3: found the text "2"; write 2 without quotes',
            '4: seeds: found [0, 0, -1, "2"]; give each seed once',
            "5: sampling_seed: found 1.5; allowed: a whole number, 0 or more",
            '6: ablate: found "yes"; allowed: true or false',
            '7: early_terminate.type: found "median"; allowed: hyperband',
            "7: early_terminate.min_iter: found 0; allowed: a whole number, 1 or more",
            '7: early_terminate.s: found "x"; allowed: a number, 0 or more',
            "7: early_terminate.eta: found 1; allowed: a number above 1",
            "8: variants: found [1]; allowed: a mapping of keys",
        ],
    ),
    "the metric": (
        f"{BASE}metric: {{name: val_acc, goal: maximise, target: 0.9}}\n",
        [
            '2: metric.goal: found "maximise"; did you mean `maximize`? allowed: maximize, minimize',
            "2: metric.name: no metric is called `val_acc`; did you mean `validation.accuracy`? allowed: train.loss, "
            "train.accuracy, validation.loss, validation.accuracy, test.loss, test.accuracy",
        ],
    ),
    "a metric of the test split": (
        f"{BASE}metric: {{name: test.accuracy, goal: minimize, target: 90}}\n",
        [
            "2: metric.name: `test.accuracy` cannot choose between runs; the test split is read once, at the end: "
            "choose by validation.accuracy",
            "2: metric.goal: found minimize for `test.accuracy`; write maximize",
            "2: metric.target: found 90; accuracies are fractions: did you mean 0.9?",
        ],
    ),
    "the report": (
        f"{BASE}report: {{targets: {{test.accuracy: 75, trainLoss: 1}}, ylim: {{curves: [2, 0]}}, "
        f"titles: {{curves: 3}}}}\n",
        [
            "2: report.titles.curves: found 3; allowed: a text (a number needs quotes)",
            "2: report.targets.test.accuracy: found 75; accuracies are fractions: did you mean 0.75?",
            "2: report.targets.trainLoss: no metric is called `trainLoss`; "
            "did you mean `train.loss`? allowed: train.loss, "
            "train.accuracy, validation.loss, validation.accuracy, test.loss, test.accuracy",
            "2: report.ylim.curves: found [2, 0]; allowed: the lower and the upper end, for example [0, 2]",
        ],
    ),
    "figures and sections that a report has not": (
        f"{BASE}report:\n  figures: [curves, confusion, 3]\n  ylim: {{curve.loss: [0, 2], loss: [0, 3]}}\n"
        "  titles: {result: Task 3b, end: x}\n",
        [
            "3: report.figures: found 3; allowed: a text (a number needs quotes)",
            "3: report.figures: no figure is called `confusion`; allowed: compare, curves, overview",
            "4: report.ylim: no figure is called `curve.loss`; did you mean `curves.loss`? allowed: accuracy, compare, "
            "compare.accuracy, compare.loss, curves, curves.accuracy, curves.loss, loss, overview, overview.accuracy, "
            "overview.loss",
            "5: report.titles: no section is called `result`; did you mean `results`? allowed: compare, configuration, "
            "curves, environment, networks, notes, results, unfinished",
            "5: report.titles: no section is called `end`; allowed: compare, configuration, curves, environment, "
            "networks, notes, results, unfinished",
        ],
    ),
    "the job": (
        f'{BASE}job: {{profile: 3, max_parallel: 0, cpus_per_run: "2", name: x}}\n',
        [
            "2: job.name: unknown key; "
            "allowed: account, canary, constraint, cpus_per_run, data_dir, exclude, extra, gpus_per_run, "
            "max_parallel, max_requeues, mem_gb, partition, profile, qos, runs_per_job, setup, "
            "signal_lead_s, timeout_min",
            "2: job.max_parallel: found 0; allowed: a number above 0",
            '2: job.cpus_per_run: found the text "2"; write 2 without quotes',
            "2: job.profile: found 3; allowed: a text (a number needs quotes)",
        ],
    ),
    "zip": (
        GRID
        + dedent("""\
        parameters: {lr: {values: [0.1, 0.2]}, epochs: {values: [1, 2, 3]}, seed: {values: [1, 2]}}
        zip:
          - [lr, epochs]
          - [lr]
          - [lr, batch_size]
          - lr
          - [lr, seed]
          - [seed, lr]
        """),
        [
            "5: zip.0: `lr` has 2 values, `epochs` has 3 values; parameters that move together need equally many",
            '6: zip.1: found ["lr"]; a group names two or more parameters, each of them once in all of `zip`',
            "7: zip.2: `batch_size` is not in `parameters`; allowed: epochs, lr, seed",
            '8: zip.3: found "lr"; allowed: a list, for example [lr, batch_size]',
            '10: zip.5: found ["seed", "lr"]; a group names two or more parameters, each of them once in all of `zip`',
        ],
    ),
    "a range in zip": (
        f"method: random\nrun_cap: 2\n{BASE}parameters: {{lr: {{min: 0.1, max: 0.2}}, seed: {{values: [1, "
        "2]}}\nzip: [[lr, seed]]\n",
        ["5: zip.0: `lr` is a continuous range; zip ties parameters with `values`"],
    ),
    "set twice": (
        """\
        method: grid
        base: {dataset: mnist, model: {name: cnn, dropout: 0.1}, model.dropout: 0.2, seed: 3, epochs: {value: 3}}
        seeds: 2
        variants:
          a: {lr: 0.1}
          b: {model.dropout: 0.3}
        parameters:
          lr: {values: [0.1, 0.2]}
          model: {values: [{name: cnn, hidden: [8]}]}
          model.hidden: {values: [[8], [16]]}
          seed: {values: [1]}
        """,
        [
            "2: base.model.dropout: `model.dropout` is set twice, first in line 2; keep one of them",
            "2: base.epochs: `value` and `values` belong into `parameters`; write epochs: 0.1",
            "2: base: `seed` is set by `seeds`, too; set it in one of the two",
            "5: variants.a: `lr` is set by `parameters`, too; set it in one of the two",
            "6: variants.b: `model.dropout` is set by `parameters`, too; set it in one of the two",
            "10: parameters.model.hidden: `model.hidden` is set by `parameters.model`, too; set it in one of the two",
            "11: parameters.seed: `seed` is set by `seeds`, too; set it in one of the two",
        ],
    ),
    "conditions": (
        GRID
        + dedent("""\
        parameters: {lr: {values: [0.1, 0.2]}, epochs: {values: [1, 2]}}
        variants: {plain: {}}
        when:
          lr: {model: lenet5}
          dropout: {model: cnn}
          epochs: {modl: cnn}
        exclude:
          - {lr: 0.3}
          - {model: cmn}
          - {variant: plane}
          - {model.drop: 3}
        """),
        [
            "6: when.lr: holds for none of the runs; correct it or leave it out",
            "7: when.dropout: is not in `parameters`; allowed: epochs, lr",
            f"8: when.epochs.modl: unknown key; did you mean `model`? allowed: {KEYS}",
            "10: exclude.0: holds for none of the runs; correct it or leave it out",
            "11: exclude.1.model: no model is called `cmn`; did you mean `cnn`? "
            f"allowed: {names('model')}, or an import path `module:Name`",
            "12: exclude.2.variant: no variant is called `plane`; did you mean `plain`? allowed: plain",
            "13: exclude.3.model.drop: no model has `drop`; "
            f"did you mean `dropout`? allowed: {options('model', 'cnn')}",
        ],
    ),
    "conditions in a circle": (
        f"{GRID}parameters: {{lr: {{values: [1, 2]}}, epochs: {{values: [1, 2]}}}}\n"
        "when: {lr: {epochs: 1}, epochs: {lr: 1}}\n",
        ["4: when: lr, epochs wait for each other; break the circle"],
    ),
    "nothing left to run": (
        f"{GRID}parameters: {{lr: {{values: [0.1, 0.2]}}}}\nexclude: [{{lr: 0.1}}, {{model: cnn}}]\n",
        ["4: exclude: leaves no run: all 2 configurations are excluded; exclude fewer of them"],
    ),
    "compare": (
        GRID
        + dedent("""\
        parameters: {lr: {values: [0.1, 0.2]}, model.batch_norm: {values: [false, true]}}
        compare:
          - {title: a, before: {model.batch_norm: false}, after: {model.batch_norm: true, lr: 0.1}}
          - {title: b, before: {model.batch_norm: false, lr: 0.3}, after: {model.batch_norm: true, lr: 0.1}}
          - {title: c, before: {lr: 0.1, epochs: [3, 4]}, after: {lr: 0.1}, befor: 1}
          - {title: d, before: {lr: 0.1, model.batch_norm: true}, after: {lr: 0.1, model: cnn, model.batch_norm: true}}
          - {before: {lr: 0.1}, after: {model: lenett}}
          - 3
        """),
        [
            "5: compare.0.before: matches configurations that differ in lr; "
            "name the one to compare, for example lr: 0.1",
            "6: compare.1.before: matches no run: none has lr: 0.3; the runs have: 0.1, 0.2",
            "7: compare.2.befor: unknown key; did you mean `before`? allowed: after, before, title",
            "7: compare.2.before: matches no run: none has epochs: [3, 4]; the runs have: 10",
            "7: compare.2.after: matches configurations that differ in model.batch_norm; name the one to compare, "
            "for example model.batch_norm: false",
            "8: compare.3: both sides are the same runs; name what changes",
            "9: compare.4.title: missing; an entry has title, before and after",
            "9: compare.4.after.model: no model is called `lenett`; did you mean `lenet5`? "
            f"allowed: {names('model')}, or an import path `module:Name`",
            "10: compare.5: found 3; allowed: a mapping of keys",
        ],
    ),
    "compared runs that differ in more": (
        BASE
        + dedent("""\
        variants:
          a: {lr: 0.1}
          b: {lr: 0.2, weight_decay: 0.1, optimizer: adam}
        compare:
          - {title: lr, before: {lr: 0.1}, after: {lr: 0.2}}
        """),
        [
            '6: compare.0: the runs differ in more than is named: optimizer ("sgd" and "adam"), '
            "optimizer.betas (none and [0.9, 0.999]), optimizer.eps (none and 1e-08), "
            "optimizer.momentum (0.0 and none), "
            "optimizer.nesterov (false and none), weight_decay (0.0 and 0.1); "
            "name it on both sides, or compare runs that share it"
        ],
    ),
    "an ablation over a range": (
        f"{GRID}ablate: true\nparameters: {{lr: {{min: 0.1, max: 0.2}}}}\n",
        ["4: parameters.lr: is a continuous range; an ablation takes value or values"],
    ),
    "an ablation at random": (
        f"method: random\nrun_cap: 3\nablate: true\n{BASE}parameters: {{lr: {{values: [0.1]}}}}\n",
        [" ablate: found method: random; ablate: true needs method: grid"],
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_bad_sweep_is_answered_exactly(case: str, mistakes: Mistakes, tmp_path: object) -> None:
    text, expected = FILES[case]
    assert mistakes(text) == [line.replace("{cwd}", str(tmp_path)) for line in expected]
