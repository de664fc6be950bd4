"""Mistakes in runs: wrong types, components that nobody has, parameters, ranges and methods."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import pytest
from bad_sweeps import BASE, GRID, Cases, names

FILES: Cases = {
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
            "3: model.dropout: found 2; allowed: a share, from 0 to 1",
            '4: lr: found the text "1e-4"; write 1e-4 without quotes',
            "5: batch_size: found 12.5; allowed: a whole number",
            "6: epochs: found 0; allowed: a number above 0",
            '7: drop_last: found "no"; allowed: true or false',
            '8: precision: found "float16"; did you mean `bfloat16`? allowed: auto, bfloat16, float32',
            "9: seed: found -1; allowed: 0 or more",
            "10: weight_decay: found NaN; allowed: a finite number",
            "11: validate_every: found [1]; allowed: a number of epochs above 0, or steps: {steps: 1000}",
            '12: augment: found "flip"; write a list: [flip]',
            "13: early_stopping: found 2.5; allowed: a whole number",
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
            f"did you mean `log_uniform_values`? allowed: {names('distribution')}, or an import path `module:Name`",
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
            "3: parameters: 1,000,000 configurations; a sweep has at most 10,000 runs: leave values out, set run_cap, "
            "or use method: random",
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
            "1: run_cap: missing, and method: bayes goes on without end; "
            "say how many configurations to try, for example run_cap: 40"
        ],
    ),
    "random without a bound": (
        f"method: random\n{BASE}parameters: {{lr: {{min: 0.1, max: 0.2}}}}\n",
        [
            "1: run_cap: missing, and method: random needs it; "
            "say how many configurations to draw, for example run_cap: 20"
        ],
    ),
    "an ablation over a range": (
        f"{GRID}ablate: true\nparameters: {{lr: {{min: 0.1, max: 0.2}}}}\n",
        ["4: parameters.lr: is a continuous range; an ablation takes value or values"],
    ),
    "an ablation at random": (
        f"method: random\nrun_cap: 3\nablate: true\n{BASE}parameters: {{lr: {{values: [0.1]}}}}\n",
        ["3: ablate: found method: random; ablate: true needs method: grid"],
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
            '2: base.epochs: found `value`, as in `parameters`; write parameters: {epochs: {"value": 3}}, '
            "or here epochs with one value",
            "2: base: `seed` is set by `seeds`, too; set it in one of the two",
            "5: variants.a: `lr` is set by `parameters`, too; set it in one of the two",
            "6: variants.b: `model.dropout` is set by `parameters`, too; set it in one of the two",
            "10: parameters.model.hidden: `model.hidden` is set by `parameters.model`, too; set it in one of the two",
            "11: parameters.seed: `seed` is set by `seeds`, too; set it in one of the two",
        ],
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_it_is_answered_exactly(case: str, is_answered: Callable[[str, list[str]], None]) -> None:
    is_answered(*FILES[case])
