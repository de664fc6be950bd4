from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cnnjobs.config.profile import DEFAULT_MAX_REQUEUES, PROFILE_KEYS, JobProfile
from cnnjobs.config.resolved_profile import ResolvedProfile
from cnnjobs.disk.submission_folder import JobArray, SubmissionFolder
from cnnjobs.launch.plan.ranks import dealt_to_ranks

# As versions before ResolvedProfile wrote them: the dump of a JobProfile in which the open choices were filled in.
EARLIER: dict[str, Any] = {
    "name": "slurm-gpu", "max_parallel": 6, "cpus_per_run": 4, "gpus_per_run": 2, "runs_at_once": 1, "stack": "off",
    "data_dir": None, "partition": "gpu", "nodes": 1, "account": None, "qos": None, "constraint": None,
    "exclude": None, "mem_gb": 2.5, "timeout_min": 90, "setup": ["module load x"],
    "extra": {"gres": "gpu:1", "exclusive": True, "array": "no longer taken"}, "runs_per_job": None, "canary": None,
    "max_requeues": 3, "signal_lead_s": None,
}  # fmt: skip
ARRAY = {"job_name": "n", "tasks": [["a"]], "store": "/r/s", "created": "2026-01-01", "host": "h", "user": "u"}


def read(tmp_path: Path, **written: Any) -> JobArray:
    folder = SubmissionFolder(tmp_path)
    folder.array_file.write_text(json.dumps({**ARRAY, **written}))
    return folder.read_array()


def test_an_intent_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    profile = read(tmp_path, profile=EARLIER).profile
    assert (profile.max_requeues, profile.timeout_min, profile.max_parallel, profile.mem_gb) == (3, 90, 6, 2.5)
    assert (profile.ranks, profile.threads, profile.setup) == (2, 2, ("module load x",))
    assert profile.extra == EARLIER["extra"]
    assert not profile.runs_at_once_auto


@pytest.mark.parametrize("profile", [{}, {"max_requeues": None}, {"name": "x", "a_later_key": [1]}])
def test_what_a_version_did_not_keep_has_its_default(tmp_path: Path, profile: dict[str, Any]) -> None:
    found = read(tmp_path, profile=profile).profile
    assert (found.max_requeues, found.timeout_min, found.cpus_per_run) == (DEFAULT_MAX_REQUEUES, None, 1)
    assert read(tmp_path).profile == ResolvedProfile()


def test_an_intent_that_is_written_now_comes_back(tmp_path: Path) -> None:
    given = JobProfile(
        name="x", runs_at_once="auto", cpus_per_run=2, data_dir="/data", extra={"nice": 5}, max_requeues=0
    )
    profile = dealt_to_ranks(given, 3, has_gpus=False)
    folder = SubmissionFolder(tmp_path)
    folder.write_array(JobArray(**ARRAY, profile=profile))
    assert folder.read_array().profile == profile
    # Keys by which an earlier version reads it.
    assert json.loads(folder.array_file.read_text())["profile"].keys() >= EARLIER.keys()


def test_it_has_every_key_of_a_profile_and_does_not_change() -> None:
    assert set(ResolvedProfile.model_fields) == {"name", "runs_at_once_auto", *PROFILE_KEYS}
    defaults = JobProfile(name="default")
    kept = {key: value for key, value in defaults.model_dump().items() if value is not None}
    assert ResolvedProfile.of(defaults) == ResolvedProfile(**kept) == ResolvedProfile()
    with pytest.raises(ValidationError, match="frozen"):
        ResolvedProfile().nodes = 2
