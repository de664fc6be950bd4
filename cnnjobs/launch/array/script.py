"""The batch script of a submission. Python takes the place of its shell, so that Slurm's signals reach Python alone."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cnnjobs.config.resolved_profile import ResolvedProfile, told_ahead_s
from cnnjobs.disk.submission_folder import JobArray, SubmissionFolder
from cnnjobs.errors import InputError
from cnnjobs.slurm.batch_script import (
    NO_FOLDER_CODE,
    NO_PYTHON_CODE,
    NO_RESULTS_CODE,
    OWN_BEGIN_S,
    PATIENCE_S,
    SETUP_CODE,
)

if TYPE_CHECKING:
    from cnnjobs.launch.array.executor import ArrayExecutor

_SHORTEST_LEAD_S: Final = 5


def executor_for(
    folder: SubmissionFolder,
    array: JobArray,
    profile: ResolvedProfile,
    *,
    max_parallel: int | None,
    after: tuple[int, ...] = (),
    environment: Mapping[str, str] = os.environ,
    accounted: bool = True,
) -> ArrayExecutor:
    """Executor of the job array: one array task for each of `tasks`, `max_parallel` at once, after the jobs `after`.

    Where no accounting tells how jobs end, Slurm itself writes to their logs, too. Raises InputError.
    """
    from cnnjobs.launch.array.executor import ArrayExecutor

    log = str(folder.log_file("%a"))
    if not accounted and not log.isprintable():
        raise InputError(f"{log!r}: Slurm takes no path with a line break; choose another folder with --results")
    executor = ArrayExecutor(folder)
    executor.update_parameters(
        job_name=array.job_name,
        ntasks_per_node=array.ranks // array.nodes,
        setup=_setup(folder, profile, array, environment),
        # Slurm refuses a job of a user who has no such key, and submitit writes one.
        wckey=None,
        use_srun=False,
        stderr_to_stdout=True,
        additional_parameters={
            **_array(len(array.tasks), max_parallel),
            **({"dependency": "afterany:" + ":".join(map(str, after))} if after else {}),
            # A job whose output Slurm cannot open is ended by it (0:53); the script waits for the folder. Slurm's last
            # words go there as well, which only accounting makes up for. A percent sign of the path is not its own.
            "output": "/dev/null" if accounted else log.replace("%", "%%").removesuffix("%%a.log") + "%a.log",
            "signal": f"B:USR2@{lead_s(profile)}",
            "begin": f"now+{OWN_BEGIN_S // 60}minutes",
            "requeue" if profile.max_requeues else "no-requeue": True,
            **{name.replace("_", "-"): value for name, value in profile.extra.items() if value is not False},
        },
        **_resources(array, profile),
    )
    return executor


def _resources(array: JobArray, profile: ResolvedProfile) -> dict[str, Any]:
    return {
        "partition": profile.partition,
        "account": profile.account,
        "qos": profile.qos,
        "constraint": profile.constraint,
        "exclude": profile.exclude,
        "time": profile.timeout_min,
        "nodes": array.nodes,
        "cpus_per_task": array.cpus // array.ranks,
        "mem": f"{round(1024 * profile.mem_gb)}M" if profile.mem_gb else None,
        "gpus_per_node": array.gpus // array.nodes if array.gpus and not _asks_for_gpus(profile) else None,
    }


def _array(num_tasks: int, max_parallel: int | None) -> dict[str, str]:
    at_once = f"%{max_parallel}" if max_parallel is not None and max_parallel < num_tasks else ""
    return {"array": f"0-{num_tasks - 1}{at_once}"}


def _asks_for_gpus(profile: ResolvedProfile) -> bool:
    return any("gpu" in f"{name} {value}" for name, value in profile.extra.items())


def lead_s(profile: ResolvedProfile) -> int:
    """Seconds before its time limit at which a job is signalled. Raises InputError when there is no such moment."""
    limit_s = None if profile.timeout_min is None else 60 * profile.timeout_min
    lead = told_ahead_s(profile)
    if limit_s is not None and lead >= limit_s:
        raise InputError(
            f"job.signal_lead_s: found {lead}, but a job ends after {limit_s} s (timeout_min: {profile.timeout_min}); "
            "allowed: less than that, and at least as long as a step and the checkpoint after it take"
        )
    return max(lead, _SHORTEST_LEAD_S)


def _setup(
    folder: SubmissionFolder, profile: ResolvedProfile, array: JobArray, environment: Mapping[str, str]
) -> list[str]:
    here, python = Path.cwd(), sys.executable
    lines = [
        # Until Python listens: a signal that the shell does not know would end it.
        "trap '' USR2",
        *_waiting(folder, array.store),
        f"cd {shlex.quote(str(here))} || {_end(f'the working directory {here} is missing', NO_FOLDER_CODE)}",
        *([_CATCH, *profile.setup, "trap - ERR"] if profile.setup else ()),
    ]
    if environment.get("PYTHONPATH"):
        lines.append(f"export PYTHONPATH={shlex.quote(environment['PYTHONPATH'])}")
    # Since Slurm 22.05 a step does not take it over from its job by itself.
    lines.append(f"export SRUN_CPUS_PER_TASK={array.cpus // array.ranks}")
    lines.append(f"[ -x {shlex.quote(python)} ] || {_end(f'the Python {python} is missing', NO_PYTHON_CODE)}")
    return lines


# What a file that is sourced does inside is its own affair: only what it comes to counts.
_CATCH: Final = (
    """trap 'cnnjobs_code=$?; [ "${#BASH_SOURCE[@]}" -gt 1 ] || {"""
    """ echo "cnnjobs: setup: $(sed -n "${LINENO}p" "$0"): exit code $cnnjobs_code"""
    f""" on node ${{SLURMD_NODENAME:-$(hostname)}}"; exit {SETUP_CODE}; }}' ERR"""
)


def _waiting(folder: SubmissionFolder, store: Path) -> list[str]:
    """Lines that wait for a results folder that is away, as a run does; not for a submission that was removed.

    A script that is run by hand speaks to its terminal.
    """
    back = shlex.quote(f"cnnjobs: {store} was away: waited for it")
    return [
        f"cnnjobs_store={shlex.quote(str(store))}",
        f"cnnjobs_jobs={shlex.quote(str(folder.path))}",
        'if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then',
        f'  cnnjobs_log="$cnnjobs_jobs/{folder.log_file("$SLURM_ARRAY_TASK_ID").name}" SECONDS=0',
        '  until { : >>"$cnnjobs_log"; } 2>/dev/null; do',
        f'    [ "$SECONDS" -lt {PATIENCE_S} ] || exit {NO_RESULTS_CODE}',
        f'    [ ! -d "$cnnjobs_store" ] || [ -d "$cnnjobs_jobs" ] || exit {NO_RESULTS_CODE}',
        "    sleep 1",
        "  done",
        '  exec >>"$cnnjobs_log" 2>&1',
        f'  [ "$SECONDS" -lt 2 ] || echo {back} "$SECONDS s"',
        "fi",
    ]


def _end(what: str, code: int) -> str:
    said = shlex.quote(f"cnnjobs: {what} on node")
    return f'{{ echo {said} "${{SLURMD_NODENAME:-$(hostname)}}"; exit {code}; }}'
