from __future__ import annotations

import json
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cnnjobs import registry
from cnnjobs.components.pretrained.places import file_hash
from cnnjobs.components.pretrained.weights_files import check_weights_file
from cnnjobs.errors import DataError
from cnnjobs.training.weights.initial import InitialWeights, read_initial_weights
from cnnjobs.training.weights.source import Normalisation, WeightsSource


def source(path: Path, content: Any, normalisation: Normalisation | None = None) -> WeightsSource:
    torch.save(content, path)
    return WeightsSource(path.name, path, file_hash(path), normalisation)


@pytest.fixture
def read(tmp_path: Path) -> Any:
    return lambda content: read_initial_weights(source(tmp_path / "w.pth", content))


def network(name: str, channels: int = 3, classes: int = 10, size: int = 32) -> nn.Module:
    given = {"in_channels": channels, "num_classes": classes, "image_size": size}
    model: nn.Module = registry.find("model", name).build(given=given, options={})
    return model


def test_weights_are_taken_over_to_the_bit(read: Any) -> None:
    model, other = network("lenet5"), network("lenet5")
    notes = read(other.state_dict()).fill(model, "lenet5", 10)
    assert len(notes) == 1
    assert notes[0].startswith("starts from the weights w.pth (SHA-256 ")
    for name, tensor in other.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)


@pytest.mark.parametrize("name", ["resnet18", "torchvision/squeezenet1_1"])
def test_other_classes_keep_the_drawn_last_layer_and_say_so(read: Any, name: str) -> None:
    model, other = network(name), network(name, classes=1000)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    notes = read(other.state_dict()).fill(model, name, 10)
    head = "fc" if name == "resnet18" else "classifier.1"
    assert notes[1:] == (f"its last layer {head} starts anew: the weights know 1000 classes, the run has 10",)
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[key] if key.startswith(head) else other.state_dict()[key]), key


def test_gray_images_get_the_weights_for_colour_summed(read: Any) -> None:
    model, other = network("torchvision/resnet18", 1), network("torchvision/resnet18")
    notes = read(other.state_dict()).fill(model, "torchvision/resnet18", 10)
    assert notes[1:] == ("its first convolution conv1 has the weights for RGB summed, for gray images",)
    images = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        gray, colour = model.eval()(images), other.eval()(images.expand(2, 3, 32, 32))
    assert torch.allclose(gray, colour, atol=1e-4)


def test_torchvisions_own_resnet18_fits_ours_and_gives_the_same(read: Any) -> None:
    ours, theirs = network("resnet18"), network("torchvision/resnet18")
    read(theirs.state_dict()).fill(ours, "resnet18", 10)
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(ours.eval()(images), theirs.eval()(images), atol=1e-4)


def test_old_names_and_spare_classifiers_are_understood(read: Any) -> None:
    dense = network("torchvision/densenet121")
    old = {
        key.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): each
        for key, each in dense.state_dict().items()
    }
    assert old.keys() != dense.state_dict().keys()
    read(old).fill(network("torchvision/densenet121"), "torchvision/densenet121", 10)
    google = network("torchvision/googlenet", classes=1000)
    whole = google.state_dict() | {"aux1.fc1.weight": torch.zeros(2, 2), "aux2.fc1.weight": torch.zeros(2, 2)}
    read(whole).fill(network("torchvision/googlenet"), "torchvision/googlenet", 10)


def test_files_of_other_programs_are_unwrapped(read: Any) -> None:
    weights = network("lenet5").state_dict()
    for content in ({"epoch": 3, "state_dict": weights}, {f"module.{key}": each for key, each in weights.items()}):
        model = network("lenet5")
        read(content).fill(model, "lenet5", 10)
        assert torch.equal(model.state_dict()["fc1.weight"], weights["fc1.weight"])


def test_batch_counts_may_be_missing(read: Any) -> None:
    weights: dict[str, Tensor] = network("resnet18").state_dict()
    read({key: each for key, each in weights.items() if "num_batches" not in key}).fill(network("resnet18"), "r", 10)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"conv2.bias": torch.zeros(7)}, "layer conv2: bias is (16,) in the model and (7,) in the file"),
        ({"conv2.weight": None, "conv2.bias": None}, "layer conv2 of the model is not in the file"),
        ({"block.9.weight": torch.zeros(1)}, "layer block.9 of the file is not in the model"),
        ({"fc3.weight": torch.zeros(7, 60)}, "layer fc3: weight is (10, 84) in the model and (7, 60) in the file"),
        ({"fc2.weight": torch.zeros(84)}, "layer fc2: weight is (84, 120) in the model and (84,) in the file"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_by_its_layer(read: Any, change: dict[str, Any], told: str, tmp_path: Path) -> None:
    weights = network("lenet5").state_dict() | change
    with pytest.raises(DataError) as refused:
        read({key: each for key, each in weights.items() if each is not None}).fill(network("lenet5"), "lenet5", 10)
    assert str(refused.value) == f"weights {tmp_path}/w.pth do not fit model `lenet5`: {told}"


def test_weights_that_are_no_numbers_are_told_by_the_file_not_by_the_network(read: Any) -> None:
    for value, kind in ((float("nan"), "NaN"), (float("inf"), "an infinite value")):
        broken = network("lenet5").state_dict()
        broken["conv2.weight"][0, 0, 0, :2] = value
        with pytest.raises(DataError, match=rf"w\.pth: `conv2\.weight` holds {kind} \(2 of "):
            read(broken).fill(network("lenet5"), "lenet5", 10)
    # A layer that starts anew takes nothing from the file.
    other = network("lenet5", classes=7).state_dict()
    other[list(other)[-1]][0] = float("nan")
    read(other).fill(network("lenet5"), "lenet5", 10)
    masked, empty = nn.Module(), nn.Module()
    for each, value in ((masked, float("-inf")), (empty, 0.0)):
        each.register_buffer("mask", torch.full((2,), value))
    read(masked.state_dict()).fill(empty, "own", 10)
    assert bool(empty.mask.isinf().all())


def test_of_many_layers_that_do_not_fit_three_are_named(read: Any) -> None:
    with pytest.raises(DataError, match=r"layer conv1: .*; layer conv2 .*; layer fc1 .*; and \d+ more$"):
        read(network("resnet18").state_dict()).fill(network("lenet5"), "lenet5", 10)


def test_weights_for_images_of_another_size_say_so(tmp_path: Path) -> None:
    def transformer(places: int) -> nn.Module:
        model = nn.Sequential(nn.Linear(4, 10))
        model.register_parameter("pos_embedding", nn.Parameter(torch.zeros(1, places, 4)))
        return model

    origin = replace(source(tmp_path / "vit.pth", transformer(5).state_dict()), image_size=64)
    with pytest.raises(DataError) as refused:
        read_initial_weights(origin).fill(transformer(2), "vit", 10)
    assert str(refused.value).endswith(
        "layer pos_embedding: pos_embedding is (1, 2, 4) in the model and (1, 5, 4) in the file; they are for images of"
        " 64×64 pixels: add {name: resize, size: 64} to augment"
    )


def test_what_is_no_file_of_weights_is_refused(read: Any, tmp_path: Path) -> None:
    for content in ([1, 2], {}, {"lr": 0.1}):
        with pytest.raises(DataError, match=r"w.pth: holds no state_dict.*; save one with torch\.save"):
            read(content)
    (tmp_path / "torn.pth").write_bytes(b"torn")
    with pytest.raises(DataError, match=r"weights file .*torn\.pth: is no file that torch\.save writes; save one"):
        read_initial_weights(WeightsSource("torn.pth", tmp_path / "torn.pth", "0" * 64))


def test_nothing_in_the_file_is_run(read: Any) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (print, ("the trap has closed",))

    with pytest.raises(DataError, match=r"w\.pth: holds a Python object, `__builtin__\.print`, which would run code"):
        read({"weight": Trap()})


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "model._orig_mod.", "net.backbone."])
def test_what_stands_in_front_of_every_name_is_taken_off_and_said(read: Any, prefix: str) -> None:
    weights = network("lenet5").state_dict()
    content: dict[str, Any] = {f"{prefix}{key}": each for key, each in weights.items()}
    content["criterion.weight"] = torch.ones(10)
    model = network("lenet5")
    notes = read({"epoch": 3, "state_dict": content, "hyper_parameters": {"lr": 0.1}}).fill(model, "lenet5", 10)
    assert notes[1:] == (
        f"its file has `{prefix}` in front of every name: taken off",
        "of its file criterion.weight are left out",
    )
    assert all(torch.equal(each, model.state_dict()[key]) for key, each in weights.items())


def test_a_whole_network_and_a_program_are_told_from_weights(tmp_path: Path) -> None:
    whole, program = tmp_path / "whole.pth", tmp_path / "program.pth"
    torch.save(network("lenet5"), whole)
    archive = zipfile.ZipFile(program, "w")
    archive.writestr("program/constants.pkl", b"")
    archive.close()
    for path, told in (
        (whole, "Python object, `torch.nn.modules.container.Sequential`"),
        (program, "TorchScript"),
    ):
        with pytest.raises(DataError) as refused:
            check_weights_file(path)
        assert told in str(refused.value)
        assert "torch.save(model.state_dict(), ...)" in str(refused.value)


@pytest.mark.parametrize("old", [False, True])
def test_a_file_that_was_cut_anywhere_is_told_plainly_before_the_start(tmp_path: Path, old: bool) -> None:
    path = tmp_path / "w.pth"
    torch.save(network("lenet5").state_dict(), path, _use_new_zipfile_serialization=not old)
    check_weights_file(path)
    assert (
        read_initial_weights(WeightsSource("w.pth", path, "0" * 64)).tensors.keys()
        == network("lenet5").state_dict().keys()
    )
    content = path.read_bytes()
    for part in (0.001, 0.5, 0.9, 0.999):
        path.write_bytes(content[: int(len(content) * part)])
        with pytest.raises(DataError) as refused:
            read_initial_weights(WeightsSource("w.pth", path, "0" * 64))
        assert "\x1b" not in str(refused.value)
        assert "cut short" in str(refused.value) or "cannot be read" in str(refused.value) or part < 0.01


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>", "is a web page"),
        (b"\x89HDF\r\n", "Keras"),
        (b"weights", "is no file that torch.save writes"),
    ],
)
def test_what_is_no_weights_at_all_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(DataError, match=told):
        check_weights_file(path)


def safetensors(path: Path, tensors: dict[str, Tensor], kind: str = "F32") -> None:
    header, start = {}, 0
    for name, tensor in tensors.items():
        size = tensor.numel() * 4
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [start, start + size]}
        start += size
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.write_bytes(
        struct.pack("<Q", len(text)) + text + b"".join(each.numpy().tobytes() for each in tensors.values())
    )


def test_safetensors_are_read_and_one_that_is_cut_is_told(tmp_path: Path) -> None:
    weights, path = network("lenet5").state_dict(), tmp_path / "w.safetensors"
    safetensors(path, weights)
    model = network("lenet5")
    read_initial_weights(WeightsSource("w.safetensors", path, "0" * 64)).fill(model, "lenet5", 10)
    assert all(torch.equal(each, model.state_dict()[key]) for key, each in weights.items())
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match=r"is cut short: \d+ of \d+ bytes; copy it again"):
        check_weights_file(path)
    safetensors(path, {"a": torch.ones(2)}, "F8_E4M3")
    with pytest.raises(DataError, match="`a` is of type F8_E4M3, which is not known here"):
        read_initial_weights(WeightsSource("w.safetensors", path, "0" * 64))


def test_an_exported_file_brings_its_normalisation(tmp_path: Path) -> None:
    steps = [{"name": "resize", "size": 64}, {"name": "normalise", "mean": [0.1], "std": [0.2]}]
    content = {"preprocessing": steps, "state_dict": network("lenet5").state_dict()}
    weights = read_initial_weights(source(tmp_path / "model.pth", content))
    assert weights.normalisation == Normalisation((0.1,), (0.2,), "model.pth")


def test_a_run_normalises_as_its_weights_were_trained(toy: Any, tmp_path: Path) -> None:
    """ImageNet's numbers for colour, their means for gray, and a run's own before both."""
    imagenet = Normalisation((0.4, 0.5, 0.6), (0.1, 0.2, 0.3), "ImageNet")
    own = {"name": "normalise", "mean": [0.0], "std": [1.0]}
    cases: list[tuple[int, list[Any], Normalisation | None, dict[str, Any], str]] = [
        (3, [], imagenet, {"mean": [0.4, 0.5, 0.6], "std": [0.1, 0.2, 0.3]}, "ImageNet"),
        (1, ["normalise"], imagenet, {"mean": [0.5], "std": [0.2]}, "ImageNet"),
        (1, [own], imagenet, {"mean": [0.0], "std": [1.0]}, "`normalise` as the run sets it"),
        (1, [], None, {"mean": [0.35], "std": [0.16]}, "the data set"),
    ]
    for channels, augment, known, expected, owner in cases:
        run = toy.config(dataset__channels=channels, weights="w.pth", augment=augment)
        saved = run.model.build(in_channels=channels, num_classes=3, image_size=8).state_dict()
        origin = source(tmp_path / "w.pth", saved, known)
        weights = InitialWeights(origin, saved, known)
        trainer = toy.trainer(run, weights=weights)
        (step,) = trainer.pipeline.preprocessing.steps
        assert {key: pytest.approx(value) for key, value in step.items() if key != "name"} == expected
        assert trainer.notes[1:] == (f"images are normalised by the mean and std of {owner}",)
        assert torch.equal(trainer.model.state_dict()["6.weight"], saved["6.weight"])
