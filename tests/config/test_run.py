from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnjobs.config.run import KeyMistake, RunConfig, flatten, our_name, read_config, read_options, suggest_key

MINIMAL: dict[str, Any] = {"dataset": "mnist", "model": "cnn"}


def config(**changes: Any) -> RunConfig:
    read = read_config({**MINIMAL, **changes})
    assert isinstance(read, RunConfig), read
    return read


def test_every_default_is_resolved() -> None:
    nested = config().nested()
    assert nested["optimizer"] == {"name": "sgd", "momentum": 0.0, "nesterov": False}
    assert nested["model"]["batch_norm"] is False
    assert nested["dataset"]["validation"] == 0.1
    assert list(nested) == [key for key in RunConfig.model_fields if key != "print_every"]


def test_flat_puts_a_name_under_the_bare_key() -> None:
    flat = config(model={"name": "cnn", "filters": [8, 8]}, augment=["flip"]).flat()
    assert flat["model"] == "cnn"
    assert flat["model.filters"] == [8, 8]
    assert flat["augment"][0]["name"] == "flip"
    assert flatten({"a": {"name": "x", "b": {"c": 1}}}) == {"a": "x", "a.b.c": 1}


def test_nested_values_read_back_to_the_same_run() -> None:
    first = config(augment=[{"name": "crop", "padding": 2}, "flip"], early_stopping=3, precision="bfloat16")
    again = read_config(json.loads(json.dumps(first.nested())))
    assert isinstance(again, RunConfig)
    assert again == first
    assert again.run_id == first.run_id


def test_a_written_default_and_a_left_out_one_are_the_same_run() -> None:
    assert config(lr=0.05, seed=0, loss={"name": "cross_entropy", "label_smoothing": 0}).run_id == config().run_id
    assert config(weight_decay=0).run_id == config(weight_decay=0.0).run_id


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"lr": 0.1},
        {"epochs": 11},
        {"drop_last": False},
        {"model": {"name": "cnn", "dropout": 0.1}},
        {"dataset": {"name": "mnist", "validation": 0.2}},
        {"augment": ["flip"]},
        {"early_stopping": 3},
    ],
    ids=str,
)
def test_everything_that_changes_the_numbers_changes_the_run_id(change: dict[str, Any]) -> None:
    assert config(**change).run_id != config().run_id


@given(st.permutations(list(config(augment=["flip"]).nested().items())), st.randoms())
def test_run_id_does_not_depend_on_the_order_of_keys(items: list[tuple[str, Any]], random: Any) -> None:
    shuffled = {}
    for key, value in items:
        inner = list(value.items()) if isinstance(value, dict) else []
        random.shuffle(inner)
        shuffled[key] = dict(inner) if inner else value
    read = read_config(shuffled)
    assert isinstance(read, RunConfig)
    assert read.run_id == config(augment=["flip"]).run_id


def test_run_id_is_a_good_folder_name() -> None:
    run_id = config(dataset={"name": "../my data/é"}, lr=1e-5, seed=3).run_id
    assert run_id.startswith("cnn-.._my_data_-sgd-lr1e_05-s3-")
    assert len(config(dataset="d" * 300).run_id) <= 89


def test_run_id_is_the_same_in_every_process() -> None:
    program = f"from cnnjobs.config.run import read_config; print(read_config({MINIMAL!r}).run_id)"
    environment = {"PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == config().run_id


def test_any_folder_of_images_is_a_data_set_by_its_name() -> None:
    assert config(dataset="flowers").dataset.options == config(dataset="image_folder").dataset.options


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        config().lr = 0.1  # type: ignore[misc]


def test_mistakes_are_returned_all_at_once() -> None:
    read = read_config({"model": {"name": "cnn", "filters": [8, "x"]}, "lr": True, "epoch": 3, "augment": {"a": 1}})
    assert isinstance(read, list)
    assert {mistake.key: mistake.found for mistake in read} == {
        "dataset": "missing",
        "model.filters.1": 'found "x"',
        "lr": "found true",
        "epoch": "unknown key",
        "augment": 'found {"a": 1}',
    }


class TestReadOptions:
    def test_defaults_are_filled_in(self) -> None:
        assert read_options("distribution", "q_uniform", {"min": 0, "max": 1.5}) == {"min": 0, "max": 1.5, "q": 1}

    def test_members_of_a_union_make_one_mistake(self) -> None:
        assert read_options("distribution", "q_uniform", {"min": "a", "max": 2, "q": 0}) == [
            KeyMistake("min", 'found "a"', "allowed: a whole number or a number"),
            KeyMistake("q", "found 0", "allowed: a number above 0"),
        ]


def test_names_of_other_tools_lead_to_ours() -> None:
    assert our_name("Learning-Rate") == "lr"
    assert our_name("lr") == "lr"
    assert suggest_key("wd").startswith("did you mean `weight_decay`? allowed: ")
    assert suggest_key("nesterov").startswith("did you mean `optimizer.nesterov`? allowed: ")
    assert suggest_key("bach_size").startswith("did you mean `batch_size`? allowed: ")
    assert suggest_key("zzz").startswith("allowed: ")


class TestWeights:
    def test_default_is_what_it_stands_for_now(self) -> None:
        named = config(model="torchvision/resnet50", weights="DEFAULT")
        assert named.weights == "IMAGENET1K_V2"
        assert named.run_id == config(model="torchvision/resnet50", weights="IMAGENET1K_V2").run_id
        assert named.run_id != config(model="torchvision/resnet50").run_id

    def test_files_and_runs_are_taken_as_they_are(self) -> None:
        for weights in ("best.pth", "~/my/weights", "run:cnn-mnist-sgd-lr0.05-s0-1234abcd"):
            assert config(weights=weights).weights == weights

    @pytest.mark.parametrize(
        ("model", "weights", "found", "remedy"),
        [
            ("cnn", "DEFAULT", "model `cnn` has no published weights `DEFAULT`", "allowed: a file (model.pth), or "),
            (
                "resnet18",
                "IMAGENET1K_V3",
                "model `resnet18` has no weights `IMAGENET1K_V3`",
                "did you mean `IMAGENET1K_V1`? allowed: DEFAULT, ",
            ),
            ("cnn", "run:", 'found "run:"', "write run: and the id of a finished run"),
            ("cnn", True, "found true", "allowed: a text"),
        ],
    )
    def test_others_are_refused(self, model: str, weights: Any, found: str, remedy: str) -> None:
        (mistake,) = read_config({**MINIMAL, "model": model, "weights": weights})
        assert (mistake.key, mistake.found) == ("weights", found)
        assert mistake.remedy.startswith(remedy)


class TestFreeze:
    def test_both_forms_read_back_and_stand_under_one_key(self) -> None:
        for freeze in (["conv1", "layer1.*"], {"all_but": ["layer4", "fc"]}, None):
            first = config(freeze=freeze)
            assert first.flat()["freeze"] == first.nested()["freeze"] == freeze
            again = read_config(json.loads(json.dumps(first.nested())))
            assert again == first

    @pytest.mark.parametrize(
        "freeze", [[], "fc", {"all": ["fc"]}, {"all_but": "fc"}, {"all_but": []}, [1], [""]], ids=str
    )
    def test_others_are_refused(self, freeze: Any) -> None:
        (mistake,) = read_config({**MINIMAL, "freeze": freeze})
        assert mistake.key == "freeze"
        assert mistake.remedy.startswith(
            'write names of modules or patterns of them ([conv1, "layer1.*"]), or those to'
        )
