from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from cnnjobs.components.theory.matrices import KERNELS, Number, number_text, read_kernel, read_matrix
from cnnjobs.errors import InputError

ROWS = ((1, 0, -2), (3, Fraction(1, 2), 0))


@pytest.mark.parametrize(
    "text",
    ["1,0,-2;3,0.5,0", " 1, 0, -2 ; 3, 1/2, 0 ; ", "1 0 -2; 3 0.5 0", "[[1, 0, -2], [3, 0.5, 0]]", "1,0,-2\n3,.5,0e0"],
)
def test_rows_as_people_write_them(text: str) -> None:
    assert read_matrix(text, "image") == ROWS


def test_a_csv_file(tmp_path: Path) -> None:
    path = tmp_path / "image.csv"
    path.write_text("\ufeff1,0,-2\r\n3,0.5,0\r\n\n", encoding="utf-8")
    assert read_matrix(str(path), "image") == ROWS
    path.write_text("1,0\n3\n")
    with pytest.raises(InputError) as raised:
        read_kernel(str(path))
    assert str(raised.value).startswith(f"kernel {path}: row 2 is 1 long and row 1 is 2;")


def test_long_rows_are_no_file_name() -> None:
    assert read_matrix(",".join(["1"] * 5000), "image") == ((1,) * 5000,)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "image: it is empty; write its rows"),
        (" ; ", "image: it is empty; write its rows"),
        ("1,2;3", "image: row 2 is 1 long and row 1 is 2;"),
        ("1,2;3,x", "image: row 2: `x` is no number such as -2, 0.5 or 1/9;"),
        ("1,,2", "image: row 1: `` is no number"),
        ("1/0", "image: row 1: `1/0` is no number"),
        ("nan", "image: row 1: `nan` is no number"),
        ("none.csv", "image none.csv: there is no such file;"),
    ],
)
def test_mistakes(text: str, told: str) -> None:
    with pytest.raises(InputError) as raised:
        read_matrix(text, "image")
    assert str(raised.value).startswith(told)


def test_a_binary_file_is_no_matrix(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(InputError, match=r"cannot be read as text .*; name a CSV file of numbers"):
        read_matrix(str(path), "image")


def test_kernels_by_name() -> None:
    assert read_kernel("sobel-x") == ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))
    assert read_kernel("sobel-y") == tuple(zip(*read_kernel("sobel-x"), strict=True))
    sums = {name: sum(map(sum, read_kernel(name))) for name in KERNELS}
    assert sums == {"identity": 1, "sobel-x": 0, "sobel-y": 0, "laplacian": 0, "box": 1, "gaussian": 1}
    with pytest.raises(InputError, match="did you mean `laplacian`"):
        read_kernel("laplace")


@pytest.mark.parametrize(
    ("number", "text"),
    [(-2, "-2"), (Fraction(1, 8), "0.125"), (Fraction(-1, 2), "-0.5"), (Fraction(-1, 9), "-1/9"),
     (Fraction(10**18 + 1, 2), "500000000000000000.5"), (Fraction(1, 2**40), f"1/{2**40}")],
)  # fmt: skip
def test_numbers_are_shown_exactly(number: Number, text: str) -> None:
    assert number_text(number) == text
