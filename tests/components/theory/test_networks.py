from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnjobs.components.theory.networks import follow, read_shape
from cnnjobs.errors import InputError

torch.set_num_threads(1)

TABLE_2 = (
    "conv:32,k=5,p=2 relu maxpool:2 conv:64,k=5,p=2 relu maxpool:2 conv:128,k=5,p=2 relu maxpool:2 flatten fc:64 relu"
    " fc:10"
)
DIGITS = "conv:16,5 maxpool:2 conv:32,3 maxpool:2 conv:16,1 flatten fc:64 fc:10"
LENET = "conv:6,5 maxpool:2 conv:16,5 maxpool:2 flatten fc:120 fc:84 fc:10"


def test_table_2_of_the_assignment() -> None:
    steps = follow((3, 32, 32), TABLE_2.split())
    assert [step.output_shape for step in steps if step.word != "relu"] == [
        (3, 32, 32), (32, 32, 32), (32, 16, 16), (64, 16, 16), (64, 8, 8), (128, 8, 8), (128, 4, 4), (2048,), (64,),
        (10,),
    ]  # fmt: skip
    assert [step.parameters for step in steps if step.parameters] == [2_432, 51_264, 204_928, 131_136, 650]
    assert sum(step.parameters for step in steps) == 390_410


def test_thirty_two_filters_of_four_by_four() -> None:
    (step,) = follow((3, 32, 32), ["conv:32,k=4,p=2,s=2"])[1:]
    assert step.output_shape == (32, 17, 17)
    assert (step.weights_per_filter, step.weights, step.parameters) == (48, 1_536, 1_568)
    (step,) = follow((3, 32, 32), ["conv:32,k=4,p=2,s=2,bias=no"])[1:]
    assert step.parameters == 1_536


@pytest.mark.parametrize(
    ("shape", "words", "counts"),
    [
        ((1, 28, 28), DIGITS, [416, 4_640, 528, 25_664, 650]),
        ((3, 32, 32), LENET, [456, 2_416, 48_120, 10_164, 850]),
    ],
    ids=["digits", "lenet5"],
)
def test_other_published_counts(shape: tuple[int, ...], words: str, counts: list[int]) -> None:
    assert [step.parameters for step in follow(shape, words.split()) if step.parameters] == counts


def test_a_chain_of_sizes() -> None:
    shapes = [step.output_shape for step in follow((512,), ["conv:12,k=9", "pool:2", "conv:12,k=3"])]
    assert shapes == [(1, 512, 512), (12, 504, 504), (12, 252, 252), (12, 250, 250)]


def test_everything_is_as_in_torch() -> None:
    words = "conv:8,k=3,s=2,p=1,d=2 bn avgpool:3,2,p=1 silu maxpool:3,s=1,p=1 conv:4,3,p=same,bias=no gap flatten fc:5"
    layers = [
        nn.Conv2d(3, 8, 3, 2, 1, 2), nn.BatchNorm2d(8), nn.AvgPool2d(3, 2, 1), nn.SiLU(), nn.MaxPool2d(3, 1, 1),
        nn.Conv2d(8, 4, 3, padding="same", bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5),
    ]  # fmt: skip
    values = torch.rand(2, 3, 31, 44)
    for step, layer in zip(follow((3, 31, 44), words.split())[1:], layers, strict=True):
        values = layer(values)
        assert step.output_shape == values.shape[1:], step.word
        assert step.parameters == sum(weight.numel() for weight in layer.parameters()), step.word


def test_what_is_left_over_is_told() -> None:
    notes = [step.note for step in follow((1, 33, 34), ["pool:2", "conv:2,k=3,s=4", "pool:4", "bn"])[1:]]
    assert notes == [
        "it never covers the last row",
        "it never covers the last row and the last 2 columns",
        "",
        "4 running averages beside them are not trained",
    ]


@pytest.mark.parametrize("text", ["3,32,32", "3x32x32", "3×32×32", " 3, 32,32"])
def test_shapes_as_people_write_them(text: str) -> None:
    assert read_shape(text) == (3, 32, 32)


@pytest.mark.parametrize("text", ["", "3,32", "3,32,0", "a", "3,32,32,1", "-3"])
def test_shapes_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="write channels, height and width such as 3,32,32, or one number"):
        read_shape(text)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("conf:3", "layer 1 `conf:3`: no layer is called `conf`; did you mean `conv`?"),
        ("relu conv:32", "layer 2 `conv:32`: `kernel` is missing; write for example conv:32,kernel=5,"),
        ("conv:k=3", "layer 1 `conv:k=3`: `filters` is missing;"),
        ("conv:1,2,3", "layer 1 `conv:1,2,3`: `3` has no name;"),
        ("conv:1,k=2,k=3", "layer 1 `conv:1,k=2,k=3`: `kernel` is given twice;"),
        ("conv:1,k=2,q=3", "layer 1 `conv:1,k=2,q=3`: `q` is none of its numbers;"),
        ("conv:1,k=0", "layer 1 `conv:1,k=0`: kernel is `0`; allowed: a whole number from 1 on"),
        ("conv:1,k=3,p=-1", "layer 1 `conv:1,k=3,p=-1`: padding is `-1`; allowed: 0, a whole number, or same"),
        ("conv:1,k=3,bias=2", "layer 1 `conv:1,k=3,bias=2`: bias is `2`; allowed: yes or no"),
        ("conv:1,k=4,p=same", "layer 1 `conv:1,k=4,p=same`: no padding keeps the size with an even kernel of 4:"),
        ("maxpool:64", "layer 1 `maxpool:64`: a window of 64 does not fit into 32×32 with padding 0;"),
        ("maxpool:2,p=2", "layer 1 `maxpool:2,p=2`: padding 2 is more than half of the window of 2; the most is 1"),
        ("maxpool", "layer 1 `maxpool`: `kernel` is missing;"),
        ("fc:10", "layer 1 `fc:10`: it needs flat features, and 3×32×32 comes in; put `flatten` before it"),
        ("flatten gap", "layer 2 `gap`: it needs an image, and 3072 flat features come in;"),
        ("relu:1", "layer 1 `relu:1`: `1` has no name; `relu` takes no numbers"),
    ],
)
def test_mistakes(words: str, told: str) -> None:
    with pytest.raises(InputError) as raised:
        follow((3, 32, 32), words.split())
    assert str(raised.value).startswith(told)
