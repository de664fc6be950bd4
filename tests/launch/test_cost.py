from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cnnjobs.disk.run_folder import Attempt, RunState, RunStore
from cnnjobs.launch.plan.cost import MOST_FILES, Cost, estimate, estimate_here
from cnnjobs.launch.plan.resources import Resources
from cnnjobs.sweep.file import Sweep, read_sweep

Put = Callable[..., None]
RUN_S = 92


def cost(sweep: Sweep, store: RunStore, *, at_once: int = 2, gpus: int = 0, cores: int = 2, ranks: int = 1) -> Cost:
    configs = {run.run_id: run.config for run in sweep.runs}
    tasks = [[run_id] for run_id in configs]
    return estimate(configs, tasks, store.path.parent, gpus=gpus, cores=cores, at_once=at_once, ranks=ranks)


def measured(
    store: RunStore,
    sweep: Sweep,
    put: Put,
    index: int,
    *,
    device: str = "cpu",
    ranks: int = 1,
    beside_s: float = 0.0,
    process_s: float | None = 2.0,
    **changes: Any,
) -> None:
    """A run that took 90 s for 10 epochs of the sweep's 10."""
    store.keep_sweep_file(sweep.text)
    attempt = Attempt(
        number=1, host="h", pid=1, started="2026-01-01T00:00:00+00:00", device=device, seconds=beside_s + 90.0,
        process_s=process_s, ranks=ranks,
    )  # fmt: skip
    put(index, changes.pop("state", RunState.FINISHED), attempts=(attempt,), **changes)
    folder = store.run(sweep.runs[index].run_id)
    folder.metrics_file.write_text('{"epoch": 5.0, "seconds": 50.0}\n{"epoch": 10.0, "seconds": 90.0}\n')


def test_what_was_never_measured_is_not_known(sweep: Sweep, store: RunStore) -> None:
    assert cost(sweep, store) == Cost(4, 4, 2, "core", None, None, None, 4 * MOST_FILES, 0)


def test_the_pace_of_before(sweep: Sweep, store: RunStore, put: Put) -> None:
    measured(store, sweep, put, 0)
    found = cost(sweep, store)
    folder = store.run(sweep.runs[0].run_id).path
    assert found.hours == 4 * RUN_S * 2 / 3600
    assert found.wall_s == 2 * RUN_S
    assert found.size == 4 * sum(path.stat().st_size for path in folder.iterdir())
    assert found.files == 4 * 3
    assert found.measured == 1
    assert found.device == "core"


def test_as_many_ranks_have_a_pace_of_their_own(sweep: Sweep, store: RunStore, put: Put) -> None:
    measured(store, sweep, put, 0, ranks=2)
    assert cost(sweep, store).hours is None
    assert cost(sweep, store, ranks=2).measured == 1


def test_one_long_job_bounds_the_time(sweep: Sweep, store: RunStore, put: Put) -> None:
    measured(store, sweep, put, 0)
    assert cost(sweep, store, at_once=100).wall_s == RUN_S


def test_what_runs_take_beside_their_training_counts(sweep: Sweep, store: RunStore, put: Put) -> None:
    """The first run of a process loads what the next one finds."""
    measured(store, sweep, put, 0, beside_s=5.0, process_s=4.0)
    measured(store, sweep, put, 1, beside_s=1.0, process_s=None)
    assert cost(sweep, store, at_once=1).wall_s == 4 * 99
    ids = [run.run_id for run in sweep.runs]
    configs = {run.run_id: run.config for run in sweep.runs}
    together = estimate(configs, [ids], store.path.parent, gpus=0, cores=1, at_once=1)
    assert together.wall_s == 4 * 90 + 9 + 3 * 1
    assert together.hours == (4 * 90 + 9 + 3 * 1) / 3600
    beside = estimate(configs, [ids], store.path.parent, gpus=0, cores=2, at_once=1, runs_at_once=2)
    assert beside.wall_s == 8 + 2 * 91


def test_an_unfinished_run_tells_its_pace_and_not_its_size(sweep: Sweep, store: RunStore, put: Put) -> None:
    measured(store, sweep, put, 0, state=RunState.INTERRUPTED)
    found = cost(sweep, store)
    assert (found.wall_s, found.size, found.files) == (2 * RUN_S, None, 4 * MOST_FILES)


def test_another_device_or_another_kind_of_run_tells_nothing(sweep: Sweep, store: RunStore, put: Put) -> None:
    measured(store, sweep, put, 0, device="cuda (A100)")
    assert cost(sweep, store).hours is None
    assert cost(sweep, store, gpus=1).hours == 4 * RUN_S / 3600
    folder = store.run(sweep.runs[0].run_id)
    folder.config_file.write_text(folder.config_file.read_text().replace("batch_size: ", "batch_size: 9"))
    assert cost(sweep, store, gpus=1).hours is None


def test_damaged_files_measure_nothing(sweep: Sweep, store: RunStore, put: Put) -> None:
    measured(store, sweep, put, 0)
    store.run(sweep.runs[0].run_id).record_file.write_text("{")
    assert cost(sweep, store).hours is None


def test_on_this_machine_workers_train_one_run_after_the_other(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("base: {dataset: mnist, model: cnn, epochs: 2}\nseeds: 5\n")
    cost = estimate_here(read_sweep(file).runs, Resources(2, 3, ()), tmp_path / "results")
    assert (cost.runs, cost.jobs, cost.at_once, cost.device, cost.hours) == (5, 2, 2, "core", None)
