"""doctor and init on real daemons: what they say is so, and sbatch takes what init wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster import Cluster
from cluster_settings import ClusterSettings

from cnnjobs.config.profile import read_profile
from cnnjobs.setup.starter import write_starter
from cnnjobs.slurm.cluster import read_offer

pytestmark = pytest.mark.slurm

RUN = "import sys; from cnnjobs.cli.main import run; sys.argv[0] = 'cnnjobs'; run()"


def _cnnjobs(*words: str, where: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, *words]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, check=False, env=dict(os.environ))


def test_doctor_and_init_tell_what_is_there(start_slurm: Callable[[ClusterSettings], Cluster], tmp_path: Path) -> None:
    settings = ClusterSettings(
        max_submit_jobs=500, conf={"MaxArraySize": "11"}, partitions={"short": "MaxTime=30 DefaultTime=5"}
    )
    cluster = start_slurm(settings)
    cluster.client("scontrol", "update", "nodename=n2", "state=drain", "reason=test")
    told = json.loads(_cnnjobs("doctor", "--json", where=tmp_path).stdout)
    assert told["place"]["name"] == "slurm"
    assert told["problems"] == sum(each["level"] == "problem" for each in told["findings"])
    assert not [each for each in told["findings"] if each["level"] == "problem" and each["topic"] != "packages"]
    limits, member = told["cluster"]["limits"], told["cluster"]["membership"]
    assert limits["version"] in cluster.client("sinfo", "--version")
    assert (limits["cluster"], limits["max_array_size"], limits["accounting"]) == ("test", 11, True)
    assert (member["default_account"], member["accounts"], member["max_submit_jobs"]) == ("root", ["root"], 500)
    names = {each["name"]: each for each in told["cluster"]["partitions"]}
    assert list(names) == ["main", "low", "low_cancel", "short"]
    assert (names["short"]["max_minutes"], names["short"]["default_minutes"]) == (30, 5)
    lines = [each["text"] for each in told["findings"] if each["topic"] == "partition"]
    assert lines[0] == "main (default): 3 of 4 nodes up, 2 cores, 3.9 GB, 2 GPUs each; no time limit"

    done = _cnnjobs("init", "project", where=tmp_path)
    assert done.returncode == 0, done.stderr
    profile = read_profile(tmp_path / "project/jobs/slurm-gpu.yaml", {})
    assert (profile.partition, profile.gpus_per_run, profile.cpus_per_run, profile.mem_gb) == ("main", 1, 1, 1.7)
    wanted = [
        f"--partition={profile.partition}", f"--gpus-per-node={profile.gpus_per_run}",
        f"--cpus-per-task={profile.cpus_per_run}", f"--mem={1024 * (profile.mem_gb or 0):.0f}M",
        f"--time={profile.timeout_min}",
    ]  # fmt: skip
    job = cluster.submit(*wanted, "--wrap=sleep 60")
    cluster.wait_for(job, "RUNNING")


def test_without_accounting_the_rest_is_told(start_slurm: Callable[[ClusterSettings], Cluster], tmp_path: Path) -> None:
    start_slurm(ClusterSettings(nodes=1, gpus=0, accounting=False))
    offer = read_offer()
    assert offer.limits is not None
    assert (offer.limits.accounting, offer.membership, offer.complaints) == (False, None, ())
    assert write_starter(tmp_path, offer).slurm_profiles == ("slurm-cpu",)
    assert _cnnjobs("doctor", where=tmp_path).stdout.count("Slurm forgets a job soon after its end") == 1


def test_slurmdbd_down_and_then_the_controller(slurm: Cluster, tmp_path: Path) -> None:
    slurm.stop_dbd()
    offer = read_offer()
    assert len(offer.partitions) == 3
    assert offer.membership is None
    assert [complaint.split(":")[0] for complaint in offer.complaints] == ["sacctmgr"]
    slurm.stop_controller()
    done = _cnnjobs("doctor", where=tmp_path)
    assert done.returncode == 1
    assert "problem  place" in done.stdout
