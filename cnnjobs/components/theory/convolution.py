"""Convolution of an image with a kernel, cell by cell, as it is done by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cnnjobs.components.theory.matrices import Matrix, Number, size_text
from cnnjobs.errors import InputError

Kind = Literal["convolution", "correlation"]
Border = Literal["zero", "reflect", "symmetric", "edge", "wrap"]
Size = Literal["same", "valid", "full"]


@dataclass(frozen=True)
class Term:
    """One product of a cell's sum; `inside` unless the value stands beyond the border of the image."""

    weight: Number
    value: Number
    inside: bool


@dataclass(frozen=True)
class Cell:
    """One cell of a result: the kernel laid over the image, term by term, row by row."""

    terms: tuple[Term, ...]

    @property
    def value(self) -> Number:
        """The sum of the products."""
        total = sum(term.weight * term.value for term in self.terms)
        return total.numerator if total.denominator == 1 else total


def turned(kernel: Matrix) -> Matrix:
    """The kernel turned by 180 degrees."""
    return tuple(row[::-1] for row in kernel[::-1])


def cross_correlation(image: Matrix, kernel: Matrix, border: Border = "zero", size: Size = "same") -> list[list[Cell]]:
    """The kernel as it is, laid over every place of the image; what torch's Conv2d computes.

    A true convolution is the same with the kernel `turned`. `same` gives as many cells as the image has, by
    (k - 1) // 2 cells before it and k // 2 behind it, like torch's `padding="same"`; `full` adds k - 1 on both sides.
    Raises InputError when no cell is left.
    """
    height, width = len(image), len(image[0])
    (top, bottom), (left, right) = (_margins(length, size) for length in (len(kernel), len(kernel[0])))
    rows = range(-top, height + bottom - len(kernel) + 1)
    columns = range(-left, width + right - len(kernel[0]) + 1)
    if not rows or not columns:
        found = f"the kernel of {size_text(kernel)} does not fit into the image of {size_text(image)}"
        raise InputError(f"{found}; take a smaller kernel, or a size with values beyond the border: same or full")
    return [[_cell(image, kernel, border, row, column) for column in columns] for row in rows]


def values(cells: list[list[Cell]]) -> Matrix:
    """The results alone."""
    return tuple(tuple(cell.value for cell in row) for row in cells)


def _margins(length: int, size: Size) -> tuple[int, int]:
    """Number of cells needed before and behind the image."""
    return {"valid": (0, 0), "same": ((length - 1) // 2, length // 2), "full": (length - 1, length - 1)}[size]


def _cell(image: Matrix, kernel: Matrix, border: Border, top: int, left: int) -> Cell:
    terms = []
    for row, weights in enumerate(kernel, top):
        for column, weight in enumerate(weights, left):
            places = _source(row, len(image), border), _source(column, len(image[0]), border)
            value = 0 if places[0] is None or places[1] is None else image[places[0]][places[1]]
            inside = 0 <= row < len(image) and 0 <= column < len(image[0])
            terms.append(Term(weight, value, inside))
    return Cell(tuple(terms))


def _source(place: int, length: int, border: Border) -> int | None:
    """Index of the cell of a line of `length` at a place that may lie beyond it; None for a zero (as numpy.pad)."""
    if 0 <= place < length:
        return place
    if border == "zero":
        return None
    if border == "edge":
        return 0 if place < 0 else length - 1
    if border == "wrap":
        return place % length
    # Mirrored again and again: with the outermost cell repeated (symmetric), or as the mirror itself (reflect).
    period = 2 * length if border == "symmetric" else max(2 * (length - 1), 1)
    place %= period
    last = 2 * length - 1 if border == "symmetric" else 2 * (length - 1)
    return place if place < length else last - place
