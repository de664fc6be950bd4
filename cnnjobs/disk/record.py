"""Record of a run."""

from __future__ import annotations

import enum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class RunState(enum.StrEnum):
    """State of a run; one that is stopped was ended early by its search, with the metrics that it had then."""

    PENDING = "pending"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    LOST = "lost"

    @property
    def is_settled(self) -> bool:
        """True if nothing more is to be done for the run."""
        return self in (RunState.FINISHED, RunState.STOPPED, RunState.FAILED, RunState.CANCELLED)

    @property
    def has_passed(self) -> bool:
        """True if it has trained for sure, and ended well."""
        return self in (RunState.FINISHED, RunState.STOPPED)


class Attempt(BaseModel):
    """One start of a run. Times are ISO 8601 in UTC; `restart` counts Slurm's restarts of the job `job_id`, which
    was handed to Slurm at `submitted`; None after a restart. Its number may be given out again, its `job_name` never.

    `process_s` is how old its process was then, if it was the first in it and nothing was loaded for it; `stacked` is
    with how many others the run trained as one network, and it `waited` where some of them were behind; `ranks` is how
    many processes trained it, each with `threads`.
    """

    model_config = ConfigDict(frozen=True)
    number: int
    host: str
    pid: int
    job_id: str | None = None
    job_name: str | None = None
    restart: int | None = None
    submitted: str | None = None
    device: str = "cpu"
    threads: int = 1
    ranks: int = 1
    started: str
    process_s: float | None = None
    stacked: int = 0
    waited: bool = False
    ended: str | None = None
    from_epoch: int = 0
    seconds: float = 0.0


class Evaluation(BaseModel):
    """Metrics of the best weights of a run on a split, measured after its end: loss and accuracy.

    `at` is ISO 8601 in UTC; `dataset` is the data set with its options.
    """

    model_config = ConfigDict(frozen=True)
    dataset: dict[str, Any]
    split: str
    metrics: dict[str, float]
    num_images: int
    at: str
    host: str
    job_id: str | None = None
    device: str = "cpu"
    threads: int = 1
    git_commit: str | None = None
    git_dirty: bool | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`cifar10/test`: never that of one of the run's own metrics."""
        return f"{self.dataset['name']}/{self.split}"


class RunRecord(BaseModel):
    """Record of a run: state, cause, attempts, provenance, final metrics (accuracies in [0, 1]).

    `image_shape` (C, H, W) is an image of the data set, `input_shape` what `preprocessing` makes of it for the network:
    steps that are complete, `{name: resize, size: 64}`; where images `are_fitted`, the first `resize` or `letterbox`
    was done as they were decoded. `num_images` counts the images of each split. `evaluations` came after the end, by
    their names. `choices` tell how its steps are computed, each with a reason. `weights_sha256` is that of the file
    which it started from, `data_sha256` that of all images and labels of its data set, `code` the copy of the user's
    own code that it trains with: None where there is none, or where an earlier version began it. The first `forgiven`
    attempts count no longer against it: it was retried since. One that is `trained` waits for the verdict of its search
    alone.
    """

    model_config = ConfigDict(frozen=True)
    run_id: str
    state: RunState = RunState.PENDING
    cause: str | None = None
    traceback: str | None = None
    attempts: tuple[Attempt, ...] = ()
    forgiven: int = 0
    trained: bool = False
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = Field(default_factory=dict)
    choices: dict[str, str] = Field(default_factory=dict)
    git_commit: str | None = None
    git_dirty: bool | None = None
    planned_epochs: int = 0
    epochs_done: float = 0.0
    best_epoch: float | None = None
    image_shape: tuple[int, int, int] | None = None
    preprocessing: tuple[dict[str, Any], ...] = ()
    are_fitted: bool = False
    input_shape: tuple[int, int, int] | None = None
    classes: tuple[str, ...] = ()
    num_images: dict[str, int] = Field(default_factory=dict)
    weights_sha256: str | None = None
    data_sha256: str | None = None
    code: str | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    evaluations: dict[str, Evaluation] = Field(default_factory=dict)
