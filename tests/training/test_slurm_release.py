"""What the first run of an array, and failures that are all alike, do to the others."""

from __future__ import annotations

import signal
from typing import Any

from pretended_slurm import Cluster

from cnnjobs.runs import RunState


def test_the_first_validation_of_the_first_run_lets_the_others_start(cluster: Cluster, toy: Any) -> None:
    first, second = cluster.submit([toy.config(model__name="toys:Slow", epochs=50)], [toy.config(seed=1)], canary=True)
    assert cluster.run(index=1) == 0
    assert second.read_record().state is RunState.FINISHED
    assert cluster.calls() == []
    assert cluster.interrupt(first, signal.SIGTERM, lines=3) == 0
    assert cluster.calls() == ["release 12"]
    assert cluster.submission.canary_file.exists()


def test_a_first_run_that_is_done_already_lets_the_others_start_though_slurm_is_away(
    cluster: Cluster, toy: Any
) -> None:
    (first,) = cluster.submit([toy.config()])
    assert cluster.run() == 0
    cluster.submit([toy.config()], [toy.config(seed=1)], canary=True)
    cluster.calls_file.with_name("calls.down").touch()
    assert cluster.run() == 0
    assert first.read_record().state is RunState.FINISHED
    assert cluster.calls() == ["release 12"]
    assert cluster.submission.canary_file.exists()


def test_a_first_run_that_fails_lets_nothing_start(cluster: Cluster, toy: Any) -> None:
    cluster.submit([toy.config(model__name="toys:Breaking")], canary=True)
    assert cluster.run() == 1
    assert cluster.calls() == []
    assert not cluster.submission.canary_file.exists()


def test_five_equal_failures_hold_the_rest_once(cluster: Cluster, toy: Any) -> None:
    bad = [toy.config(model__name="toys:Breaking", seed=seed) for seed in range(7)]
    folders = cluster.submit(bad[:4], [toy.config()], bad[4:])
    assert cluster.run(0) == 1
    assert cluster.run(1) == 0
    assert cluster.calls() == []
    for folder in folders[:2]:
        folder.write_record(folder.read_record().model_copy(update={"state": RunState.PENDING}))
    assert cluster.run(0) == 1
    assert cluster.calls() == []
    assert cluster.run(2) == 1
    assert cluster.calls() == ["hold 12"]
    assert cluster.submission.breaker_file.read_text() == f"{folders[0].read_record().cause}\n"
