"""Figures as they are drawn, and what can be drawn."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cnnjobs.console.terminal import notice, out, say, show
from cnnjobs.figures.kinds import option_name
from cnnjobs.registry import Component, Parameter

if TYPE_CHECKING:
    from cnnjobs.figures.network.layers import NamedLayer


def show_kept(path: Path, caption: str) -> None:
    """A figure that was drawn: where it is and what it shows."""
    say(str(path), style="bold")
    say(f"  {caption}")


def show_left_out(kind: str, why: str) -> None:
    """A figure of the standard set that could not be drawn."""
    notice(f"{kind} is left out: {why}")


@contextmanager
def progress(kind: str) -> Iterator[Callable[[int, int], None]]:
    """A bar that moves when it is told how many of how many images are done; on a terminal alone."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out(), transient=True, disable=not out().is_terminal) as bar:
        task = bar.add_task(kind, total=None, visible=False)

        def moved(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=True)

        yield moved


def show_kinds(kinds: Mapping[str, Component]) -> None:
    """Every kind of figure with its options and their defaults."""
    for name, component in sorted(kinds.items()):
        say(name, style="bold")
        say(f"  {component.summary}")
        for key, parameter in component.parameters.items():
            say(f"    {option_name(key)}{_allowed(parameter)}")


def _allowed(parameter: Parameter) -> str:
    choices = "|".join(map(str, _choices(parameter.annotation)))
    default = "" if parameter.default in (None, (), False) else f" [default: {parameter.default}]"
    return f" {choices}" * bool(choices) + default


def _choices(annotation: Any) -> list[str]:
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    return [choice for inner in typing.get_args(annotation) for choice in _choices(inner)]


def show_layers(name: str, input_shape: Sequence[int], layers: Sequence[NamedLayer]) -> None:
    """Every layer by its name with what it gives for one image."""
    say(f"{name}, input {_shape(input_shape)}", style="bold")
    rows = Table(box=None, pad_edge=False)
    for heading in ("layer", "type"):
        rows.add_column(heading)
    rows.add_column("output", justify="right")
    for layer in layers:
        rows.add_row(layer.name, layer.kind, _shape(layer.output_shape))
    show(rows)


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))
