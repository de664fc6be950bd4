"""Networks as people write them: what works trains, what does not is told in one sentence before the first step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from cnnjobs.errors import InputError, RunError, key_of
from cnnjobs.figures.network.layers import list_layers
from cnnjobs.training.data.preprocessing import Preprocessing
from cnnjobs.training.data.random_state import random_state
from cnnjobs.training.networks.building import build_model
from cnnjobs.training.networks.layer_table import layer_table
from cnnjobs.training.networks.outputs import strangeness
from cnnjobs.training.networks.trial import Question, working_format

STEPS = [{"name": "normalise", "mean": [0.5], "std": [0.25]}]


def run(toy: Any, name: str, **changes: Any) -> Any:
    options = changes.pop("options", {})
    return toy.config(model={"name": f"nets:{name}", **options}, **{"epochs": 1, **changes})


def refused(toy: Any, config: Any) -> tuple[str, str | None]:
    """Refusal of a run before its first step, and its key."""
    with pytest.raises((InputError, RunError)) as raised:
        toy.trainer(config)
    return str(raised.value), key_of(raised.value)


@pytest.mark.parametrize(
    ("name", "options", "contiguous"),
    [
        ("ExampleModel", {}, True),
        ("LeNet5", {}, True),
        ("OnView", {}, False),
        ("Lazy", {}, False),
        ("Complex", {}, False),
        ("Checkpointed", {}, False),
        ("Shared", {}, True),
        ("Frozen", {}, False),
        ("Norm1d", {}, False),
        ("Normed", {}, True),
        ("Listed", {}, False),
    ],
)
def test_what_plain_torch_takes_is_trained(toy: Any, name: str, options: Any, contiguous: bool) -> None:
    trainer, lines = toy.trained(run(toy, name, options=options, lr=0.02))
    assert lines[-1]["train.loss"] > 0
    assert trainer.trial.why.startswith("contiguous: in channels_last" if contiguous else "channels_last: ")
    assert any("memory format contiguous" in note for note in trainer.notes) == contiguous
    assert set(trainer.final_metrics()) == {
        f"{split}.{metric}" for split in ("train", "validation", "test") for metric in ("loss", "accuracy")
    }


def test_what_a_network_gets_may_have_another_name(toy: Any) -> None:
    """It is filled in where the sweep leaves it out; where the sweep gives it, the run is the one that it was."""
    filled, told = run(toy, "ExampleModel"), run(toy, "ExampleModel", options={"image_channels": 1})
    assert filled.model.options == {"image_channels": None}
    assert filled.run_id != told.run_id
    built = [toy.trainer(config).model.state_dict() for config in (filled, told)]
    assert all(torch.equal(tensor, built[1][name]) for name, tensor in built[0].items())
    wrong, _ = refused(toy, run(toy, "ExampleModel", options={"image_channels": 2}))
    assert "its layer feature_extractor.0 (Conv2d) fails" in wrong


def test_what_is_handed_on_to_a_base_class_is_given(toy: Any) -> None:
    config = run(toy, "HandedOn")
    assert config.model.options == {"width": 3}
    assert toy.trained(config)[0].trial.why.startswith("channels_last")


def test_images_of_several_channels_are_viewed_as_they_are(toy: Any) -> None:
    # In channels_last a view of the images themselves would fail, too.
    config = run(toy, "OnView", dataset={"name": "toys:stripes", "channels": 3})
    trainer, _ = toy.trained(config)
    assert trainer.trial.memory_format is torch.contiguous_format


@pytest.mark.parametrize("name", ["OnView", "Shared", "Frozen", "LeNet5"])
def test_the_trial_leaves_no_trace(toy: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, running averages, gradients, modes and generators are those of the network as it was built."""
    config = run(toy, name)
    trainer = toy.trainer(config)
    state = random_state(trainer.device)
    from cnnjobs.training.networks import preparing
    from cnnjobs.training.networks.trial import Trial

    monkeypatch.setattr(preparing, "try_out", lambda model, asked: Trial(torch.contiguous_format, ""))
    untried = toy.trainer(config)
    untried_state = random_state(trainer.device)
    assert torch.equal(state["torch"], untried_state["torch"])
    assert (state["python"], state["numpy"]) == (untried_state["python"], untried_state["numpy"])
    expected = untried.model.state_dict()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in trainer.model.state_dict().items())
    assert not any(parameter.grad is not None and parameter.grad.any() for parameter in trainer.model.parameters())


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("pair", "gives tuple of 2 for 2 images, not logits (2, 3); cnnjobs trains single-label classification on one"),
        ("named", "gives GoogLeNetOutputs of 3: logits, aux_logits2, aux_logits1 for 2 images"),
        ("named", "return its `logits` alone"),
        ("mapping", "gives dict of 2: logits, hidden for 2 images"),
        ("none", "gives nothing (None) for 2 images"),
        ("one", "gives (2,), one number for each, as for BCE or MSE, for 2 images"),
        ("column", "gives (2, 1), one number for each, as for BCE or MSE,"),
        ("fewer", "gives (2, 2) for 2 images, not logits (2, 3); the data set has 3 classes"),
        ("maps", "gives (2, 3, 4, 4), logits for each place, for 2 images"),
        ("classes", "gives int64 (2,) for 2 images"),
        ("mean", "gives (3,) for 2 images, not logits (2, 3); a `squeeze()` without a dimension"),
        ("nan", "gives NaN for random images, before any step"),
        ("detached", "gives logits without a gradient"),
        ("meta", "gives logits on meta for images on cpu"),
        ("complex", "gives complex64 (2, 3) for 2 images"),
    ],
)
def test_what_is_no_logits_is_told_in_one_sentence(toy: Any, form: str, said: str) -> None:
    told, key = refused(toy, run(toy, "Outputs", options={"form": form}))
    assert said in told
    assert told.startswith("model `nets:Outputs` gives ")
    assert "\n" not in told
    assert key == "model"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("same", "gives the same network at each call"),
        ("same_layer", "gives a network with the same weights (1.weight) at each call"),
        ("no_network", "which is no network; return an object of torch.nn.Module"),
        ("a_class", "gives the class `OnView`, which is no network"),
        ("AllFrozen", "has nothing to train: all of its 71 parameters have requires_grad=False"),
        ("Two", "it is given one tensor, images (batch, channels, size, size)"),
        ("LazyUnused", "its layer spare is lazy and sees no image"),
    ],
)
def test_what_cannot_be_trained_is_refused(toy: Any, name: str, said: str) -> None:
    told, key = refused(toy, run(toy, name))
    assert said in told
    assert key == "model"


def test_losses_of_other_tasks_are_told_apart(toy: Any) -> None:
    told, key = refused(toy, run(toy, "OnView", loss="nets:squares"))
    assert told.startswith("loss `nets:squares` fails on logits (4, 3) and class numbers (4,), int64, as of single-lab")
    assert key == "loss"


def test_a_network_that_freezes_itself_keeps_its_statistics(toy: Any) -> None:
    trainer, _ = toy.trained(run(toy, "Frozen"))
    assert any("freezes 48 of 71 parameters by itself" in note and "body.1, body.2" in note for note in trainer.notes)
    norms = [trainer.model.body[1], trainer.model.body[2]]
    assert all(torch.equal(norm.running_mean, torch.zeros(4)) for norm in norms)
    assert not torch.equal(trainer.model.norm.running_mean, torch.zeros(4))


def test_dropout_that_stays_on_and_a_second_softmax_are_noted(toy: Any) -> None:
    assert any("two evaluations of the same images differ" in note for note in toy.trainer(run(toy, "Dropping")).notes)
    assert any("are probabilities" in note for note in toy.trainer(run(toy, "Softmax")).notes)
    assert toy.trainer(run(toy, "OnView")).notes == ()
    (note,) = toy.trainer(run(toy, "Spare")).notes
    assert note.startswith("no gradient reaches spare.weight, spare.bias: ")


def test_layers_in_a_list_and_images_that_are_mixed_are_noted(toy: Any) -> None:
    (note,) = toy.trainer(run(toy, "Listed")).notes
    assert note.startswith("the layers in the list `layers` are no part of the network: they are neither trained nor")
    told, _ = refused(toy, run(toy, "Listed", options={"head": False}))
    assert "has nothing to train: the layers in the list `layers` are no part of the network" in told
    (note,) = toy.trainer(run(toy, "Mixing")).notes
    assert note.startswith("the logits of an image depend on the others in its batch")


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")
def test_a_compiled_network_trains(toy: Any) -> None:
    assert toy.trained(run(toy, "scripted"))[0].notes == ()


@pytest.mark.parametrize(("name", "kind"), [("halved", "float16"), ("doubled", "float64")])
def test_a_network_of_another_type_than_images_is_told_with_its_parameter(toy: Any, name: str, kind: str) -> None:
    told, key = refused(toy, run(toy, name))
    assert told.startswith(
        f"model `nets:{name}`: its parameter 0.weight is {kind}, as of .half(), .double() or .to(dtype)"
    )
    assert key == "model"
    config = run(toy, name)
    asked = Question(config.model.name, Preprocessing.from_steps(STEPS, (1, 8, 8)), 2)
    with pytest.raises(InputError, match=f"its parameter 0.weight is {kind}"):
        working_format(build_model(config, (1, 8, 8), 2), asked)
    # A network that changes the type of images by itself works as it is.
    toy.trained(run(toy, "DoubledInside"))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")
def test_nothing_looks_into_a_compiled_network(toy: Any) -> None:
    model = build_model(run(toy, "scripted"), (1, 8, 8), 2)
    with pytest.raises(InputError, match=r"cannot be looked into: it is compiled by torch\.jit"):
        layer_table(model, (1, 8, 8))
    with pytest.raises(InputError, match=r"its layer 0 is compiled by torch\.jit"):
        layer_table(nn.Sequential(model), (1, 8, 8))
    assert [layer.name for layer in list_layers(nn.Sequential(model, nn.ReLU()), (1, 8, 8))] == ["1"]


def test_the_cause_is_where_the_users_own_code_was(toy: Any) -> None:
    from cnnjobs.system.failure import cause_of

    with pytest.raises(ValueError, match="dropout probability") as raised:
        toy.trainer(run(toy, "Impossible"))
    assert cause_of(raised.value).endswith("in forward)")
    assert "toys/nets.py:" in cause_of(raised.value)
    assert key_of(raised.value) == "model"


def test_a_last_batch_of_one_is_told_before_the_start(toy: Any) -> None:
    data = {"name": "toys:stripes", "train": 97}
    told, key = refused(toy, run(toy, "Norm1d", dataset=data, drop_last=False))
    assert "fails on a training batch of one image" in told
    assert told.endswith("the last batch of an epoch has one; set drop_last: true, or another batch_size")
    assert key == "batch_size"
    assert refused(toy, run(toy, "Norm1d", batch_size=1))[0].endswith("set batch_size to 2 or more")
    toy.trained(run(toy, "Norm1d", dataset=data))


def test_one_image_in_an_evaluation_is_tried_too(toy: Any) -> None:
    notes = toy.trainer(run(toy, "Squeezing")).notes
    assert any(note.startswith("a batch of one image fails in evaluation") for note in notes)
    told, _ = refused(toy, run(toy, "Squeezing", dataset={"name": "toys:stripes", "test": 257}))
    assert "the last batch of a split has one" in told


def test_a_run_that_was_contiguous_is_asked_contiguous(toy: Any, tmp_path: Any) -> None:
    from cnnjobs.disk.submission_folder import EvaluationRequest
    from cnnjobs.training.data.pipeline import DataSets
    from cnnjobs.training.trained.evaluation import evaluate_run
    from cnnjobs.training.trained.export import exported, load_exported
    from cnnjobs.training.trained.network import load_trained

    folder = toy.finished(tmp_path, run(toy, "LeNet5"))
    record = folder.read_record()
    assert record.choices["memory_format"].startswith("contiguous: in channels_last, which is faster, the network fail")
    data_sets = DataSets((), torch.device("cpu"))
    found = evaluate_run(folder, EvaluationRequest(dataset=None, split="test"), data_sets)
    assert found.metrics["loss"] == record.metrics["test.loss"]
    network = load_trained(folder, torch.device("cpu"))
    images = torch.randint(0, 256, (4, 8, 8, 1), dtype=torch.uint8).permute(0, 3, 1, 2)
    (tmp_path / "model.pth").write_bytes(exported(network))
    again = load_exported(tmp_path / "model.pth", torch.device("cpu"))
    assert torch.equal(again.logits(images), network.logits(images))


def test_complex_weights_have_no_fused_step(toy: Any) -> None:
    assert not toy.trainer(run(toy, "Complex")).optimizer.defaults["fused"]
    assert toy.trainer(run(toy, "OnView")).optimizer.defaults["fused"]
    assert isinstance(toy.trainer(run(toy, "Complex", optimizer="adam")).optimizer, torch.optim.Adam)


def test_a_network_in_channels_last_keeps_it(toy: Any) -> None:
    trainer = toy.trainer(toy.config())
    assert trainer.model[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert isinstance(trainer.model[0], nn.Conv2d)


def test_sigmoid_at_the_end_is_told() -> None:
    logits = 1 * torch.tensor([[-2.0, 1.0], [0.5, -0.1]], requires_grad=True)
    assert "as of a sigmoid at the end of `forward`" in strangeness(logits.sigmoid())
    assert "as of a sigmoid at the end of `forward`" in strangeness(logits.sigmoid()[..., None].flatten(1).double())
    assert "as of a softmax at the end of `forward`" in strangeness(logits.softmax(1))
    assert strangeness(logits) == ""
    # Logits of a new network may lie there by chance.
    assert strangeness(0.5 + 0.1 * logits) == ""
