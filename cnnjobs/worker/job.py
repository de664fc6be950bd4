"""Content of a job file."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from cnnjobs.disk.submission_folder import EvaluationRequest, Stacks
from cnnjobs.registry import NonNegativeInt, PositiveInt


class Job(BaseModel):
    """A job file: whose runs to train, where their data is, and with what; `gpu` as CUDA_VISIBLE_DEVICES names it.

    Those of `stacks` train as one network; `notes` go to the record of each; they begin with the copy `code` of the
    user's own code. With several `ranks` a run trains in so
    many processes, each with so many threads and its own of the GPUs that `gpu` lists. With `evaluation` the runs have
    finished and are evaluated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    store: Path
    run_ids: tuple[str, ...]
    data_folders: tuple[Path, ...]
    threads: PositiveInt
    ranks: PositiveInt = 1
    gpu: NonNegativeInt | str | None
    stacks: Stacks = Stacks()
    notes: tuple[str, ...] = ()
    code: str | None = None
    evaluation: EvaluationRequest | None = None
