"""Mistakes beside the runs: settings, the metric, the report, the job, ties, conditions and comparisons."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import pytest
from bad_sweeps import BASE, GRID, JOB, KEYS, SECTION_NAMES, Cases, every_option, names

FILES: Cases = {
    "settings of the wrong type": (
        BASE
        + dedent("""\
        name: ..
        description: 3
        seeds: [0, 0, -1, "2"]
        sampling_seed: 1.5
        ablate: yes
        early_terminate: {type: median, min_iter: 0, eta: 1, s: x}
        variants: [1]
        """),
        [
            '2: name: found ".."; it becomes a folder\'s name: give it some letters',
            "3: description: found 3; allowed: a text (a number needs quotes)",
            "4: seeds.2: found -1; allowed: a whole number, 0 or more",
            '4: seeds.3: found the text "2"; write 2 without quotes',
            '4: seeds: found [0, 0, -1, "2"]; give each seed once',
            "5: sampling_seed: found 1.5; allowed: a whole number, 0 or more",
            '6: ablate: found "yes"; allowed: true or false',
            '7: early_terminate.type: found "median"; allowed: hyperband',
            "7: early_terminate.min_iter: found 0; allowed: a whole number, 1 or more",
            '7: early_terminate.s: found "x"; allowed: a whole number, 1 or more',
            "7: early_terminate.eta: found 1; allowed: a number above 1",
            "8: variants: found [1]; allowed: a mapping of keys",
        ],
    ),
    "the metric": (
        f"{BASE}metric: {{name: val_acc, goal: maximise, target: 0.9}}\n",
        [
            '2: metric.goal: found "maximise"; did you mean `maximize`? allowed: maximize, minimize',
            "2: metric.name: no metric is called `val_acc`; did you mean `validation.accuracy`? allowed: train.loss, "
            "train.accuracy, validation.loss, validation.accuracy",
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
        "  titles: {result: Task 3b, end: x}\n  order: [curves, result]\n",
        [
            "3: report.figures: found 3; allowed: a text (a number needs quotes)",
            "3: report.figures: no figure is called `confusion`; "
            "allowed: compare, curves, overview, parallel, parameters, rates, search, speed",
            "4: report.ylim: no figure is called `curve.loss`; did you mean `curves.loss`? allowed: accuracy, compare, "
            "compare.accuracy, compare.loss, curves, curves.accuracy, curves.loss, loss, overview, overview.accuracy, "
            "overview.loss, parameters, parameters.accuracy, parameters.loss, search, search.accuracy, search.loss",
            f"5: report.titles: no section is called `result`; did you mean `results`? allowed: {SECTION_NAMES}",
            f"5: report.titles: no section is called `end`; did you mean `learned`? allowed: {SECTION_NAMES}",
            f"6: report.order: no section is called `result`; did you mean `results`? allowed: {SECTION_NAMES}",
        ],
    ),
    "the job": (
        f'{BASE}job: {{profile: 3, max_parallel: 0, cpus_per_run: "2", name: x}}\n',
        [
            f"2: job.name: unknown key; allowed: {JOB}",
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
            f"13: exclude.3.model.drop: no model has `drop`; did you mean `dropout`? allowed: {every_option('model')}",
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
}


@pytest.mark.parametrize("case", FILES)
def test_it_is_answered_exactly(case: str, is_answered: Callable[[str, list[str]], None]) -> None:
    is_answered(*FILES[case])
