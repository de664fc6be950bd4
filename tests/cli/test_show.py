"""`cnnjobs show` as the shell calls it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnjobs import registry

Call = Callable[..., tuple[int, str, str]]
SHAPE = "write channels, height and width of a square image, for example 3,32,32"
MNIST = ("show", "mnist_cnn", "--input", "1,28,28", "--batch", "16")


def test_a_model(call: Call) -> None:
    code, out, err = call("show", "cnn")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "cnn: 10 classes, input 3×32×32"
    assert out.splitlines()[-1].split() == ["total", "390,410", "28,803,712"]


def test_a_model_with_options(call: Call) -> None:
    code, out, _ = call("show", "{name: cnn, hidden: []}", "--input", "1,28,28", "--classes", "3")
    assert code == 0
    assert out.splitlines()[0] == "cnn: 3 classes, input 1×28×28"


def test_a_batch_of_sixteen_digits(call: Call) -> None:
    code, out, _ = call(*MNIST)
    assert code == 0
    first, *design = [line.split() for line in out.splitlines()]
    _, *rows, total = design[design.index([]) + 1 :]
    assert first[-1] == "16×1×28×28"
    # Filters or units, kernel, stride, padding, activation.
    assert [row[2:] for row in design if row and row[0] in ("conv1", "pool1", "conv3", "fc1", "fc2")][:5] == [
        ["16", "5×5", "1", "0", "ReLU"],
        ["2×2", "2", "0"],
        ["16", "1×1", "1", "0", "ReLU"],
        ["64", "ReLU"],
        ["10"],
    ]
    weighty = ["conv1", "pool1", "conv2", "pool2", "conv3", "fc1", "fc2"]
    assert [row[2:5] for row in rows if row[0] in weighty] == [
        ["16×1×28×28", "16×16×24×24", "416"],
        ["16×16×24×24", "16×16×12×12"],
        ["16×16×12×12", "16×32×10×10", "4,640"],
        ["16×32×10×10", "16×32×5×5"],
        ["16×32×5×5", "16×16×5×5", "528"],
        ["16×400", "16×64", "25,664"],
        ["16×64", "16×10", "650"],
    ]
    assert total[:2] == ["total", "31,898"]


def test_as_csv_and_json(call: Call) -> None:
    rows = [*csv.DictReader(call(*MNIST, "--format", "csv")[1].splitlines())]
    assert rows[0] == {
        "name": "conv1", "kind": "Conv2d", "stage": "conv1", "input_shape": "16x1x28x28",
        "output_shape": "16x16x24x24", "parameters": "416", "trainable": "416", "macs": "3686400", "shared": "false",
        "called": "true", "used": "true", "units": "16", "kernel": "5x5", "stride": "1x1", "padding": "0x0",
        "dilation": "1x1", "groups": "1", "dropped": "", "activation": "ReLU", "pooled_first": "pool1",
    }  # fmt: skip
    found = json.loads(call(*MNIST, "--format", "json")[1])
    assert (found["parameters"], found["frozen"], found["macs"]) == (31_898, 0, 11_683_840)
    assert [layer["output_shape"] for layer in found["layers"]][-1] == [16, 10]
    assert [layer["kernel"] for layer in found["layers"]][:2] == [[5, 5], [2, 2]]
    assert found["notes"] == [
        "Pooling comes before ReLU (pool1 and pool2): as the largest value is taken and the activation never falls, "
        "the results are those of the usual order."
    ]
    assert sum(int(row["parameters"]) for row in rows) == 31_898


def test_as_markdown_and_tex(call: Call) -> None:
    code, out, _ = call(*MNIST, "--format", "md")
    assert code == 0
    assert out.splitlines()[:5] == [
        "mnist\\_cnn: 10 classes, input 16×1×28×28",
        "",
        "| layer | type | filters or units | kernel | stride | padding | activation |",
        "| :-- | :-- | --: | --: | --: | --: | --: |",
        "| conv1 | Conv2d | 16 | 5×5 | 1 | 0 | ReLU |",
    ]
    shapes = out[out.index("\n\n| layer | type | input") :].splitlines()
    assert shapes[2:5] == [
        "| layer | type | input shape | output shape | parameters | multiply-accumulates of 16 images |",
        "| :-- | :-- | --: | --: | --: | --: |",
        "| conv1 | Conv2d | 16×1×28×28 | 16×16×24×24 | 416 | 3,686,400 |",
    ]
    code, out, _ = call("show", "mnist_cnn", "--input", "1,28,28", "--format", "tex")
    assert code == 0
    assert (
        out.split("\n\n")[1].splitlines()[4]
        == "conv1 & Conv2d & 1$\\times$28$\\times$28 & 16$\\times$24$\\times$24 & 416 & 230,400 \\\\"
    )
    assert out.splitlines()[-1].startswith("% Pooling comes before ReLU (pool1 and pool2)")


def test_stages_of_a_residual_network(call: Call) -> None:
    code, out, _ = call("show", "resnet18", "--input", "3,32,32")
    assert code == 0
    assert [line.split()[:3] for line in out.splitlines() if line.startswith("layer") and "." not in line][1:] == [
        ["layer", "type", "input"],
        ["layer1", "64×8×8", "147,968"],
        ["layer2", "128×4×4", "525,568"],
        ["layer3", "256×2×2", "2,099,712"],
        ["layer4", "512×1×1", "8,393,728"],
    ]


def test_a_run_by_its_id_and_by_its_folder(call: Call, tmp_path: Path) -> None:
    from cnnjobs.config.run import RunConfig
    from cnnjobs.disk.run_folder import RunRecord, RunStore

    config = RunConfig.model_validate({"dataset": "fashion_mnist", "model": "lenet5"})
    store = RunStore(tmp_path / "results" / "any")
    store.keep_sweep_file("")
    folder = store.run(config.run_id)
    folder.create(config)
    folder.write_record(RunRecord(run_id=config.run_id, input_shape=(1, 28, 28), classes=("a", "b")))
    for word in (config.run_id, f"results/any/{config.run_id}"):
        code, out, _ = call("show", word)
        assert code == 0
        assert out.splitlines()[0] == f"{config.run_id}: 2 classes, input 1×28×28"


def test_a_run_that_trains_only_the_end_of_its_network(call: Call, tmp_path: Path) -> None:
    from cnnjobs.config.run import RunConfig
    from cnnjobs.disk.run_folder import RunStore

    asked = {"dataset": "cifar10", "model": "resnet18", "freeze": {"all_but": ["layer4", "fc"]}}
    config = RunConfig.model_validate(asked)
    store = RunStore(tmp_path / "results" / "any")
    store.keep_sweep_file("")
    store.run(config.run_id).create(config)
    code, out, _ = call("show", config.run_id)
    assert code == 0
    told = [line.split() for line in out.splitlines()]
    assert [row[:4] for row in told if row and row[0] in ("layer3", "layer4")] == [
        ["layer3", "256×2×2", "2,099,712", "8,388,608"],
        ["layer4", "512×1×1", "8,393,728", "8,393,728"],
    ]
    assert "8,398,858 of 11,181,642 parameters train, 2,782,784 are frozen" in out.splitlines()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("cnn", "--input", "3,32"), f"--input 3,32: {SHAPE}"),
        (("cnn", "--input", "3,32,16"), f"--input 3,32,16: {SHAPE}"),
        (("{name: cnn",), "{name: cnn: cannot be read as YAML; write for example '{name: cnn, dropout: 0.5}'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_mistakes(call: Call, words: tuple[str, ...], message: str) -> None:
    assert call("show", *words) == (2, "", f"error: {message}\n")


def test_what_is_not_there(call: Call) -> None:
    allowed = f"did you mean `cnn`? allowed: {', '.join(sorted(registry.components('model')))}"
    told = f"error: `cnnn` is neither a model nor a run under results; {allowed}\n"
    assert call("show", "cnnn") == (2, "", told)


@pytest.mark.parametrize("words", [("--batch", "0"), ("--format", "pdf")], ids=" ".join)
def test_usage_mistakes(call: Call, words: tuple[str, ...]) -> None:
    code, out, err = call("show", "cnn", *words)
    assert (code, out) == (2, "")
    assert f"Invalid value for '{words[0]}'" in " ".join(err.split())
