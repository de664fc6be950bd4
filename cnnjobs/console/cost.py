"""Show the expected cost of a sweep before it starts."""

from __future__ import annotations

from cnnjobs.console.durations import duration
from cnnjobs.console.terminal import say
from cnnjobs.launch.plan.cost import Cost


def show_cost(cost: Cost) -> None:
    """Show the expected cost, or say that it was not measured yet."""
    runs = _runs(cost.runs)
    if cost.hours is None or cost.wall_s is None:
        pace = "not known: no such run was measured yet under this results folder"
    else:
        pace = (
            f"about {_hours(cost.hours)} {cost.device} hours, {duration(cost.wall_s)} with {cost.at_once} at a time"
            f" (measured on {_runs(cost.measured)})"
        )
    size = f"{_bytes(cost.size)}, " if cost.size is not None else ""
    say(f"cost: {runs}: {pace}; {size}up to {cost.files} files")


def _hours(hours: float) -> str:
    return f"{hours:.0f}" if hours >= 10 else f"{hours:.1f}" if hours >= 0.1 else f"{hours:.2g}"


def _bytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"
