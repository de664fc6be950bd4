"""Files that are no sweep, and keys that stand nowhere or in the wrong place."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bad_sweeps import DATA_SETS, FORMS, GRID, JOB, KEYS, TOP, Cases, names, options

FILES: Cases = {
    "not YAML": (
        "method: grid\nbase: {dataset: mnist\n",
        [
            "3: not YAML: expected ',' or '}', but got '<stream end>' (while parsing a flow mapping); "
            "the bracket `{` that is opened in line 2 is not closed"
        ],
    ),
    "a text that needs quotes": (
        "description: this: that\n",
        [
            "1: not YAML: mapping values are not allowed here; a text with `: ` in it needs quotes, and keys of one "
            "mapping the same indentation"
        ],
    ),
    "a bracket that stays open": (
        "method: grid\nbase: {dataset: mnist, model: cnn\nparameters:\n  lr: {values: [0.1]}\n",
        [
            "3: not YAML: expected ',' or '}', but got ':' (while parsing a flow mapping); the bracket `{` that is"
            " opened in line 2 is not closed"
        ],
    ),
    "a quote that stays open": (
        'method: grid\nbase: {dataset: "mnist, model: cnn}\n',
        [
            "3: not YAML: found unexpected end of stream (while scanning a quoted scalar); the quote that is opened in"
            " line 2 is not closed"
        ],
    ),
    "a number that is nothing": (
        "base: {dataset: mnist, model: cnn, weight_decay: 1e-400}\n",
        ["1: the number 1e-400 is too small; write 0, or a larger one"],
    ),
    "numbers in words": (
        "base: {dataset: mnist, model: cnn, lr: 1/10, weight_decay: 10%, batch_size: 2**5, epochs: 10 epochs}\n",
        [
            '1: lr: found "1/10"; write 0.1',
            '1: weight_decay: found "10%"; write 0.1',
            '1: batch_size: found "2**5"; write 32',
            '1: epochs: found "10 epochs"; write 10',
        ],
    ),
    "a run_cap in quotes": (
        'method: random\nrun_cap: "5"\nbase: {dataset: mnist, model: cnn}\nparameters: {lr: {min: 0.1, max: 0.2}}\n',
        ['2: run_cap: found the text "5"; write 5 without quotes'],
    ),
    "names of other tools in a parameter": (
        "method: grid\nbase: {dataset: mnist, model: cnn}\n"
        "parameters: {lr: {choices: [0.1]}, epochs: {low: 1, max: 2}}\n",
        [
            "3: parameters.lr.choices: unknown key; write values: [...]",
            "3: parameters.epochs.low: unknown key; write min: ...",
        ],
    ),
    "lr within the optimizer": (
        "base: {dataset: mnist, model: cnn, optimizer: {name: sgd, lr: 0.1}}\n",
        [
            "1: optimizer.lr: optimizer `sgd` has no `lr`; `lr` is a key of the run: write it beside `optimizer`, not"
            " in it"
        ],
    ),
    "lost indentation": (
        "method: grid\nbase:\ndataset: mnist\nmodel: cnn\n",
        ["2: base: empty, and dataset, model stand beside it; write two spaces before each of them"],
    ),
    "a condition without its list": (
        "method: grid\nbase: {dataset: mnist, model: cnn}\n"
        "parameters: {lr: {values: [0.1, 0.2]}}\nexclude: {lr: 0.1}\n",
        ['4: exclude: found {"lr": 0.1}; write [{"lr": 0.1}]'],
    ),
    "variants without names": (
        "base: {dataset: mnist, model: cnn}\nvariants: [{lr: 0.1}, {lr: 0.2}]\n",
        ['2: variants: found a list; give each a name: {1: {"lr": 0.1}, 2: {"lr": 0.2}}'],
    ),
    "the base of an ablation as a variant": (
        "ablate: true\nmethod: grid\nbase: {dataset: mnist, model: cnn}\nvariants: {bn: {model.batch_norm: true}}\n"
        "compare: [{title: x, before: {variant: base}, after: {variant: bn}}]\n",
        [
            "5: compare.0.before.variant: no variant is called `base`; `base` itself is no variant: name what it has,"
            " for example model.batch_norm: false"
        ],
    ),
    "no key of ours": (
        "searchSpaceFile: s.json\ntrialCommand: python a.py\ntuner: {name: GridSearch}\n",
        [
            "1: no key of a sweep file: searchSpaceFile, trialCommand, tuner; a sweep has at least base: {dataset: ...,"
            " model: ...}, see docs/sweep-file.md"
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
        ["3: a second document begins; one file holds one sweep: remove the `---` between"],
    ),
    "a character that is no text": (
        "name: \0\n",
        ["1: a character that is no text: U+0000; take it out, or save the file as plain text"],
    ),
    "nested without end": ("[" * 500, ["1: not YAML that can be read: nested too deeply; at most 40 levels"]),
    "empty": ("# nothing yet\n", [" no key in it; a sweep has at least base: {dataset: ..., model: ...}"]),
    "a list": (
        "- 1\n",
        [
            "1: found a list; a sweep is a mapping of keys: name, description, method, metric, parameters, "
            "early_terminate, run_cap, base, seeds, sampling_seed, zip, when, exclude, variants, ablate, compare, "
            "report, job, code, search"
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
            f"1: metod: unknown key; did you mean `method`? allowed: {TOP}",
            f"4: model.dropot: model `cnn` has no `dropot`; did you mean `dropout`? allowed: {options('model', 'cnn')}",
            f"5: learning_rate: unknown key; did you mean `lr`? allowed: {KEYS}",
            f"6: momentum: unknown key; did you mean `optimizer.momentum`? allowed: {KEYS}",
            "7: augment.0.paddin: augmentation `crop` has no `paddin`; did you mean `padding`? "
            f"allowed: {options('augmentation', 'crop')}",
            "8: optimizer.nestrov: optimizer `sgd` has no `nestrov`; did you mean `nesterov`? "
            f"allowed: {options('optimizer', 'sgd')}",
            "9: method: missing; allowed: bayes, grid, random",
            f"10: parameters.lr.vales: unknown key; did you mean `values`? allowed: {FORMS}",
            "11: parameters.weight_decay.sigma: distribution `uniform` has no `sigma`; allowed: max, min",
            "12: metric.nam: unknown key; did you mean `name`? allowed: goal, impute, name, target",
            "13: report.target: unknown key; did you mean `targets`? "
            "allowed: curves, figures, notes, order, targets, template, titles, ylim",
            f"14: job.max_paralel: unknown key; did you mean `max_parallel`? allowed: {JOB}",
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
    "nothing chosen": (
        "base: {lr: 0.1}\n",
        [
            f"1: dataset: missing; name a data set: {DATA_SETS}, or a folder of images",
            f"1: model: missing; choose one: {names('model')}",
        ],
    ),
    "empty parts": (
        "base:\nseeds: []\nvariants: {}\nexclude: []\nwhen:\ncompare: []\nzip: []\nreport: {}\njob:\n"
        "name: ''\nrun_cap:\n",
        [
            "1: base: empty; fill it or leave the key out",
            f"1: dataset: missing; name a data set: {DATA_SETS}, or a folder of images",
            f"1: model: missing; choose one: {names('model')}",
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
}


@pytest.mark.parametrize("case", FILES)
def test_it_is_answered_exactly(case: str, is_answered: Callable[[str, list[str]], None]) -> None:
    is_answered(*FILES[case])
