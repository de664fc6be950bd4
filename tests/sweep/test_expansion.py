from __future__ import annotations

from collections.abc import Callable

import pytest

from cnnjobs.sweep.file import Sweep

Read = Callable[[str], Sweep]

BASE = "base: {dataset: mnist, model: cnn, lr: 0.1}\n"


def labels(sweep: Sweep) -> list[str]:
    return [run.label for run in sweep.runs]


def test_base_alone_is_one_run(read: Read) -> None:
    sweep = read(BASE)
    assert [(run.label, run.overrides, run.variant) for run in sweep.runs] == [("", {}, None)]
    assert (sweep.name, sweep.method, sweep.notices) == ("sweep", "grid", ())


@pytest.mark.parametrize(("seeds", "expected"), [("3", [0, 1, 2]), ("[7, 3]", [7, 3])])
def test_every_configuration_runs_with_every_seed(read: Read, seeds: str, expected: list[int]) -> None:
    sweep = read(f"method: grid\nseeds: {seeds}\n{BASE}parameters: {{epochs: {{values: [2, 1]}}}}\n")
    assert [(run.overrides["epochs"], run.config.seed) for run in sweep.runs] == [
        (epochs, seed) for epochs in (2, 1) for seed in expected
    ]
    assert labels(sweep) == ["epochs=2"] * len(expected) + ["epochs=1"] * len(expected)


def test_the_last_name_is_the_fastest(read: Read) -> None:
    sweep = read(
        f"method: grid\n{BASE}"
        "parameters:\n  model: {parameters: {dropout: {values: [0, 0.5]}}}\n  lr: {values: [0.2, 0.1]}\n"
        "  epochs: {min: 1, max: 2}\n"
    )
    assert labels(sweep) == [
        f"epochs={epochs} lr={lr} dropout={dropout}" for epochs in (1, 2) for lr in (0.2, 0.1) for dropout in (0, 0.5)
    ]


class TestLayers:
    def test_a_component_as_a_whole_replaces_its_options(self, read: Read) -> None:
        sweep = read(
            """\
            method: grid
            base: {dataset: mnist, model: {name: cnn, dropout: 0.3}, optimizer: {name: sgd, momentum: 0.9}}
            variants:
              same: {}
              plain: {model: cnn}
              wide: {model: {name: cnn, hidden: [128]}}
              option: {model.hidden: [128]}
            """
        )
        found = {
            run.variant: (run.config.model.options["dropout"], run.config.model.options["hidden"]) for run in sweep.runs
        }
        hidden = sweep.runs[0].config.model.options["hidden"]
        assert found == {"same": (0.3, hidden), "plain": (0.0, hidden), "wide": (0.0, (128,)), "option": (0.3, (128,))}
        assert {run.config.optimizer.options["momentum"] for run in sweep.runs} == {0.9}

    def test_nested_and_dotted_keys_are_the_same(self, read: Read) -> None:
        nested = read("base: {dataset: mnist, model: {name: cnn, dropout: 0.5}, optimizer: {momentum: 0.9}}\n")
        dotted = read("base: {dataset: mnist, model.name: cnn, model.dropout: 0.5, optimizer.momentum: 0.9}\n")
        assert nested.runs[0].run_id == dotted.runs[0].run_id

    def test_an_option_goes_to_whatever_component_a_variant_chooses(self, read: Read) -> None:
        sweep = read(
            "method: grid\nbase: {dataset: mnist}\n"
            "variants: {a: {model: cnn}, b: {model: {name: cnn, batch_norm: true}}}\n"
            "parameters: {model.dropout: {values: [0.1, 0.2]}}\n"
        )
        assert labels(sweep) == ["a dropout=0.1", "a dropout=0.2", "b dropout=0.1", "b dropout=0.2"]

    def test_what_no_run_takes_over_is_said(self, read: Read) -> None:
        sweep = read(
            "method: grid\nbase: {dataset: mnist, model: cnn, lr: 0.3, optimizer: {name: sgd, momentum: 0.9}}\n"
            "parameters:\n  lr: {values: [0.1]}\n  optimizer: {values: [sgd, adam]}\n"
        )
        assert sweep.notices == (
            "sweep.yaml:2: base.lr: no run uses it, as each sets its own",
            "sweep.yaml:2: base.optimizer.momentum: no run uses it, as all set `optimizer` anew; "
            "to keep it, write optimizer: {name: ..., momentum: ...}",
        )

    def test_a_mistake_in_base_is_found_where_every_run_replaces_it(self, mistakes: Callable[[str], list[str]]) -> None:
        lines = mistakes(
            "method: grid\nbase:\n  dataset: mnist\n  model: {name: cnn, dropot: 1}\n  lr: x\n"
            "parameters: {model: {values: [lenet5]}, lr: {values: [1]}}\n"
        )
        assert [line.partition(";")[0] for line in lines] == [
            "4: model.dropot: model `cnn` has no `dropot`",
            '5: lr: found "x"',
        ]


class TestZip:
    def test_values_move_together_at_the_place_of_the_first_name(self, read: Read) -> None:
        sweep = read(
            f"method: grid\n{BASE}zip: [[weight_decay, batch_size]]\nparameters:\n"
            "  batch_size: {values: [16, 32]}\n  epochs: {values: [1, 2]}\n  weight_decay: {values: [0, 0.1]}\n"
        )
        assert labels(sweep) == [
            "batch_size=16 epochs=1 weight_decay=0",
            "batch_size=16 epochs=2 weight_decay=0",
            "batch_size=32 epochs=1 weight_decay=0.1",
            "batch_size=32 epochs=2 weight_decay=0.1",
        ]

    def test_random_draws_keep_the_pairs(self, read: Read) -> None:
        sweep = read(
            f"method: random\nrun_cap: 30\n{BASE}zip: [[weight_decay, batch_size]]\nparameters:\n"
            "  batch_size: {values: [16, 32]}\n  lr: {min: 0.1, max: 0.2}\n  weight_decay: {values: [0, 0.1]}\n"
        )
        assert {(run.config.batch_size, run.config.weight_decay) for run in sweep.runs} == {(16, 0), (32, 0.1)}


class TestWhen:
    TEXT = (
        f"method: grid\n{BASE}when: {{optimizer.momentum: {{optimizer: [sgd, rmsprop]}}}}\nparameters:\n"
        "  optimizer: {values: [sgd, adam, rmsprop]}\n  optimizer.momentum: {values: [0.5, 0.9]}\n"
    )

    def test_a_parameter_exists_only_where_its_condition_holds(self, read: Read) -> None:
        sweep = read(self.TEXT)
        assert labels(sweep) == [
            "optimizer=sgd momentum=0.5",
            "optimizer=sgd momentum=0.9",
            "optimizer=adam",
            "optimizer=rmsprop momentum=0.5",
            "optimizer=rmsprop momentum=0.9",
        ]
        assert sweep.notices == ()

    def test_conditions_may_depend_on_each_other_and_on_defaults(self, read: Read) -> None:
        sweep = read(
            f"method: grid\n{BASE}when:\n  seed: {{epochs: 2}}\n"
            f"  epochs: {{weight_decay: 0.1, model.batch_norm: false}}\n"
            "parameters:\n  weight_decay: {values: [0, 0.1]}\n  epochs: {values: [2, 3]}\n  seed: {values: [1, 2]}\n"
        )
        assert [(run.config.weight_decay, run.config.epochs, run.config.seed) for run in sweep.runs] == [
            (0, 10, 0),
            (0.1, 2, 1),
            (0.1, 2, 2),
            (0.1, 3, 0),
        ]

    def test_a_condition_on_the_variant(self, read: Read) -> None:
        sweep = read(
            f"method: grid\n{BASE}variants: {{a: {{}}, b: {{epochs: 3}}}}\nwhen: {{lr: {{variant: b}}}}\n"
            "parameters: {lr: {values: [0.2, 0.3]}}\n"
        )
        assert labels(sweep) == ["a", "b lr=0.2", "b lr=0.3"]


class TestExclude:
    def test_partial_matches_are_left_out(self, read: Read) -> None:
        sweep = read(
            f"method: grid\n{BASE}seeds: 2\nexclude:\n  - {{lr: [0.2, 0.3], epochs: 1}}\n  - {{lr: 0.1, seed: 1}}\n"
            "parameters: {lr: {values: [0.1, 0.2, 0.3]}, epochs: {values: [1, 2]}}\n"
        )
        assert [(run.label, run.config.seed) for run in sweep.runs] == [
            ("epochs=1 lr=0.1", 0),
            ("epochs=2 lr=0.1", 0),
            ("epochs=2 lr=0.2", 0),
            ("epochs=2 lr=0.2", 1),
            ("epochs=2 lr=0.3", 0),
            ("epochs=2 lr=0.3", 1),
        ]

    def test_excluded_points_need_not_be_valid(self, read: Read) -> None:
        sweep = read(
            "method: grid\nbase: {dataset: mnist}\nexclude: [{model: lenet5, model.dropout: 0.5}]\n"
            "parameters:\n  model: {values: [lenet5, cnn]}\n  model.dropout: {values: [0.5]}\n"
        )
        assert [run.config.model.name for run in sweep.runs] == ["cnn"]

    def test_a_value_that_is_a_list_matches_as_a_whole(self, read: Read) -> None:
        sweep = read(
            f"method: grid\n{BASE}exclude: [{{model.hidden: [8]}}, {{model.hidden: [[16], [32]]}}]\n"
            "parameters: {model.hidden: {values: [[8], [16], [32], [8, 8]]}}\n"
        )
        assert labels(sweep) == [""]
        assert sweep.runs[0].config.model.options["hidden"] == (8, 8)

    def test_excluded_draws_are_counted(self, read: Read) -> None:
        sweep = read(
            f"method: random\nrun_cap: 8\n{BASE}exclude: [{{epochs: 1}}, {{epochs: 7}}]\n"
            "parameters: {epochs: {values: [1, 2]}, lr: {min: 0.1, max: 0.2}}\n"
        )
        assert 0 < len(sweep.runs) < 8
        assert sweep.notices == (
            "sweep.yaml:4: exclude.1: holds for none of the runs",
            f"sweep.yaml:4: exclude: {8 - len(sweep.runs)} of 8 draws are excluded and not replaced",
            "sweep.yaml:3: base.lr: no run uses it, as each sets its own",
        )


class TestRunCap:
    def test_it_bounds_the_configurations_of_a_grid(self, read: Read) -> None:
        sweep = read(f"method: grid\nrun_cap: 2\nseeds: 2\n{BASE}parameters: {{epochs: {{min: 1, max: 90000}}}}\n")
        assert [(run.config.epochs, run.config.seed) for run in sweep.runs] == [(1, 0), (1, 1), (2, 0), (2, 1)]
        assert sweep.notices == ("sweep.yaml:2: run_cap: the first 2 configurations are run, the rest is left out",)

    def test_a_cap_above_the_grid_is_no_news(self, read: Read) -> None:
        sweep = read(f"method: grid\nrun_cap: 2\n{BASE}parameters: {{epochs: {{values: [1, 2]}}}}\n")
        assert (len(sweep.runs), sweep.notices) == (2, ())

    def test_a_grid_too_large_to_list_can_be_capped(self, read: Read) -> None:
        sweep = read(
            f"method: grid\nrun_cap: 3\n{BASE}parameters: {{epochs: {{min: 1, max: 999}}, seed: {{min: 0, "
            "max: 999}}\n"
        )
        assert [run.overrides for run in sweep.runs] == [{"seed": 0}, {"seed": 1}, {"seed": 2}]

    def test_variants_share_the_draws_of_random_search(self, read: Read) -> None:
        sweep = read(
            f"method: random\nrun_cap: 7\n{BASE}variants: {{a: {{}}, b: {{model.dropout: 0.5}}}}\n"
            "parameters: {weight_decay: {min: 0.0, max: 0.1}}\n"
        )
        draws = {name: [run.config.weight_decay for run in sweep.runs if run.variant == name] for name in "ab"}
        assert draws["a"] == draws["b"]
        assert len(draws["a"]) == 3


class TestRandom:
    TEXT = (
        f"method: random\nrun_cap: CAP\n{BASE}parameters: {{weight_decay: {{min: 0.0, max: 0.1}}, "
        f"epochs: {{min: 1, max: 90}}}}\n"
    )

    def test_the_same_file_draws_the_same_runs(self, read: Read) -> None:
        first, again = read(self.TEXT.replace("CAP", "5")), read(self.TEXT.replace("CAP", "5"))
        assert [run.run_id for run in first.runs] == [run.run_id for run in again.runs]
        assert len({run.config.weight_decay for run in first.runs}) == 5

    def test_a_larger_cap_keeps_the_draws_so_far(self, read: Read) -> None:
        few, many = read(self.TEXT.replace("CAP", "3")), read(self.TEXT.replace("CAP", "6"))
        assert [run.run_id for run in many.runs[:3]] == [run.run_id for run in few.runs]

    def test_a_new_parameter_keeps_the_draws_of_the_others(self, read: Read) -> None:
        few = read(self.TEXT.replace("CAP", "3"))
        more = read(self.TEXT.replace("CAP", "3").replace("epochs:", "batch_size: {min: 1, max: 64}, epochs:"))
        assert [run.config.epochs for run in few.runs] == [run.config.epochs for run in more.runs]

    def test_another_sampling_seed_draws_others(self, read: Read) -> None:
        one, other = (read(f"sampling_seed: {seed}\n" + self.TEXT.replace("CAP", "3")) for seed in (0, 1))
        assert {run.run_id for run in one.runs}.isdisjoint(run.run_id for run in other.runs)


def test_an_ablation_changes_one_thing_at_a_time(read: Read) -> None:
    sweep = read(
        """\
        method: grid
        ablate: true
        base: {dataset: mnist, model: cnn, lr: 0.1, optimizer: {name: sgd, momentum: 0.9}}
        variants:
          all of it: {model.batch_norm: true, model.dropout: 0.5, lr: 0.2}
        parameters:
          model.batch_norm: {values: [false, true]}
          lr: {values: [0.1, 0.2]}
          optimizer: {values: [sgd, adam]}
          augment: {values: [[flip]]}
        """
    )
    assert [(run.variant, run.label) for run in sweep.runs] == [
        ("base", "base"),
        ("all of it", "all of it"),
        (None, "augment=flip"),
        (None, "lr=0.2"),
        (None, "batch_norm=true"),
        (None, "optimizer=adam"),
    ]
    assert sweep.runs[0].overrides == {
        "augment": [],
        "lr": 0.1,
        "model.batch_norm": False,
        "model.dropout": 0.0,
        "optimizer": "sgd",
    }


def test_equal_runs_are_run_once_and_said(read: Read) -> None:
    sweep = read(
        f"method: grid\n{BASE}parameters: {{epochs: {{values: [1, 2, 1]}}, optimizer: {{values: [sgd, "
        f"{{name: sgd, momentum: 0}}]}}}}\n"
    )
    assert labels(sweep) == ["epochs=1", "epochs=2"]
    assert sweep.notices == (
        "sweep.yaml: 4 of 6 runs equal an earlier one, defaults included, and run once "
        '(the first: epochs: 1, optimizer: "sgd", optimizer.momentum: 0)',
    )
