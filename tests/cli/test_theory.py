"""`cnnjobs theory` as the shell calls it; what its commands print stands in docs/theory.md and is compared there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Call = Callable[..., tuple[int, str, str]]
IMAGE = "1,0,2,3,1; 3,2,0,7,0; 0,6,1,1,4"
SOBEL = "-1,0,1; -2,0,2; -1,0,1"


def theory(call: Call, *words: str) -> list[str]:
    code, out, err = call("theory", *words)
    assert (code, err) == (0, "")
    return [line.rstrip() for line in out.splitlines()]


def test_a_kernel_may_begin_with_a_minus_sign(call: Call) -> None:
    assert theory(call, "conv2d", IMAGE, SOBEL) == theory(call, "conv2d", IMAGE, "sobel-x")


def test_a_csv_file_and_no_border(call: Call, tmp_path: Path) -> None:
    (tmp_path / "image.csv").write_text("1,0,2,3,1\n3,2,0,7,0\n0,6,1,1,4\n")
    told = theory(call, "conv2d", "image.csv", "sobel-x", "--border", "none", "--kind", "convolution", "--steps")
    assert told == [
        "true convolution (the kernel turned by 180°), size valid: 3×5 → 1×3",
        "   4  -8  -2",
        "  y[0,0] = 1·1 + 0·0 + (-1)·2 + 2·3 + 0·2 + (-2)·0 + 1·0 + 0·6 + (-1)·1 = 4",
        "  y[0,1] = 1·0 + 0·2 + (-1)·3 + 2·2 + 0·0 + (-2)·7 + 1·6 + 0·1 + (-1)·1 = -8",
        "  y[0,2] = 1·2 + 0·3 + (-1)·1 + 2·0 + 0·7 + (-2)·0 + 1·1 + 0·1 + (-1)·4 = -2",
    ]
    assert theory(call, "conv2d", "image.csv", "sobel-x", "--size", "valid", "--kind", "convolution") == told[:2]


def test_how_the_kinds_differ(call: Call) -> None:
    same = "The kernel stays the same when it is turned by 180°, so the two are the same."
    assert theory(call, "conv2d", IMAGE, "box")[-1] == same
    even = theory(call, "conv2d", "1,2;3,4", "1,0", "--border", "wrap")
    assert even[1:3] == ["  2  1", "  4  3"]
    assert (
        even[-1]
        == "An even kernel has no middle: one more row or column is added behind the image than before, as in torch."
    )


def test_many_answers_are_cut_short(call: Call) -> None:
    told = theory(call, "shape", "32", "--kernel", "30", "--padding", "0", "--output", "1")
    assert told[0] == "stride 3: floor((32 − 30 + 2·0) / 3) + 1 = 1; the last 2 pixels are never covered"
    assert (len(told), told[-1]) == (9, "… and so on up to stride 32")


def test_batch_norm_counts_what_is_trained(call: Call) -> None:
    told = theory(call, "params", "64,8,8", "bn")
    assert told[-2].split() == ["total", "64", "64", "128"]
    assert told[-1] == "bn: 128 running averages beside them are not trained"


def test_epochs_of_some_steps(call: Call) -> None:
    assert theory(call, "steps", "50000", "--batch", "128", "--steps", "20000")[-1] == (
        "20,000 steps: 51.15, or without last batches 51.28 epochs"
    )
    assert theory(call, "steps", "50000", "--batch", "4", "--epochs", "2") == [
        "one epoch: ceil(50,000 / 4) = 12,500 steps",
        "2 epochs: 25,000 steps",
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("conv2d", IMAGE, "sobel"), "kernel sobel: no kernel and no file has that name; did you mean `sobel-"),
        (("conv2d", "1,2;3,4", "sobel-x", "--size", "valid"), "the kernel of 3×3 does not fit into the image of 2×2; "),
        (("conv2d", IMAGE, SOBEL, "--border", "none", "--size", "same"), "--border none --size same: without values "),
        (("conv2d", IMAGE, SOBEL, "--border", "edge", "--size", "valid"), "--border edge --size valid: the kernel "),
        (("conv2d", IMAGE, SOBEL, "--cell", "3,0"), "--cell 3,0: the result has 3×5 cells; write row and column from "),
        (("conv2d", IMAGE, SOBEL, "--cell", "1"), "--cell 1: the result has 3×5 cells; "),
        (("shape", "32"), "give --kernel, or --output to find it, or layers such as conv:32,k=5"),
        (("shape", "3,32,32", "--kernel", "3"), "3,32,32: name layers such as conv:32,k=5, or give one side of "),
        (("shape", "32", "conv:1,3", "--kernel", "3"), "numbers belong in the layers where there are some: "),
        (("shape", "3", "--kernel", "5"), "a window of 5 does not fit into 3 with padding 0; take a smaller one"),
        (("shape", "32", "--output", "0"), "--output 0: write a number of pixels, or same"),
        (
            ("shape", "32", "--kernel", "4", "--output", "same"),
            "no padding gives 32 from 32: 1 gives 31 and 2 gives 33",
        ),
        (
            ("shape", "9", "--kernel", "3", "--stride", "1", "--padding", "1", "--output", "9"),
            "with --kernel, --padding, --stride and --output nothing is left to find; drop one of them",
        ),
        (("params", "3,32,32"), "name the layers, for example: cnnjobs theory params 3,32,32 conv:32,k=5,p=2 "),
        (("params", "3,32,32", "fc:10"), "layer 1 `fc:10`: it needs flat features, and 3×32×32 comes in; "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_mistakes(call: Call, words: tuple[str, ...], told: str) -> None:
    code, out, err = call("theory", *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {told}")
