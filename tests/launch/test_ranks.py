from __future__ import annotations

from typing import Any

import pytest

from cnnjobs.config.profile import JobProfile
from cnnjobs.config.run import RunConfig
from cnnjobs.errors import InputError
from cnnjobs.launch.plan.ranks import check_batches, dealt_to_ranks


@pytest.mark.parametrize(
    ("settings", "has_gpus", "gpus", "cores", "ranks"),
    [
        ({}, False, 0, 1, 1),
        ({}, True, 1, 1, 1),
        ({"gpus_per_run": 4}, True, 4, 4, 4),
        ({"nodes": 2}, True, 2, 2, 2),
        ({"nodes": 2, "gpus_per_run": 0, "cpus_per_run": 8}, True, 0, 8, 2),
        ({"nodes": 2, "gpus_per_run": 8, "cpus_per_run": 16}, True, 8, 16, 8),
    ],
)
def test_what_a_run_gets(settings: dict[str, Any], has_gpus: bool, gpus: int, cores: int, ranks: int) -> None:
    dealt = dealt_to_ranks(JobProfile(name="x", **settings), 1, has_gpus=has_gpus)
    assert (dealt.gpus_per_run, dealt.cpus_per_run, dealt.ranks) == (gpus, cores, ranks)
    alone = dealt.of_one_rank(runs_per_job=7)
    assert (alone.nodes, alone.ranks, alone.cpus_per_run, alone.runs_per_job) == (1, 1, cores // ranks, 7)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"nodes": 2, "gpus_per_run": 1},
            "job.gpus_per_run: found 1 for a run on 2 nodes; write 2 or another multiple of it, a GPU for each rank, or"
            " 0 for the CPU",
        ),
        (
            {"gpus_per_run": 4, "cpus_per_run": 2},
            "job.cpus_per_run: found 2 for the 4 ranks of a run; write 4 or another multiple of it, or leave it out",
        ),
        (
            {"nodes": 2, "runs_at_once": 3},
            "job.runs_at_once: found 3 with 2 ranks for each run (gpus_per_run, nodes); leave one of them out",
        ),
        (
            {"nodes": 2, "stack": 4},
            "job.stack: found 4 with 2 ranks for each run (gpus_per_run, nodes); leave one of them out",
        ),
    ],
)
def test_what_does_not_fit_together(settings: dict[str, Any], said: str) -> None:
    profile = JobProfile(name="x", **settings)
    with pytest.raises(InputError) as error:
        dealt_to_ranks(profile, profile.at_once, has_gpus=False)
    assert str(error.value) == said


def test_a_batch_has_an_image_for_each_rank() -> None:
    config = RunConfig.model_validate({"dataset": "mnist", "model": "lenet5", "batch_size": 3})
    check_batches([config], 3)
    with pytest.raises(InputError, match="batch_size: found 3, fewer images than the 4 ranks of a run"):
        check_batches([config], 4)
