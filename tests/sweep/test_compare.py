from __future__ import annotations

from collections.abc import Callable

from cnnjobs.sweep.file import Pair, Sweep

Read = Callable[[str], Sweep]

BASE = "base: {dataset: mnist, model: cnn, lr: 0.1}\n"


def seeds(pair: Pair) -> list[tuple[int, int]]:
    return [(before.config.seed, after.config.seed) for before, after in zip(pair.before, pair.after, strict=True)]


def test_runs_are_matched_by_seed(read: Read) -> None:
    sweep = read(
        f"method: grid\n{BASE}seeds: [3, 1]\n"
        f"parameters: {{model.batch_norm: {{values: [false, true]}}, lr: {{values: [0.1, 0.2]}}}}\n"
        "compare:\n  - title: Batch norm\n    before: {model.batch_norm: false, lr: 0.2}\n"
        "    after: {model: {name: cnn, batch_norm: true}, lr: 0.2}\n"
    )
    (pair,) = sweep.pairs
    assert (pair.title, pair.differing) == ("Batch norm", {"model.batch_norm": (False, True)})
    assert seeds(pair) == [(3, 3), (1, 1)]
    assert {run.config.lr for run in pair.before + pair.after} == {0.2}


def test_naming_a_component_names_its_options(read: Read) -> None:
    sweep = read(
        f"method: grid\n{BASE}parameters: {{optimizer: {{values: [{{name: sgd, momentum: 0.9}}, adam]}}}}\n"
        "compare: [{title: t, before: {optimizer: sgd}, after: {optimizer: adam}}]\n"
    )
    assert sweep.pairs[0].differing == {"optimizer": ("sgd", "adam")}


def test_naming_a_variant_names_what_is_in_it(read: Read) -> None:
    sweep = read(
        f"{BASE}variants: {{a: {{}}, b: {{lr: 0.2, model: {{name: cnn, batch_norm: true}}}}}}\n"
        "compare: [{title: t, before: {variant: a}, after: {variant: b}}]\n"
    )
    assert sweep.pairs[0].differing == {"lr": (0.1, 0.2), "model.batch_norm": (False, True)}


def test_a_variant_that_sets_a_component_anew_names_the_options_it_drops(read: Read) -> None:
    sweep = read(
        "base: {dataset: mnist, model: {name: cnn, dropout: 0.5}}\nvariants: {a: {}, b: {model: cnn}}\n"
        "compare: [{title: t, before: {variant: a}, after: {variant: b}}]\n"
    )
    assert sweep.pairs[0].differing == {"model.dropout": (0.5, 0.0)}


def test_augmentations_are_named_without_their_defaults(read: Read) -> None:
    sweep = read(
        f"method: grid\n{BASE}parameters: {{augment: {{values: [[], [flip, {{name: crop, padding: 2}}]]}}}}\n"
        "compare: [{title: t, before: {augment: []}, after: {augment: [flip, {padding: 2, name: crop}]}}]\n"
    )
    (pair,) = sweep.pairs
    assert [len(run.config.augment) for run in (*pair.before, *pair.after)] == [0, 2]
    assert list(pair.differing) == ["augment"]


def test_seeds_of_one_side_only_are_left_out_and_said(read: Read) -> None:
    sweep = read(
        f"method: grid\n{BASE}seeds: 3\nexclude: [{{lr: 0.2, seed: 1}}]\nparameters: {{lr: {{values: [0.1, 0.2]}}}}\n"
        "compare:\n- {title: t, before: {lr: 0.1}, after: {lr: 0.2}}\n"
    )
    assert seeds(sweep.pairs[0]) == [(0, 0), (2, 2)]
    assert sweep.notices[-1] == "sweep.yaml:7: compare.0: only the seeds on both sides are compared: 0, 2"


def test_sides_without_a_common_seed_are_a_mistake(mistakes: Callable[[str], list[str]]) -> None:
    assert mistakes(
        f"method: grid\n{BASE}seeds: 2\nexclude: [{{lr: 0.2, seed: 1}}, {{lr: 0.1, seed: 0}}]\n"
        "parameters: {lr: {values: [0.1, 0.2]}}\ncompare:\n- {title: t, before: {lr: 0.1}, after: {lr: 0.2}}\n"
    ) == ["7: compare.0: no seed in common: 1 before, 0 after; compare runs with the same seeds"]


def test_values_that_never_meet_are_a_mistake(mistakes: Callable[[str], list[str]]) -> None:
    assert mistakes(
        f"{BASE}variants: {{a: {{lr: 0.2}}, b: {{epochs: 3}}}}\ncompare:\n"
        "- {title: t, before: {lr: 0.2, epochs: 3}, after: {variant: b}}\n"
    ) == [
        "4: compare.0.before: matches no run: none has all of these values together; "
        "name fewer of them, or add such a run"
    ]


def test_the_components_of_an_import_path_may_have_any_option(
    read: Read, mistakes: Callable[[str], list[str]], write_nets: None
) -> None:
    text = (
        "method: grid\nbase: {dataset: mnist, model: 'mynets:net'}\nparameters: {model.depth: {values: [1, 2]}}\n"
        "compare:\n- {title: t, before: {model.depth: 1}, after: {model.DEPTH: 2}}\n"
    )
    assert read(text.replace("DEPTH", "depth")).pairs[0].differing == {"model.depth": (1, 2)}
    assert mistakes(text.replace("DEPTH", "width")) == [
        "5: compare.0.after: matches no run: none has model.width: 2; the runs have: no run has this key"
    ]
