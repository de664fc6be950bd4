from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cnnjobs.components.theory.windows import Window, same_padding, solve
from cnnjobs.errors import InputError

torch.set_num_threads(1)


def test_the_answers_of_the_exercises() -> None:
    assert same_padding(5) == 2
    assert solve("kernel", Window(1), 512, 504) == [Window(9)]
    assert Window(2, stride=2).output(504) == 252
    assert Window(3).output(252) == 250
    assert Window(4, stride=2, padding=2).output(32) == 17
    assert [Window(5, stride=1, padding=0).output(size) for size in (28, 32)] == [24, 28]
    assert Window(7, stride=2, padding=3).output(224) == 112
    assert Window(3, stride=2, padding=1).output(112) == 56


def test_the_formula_needs_its_floor() -> None:
    window = Window(2, stride=2)
    assert (window.output(5), window.unseen(5)) == (2, 1)
    assert window.working(5) == "floor((5 − 2 + 2·0) / 2) + 1 = 2"
    assert Window(3, dilation=2).working(9) == "floor((9 − (2·(3 − 1) + 1) + 2·0) / 1) + 1 = 5"


@settings(deadline=None, max_examples=100)
@given(
    size=st.integers(1, 40), kernel=st.integers(1, 7), stride=st.integers(1, 4), padding=st.integers(0, 4),
    dilation=st.integers(1, 3),
)  # fmt: skip
def test_sizes_are_those_of_torch(size: int, kernel: int, stride: int, padding: int, dilation: int) -> None:
    window = Window(kernel, stride, padding, dilation)
    layer = nn.Conv1d(1, 1, kernel, stride, padding, dilation)
    if window.output(size):
        assert layer(torch.zeros(1, 1, size)).shape[2] == window.output(size)
    else:
        with pytest.raises(RuntimeError, match="Kernel size can't be greater than actual input size"):
            layer(torch.zeros(1, 1, size))


@given(kernel=st.integers(1, 15), dilation=st.integers(1, 4), size=st.integers(1, 100))
def test_same_padding_keeps_every_size(kernel: int, dilation: int, size: int) -> None:
    if (dilation * (kernel - 1)) % 2:
        with pytest.raises(InputError, match="makes it smaller by 1"):
            same_padding(kernel, dilation)
    else:
        assert Window(kernel, 1, same_padding(kernel, dilation), dilation).output(size) == size


@settings(deadline=None)
@given(
    size=st.integers(1, 40), kernel=st.integers(1, 7), stride=st.integers(1, 4), padding=st.integers(0, 4),
    unknown=st.sampled_from(["kernel", "stride", "padding"]),
)  # fmt: skip
def test_what_is_found_gives_the_size(size: int, kernel: int, stride: int, padding: int, unknown: str) -> None:
    window = Window(kernel, stride, padding)
    if window.output(size):
        found = solve(unknown, window, size, window.output(size))  # type: ignore[arg-type]
        # A stride longer than the padded size takes the one first place, as the longest that is looked at does.
        assert window in found or stride > size + 2 * padding
        assert {each.output(size) for each in found} == {window.output(size)}


@pytest.mark.parametrize(
    ("unknown", "known", "size", "output", "told"),
    [
        ("padding", Window(4), 32, 32, "no padding gives 32 from 32: 1 gives 31 and 2 gives 33"),
        ("padding", Window(3), 34, 1, "no padding gives 1 from 34: 0 gives 32"),
        ("kernel", Window(1), 5, 9, "no kernel gives 9 from 5: 1 gives 5"),
        ("stride", Window(3), 32, 20, "no stride gives 20 from 32: 2 gives 15 and 1 gives 30"),
    ],
)
def test_what_nothing_gives_is_told_with_the_nearest(
    unknown: str, known: Window, size: int, output: int, told: str
) -> None:
    with pytest.raises(InputError) as raised:
        solve(unknown, known, size, output)  # type: ignore[arg-type]
    assert str(raised.value) == told
