"""The batch script of a submission. Python takes the place of its shell, so that Slurm's signals reach Python alone."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cnnjobs.errors import InputError
from cnnjobs.intents import JobIntent, SubmissionFolder
from cnnjobs.spec.profile import JobProfile

WORKER: Final = "cnnjobs.training.slurm_worker"
NO_FOLDER_CODE, NO_PYTHON_CODE = 3, 4
_LEAD_S: Final = 120
_SHORTEST_LEAD_S: Final = 5


def script(
    folder: SubmissionFolder,
    intent: JobIntent,
    profile: JobProfile,
    *,
    max_parallel: int | None,
    after: tuple[int, ...] = (),
    environment: Mapping[str, str] = os.environ,
) -> str:
    """The text of sbatch.sh: one array element per task, `max_parallel` at once, after the jobs `after`.

    Raises InputError.
    """
    from submitit.slurm.slurm import _make_sbatch_string

    text: str = _make_sbatch_string(
        f"exec {shlex.quote(sys.executable)} -u -m {WORKER} {shlex.quote(str(folder.path))}",
        folder.path,
        job_name=intent.job_name,
        ntasks_per_node=intent.ranks // intent.nodes,
        setup=_setup(profile, intent, environment),
        # Slurm refuses a job of a user who has no such key, and submitit writes one.
        wckey=None,  # type: ignore[arg-type]
        use_srun=False,
        stderr_to_stdout=True,
        additional_parameters={
            **_array(len(intent.tasks), max_parallel),
            **({"dependency": "afterany:" + ":".join(map(str, after))} if after else {}),
            # A percent sign of the path is not one of Slurm's own.
            "output": str(folder.path).replace("%", "%%") + "/" + folder.log_file("%a").name,
            "signal": f"B:USR2@{lead_s(profile)}",
            # It waits for its number to be written down, but not for ever: a launcher may die before that.
            "begin": "now+5minutes",
            "requeue" if profile.max_requeues else "no-requeue": True,
            **{name.replace("_", "-"): value for name, value in profile.extra.items() if value is not False},
        },
        **_resources(intent, profile),
    )
    return text


def _resources(intent: JobIntent, profile: JobProfile) -> dict[str, Any]:
    return {
        "partition": profile.partition,
        "account": profile.account,
        "qos": profile.qos,
        "constraint": profile.constraint,
        "exclude": profile.exclude,
        "time": profile.timeout_min,
        "nodes": intent.nodes,
        "cpus_per_task": intent.cpus // intent.ranks,
        "mem": f"{round(1024 * profile.mem_gb)}M" if profile.mem_gb else None,
        "gpus_per_node": intent.gpus // intent.nodes if intent.gpus and not _asks_for_gpus(profile) else None,
    }


def _array(num_tasks: int, max_parallel: int | None) -> dict[str, str]:
    at_once = f"%{max_parallel}" if max_parallel is not None and max_parallel < num_tasks else ""
    return {"array": f"0-{num_tasks - 1}{at_once}"}


def _asks_for_gpus(profile: JobProfile) -> bool:
    return any("gpu" in f"{name} {value}" for name, value in profile.extra.items())


def lead_s(profile: JobProfile) -> int:
    """How many seconds before its time limit a job is told of it. Raises InputError when there is no such moment."""
    limit_s = None if profile.timeout_min is None else 60 * profile.timeout_min
    lead = profile.signal_lead_s or min(_LEAD_S, limit_s // 4 if limit_s else _LEAD_S)
    if limit_s is not None and lead >= limit_s:
        raise InputError(
            f"job.signal_lead_s: found {lead}, but a job ends after {limit_s} s (timeout_min: {profile.timeout_min}); "
            "allowed: less than that, and at least as long as a step and the checkpoint after it take"
        )
    return max(lead, _SHORTEST_LEAD_S)


def _setup(profile: JobProfile, intent: JobIntent, environment: Mapping[str, str]) -> list[str]:
    here, python = Path.cwd(), sys.executable
    lines = [
        # Until Python listens: a signal that the shell does not know would end it.
        "trap '' USR2",
        f"cd {shlex.quote(str(here))} || {_end(f'the working directory {here} is missing', NO_FOLDER_CODE)}",
        *profile.setup,
    ]
    if environment.get("PYTHONPATH"):
        lines.append(f"export PYTHONPATH={shlex.quote(environment['PYTHONPATH'])}")
    # Since Slurm 22.05 a step does not take it over from its job by itself.
    lines.append(f"export SRUN_CPUS_PER_TASK={intent.cpus // intent.ranks}")
    lines.append(f"[ -x {shlex.quote(python)} ] || {_end(f'the Python {python} is missing', NO_PYTHON_CODE)}")
    return lines


def _end(what: str, code: int) -> str:
    said = shlex.quote(f"cnnjobs: {what} on node")
    return f'{{ echo {said} "${{SLURMD_NODENAME:-$(hostname)}}"; exit {code}; }}'


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what a surrounding job, or the user's defaults for sbatch, would add to a submission."""
    theirs = ("SLURM_", "SBATCH_", "SRUN_")
    return {name: value for name, value in environment.items() if not name.startswith(theirs) or name == "SLURM_CONF"}
