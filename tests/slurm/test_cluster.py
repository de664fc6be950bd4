"""The throwaway cluster does what tests on it rely on: real states, faults that happen, nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster import Cluster, end_abandoned
from cluster_daemons import ClusterError, cluster_environment, wait_until
from cluster_packages import INSTALL, PackagesError, install, obstacle
from cluster_processes import DAEMONS, all_processes
from cluster_settings import ClusterSettings

pytestmark = pytest.mark.slurm
Start = Callable[[ClusterSettings], Cluster]


def test_an_array_gets_gpus_and_ends_as_sacct_tells(slurm: Cluster, tmp_path: Path) -> None:
    script = (
        f"echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES > {tmp_path}/$SLURM_ARRAY_TASK_ID; test $SLURM_ARRAY_TASK_ID != 3"
    )
    job = slurm.submit("--array=0-7", "--gpus=1", f"--wrap={script}")
    slurm.wait_idle()
    wait_until("sacct knows all", lambda: len(slurm.job_states(job)) == 8)
    ends = {f"{job}_{index}": ["FAILED" if index == 3 else "COMPLETED"] for index in range(8)}
    assert slurm.job_states(job) == ends
    nodes, gpus = zip(*((tmp_path / str(index)).read_text().split() for index in range(8)), strict=True)
    assert set(nodes) <= set(slurm.nodes)
    assert set(gpus) <= {"0", "1"}


def test_both_gpus_of_a_node_go_to_one_job(slurm: Cluster, tmp_path: Path) -> None:
    slurm.submit("--gpus=2", "--nodes=1", f"--wrap=echo $CUDA_VISIBLE_DEVICES > {tmp_path}/gpus")
    slurm.wait_idle()
    assert (tmp_path / "gpus").read_text() == "0,1\n"


@pytest.mark.parametrize(("partition", "left"), [("low", "PENDING"), ("low_cancel", None)])
def test_main_preempts(slurm: Cluster, partition: str, left: str | None) -> None:
    job = slurm.submit(f"--partition={partition}", "--nodes=4", "--exclusive", "--wrap=sleep 60")
    slurm.wait_for(job, "RUNNING")
    other = slurm.submit("--partition=main", "--nodes=4", "--exclusive", "--wrap=sleep 60")
    slurm.wait_for(other, "RUNNING")
    assert slurm.queue().get(job) == left
    assert slurm.job_states(job)[job][0] == "PREEMPTED"


def test_a_wrong_account_is_refused(slurm: Cluster) -> None:
    with pytest.raises(ClusterError, match="Invalid account"):
        slurm.submit("--account=nobody", "--wrap=true")


def test_the_processes_of_one_array_task_can_be_killed(slurm: Cluster) -> None:
    job = slurm.submit("--array=1-2", "--wrap=sleep 60 & wait; exit 7")
    slurm.wait_for(f"{job}_1", "RUNNING")
    slurm.wait_for(f"{job}_2", "RUNNING")
    wait_until("it sleeps", lambda: any(process.command() == "sleep 60" for process in slurm.job_processes(f"{job}_1")))
    killed = slurm.kill_job_processes(f"{job}_1", command="sleep 60")
    assert killed
    wait_until("one is left", lambda: slurm.queue() == {f"{job}_2": "RUNNING"})
    wait_until("sacct tells", lambda: slurm.job_states(job).get(f"{job}_1") == ["FAILED"])


def test_a_node_that_is_given_up_still_runs_its_copy_of_the_job(slurm: Cluster) -> None:
    job = slurm.submit("--nodelist=n1", "--wrap=sleep 60")
    wait_until("it sleeps", lambda: len(slurm.job_processes(job)) == 2)
    slurm.kill_slurmd("n1")
    slurm.declare_down("n1")
    slurm.wait_for(job, "PENDING")
    assert len(slurm.job_processes(job)) == 2
    slurm.reset()
    assert slurm.job_processes(job) == []


def test_a_killed_node_takes_its_job_along_and_comes_back(slurm: Cluster) -> None:
    job = slurm.submit("--nodelist=n2", "--wrap=sleep 60")
    slurm.wait_for(job, "RUNNING")
    slurm.kill_node("n2")
    slurm.declare_down("n2")
    assert slurm.job_processes(job) == []
    assert slurm.node_states()["n2"].startswith("down")
    slurm.wait_for(job, "PENDING")
    wait_until("sacct tells", lambda: slurm.job_states(job)[job][0] == "NODE_FAIL")
    slurm.start_slurmd("n2")
    wait_until("it is idle", lambda: slurm.node_states()["n2"] == "idle")


def test_jobs_outlive_a_restart_of_the_controller(slurm: Cluster) -> None:
    job = slurm.submit("--wrap=sleep 60")
    slurm.wait_for(job, "RUNNING")
    slurm.stop_controller()
    with pytest.raises(ClusterError, match="DOWN"):
        slurm.client("scontrol", "ping")
    slurm.start_controller()
    assert slurm.queue() == {job: "RUNNING"}


def test_sacct_fails_while_slurmdbd_is_down(slurm: Cluster) -> None:
    slurm.stop_dbd()
    with pytest.raises(ClusterError, match="Connection refused"):
        slurm.client("sacct")
    slurm.start_dbd()
    slurm.client("sacct")


def test_limits_are_the_settings(start_slurm: Start) -> None:
    limits = ClusterSettings(
        nodes=1,
        max_submit_jobs=3,
        partitions={"short": "MaxTime=1"},
        conf={"MaxArraySize": "5", "EnforcePartLimits": "ALL"},
    )
    slurm = start_slurm(limits)
    for options, words in {
        "--array=0-4": "AssocMaxSubmitJobLimit",
        "--array=0-5": "Invalid job array specification",
        "--partition=short --time=2": "time limit",
        "--gpus=3": "Requested node configuration is not available",
    }.items():
        with pytest.raises(ClusterError, match=words):
            slurm.submit(*options.split(), "--wrap=true")
    slurm.submit("--array=0-2", "--wrap=true")


def test_many_nodes_without_accounting(start_slurm: Start) -> None:
    slurm = start_slurm(ClusterSettings(nodes=30, gpus=0, accounting=False))
    assert set(slurm.node_states().values()) == {"idle"}
    with pytest.raises(ClusterError, match="accounting storage is disabled"):
        slurm.client("sacct")


def test_up_twice_and_down_twice(slurm_place: None, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    first = _program("up", folder, "--no-accounting", "--nodes=1")
    assert first.stdout == f"export SLURM_CONF={folder}/etc/slurm.conf\n"
    assert first.stderr.startswith("up: 1 idle nodes")
    again = _program("up", folder, "--no-accounting", "--nodes=1")
    assert (again.returncode, again.stdout, again.stderr[:10]) == (0, first.stdout, "already up")
    other = _program("up", folder, "--no-accounting", "--nodes=2")
    assert (other.returncode, other.stdout) == (1, "")
    assert "other settings" in other.stderr
    cluster = Cluster.open(folder)
    cluster.submit("--wrap=sleep 60 & setsid sleep 60 & wait")
    wait_until("the job sleeps", lambda: [process.command() for process in cluster.processes()].count("sleep 60") == 2)
    assert _program("down", folder).returncode == 0
    assert cluster.processes() == []
    assert not folder.exists()
    assert "nothing to end" in _program("down", folder).stderr


def test_down_ends_what_a_killed_start_has_left(slurm_place: None, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    start = subprocess.Popen([*_command("up", folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    records = folder / "processes.jsonl"
    wait_until("it starts MariaDB", lambda: records.exists() and "mariadbd" in records.read_text(), every_s=0.01)
    start.kill()
    start.wait()
    cluster = Cluster.open(folder)
    assert {process.name for process in cluster.processes()} >= {"munged", "mariadbd"}
    assert _program("down", folder).returncode == 0
    assert cluster.processes() == []
    assert not folder.exists()


def test_a_failed_start_leaves_its_logs_and_nothing_else(slurm_place: None) -> None:
    cluster = Cluster(ClusterSettings(nodes=1, accounting=False, conf={"SelectType": "select/nonsense"}))
    with pytest.raises(ClusterError, match="slurmctld ended while starting") as failure:
        cluster.up()
    assert failure.value.__notes__ == [f"The logs of the Slurm daemons are kept in {cluster.kept_logs}"]
    assert "nonsense" in (cluster.kept_logs / "slurmctld.out").read_text()
    assert cluster.processes() == []
    assert not cluster.folder.exists()
    for file in cluster.kept_logs.iterdir():
        file.unlink()
    cluster.kept_logs.rmdir()


def test_a_folder_with_other_things_is_left_alone(slurm_place: None, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ClusterError, match=r"holds other things: thesis\.tex"):
        Cluster(folder=tmp_path).up()
    assert (tmp_path / "thesis.tex").exists()


def test_a_cluster_whose_owner_was_killed_is_ended_by_the_next(slurm_place: None) -> None:
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); from cluster import Cluster, ClusterSettings\n"
        "cluster = Cluster(ClusterSettings(nodes=1, accounting=False)); cluster.up()\n"
        "print(cluster.folder, flush=True); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", program, str(Path(__file__).parent)]
    folder = Path(subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip())
    cluster = Cluster.open(folder)
    assert cluster.is_ready()
    assert folder in end_abandoned()
    assert cluster.processes() == []


def test_no_zombie_is_left_in_this_process(slurm_place: None) -> None:
    with Cluster(ClusterSettings(nodes=1, accounting=False)) as cluster:
        cluster.kill_slurmd("n1")
    assert [p for p in all_processes() if p.parent == os.getpid() and p.name in DAEMONS and not p.alive] == []


def test_what_is_missing_is_said_with_its_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("cluster_packages.PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    names = "slurmctld slurmd slurm-client munge slurmdbd mariadb-server"
    assert obstacle() == f"a throwaway Slurm cluster needs Debian's packages {names}: {INSTALL}"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert str(obstacle()).startswith("a throwaway Slurm cluster needs root (daemons, fake GPU devices): sudo make")
    with pytest.raises(PackagesError, match=f"as root there: apt-get install .* {names}"):
        install()


def test_nothing_of_a_surrounding_job_is_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SBATCH_PARTITION", "big")
    environment = cluster_environment(tmp_path)
    assert {key for key in environment if key.startswith(("SLURM", "SBATCH"))} == {"SLURM_CONF"}


def test_a_folder_of_another_user_is_not_trusted(slurm_place: None, tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text("{}")
    os.chown(tmp_path, 65534, 65534)
    answer = _program("down", tmp_path)
    assert (answer.returncode, answer.stderr) == (1, f"{tmp_path} belongs to another user: name another --folder\n")


def _command(*words: str | Path) -> list[str]:
    name, folder, *options = map(str, words)
    return [sys.executable, str(Path(__file__).with_name("cluster.py")), name, f"--folder={folder}", *options]


def _program(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(_command(*words), capture_output=True, text=True, check=False)
