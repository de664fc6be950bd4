"""Results of the calculators, with their working."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.table import Table

from cnnjobs.components.theory.convolution import Cell, Kind, turned
from cnnjobs.components.theory.matrices import Matrix, Number, number_text, size_text
from cnnjobs.components.theory.networks import LayerStep, shape_text
from cnnjobs.components.theory.shifts import ShiftChange
from cnnjobs.components.theory.steps import Steps
from cnnjobs.components.theory.windows import Window
from cnnjobs.console.terminal import say, show

_MOST: Final = 8
_KINDS: Final[dict[Kind, str]] = {
    "convolution": "true convolution (the kernel turned by 180°)",
    "correlation": "cross-correlation (the kernel as it is: what torch's Conv2d computes)",
}


def show_convolution(kind: Kind, image: Matrix, result: Matrix, told: str) -> None:
    """The result of one kind of convolution."""
    say(f"{_KINDS[kind]}, {told}: {size_text(image)} → {size_text(result)}", style="bold")
    _show_matrix(result)


def show_how_kinds_differ(kernel: Matrix) -> None:
    """Where one of the two kinds tells what the other one is."""
    if turned(kernel) == kernel:
        say("The kernel stays the same when it is turned by 180°, so the two are the same.")
    elif turned(kernel) == tuple(tuple(-weight for weight in row) for row in kernel):
        say("The kernel turned by 180° is its own negative, so the two differ in sign alone.")


def show_uneven(kernel: Matrix) -> None:
    """Where the middle of a kernel without one is."""
    if not (len(kernel) % 2 and len(kernel[0]) % 2):
        say("An even kernel has no middle: one more row or column is added behind the image than before, as in torch.")


def _show_matrix(matrix: Matrix) -> None:
    texts = [[number_text(number) for number in row] for row in matrix]
    width = max(len(text) for row in texts for text in row)
    for row in texts:
        say("  " + "  ".join(text.rjust(width) for text in row))


def show_workings(cells: list[list[Cell]], only: tuple[int, int] | None) -> None:
    """`y[row,column] = weight·value + ... = sum`, counted from 0; values beyond the border in brackets."""
    every = [(row, column) for row in range(len(cells)) for column in range(len(cells[0]))]
    for row, column in [only] if only else every:
        found = cells[row][column]
        terms = (f"{_factor(term.weight)}·{_value(term.value, term.inside)}" for term in found.terms)
        say(f"  y[{row},{column}] = {' + '.join(terms)} = {number_text(found.value)}")
    shown = [cells[only[0]][only[1]]] if only else [cell for row in cells for cell in row]
    if any(not term.inside for cell in shown for term in cell.terms):
        say("  Values in [brackets] lie beyond the border.")


def _factor(number: Number) -> str:
    text = number_text(number)
    return f"({text})" if text.startswith("-") or "/" in text else text


def _value(number: Number, inside: bool) -> str:
    return _factor(number) if inside else f"[{number_text(number)}]"


def show_windows(windows: Sequence[Window], size: int, unknown: str | None = None) -> None:
    """The formula of each window with its numbers; which value the unknown one has."""
    for window in windows[:_MOST]:
        found = f"{unknown} {getattr(window, unknown)}: " if unknown else ""
        rest = window.unseen(size)
        last = "pixel is" if rest == 1 else f"{rest} pixels are"
        say(f"{found}{window.working(size)}" + (f"; the last {last} never covered" if rest else ""))
    if unknown and len(windows) > _MOST:
        say(f"… and so on up to {unknown} {getattr(windows[-1], unknown)}")


def show_shapes(steps: Sequence[LayerStep]) -> None:
    """One row per layer: what comes out, and how that is computed."""
    table = _table(["layer", "output shape", "working"])
    for step in steps:
        table.add_row(step.word, shape_text(step.output_shape), "; ".join(filter(None, (step.working, step.note))))
    show(table)


def show_parameters(steps: Sequence[LayerStep]) -> None:
    """One row per layer: filters, weights of one, all weights, biases, their sum; then the totals."""
    numbers = ["filters", "weights per filter", "weights", "biases", "parameters"]
    table = _table(["layer", "output shape"], numbers)
    for step in steps:
        counts = (step.filters, step.weights_per_filter, step.weights, step.biases, step.parameters)
        table.add_row(step.word, shape_text(step.output_shape), *(f"{count:,}" if count else "" for count in counts))
    totals = [sum(getattr(step, name) for step in steps) for name in ("weights", "biases", "parameters")]
    table.add_row("total", "", "", "", *(f"{total:,}" for total in totals), style="bold")
    show(table)
    for step in steps:
        if step.note and not step.working:
            say(f"{step.word}: {step.note}")


def show_steps(images: int, batch_size: int, epochs: int | None, steps: int | None) -> None:
    """Steps of an epoch, with the incomplete last batch and without; those of all epochs, or the epochs of steps."""
    kinds = [Steps(images, batch_size)]
    say(f"one epoch: ceil({images:,} / {batch_size:,}) = {_counted(kinds[0].per_epoch)}")
    if kinds[0].last_batch < batch_size:
        kinds.append(Steps(images, batch_size, drop_last=True))
        last = "1 image" if kinds[0].last_batch == 1 else f"{kinds[0].last_batch:,} images"
        say(f"  the last batch has {last}; when it is dropped: {_counted(kinds[1].per_epoch)}")
    if epochs is not None:
        every = [_counted(epochs * kind.per_epoch) for kind in kinds]
        say(f"{_counted(epochs, 'epoch')}: {', or without last batches '.join(every)}")
    if steps is not None:
        every = [f"{steps / kind.per_epoch:.4g}" for kind in kinds if kind.per_epoch]
        say(f"{_counted(steps)}: {', or without last batches '.join(every)} epochs")


def show_shifts(changes: Sequence[ShiftChange]) -> None:
    """One row per layer: how much a shift changes what comes out of it."""
    table = _table(["behind"], ["relative change"])
    for change in changes:
        table.add_row(change.layer, f"{change.mean:.3f} ± {change.sd:.3f}")
    show(table)
    say("mean ± standard deviation over networks; |f(shifted) − f(image)| / |f(image)|, images shifted by 1 pixel")


def _counted(count: int, noun: str = "step") -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _table(words: Sequence[str], numbers: Sequence[str] = ()) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in words:
        table.add_column(name)
    for name in numbers:
        table.add_column(name, justify="right")
    return table
