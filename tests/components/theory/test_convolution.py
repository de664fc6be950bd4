from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from cnnjobs.components.theory.convolution import Border, Size, cross_correlation, turned, values
from cnnjobs.components.theory.matrices import Matrix, read_kernel, read_matrix
from cnnjobs.errors import InputError

torch.set_num_threads(1)

IMAGE = read_matrix("1,0,2,3,1; 3,2,0,7,0; 0,6,1,1,4", "image")
SOBEL = read_kernel("sobel-x")
ANSWERS: dict[Border, list[list[int]]] = {
    "zero": [[-2, 1, -11, 2, 13], [-10, 4, -8, -2, 18], [-14, 1, 5, -6, 9]],
    "reflect": [[0, 4, -16, 2, 0], [0, 4, -8, -2, 0], [0, 4, 0, -6, 0]],
    "symmetric": [[4, 0, -14, 3, 13], [-3, 4, -8, -2, 13], [-17, 0, 10, -9, -2]],
    "edge": [[4, 0, -14, 3, 13], [-3, 4, -8, -2, 13], [-17, 0, 10, -9, -2]],
    "wrap": [[-2, 0, -6, -1, 9], [-5, 4, -8, -2, 11], [-5, 0, 2, -5, 8]],
}
MODES = {"zero": "constant", "reflect": "reflect", "symmetric": "symmetric", "edge": "edge", "wrap": "wrap"}


def plain(matrix: Matrix) -> list[list[Fraction | int]]:
    return [list(row) for row in matrix]


@pytest.mark.parametrize("border", ANSWERS)
def test_sobel_on_the_image_of_the_exercise(border: Border) -> None:
    convolved = values(cross_correlation(IMAGE, turned(SOBEL), border))
    assert plain(convolved) == ANSWERS[border]
    correlated = values(cross_correlation(IMAGE, SOBEL, border))
    assert plain(correlated) == [[-value for value in row] for row in ANSWERS[border]]


def test_inside_the_border_no_rule_matters() -> None:
    cells = cross_correlation(IMAGE, turned(SOBEL), size="valid")
    assert plain(values(cells)) == [[4, -8, -2]]
    assert all(term.inside for term in cells[0][0].terms)


def test_torch_computes_the_cross_correlation() -> None:
    images, weights = (torch.tensor(plain(matrix), dtype=torch.float64) for matrix in (IMAGE, SOBEL))
    found = F.conv2d(images[None, None], weights[None, None], padding="same")
    assert found[0, 0].tolist() == plain(values(cross_correlation(IMAGE, SOBEL)))
    assert found[0, 0, 0].tolist() == [2, -1, 11, -2, -13]


def matrices(most: int) -> st.SearchStrategy[Matrix]:
    def of(size: tuple[int, int]) -> st.SearchStrategy[Matrix]:
        row = st.tuples(*[st.integers(-9, 9)] * size[1])
        return st.tuples(*[row] * size[0])

    return st.tuples(st.integers(1, most), st.integers(1, most)).flatmap(of)


@settings(deadline=None, max_examples=60)
@given(image=matrices(5), kernel=matrices(4), border=st.sampled_from([*MODES]), size=st.sampled_from(["same", "full"]))
def test_every_border_is_that_of_numpy(image: Matrix, kernel: Matrix, border: Border, size: Size) -> None:
    height, width = len(kernel), len(kernel[0])
    margins = [((side - 1) // 2, side // 2) if size == "same" else (side - 1, side - 1) for side in (height, width)]
    padded = np.pad(np.array(image, float), margins, mode=MODES[border])  # type: ignore[call-overload]
    expected = F.conv2d(torch.from_numpy(padded)[None, None], torch.tensor(kernel, dtype=torch.float64)[None, None])
    assert plain(values(cross_correlation(image, kernel, border, size))) == expected[0, 0].tolist()


@settings(deadline=None, max_examples=60)
@given(image=matrices(5), kernel=matrices(4))
def test_full_convolution_is_the_product_of_polynomials(image: Matrix, kernel: Matrix) -> None:
    expected = np.zeros((len(image) + len(kernel) - 1, len(image[0]) + len(kernel[0]) - 1), int)
    for row, weights in enumerate(kernel):
        for column, weight in enumerate(weights):
            expected[row : row + len(image), column : column + len(image[0])] += weight * np.array(image)
    assert plain(values(cross_correlation(image, turned(kernel), size="full"))) == expected.tolist()


def test_fractions_stay_exact() -> None:
    cells = cross_correlation(IMAGE, read_kernel("box"), size="valid")
    assert values(cells) == ((Fraction(5, 3), Fraction(22, 9), Fraction(19, 9)),)
    ones = read_matrix("9,9,9; 9,9,9; 9,9,9", "image")
    assert values(cross_correlation(ones, read_kernel("box"), size="valid")) == ((9,),)


def test_a_cell_knows_its_terms() -> None:
    cell = cross_correlation(IMAGE, SOBEL, "reflect")[0][0]
    assert [(term.weight, term.value, term.inside) for term in cell.terms] == [
        (-1, 2, False), (0, 3, False), (1, 2, False),
        (-2, 0, False), (0, 1, True), (2, 0, True),
        (-1, 2, False), (0, 3, True), (1, 2, True),
    ]  # fmt: skip
    assert cell.value == 0


def test_a_kernel_that_does_not_fit_says_what_would() -> None:
    with pytest.raises(InputError) as raised:
        cross_correlation(((1, 2), (3, 4)), SOBEL, size="valid")
    assert str(raised.value).startswith("the kernel of 3×3 does not fit into the image of 2×2; take a smaller kernel")
