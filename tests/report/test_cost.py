from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cnnjobs.disk.run_folder import Attempt
from cnnjobs.report.sections.cost import cost_grid, costs_grid

if TYPE_CHECKING:
    from conftest import Results

TEXT = "base: {dataset: fashion_mnist_mini, model: cnn, epochs: 1}\nseeds: 3\n"


def attempt(at: str, **changes: Any) -> Attempt:
    """A start at that time, a minute long."""
    started, ended = (f"2026-03-01T{at}:{second}+00:00" for second in ("00", "59"))
    return Attempt(number=1, host="node7", pid=11, threads=2, started=started, ended=ended, seconds=60.0, **changes)


def test_hours_waiting_and_wall_time_are_those_of_every_start(make_results: Callable[..., Results]) -> None:
    results = make_results(TEXT)
    submitted = "2026-03-01T09:00:00.5+00:00"
    waited = {"job_id": "12_0", "submitted": submitted}
    on_gpu = {"job_id": "12_1", "device": "NVIDIA H200", "stacked": 1}
    killed = attempt("09:20", submitted=submitted, **on_gpu)
    starts = [
        # Requeued at its end, it waits for 19 minutes more.
        (attempt("09:10", **waited), attempt("09:30", job_id="12_0", restart=1)),
        # The second run of the same array task waits for the first, not in the queue.
        (attempt("09:50", job_id="12_0", restart=1),),
        # How long it waited after a kill is not known.
        (killed.model_copy(update={"ended": None}), attempt("09:45", restart=1, **on_gpu)),
    ]
    for run, attempts in zip(results.sweep.runs, starts, strict=True):
        results.write(run, attempts=attempts)
    assert dict(cost_grid(results.table()).rows) == {
        "GPU hours": "0.0167",
        "CPU hours": "0.1",
        "all runs together": "4 min 00 s in 5 starts",
        "from the first start to the last end": "40 min 59 s",
        "waiting in the queue": "16 min 20 s on average, 20 min 00 s at most, over 3 starts of 2 jobs",
    }
    (row,) = costs_grid(results.table(), results.table().ranked()).rows
    assert row == ("cnn", "cpu and NVIDIA H200", "1", "20 s", "540 ± 0")


def test_nothing_is_told_before_the_first_start(results: Results) -> None:
    assert cost_grid(results.table()).rows == ()
    assert costs_grid(results.table(), []).rows == ()
