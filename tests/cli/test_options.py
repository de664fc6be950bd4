from __future__ import annotations

from pathlib import Path

import pytest

from cnnjobs.cli.options import LaunchOptions
from cnnjobs.errors import InputError


def test_settings_are_read_as_yaml() -> None:
    options = LaunchOptions(settings=("job.max_parallel=1", "job.data_dir=/a b", "job.cpus_per_run=null"))
    assert options.overrides() == {"max_parallel": 1, "data_dir": "/a b", "cpus_per_run": None}


@pytest.mark.parametrize("setting", ["lr=0.1", "job.max_parallel", "max_parallel=1"])
def test_only_resources_are_set(setting: str) -> None:
    with pytest.raises(InputError) as refused:
        LaunchOptions(settings=(setting,)).overrides()
    assert str(refused.value) == (
        f"--set {setting}: write job.KEY=VALUE; only resources are set here, "
        "what changes a run's numbers belongs into the sweep file"
    )


def test_a_value_that_is_no_yaml() -> None:
    with pytest.raises(InputError, match=r"^--set job.data_dir=\[: the value cannot be read as YAML; quote it$"):
        LaunchOptions(settings=("job.data_dir=[",)).overrides()


def test_the_command_that_goes_on_is_the_same_without_what_is_done_once() -> None:
    options = LaunchOptions(
        Path("my results"), Path("/data"), "big", ("job.max_parallel=1",), retry_failed=True, force=True, report=False
    )
    assert options.command("local", "x.yaml") == (
        "cnnjobs local x.yaml --profile big --set job.max_parallel=1 --data-dir /data --results 'my results'"
    )
    assert LaunchOptions().command("local", "") == "cnnjobs local"
