"""`cnnjobs figures` as the shell calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cnnjobs import registry
from cnnjobs.cli.network import figure_options
from cnnjobs.components.data.class_names import FASHION_MNIST
from cnnjobs.components.models.lenet5 import lenet5
from cnnjobs.config.run import RunConfig
from cnnjobs.disk.run_folder import RunFolder, RunRecord, RunState, RunStore
from cnnjobs.figures.kinds import OPTIONS, STANDARD, option_name
from cnnjobs.training.loop.checkpoint import weights_to_bytes

Call = Callable[..., tuple[int, str, str]]
CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
RANDOM = "note: lenet5: its weights are random, nothing is learned\n"


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A finished run whose network has learned nothing, results/digits/<run id>, on the bundled data set."""
    config = RunConfig.model_validate({"dataset": "fashion_mnist_mini", "model": "lenet5"})
    store = RunStore(tmp_path / "results" / "digits")
    store.keep_sweep_file("name: digits\nbase: {dataset: fashion_mnist_mini, model: lenet5}\n")
    folder = store.run(config.run_id)
    folder.create(config)
    folder.model_file.write_bytes(weights_to_bytes(lenet5(1, 10, 28)))
    steps = ({"name": "normalise", "mean": [0.28], "std": [0.35]},)
    shape = (1, 28, 28)
    record = RunRecord(run_id=config.run_id, state=RunState.FINISHED, classes=FASHION_MNIST, preprocessing=steps)
    folder.write_record(record.model_copy(update={"image_shape": shape, "input_shape": shape}))
    return folder


def test_ctrl_c_says_which_figures_are_left(call: Call, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(figure_options, "STANDARD", (("filters", {}), ("activations", {}), ("top-images", {"top": 2})))
    monkeypatch.setattr("cnnjobs.figures.kinds.activations.activations", stopped)
    code, _, err = call("figures", run.run_id, "--first", "2")
    assert code == 130
    first, second = err.splitlines()[-2:]
    assert first.startswith("error: stopped by Ctrl-C: ")
    assert first.endswith("drawn and kept; not finished: activations, top-images")
    assert second == f"draw them with: cnnjobs figures {run.run_id} --first 2"
    assert [*(run.path.parent / "report" / "figures" / run.run_id).glob("filters*.png")]


def test_the_standard_set_goes_into_the_report_of_the_sweep(
    call: Call, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(dict(STANDARD)) <= set(registry.components("figure"))
    # Some of them; what each draws by itself is tested with the kinds.
    monkeypatch.setattr(figure_options, "STANDARD", (("filters", {}), ("activations", {}), ("top-images", {"top": 2})))
    code, out, err = call("figures", run.run_id, "--first", "2")
    assert (code, err) == (0, "")
    folder = run.path.parent / "report" / "figures" / run.run_id
    pictures = sorted(path.stem for path in folder.glob("*.png"))
    kinds = {json.loads(path.read_text())["kind"] for path in folder.glob("*.json")}
    assert kinds == {"filters", "activations", "top-images"}
    assert "activations-relu2-the-test-card-0-1" in pictures
    for stem in pictures:
        assert all((folder / f"{stem}{suffix}").is_file() for suffix in (".svg", ".npz", ".json"))
    told = out.splitlines()
    assert sorted(Path(line).stem for line in told[::2]) == pictures
    assert sorted(path.name for path in run.path.iterdir()) == ["config.yaml", "model.pt", "record.json"]


def test_one_kind_with_its_options(call: Call, run: RunFolder, tmp_path: Path) -> None:
    words = ("activations", "--layer", "conv2", "--indices", "3,8-10", "--image", "17", "--out", "here")
    code, _, err = call("figures", run.run_id[:12], *words)
    assert (code, err) == (0, "")
    (path,) = (tmp_path / "here").glob("*.npz")
    with np.load(path) as data:
        assert data["channels"].tolist() == [3, 8, 9, 10]
    about = json.loads(path.with_suffix(".json").read_text())
    assert (about["index"], about["class"]) == (17, "Coat")


def test_a_model_without_a_run(call: Call, tmp_path: Path) -> None:
    code, _, err = call("figures", "lenet5", "filters")
    assert code == 0
    assert err.startswith(RANDOM)
    assert (tmp_path / "figures" / "lenet5" / "filters-conv1.png").is_file()
    torch.save(lenet5(1, 7, 28).state_dict(), "lenet5.pth")
    words = ("--weights", "lenet5.pth", "--dataset", "fashion_mnist_mini", "top-images", "--first", "2", "--top", "3")
    code, out, err = call("figures", "lenet5", *words)
    assert code == 0
    assert "starts from the weights lenet5.pth" in err
    assert "random" not in err
    assert "of all 1,000" in out


def test_a_model_by_its_import_path(call: Call, tmp_path: Path) -> None:
    text = """
from torch import nn

def net(in_channels, num_classes, image_size):
    return nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(num_classes))
"""
    (tmp_path / "mynets_for_figures.py").write_text(
        text.replace("nn.LazyLinear(num_classes)", "nn.Linear(4 * 30**2, 10)")
    )
    code, out, err = call("figures", "mynets_for_figures:net", "--list-layers")
    assert "its weights are those that its own code begins with" in err
    assert code == 0
    assert [line.split() for line in out.splitlines()[2:]] == [
        ["0", "Conv2d", "4×30×30"], ["1", "ReLU", "4×30×30"], ["2", "Flatten", "3600"], ["3", "Linear", "10"],
    ]  # fmt: skip


def test_weights_that_are_not_there_are_told_with_what_fetches_them(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    code, _, err = call("figures", "torchvision/resnet18", "filters")
    assert code == 2
    assert "weights `IMAGENET1K_V1` of model `torchvision/resnet18` were not found" in err
    assert "cnnjobs fetch torchvision/resnet18:IMAGENET1K_V1" in err


def test_planted_filters_of_a_published_network_answer_to_the_card(call: Call, tmp_path: Path) -> None:
    from torchvision.models import squeezenet1_0

    network = squeezenet1_0()
    weight = network.features[0].weight
    with torch.no_grad():
        for number, direction in ((14, 1), (26, 0)):
            ramp = torch.linspace(-1, 1, 7).expand(7, 7)
            weight[number] = 0.1 * (ramp if direction else ramp.T)
        for number, colour in ((32, (-1, -1, 2)), (52, (-1, 2, -1))):
            weight[number] = 0.02 * torch.tensor(colour)[:, None, None].float()
    torch.save(network.state_dict(), "planted.pth")
    words = ("--layer", "features.0", "--indices", "14,26,32,52", "--image", "card", "--weights", "planted.pth")
    code, _, err = call("figures", "torchvision/squeezenet1_0", "filters", *words)
    assert code == 0, err
    (path,) = (tmp_path / "figures" / "torchvision-squeezenet1_0").glob("*.json")
    described = [each["words"] for each in json.loads(path.read_text())["filters"]]
    assert described == ["vertical edge, 90°", "horizontal edge, 0°", "blue", "green"]
    with np.load(path.with_suffix(".npz")) as data:
        assert data["activations"].shape == (4, 109, 109)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("filtres",), "no figure is called `filtres`; did you mean `filters`?"),
        (("filters", "--route", "full"), "`filters` has no --route; did you mean `--mode`? allowed: --channel"),
        (("filters", "--channel", "x"), "--channel x: write a whole number"),
        (("filters", "--channel", "-1"), "--channel: found -1; allowed: 0 or more"),
        (("filters", "--mode", "blue"), '--mode: found "blue"; allowed: channel, rgb'),
        (("filters", "--indices", "3-1"), "--indices 3-1: write numbers, 0,3,17, or a range of them, 4531-4546"),
        (("filters", "--layer", "conv3"), "the network has no layer `conv3`; did you mean"),
        (("activations", "--layer", "fc1"), "layer `fc1` is not spatial (120 per image): it gives no maps"),
        (("activations", "--image", "nothing.png"), "nothing.png: there is no such file"),
        (("--max-channels", "0"), "--max-channels: found 0; allowed: a number above 0"),
        (("top-images",), "lenet5 has no data set of its own; name one with --dataset"),
        (("--input", "3,32"), "--input 3,32: write channels, height and width"),
        (("--dataset", "fashion_mnist_minni"), "no data set is called `fashion_mnist_minni`"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_mistakes_are_told_in_one_line(call: Call, words: tuple[str, ...], message: str) -> None:
    code, _, err = call("figures", "lenet5", *words)
    assert code == 2
    assert message in err
    assert "Traceback" not in err


def test_a_run_without_weights_and_one_that_knows_its_own(call: Call, run: RunFolder) -> None:
    assert call("figures", run.run_id, "--weights", "random") == (
        2, "", f"error: --weights: `{run.run_id}` is a run, which knows its own; leave it out\n",
    )  # fmt: skip
    run.model_file.unlink()
    run.write_record(RunRecord(run_id=run.run_id))
    code, _, err = call("figures", run.run_id)
    assert code == 2
    assert err == f"error: run {run.run_id} is pending and has no weights yet; they are there when it has finished\n"
    code, _, err = call("figures", "lenet6")
    assert code == 2
    assert err.startswith("error: `lenet6` is neither a model nor a run under results; did you mean `lenet5`? ")


def test_what_there_is_to_draw(call: Call) -> None:
    code, out, err = call("figures", "--list-kinds")
    assert (code, err) == (0, "")
    for name, component in registry.components("figure").items():
        assert f"{name}\n  {component.summary}\n" in out
    assert "--mode rgb|channel\n" in out
    code, out, _ = call("figures", "--help")
    assert code == 0
    assert all(option_name(name) in out for name in OPTIONS)
