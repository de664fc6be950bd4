"""JobProfile: where runs go and with what resources; never a part of what a run is."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError
from pydantic_core import PydanticCustomError

from cnnjobs.config.documents import read_yaml
from cnnjobs.config.mistakes import KeyMistake, key_mistakes
from cnnjobs.config.text_files import read_text, yaml_files
from cnnjobs.config.yaml import Findings, Node, is_mapping, shown
from cnnjobs.errors import suggest
from cnnjobs.registry import NonNegativeInt, PositiveFloat, PositiveInt

# What cnnjobs writes into every script itself, or reads from sbatch's answer, and the key that a resource has here.
_ITSELF: Final = "cnnjobs sets it itself: leave it out"
_ANSWER: Final = "cnnjobs reads what sbatch answers at once: leave it out"
_ONE_TASK: Final = "a run is one task for each of its GPUs or nodes: leave it out"
_OURS: Final = {
    **dict.fromkeys(
        (
            "array", "begin", "chdir", "dependency", "error", "export", "export-file", "hold", "ignore-pbs", "input",
            "job-name", "open-mode", "output", "wrap",
        ),
        _ITSELF,
    ),
    **dict.fromkeys(("help", "parsable", "quiet", "usage", "verbose", "version", "wait"), _ANSWER),
    "test-only": "nothing would be submitted; look at it with: cnnjobs sweep FILE --dry-run",
    "clusters": "cnnjobs looks at the queue of this cluster alone: leave it out", "uid": _ITSELF, "gid": _ITSELF,
    "nodes": "write nodes:", **dict.fromkeys(
        ("ntasks", "ntasks-per-core", "ntasks-per-gpu", "ntasks-per-node", "ntasks-per-socket"), _ONE_TASK
    ),
    "account": "write account:", "constraint": "write constraint:", "cpus-per-task": "write cpus_per_run:",
    "exclude": "write exclude:", "gpus": "write gpus_per_run:", "gpus-per-node": "write gpus_per_run:",
    "mem": "write mem_gb:", "no-requeue": "write max_requeues: 0", "partition": "write partition:",
    "qos": "write qos:", "requeue": "write max_requeues:", "signal": "write signal_lead_s:",
    "time": "write timeout_min:",
}  # fmt: skip
DEFAULT_MAX_REQUEUES: Final = 20
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_TIME: Final = re.compile(r"(?:(\d+)-)?(\d+):(\d\d)(?::(\d\d))?")
_SECONDS_OF: Final = (86400, 3600, 60, 1)


def _minutes(value: Any) -> Any:
    """`12:00:00` and `1-00:00:00` -> whole minutes, as Slurm reads them; numbers stay as they are."""
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        if isinstance(value, str) and not value.isdigit():
            found, remedy = f"found {shown(value)}", "allowed: minutes, hours:minutes:seconds or days-hours:minutes"
            raise PydanticCustomError("time", "{found}", {"found": found, "remedy": remedy})
        return value
    days, first, second, third = match.groups()
    # Two parts alone are minutes:seconds for Slurm, but hours:minutes after the days.
    parts = (days, first, second, third) if days or third else (None, None, first, second)
    return math.ceil(sum(int(part or 0) * unit for part, unit in zip(parts, _SECONDS_OF, strict=True)) / 60)


def _options(value: dict[str, Any]) -> dict[str, Any]:
    for name in value:
        full, remedy = _refused(name.replace("_", "-"))
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
            full, remedy = name, "write the long name of an sbatch option without dashes before it"
        if remedy:
            short = "" if full.replace("-", "_") == name.replace("-", "_") else f", which sbatch takes for {full}"
            context = {"found": f"found the option {shown(name)}{short}", "remedy": remedy}
            raise PydanticCustomError("option", "{found}", context)
    return value


def _refused(option: str) -> tuple[str, str | None]:
    """The whole name of an option that is ours, and what to do instead; None for one of the user's."""
    near = [name for name in _OURS if name.startswith(option)] if option else []
    full = option if option in _OURS or not near else near[0]
    return full, _OURS.get(full)


def _one_line(value: Any) -> Any:
    """A text that stands in a line of the batch script: sbatch would not see what comes after its end."""
    if isinstance(value, str) and _CONTROL.search(value):
        found = f"found {shown(value)}, with a line break or another control character"
        raise PydanticCustomError("line", "{found}", {"found": found, "remedy": "write it on one line, without | or >"})
    return value


Minutes = Annotated[PositiveInt, BeforeValidator(_minutes)]
OptionValue = Annotated[bool | int | float | str, BeforeValidator(_one_line)]
Options = Annotated[dict[str, OptionValue], AfterValidator(_options)]
Name = Annotated[str, Field(min_length=1), AfterValidator(_one_line)]
StackSetting = Literal["auto", "off"] | PositiveInt
AtOnce = Literal["auto"] | PositiveInt


class JobProfile(BaseModel):
    """One file of `jobs/`, under what the sweep and the command line set; None leaves the choice to the launcher.

    `setup` are lines of shell run on the node first (modules, conda), `extra` options of sbatch by their long names;
    `runs_at_once` share the cores or the GPU of one job, with `auto` as many as they carry; so many as `stack` says
    train as one network; on several GPUs or `nodes` a run has a rank on each, and `gpus_per_run` and `cpus_per_run` are
    those of all of them; `signal_lead_s` is how long before its time limit a job is told of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    max_parallel: PositiveInt | None = None
    cpus_per_run: PositiveInt | None = None
    gpus_per_run: NonNegativeInt | None = None
    runs_at_once: AtOnce = 1
    stack: StackSetting = "auto"
    data_dir: Annotated[Path, Strict(strict=False), AfterValidator(Path.expanduser)] | None = None
    partition: Name | None = None
    nodes: PositiveInt = 1
    account: Name | None = None
    qos: Name | None = None
    constraint: Name | None = None
    exclude: Name | None = None
    mem_gb: PositiveFloat | None = None
    timeout_min: Minutes | None = None
    setup: Annotated[tuple[str, ...], Strict(strict=False)] = ()
    extra: Options = Field(default_factory=dict)
    runs_per_job: PositiveInt | None = None
    canary: bool | None = None
    max_requeues: NonNegativeInt = DEFAULT_MAX_REQUEUES
    signal_lead_s: PositiveInt | None = None

    @property
    def at_once(self) -> int:
        """`runs_at_once` as a number: 1 before it is found out."""
        return 1 if self.runs_at_once == "auto" else self.runs_at_once

    def set_for_slurm(self) -> tuple[str, ...]:
        """The keys that are set and mean something on Slurm alone."""
        return tuple(key for key in SLURM_KEYS if key in self.model_fields_set)


PROFILE_KEYS = tuple(key for key in JobProfile.model_fields if key != "name")
SLURM_KEYS = PROFILE_KEYS[PROFILE_KEYS.index("partition") :]


def read_profile(path: Path | None, overrides: Mapping[str, Any]) -> JobProfile:
    """The profile of a file, or the default one without a file. Raises SpecError with every mistake at once."""
    findings = Findings(path or Path("job settings"))
    settings: dict[str, Any] = {}
    if path is not None:
        node = read_yaml(read_text(path, yaml_files(path.parent), findings.tell), findings)
        # A file of comments alone is a profile that leaves every choice open.
        if node.value is not None:
            check_settings(node, "", findings)
            settings = node.plain if isinstance(node.value, dict) else {}
    findings.stop_at_mistakes()
    profile = _validate({**settings, **overrides}, path.stem if path else "default")
    if isinstance(profile, list):
        for mistake in profile:
            findings.mistake(None, mistake.key, mistake.found, mistake.remedy)
        findings.stop_at_mistakes()
    assert isinstance(profile, JobProfile)
    return profile


def check_settings(node: Node, place: str, findings: Findings) -> None:
    """Add a mistake for every setting that no profile takes."""
    if not is_mapping(node, place, findings):
        return
    checked = _validate(node.plain, "checked")
    for mistake in checked if isinstance(checked, list) else ():
        key = f"{place}.{mistake.key}" if place else mistake.key
        findings.mistake(node.at(mistake.key.split(".")).line, key, mistake.found, mistake.remedy)


def _validate(settings: dict[str, Any], name: str) -> JobProfile | list[KeyMistake]:
    def unknown(path: Any) -> KeyMistake:
        return KeyMistake(".".join(path), "unknown key", suggest(path[-1], PROFILE_KEYS))

    named = [KeyMistake("name", "unknown key", "a profile is called by its file")] if "name" in settings else []
    try:
        profile = JobProfile.model_validate({**settings, "name": name})
    except ValidationError as error:
        return named + key_mistakes(error, settings, unknown, unknown)
    return named or profile
