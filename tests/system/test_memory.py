from __future__ import annotations

from pathlib import Path

import pytest

from cnnjobs.system import memory


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, path in (("_MEMINFO", "meminfo"), ("_OWN_GROUPS", "own"), ("_GROUPS", "groups")):
        monkeypatch.setattr(memory, name, tmp_path / path)
    return tmp_path


def limit(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_the_tightest_of_machine_and_groups_counts(system: Path) -> None:
    assert memory.free_memory() is None
    (system / "meminfo").write_text("MemTotal:  9000 kB\nMemAvailable:    5000 kB\n")
    assert memory.free_memory() == 5000 * 1024
    (system / "own").write_text("4:memory:/a/b\n3:cpu:/\n0::/job_7/step_0\n")
    assert memory.free_memory() == 5000 * 1024
    stat = "anon 10\ninactive_file 300\nactive_file 200\n"
    limit(system / "groups" / "job_7", memory__max="4000", memory__current="1500", memory__stat=stat)
    limit(system / "groups" / "job_7" / "step_0", memory__max="max", memory__current="1500", memory__stat=stat)
    assert memory.free_memory() == 4000 - 1500 + 500
    stat = "total_inactive_file 100\ntotal_active_file 0\n"
    limit(
        system / "groups" / "memory" / "a",
        memory__limit_in_bytes="1000", memory__usage_in_bytes="700", memory__stat=stat,
    )  # fmt: skip
    assert memory.free_memory() == 400


def test_processes_that_were_killed_for_memory_are_counted(system: Path) -> None:
    assert memory.memory_kills() == 0
    (system / "own").write_text("4:memory:/a/b\n0::/job_7/step_0\n")
    limit(system / "groups" / "job_7", memory__events="oom 9\noom_kill 9\n")
    limit(system / "groups" / "job_7" / "step_0", memory__events="low 0\noom 2\noom_kill 1\noom_group_kill 0\n")
    limit(system / "groups" / "memory" / "a" / "b", memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert memory.memory_kills() == 3
