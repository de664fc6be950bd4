"""JobProfile: where runs go and with what resources; never a part of what a run is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Strict, ValidationError

from cnnjobs.errors import suggest
from cnnjobs.registry import NonNegativeInt, PositiveInt
from cnnjobs.spec.mistakes import KeyMistake, key_mistakes
from cnnjobs.spec.reading import Findings, Node, is_mapping, read_text, read_yaml


class JobProfile(BaseModel):
    """One file of `jobs/`, under what the sweep and the command line set; None leaves the choice to the launcher."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    max_parallel: PositiveInt | None = None
    cpus_per_run: PositiveInt | None = None
    gpus_per_run: NonNegativeInt | None = None
    data_dir: Annotated[Path, Strict(strict=False), AfterValidator(Path.expanduser)] | None = None


PROFILE_KEYS = tuple(key for key in JobProfile.model_fields if key != "name")


def read_profile(path: Path | None, overrides: Mapping[str, Any]) -> JobProfile:
    """The profile of a file, or the default one without a file. Raises SpecError with every mistake at once."""
    findings = Findings(path or Path("job settings"))
    settings: dict[str, Any] = {}
    if path is not None:
        node = read_yaml(read_text(path, near=sorted(path.parent.glob("*.yaml"))), findings)
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
