"""ResolvedProfile: a profile of which nothing is left open, as a job array has it and as `intent.json` keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cnnjobs.config.profile import DEFAULT_MAX_REQUEUES, JobProfile, StackSetting
from cnnjobs.registry import NonNegativeInt, PositiveFloat, PositiveInt

_LEAD_S: Final = 120


class ResolvedProfile(BaseModel):
    """The same keys as those of a JobProfile; cores and GPUs are those of a run, all its ranks together.

    With `runs_at_once_auto` a job has cores for `runs_at_once` and finds out how many it carries. It is read as it was
    kept, whichever version did: what that did not know has its default, and options are not checked again.
    """

    model_config = ConfigDict(frozen=True)

    name: str = "default"
    cpus_per_run: PositiveInt = 1
    gpus_per_run: NonNegativeInt = 0
    runs_at_once: PositiveInt = 1
    runs_at_once_auto: bool = False
    runs_per_job: PositiveInt | None = None
    max_parallel: PositiveInt | None = None
    stack: StackSetting = "auto"
    data_dir: Path | None = None
    partition: str | None = None
    nodes: PositiveInt = 1
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclude: str | None = None
    mem_gb: PositiveFloat | None = None
    timeout_min: PositiveInt | None = None
    setup: tuple[str, ...] = ()
    extra: dict[str, Any] = Field(default_factory=dict)
    canary: bool | None = None
    max_requeues: NonNegativeInt = DEFAULT_MAX_REQUEUES
    signal_lead_s: PositiveInt | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_kept(cls, kept: Any) -> Any:
        """A key that an earlier version kept as null has its default."""
        return {key: value for key, value in kept.items() if value is not None} if isinstance(kept, dict) else kept

    @classmethod
    def of(cls, profile: JobProfile, **resolved: Any) -> ResolvedProfile:
        """A profile with these values for what it leaves open."""
        return cls.model_validate({**profile.model_dump(), **resolved})

    @property
    def ranks(self) -> int:
        """Number of processes that train a run together."""
        return num_ranks(self.nodes, self.gpus_per_run)

    @property
    def threads(self) -> int:
        """The cores of each rank."""
        return self.cpus_per_run // self.ranks

    def of_one_rank(self, *, runs_per_job: int) -> ResolvedProfile:
        """The same for jobs in which one process with the share of one rank does one run after the other."""
        own = {"nodes": 1, "gpus_per_run": min(1, self.gpus_per_run), "cpus_per_run": self.threads}
        alone = {"runs_at_once": 1, "runs_at_once_auto": False, "runs_per_job": runs_per_job}
        return self.model_copy(update={**own, **alone})


def told_ahead_s(profile: JobProfile | ResolvedProfile) -> int:
    """Seconds before its time limit at which a job is told of it."""
    quarter = _LEAD_S if profile.timeout_min is None else 60 * profile.timeout_min // 4
    return profile.signal_lead_s or min(_LEAD_S, quarter)


def num_ranks(nodes: int, gpus: int) -> int:
    """Number of processes that train a run together: one for each GPU, without GPUs one on each node."""
    return max(nodes, gpus)
