from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnjobs.components.data.splitting import draw_subset, draw_validation
from cnnjobs.errors import DataError

CLASSES = ("cat", "dog", "frog")
LABELS = np.tile(np.arange(3), 40)
ROWS = np.arange(5, 110)


def failure(labels: np.ndarray, subset: int) -> str:
    with pytest.raises(DataError) as raised:
        draw_subset(labels, np.arange(len(labels)), CLASSES, subset, 0)
    return str(raised.value)


def test_validation_rows_and_the_rest_are_all_rows() -> None:
    rest, drawn = draw_validation(LABELS, 0.25, 3)
    assert (len(rest), len(drawn)) == (90, 30)
    assert sorted([*rest, *drawn]) == list(range(120))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(0, 2**40), st.integers(1, 80), st.integers(0, 9)
)
def test_subset_is_even_over_classes_or_refused(counts: list[int], seed: int, subset: int, spare: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    names = tuple(f"class {number}" for number in range(len(counts)))
    most = sum(min(count, min(counts) + 1) for count in counts)
    labels = np.concatenate([labels, np.zeros(spare, np.int64)])  # beside the rows that may be drawn
    rows = np.arange(sum(counts))
    if not len(counts) <= subset <= most:
        with pytest.raises(DataError, match=f"subset {subset} "):
            draw_subset(labels, rows, names, subset, seed)
        return
    drawn = draw_subset(labels, rows, names, subset, seed)
    found = np.bincount(labels[drawn], minlength=len(counts))
    assert found.max() - found.min() <= 1
    assert len(set(drawn.tolist()) & set(rows.tolist())) == subset
    assert drawn.tolist() == sorted(drawn.tolist())


def test_smaller_subset_lies_within_a_larger_one() -> None:
    drawn = [set(draw_subset(LABELS, ROWS, CLASSES, size, 7).tolist()) for size in range(3, 100)]
    assert all(smaller < larger for smaller, larger in pairwise(drawn))


def test_subset_depends_on_its_seed_alone() -> None:
    first, again, other = (draw_subset(LABELS, ROWS, CLASSES, 10, seed).tolist() for seed in (0, 0, 1))
    assert first == again != other
    assert first == [8, 18, 27, 35, 58, 60, 101, 103, 105, 106]


def test_impossible_subsets_are_told() -> None:
    assert failure(LABELS, 2) == "subset 2 is less than one image for each of 3 classes; give at least 3"
    uneven = np.array([0] * 9 + [1] * 4 + [2] * 7)
    left = "of 20 training images beside the validation split, 4 are of class `dog`"
    assert failure(uneven, 15) == (
        f"subset 15 has as many images of each class, but {left}; give at most 14, or leave subset out for all"
    )
    assert failure(uneven[:9], 3).endswith("0 are of class `dog`; leave subset out")
