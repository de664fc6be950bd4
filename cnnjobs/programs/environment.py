"""The environment of a program: what W&B's agent gives, what a run here gives, and without what would mislead it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cnnjobs.programs.reported import ProgramPlaces

# Of a W&B run or sweep, a torchrun, MPI or Slurm task around this process: the program is a process of none of them.
_OUTER: Final = frozenset(
    {
        *("WANDB_RUN_ID", "WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH", "WANDB_RESUME", "WANDB_SERVICE", "WANDB_NAME"),
        *("WANDB_CONFIG", "WANDB_CONFIG_PATHS", "WANDB_LAUNCH", "WANDB_ARTIFACTS", "WANDB_DISABLE_SERVICE"),
        *("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "NODE_RANK", "GROUP_RANK", "GROUP_WORLD_SIZE"),
        *("ROLE_RANK", "ROLE_WORLD_SIZE", "ROLE_NAME", "MASTER_ADDR", "MASTER_PORT"),
        *("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_TASK_PID", "SLURM_NTASKS", "SLURM_NPROCS"),
        *("SLURM_NTASKS_PER_NODE", "SLURM_TASKS_PER_NODE", "SLURM_GTIDS", "SLURM_STEPID"),
    }
)
_OUTER_STARTS: Final = ("TORCHELASTIC_", "SLURM_STEP_", "OMPI_COMM_WORLD_", "PMI_", "PMIX_", "CNNJOBS_")
# Lightning requeues the job of such a name never: that is done here.
_NO_REQUEUE: Final = {"SLURM_JOB_NAME": "interactive"}
_TOOL_FOLDERS: Final = frozenset({"pipx", "uv"})


def environment_of(
    places: ProgramPlaces,
    base: Mapping[str, str],
    *,
    parameter_file: Path,
    seed: int | None = None,
    goes_on: bool = False,
    threads: int = 0,
) -> dict[str, str]:
    """The environment that a program starts with; `base` is that of this process.

    `parameter_file` is what `write_parameters` has written. `CNNJOBS_RESUME` is there only where the run `goes_on`;
    OpenMP has `threads`, unless `base` says otherwise.
    """
    given = {
        "WANDB_DIR": str(places.outputs),
        "WANDB_RUN_ID": places.run_id,
        "WANDB_SWEEP_ID": places.sweep_id,
        "WANDB_SWEEP_PARAM_PATH": str(parameter_file),
        "CNNJOBS_RUN_DIR": str(places.outputs),
        "CNNJOBS_CHECKPOINT_DIR": str(places.checkpoints),
        "CNNJOBS_METRICS": str(places.metrics_file),
        "CNNJOBS_ATTEMPT": str(places.attempt - 1),
        **({"CNNJOBS_RESUME": "1"} if goes_on else {}),
        **({} if seed is None else {"CNNJOBS_SEED": str(seed)}),
        **_NO_REQUEUE,
    }
    # What a user may have chosen stays.
    wished = {"WANDB_MODE": "offline", "PYTHONUNBUFFERED": "1"}
    wished |= {"OMP_NUM_THREADS": str(threads)} if threads else {}
    kept = {name: value for name, value in base.items() if not is_misleading(name)}
    return {**wished, **kept, **given, "PATH": search_path(base)}


def is_misleading(name: str) -> bool:
    """Check whether a variable tells of a run, sweep or task that this process is of, and the program is not."""
    return name in _OUTER or name.startswith(_OUTER_STARTS)


def search_path(base: Mapping[str, str]) -> str:
    """PATH for the program, whose `python` is the first on it.

    That of this process comes first where it is called by its full path out of an environment that is not active, and
    last where there is no other.
    """
    path = base.get("PATH", os.defpath)
    own = str(Path(sys.executable).parent)
    if own in path.split(os.pathsep):
        return path
    is_active = any(base.get(name) for name in ("VIRTUAL_ENV", "CONDA_PREFIX"))
    is_projects = sys.prefix != sys.base_prefix and _TOOL_FOLDERS.isdisjoint(Path(sys.prefix).parts)
    if is_projects and not is_active:
        return f"{own}{os.pathsep}{path}"
    return path if shutil.which("python", path=path) else f"{path}{os.pathsep}{own}"


def path_note(base: Mapping[str, str]) -> str:
    """A note where another `python` would be found by PATH alone."""
    there, found = (shutil.which("python", path=path) for path in (base.get("PATH", os.defpath), search_path(base)))
    if there == found:
        return ""
    why = f"not {there}: no environment is active" if there else "there is no other one on PATH"
    return f"`python` is {found}, as cnnjobs itself, {why}"


def parameters_text(parameters: Mapping[str, Any]) -> str:
    """Parameters in the form that `wandb.init()` reads from WANDB_SWEEP_PARAM_PATH: YAML 1.1."""
    lines = [f"{_yaml(str(name))}: {{value: {_yaml(value)}}}\n" for name, value in parameters.items()]
    return "".join(["wandb_version: 1\n", *lines])


def _yaml(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_yaml(key)}: {_yaml(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, float):
        text = {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(repr(value), repr(value))
        # Without a point it would be a text.
        return text if "." in text else text.replace("e", ".0e")
    if isinstance(value, str):
        written = json.dumps(value, ensure_ascii=False)
        return "".join(each if " " <= each <= "~" else f"\\U{ord(each):08x}" for each in written)
    return json.dumps(value)
