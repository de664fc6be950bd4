"""The command line of a program, item for item that of W&B's agent.

Source: wandb 0.31, wandb_agent.py (`Agent._command_run`) and sdk/launch/sweeps/utils.py. An item counts as a macro only
as a whole, `${envvar:NAME}` anywhere; no shell reads the line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cnnjobs.config.program import DEFAULT_COMMAND

# Ours, and nothing to W&B's agent: the arguments of `resume:` stand here, else at the end.
RESUME_MACRO: Final = "${resume_args}"
_ENVIRONMENT_VARIABLE: Final = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")
_ENV: Final = "/usr/bin/env"
_INTERPRETER: Final = "python"


def command_line(
    template: Sequence[Any],
    parameters: Mapping[str, Any],
    *,
    program: str,
    environment: Mapping[str, str],
    json_file: str,
    resume: Sequence[str] | None = None,
    processes: int = 0,
) -> list[str]:
    """The items of a program's command line; an empty `template` stands for the default one.

    `json_file` is the path that `${args_json_file}` names, `resume` what is added where the program goes on. More than
    no `processes` are started by torchrun, in the place of the interpreter. A macro that is none vanishes.
    """
    macros: dict[str, Sequence[str]] = {
        **argument_forms(parameters),
        "args_json_file": [json_file],
        "env": [_ENV],
        "interpreter": [_INTERPRETER, *(torchrun_arguments(processes) if processes else ())],
        "program": [program],
        RESUME_MACRO[2:-1]: resume or (),
    }
    line: list[str] = []
    items = expanded(template, environment)
    for item in items:
        line += macros.get(item[2:-1], ()) if is_macro(item) else [item]
    return line if RESUME_MACRO in items else [*line, *(resume or ())]


def argument_forms(parameters: Mapping[str, Any]) -> dict[str, list[str]]:
    """The arguments of a program by the macro that stands for them; values as Python writes them."""
    plain = [f"{name}={value}" for name, value in parameters.items()]
    return {
        "args": [f"--{each}" for each in plain],
        "args_no_equals": [part for name, value in parameters.items() for part in (f"--{name}", str(value))],
        "args_no_hyphens": plain,
        "args_no_boolean_flags": [
            f"--{name}" if value is True else f"--{name}={value}"
            for name, value in parameters.items()
            if value is not False
        ],
        "args_append_hydra": [f"+{each}" for each in plain],
        "args_override_hydra": [f"++{each}" for each in plain],
        "args_json": [json.dumps(dict(parameters))],
        # No page of W&B has this one; its agent takes the names.
        "args_dict": list(parameters),
    }


def expanded(template: Sequence[Any], environment: Mapping[str, str]) -> list[str]:
    """The items of a template as text, with the variables of the environment in them; one that is not set is its name.

    An empty template stands for the default one.
    """

    def value(found: re.Match[str]) -> str:
        return environment.get(found[1], found[1])

    return [_ENVIRONMENT_VARIABLE.sub(value, str(item)) for item in template or DEFAULT_COMMAND]


def is_macro(item: str) -> bool:
    """Check whether an item stands for others, or for none."""
    return item.startswith("${") and item.endswith("}")


def unknown_macros(template: Sequence[Any]) -> list[str]:
    """The items that vanish, as W&B's agent lets them."""
    known = {*argument_forms({}), "args_json_file", "env", "interpreter", "program", RESUME_MACRO[2:-1]}
    items = [_ENVIRONMENT_VARIABLE.sub("", str(item)) for item in template]
    return [item for item in items if is_macro(item) and item[2:-1] not in known]


def torchrun_arguments(processes: int) -> list[str]:
    """Interpreter arguments that start a program in several processes on this machine."""
    return ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]


def resume_arguments(resume: Sequence[Any], places: Mapping[str, Path]) -> tuple[list[str], str]:
    """The arguments of `resume:` with its places in them; none, and why, where a file that they name is not there.

    `places` are those of `${checkpoint_dir}` and `${run_dir}`, by these names.
    """
    arguments = []
    for item in map(str, resume):
        argument = item
        for name, path in places.items():
            before, macro, behind = argument.partition(f"${{{name}}}")
            if macro:
                argument = f"{before}{path}{behind}"
                file = Path(f"{path}{behind}")
                if not file.exists():
                    return [], f"{file} is not there: started without `resume:`"
        arguments.append(argument)
    return arguments, ""
