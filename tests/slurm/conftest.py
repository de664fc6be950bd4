"""Throwaway Slurm clusters for the tests of this room; where none can run, each test says why and what helps."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

# The cluster is also a program that runs by its path, so its modules are found as their program finds them.
sys.path.insert(0, str(Path(__file__).parent))

from cluster import Cluster, end_abandoned
from cluster_packages import obstacle
from cluster_settings import ClusterSettings
from fault_schedule import run_quietly
from faulty_project import SWEEP, FaultyProject
from project import QUICK_WORKER, Shades

_running: list[Cluster] = []


@pytest.fixture(scope="session")
def slurm_place() -> None:
    """Skips where no cluster can run; ends what an earlier session that was killed has left."""
    reason = obstacle()
    if reason:
        pytest.skip(reason)
    end_abandoned()


@pytest.fixture(scope="session")
def _session_cluster(slurm_place: None) -> Iterator[Cluster]:
    yield from _started(ClusterSettings())


@pytest.fixture
def slurm(_session_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The cluster with the default settings, the one in use; empty and whole again after the test."""
    yield from _in_use(_session_cluster, monkeypatch)


@pytest.fixture(scope="session")
def _session_quick_cluster(slurm_place: None) -> Iterator[Cluster]:
    # A requeued job waits for its old credential to expire: 120 s by default, and where less than 5 s are asked for.
    yield from _started(ClusterSettings(nodes=2, gpus=0, cred_expire_s=5))


@pytest.fixture
def quick_slurm(_session_quick_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster of two nodes whose requeued jobs start again after some seconds; empty and whole after the test."""
    yield from _in_use(_session_quick_cluster, monkeypatch)


def _started(settings: ClusterSettings) -> Iterator[Cluster]:
    with Cluster(settings) as cluster:
        _running.append(cluster)
        yield cluster
        _running.remove(cluster)


def _in_use(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    _use(cluster, monkeypatch)
    yield cluster
    cluster.reset()


@pytest.fixture
def waiting(slurm: Cluster) -> Iterator[Callable[[], None]]:
    """Partition low takes jobs and starts none, until this is called."""
    yield from _held_back(slurm)


@pytest.fixture
def let_start(quick_slurm: Cluster) -> Iterator[Callable[[], None]]:
    """The same of the quick cluster."""
    yield from _held_back(quick_slurm)


def _held_back(cluster: Cluster) -> Iterator[Callable[[], None]]:
    def go() -> None:
        cluster.client("scontrol", "update", "partitionname=low", "state=up")

    cluster.client("scontrol", "update", "partitionname=low", "state=down")
    yield go
    go()


@pytest.fixture
def project(tmp_path: Path, shades: Path) -> Shades:
    """A sweep of three runs that train in no time."""
    return Shades(tmp_path / "it's 5% of a project", shades)


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs finish their runs without training them, or fail them while there is a file `fail`."""
    folder = tmp_path / "own modules"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(QUICK_WORKER)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)


@pytest.fixture
def faulty(tmp_path: Path) -> FaultyProject:
    """A sweep of three runs that train slowly until they are told to hurry."""
    return FaultyProject(tmp_path / "it's 5% of a project")


@pytest.fixture(scope="session")
def quiet_project(tmp_path_factory: pytest.TempPathFactory) -> FaultyProject:
    """The sweep of test_faults as this machine trains it undisturbed."""
    return run_quietly(tmp_path_factory.mktemp("quiet"), SWEEP)


@pytest.fixture(scope="session")
def quiet(quiet_project: FaultyProject) -> bytes:
    """Its table."""
    return quiet_project.table()


@pytest.fixture
def start_slurm(slurm_place: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[ClusterSettings], Cluster]]:
    """Starts a cluster of another kind for one test and makes it the one in use."""
    with ExitStack() as stack:

        def start(settings: ClusterSettings) -> Cluster:
            cluster = stack.enter_context(Cluster(settings))
            _running.append(cluster)
            stack.callback(_running.remove, cluster)
            _use(cluster, monkeypatch)
            return cluster

        yield start


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test names the place where the daemons' logs stay."""
    report = yield
    if report.failed:
        for cluster in _running:
            cluster.keep_logs = True
            report.sections.append(("Slurm", f"logs of the daemons: {cluster.kept_logs}"))
    return report


def _use(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = cluster.environment
    for name in set(os.environ) - set(environment):
        monkeypatch.delenv(name)
    for name in ("PATH", "SLURM_CONF"):
        monkeypatch.setenv(name, environment[name])
