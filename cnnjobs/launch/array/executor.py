"""Submission by submitit: its SlurmExecutor, whose tasks are workers of cnnjobs in place of pickled functions."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from submitit import SlurmExecutor, SlurmJob  # noqa: TID253  # this module is imported where a script is made
from submitit.core.utils import FailedSubmissionError  # noqa: TID253

from cnnjobs.disk import locks
from cnnjobs.disk.files import write_whole
from cnnjobs.disk.submission_folder import SubmissionFolder
from cnnjobs.errors import InputError, storage_error
from cnnjobs.slurm.commands import SlurmError
from cnnjobs.slurm.offers import with_offers
from cnnjobs.status.repair import SBATCH_S

WORKER: Final = "cnnjobs.worker.slurm_main"
_UNSURE: Final = ("Socket timed out", "Zero Bytes", "Unable to contact slurm controller", "Communication")


class UnsureError(InputError):
    """sbatch may have submitted the job or not; the message holds its words."""


class ArrayExecutor(SlurmExecutor):
    """One job array. `update_parameters` takes what submitit's own does, and refuses other keys with ValueError."""

    def __init__(self, submission: SubmissionFolder) -> None:
        super().__init__(submission.path)
        self.submission = submission

    @classmethod
    def affinity(cls) -> int:
        """Above 0: a script may be shown where there is no Slurm, and a job needs no srun to start."""
        return 2

    @property
    def text(self) -> str:
        """The batch script."""
        return str(self._make_submission_file_text(self._submitit_command_str, ""))

    def submit_array_of_workers(self) -> int:
        """Number of the submitted array. Raises SlurmError when it was refused, UnsureError, StorageError."""
        return int(self._submit_command(self._submitit_command_str).job_id)

    @property
    def _submitit_command_str(self) -> str:
        # Python takes the place of the shell, so that Slurm's signals reach Python alone.
        return f"exec {shlex.quote(sys.executable)} -u -m {WORKER} {shlex.quote(str(self.submission.path))}"

    def _make_submission_command(self, submission_file_path: Path) -> list[str]:
        return ["sbatch", "--parsable", str(submission_file_path)]

    @staticmethod
    def _get_job_id_from_submission_command(string: bytes | str) -> str:
        # A site's own words may stand before it.
        text = string if isinstance(string, str) else string.decode(errors="replace")
        number = re.search(r"^(\d+)(?:;\S*)?\s*\Z", text, flags=re.MULTILINE)
        if number is None:
            raise FailedSubmissionError(f"sbatch answered without a number: {text.strip()}")
        return number[1]

    def _submit_command(self, command: str) -> Any:
        """The submitted job; submitit's own knows no deadline, no lock, and reads no refusal."""
        folder = self.submission
        write_whole(folder.script_file, self._make_submission_file_text(command, "").encode())
        with locks.hold(folder.array_file) as hold:
            if hold is None:
                raise storage_error(folder.array_file, BlockingIOError(0, "another process holds it"))
            try:
                # sbatch inherits the hold: where it outlives this process, the next launcher sees that it is at work.
                done = subprocess.run(
                    self._make_submission_command(folder.script_file),
                    capture_output=True, text=True, errors="replace", timeout=SBATCH_S, check=False,
                    env=scrubbed(os.environ), stdin=subprocess.DEVNULL, pass_fds=(hold.file.fileno(),),
                )  # fmt: skip
            except FileNotFoundError:
                raise SlurmError("sbatch is not on the PATH") from None
            except subprocess.TimeoutExpired:
                raise UnsureError(f"sbatch did not answer within {SBATCH_S} s") from None
        if done.returncode:
            raise _refusal(done)
        try:
            number = self._get_job_id_from_submission_command(done.stdout)
        except FailedSubmissionError as error:
            raise UnsureError(str(error)) from None
        return SlurmJob(folder=self.folder, job_id=number, tasks=[0])


def _refusal(done: subprocess.CompletedProcess[str]) -> InputError:
    said = [line.removeprefix("sbatch: ").removeprefix("error: ") for line in done.stderr.splitlines() if line.strip()]
    words = "; ".join(said) or f"exit code {done.returncode}"
    return UnsureError(words) if any(word in words for word in _UNSURE) else with_offers(f"sbatch refused: {words}")


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what a surrounding job, or the user's defaults for sbatch, would add to a submission."""
    theirs = ("SLURM_", "SBATCH_", "SRUN_")
    return {name: value for name, value in environment.items() if not name.startswith(theirs) or name == "SLURM_CONF"}
