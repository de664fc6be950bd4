"""Small matrices of exact numbers, as people write them."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Final

from cnnjobs.errors import InputError, suggest

Number = int | Fraction
Matrix = tuple[tuple[Number, ...], ...]

KERNELS: Final = {
    "identity": "0,0,0; 0,1,0; 0,0,0",
    "sobel-x": "-1,0,1; -2,0,2; -1,0,1",
    "sobel-y": "-1,-2,-1; 0,0,0; 1,2,1",
    "laplacian": "0,1,0; 1,-4,1; 0,1,0",
    "box": "1/9,1/9,1/9; 1/9,1/9,1/9; 1/9,1/9,1/9",
    "gaussian": "1/16,1/8,1/16; 1/8,1/4,1/8; 1/16,1/8,1/16",
}
_FORMS: Final = "write its rows such as '1,0,2; 3,2,0', or name a CSV file"


def read_kernel(text: str) -> Matrix:
    """A kernel by its name, by its rows, or from a CSV file. Raises InputError."""
    if not any(letter.isdigit() for letter in text) and text not in KERNELS and not _is_file(text):
        raise InputError(f"kernel {text}: no kernel and no file has that name; {suggest(text, KERNELS)}; or {_FORMS}")
    return read_matrix(KERNELS.get(text, text), "kernel")


def read_matrix(text: str, what: str) -> Matrix:
    """The numbers of `1,0,2; 3,2,0`, of `[[1, 0, 2], [3, 2, 0]]`, or of a CSV file. Raises InputError."""
    place, rows = what, [row for row in re.split(r"[;\n]|\]\s*,\s*\[", text) if row.strip("[] \t\r")]
    if text.endswith(".csv") and not _is_file(text):
        raise InputError(f"{what} {text}: there is no such file; {_FORMS}")
    if _is_file(text):
        try:
            content = Path(text).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{what} {text}: cannot be read as text ({error}); name a CSV file of numbers") from None
        place, rows = f"{what} {text}", [row for row in content.splitlines() if row.strip()]
    if not rows:
        raise InputError(f"{place}: it is empty; {_FORMS}")
    matrix = tuple(_row(row, f"{place}: row {number}") for number, row in enumerate(rows, 1))
    for number, row in enumerate(matrix, 1):
        if len(row) != len(matrix[0]):
            raise InputError(f"{place}: row {number} is {len(row)} long and row 1 is {len(matrix[0])}; {_FORMS}")
    return matrix


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # rows of numbers can be longer than any file name
        return False


def _row(text: str, place: str) -> tuple[Number, ...]:
    cells = text.strip("[] \t\r")
    return tuple(_number(cell.strip(), place) for cell in (cells.split(",") if "," in cells else cells.split()))


def _number(text: str, place: str) -> Number:
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise InputError(f"{place}: `{text}` is no number such as -2, 0.5 or 1/9; {_FORMS}") from None
    return value.numerator if value.denominator == 1 else value


def number_text(number: Number) -> str:
    """`-2`, `0.125`, and `1/9` where no decimal is exact."""
    if isinstance(number, int):
        return str(number)
    places = next((places for places in range(1, 7) if 10**places % number.denominator == 0), None)
    if places is None:
        return str(number)
    digits = str(abs(int(number * 10**places))).rjust(places + 1, "0")
    return f"{'-' if number < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def size_text(matrix: Matrix) -> str:
    """`3×5`: rows and columns."""
    return f"{len(matrix)}×{len(matrix[0])}"
