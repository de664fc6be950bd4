from __future__ import annotations

from pathlib import Path

import pytest

from cnnjobs.errors import SpecError, UnknownNameError
from cnnjobs.spec.profile import JobProfile, read_profile


def profile(folder: Path, text: str) -> Path:
    path = folder / "gpu.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_every_choice_is_open() -> None:
    assert read_profile(None, {}) == JobProfile(name="default")


def test_a_file_of_comments_leaves_every_choice_open(tmp_path: Path) -> None:
    assert read_profile(profile(tmp_path, "# max_parallel: 3\n"), {}) == JobProfile(name="gpu")


def test_overrides_go_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = profile(tmp_path, "max_parallel: 3\ncpus_per_run: 2\ngpus_per_run: 0\ndata_dir: ~/data\n")
    assert read_profile(path, {"max_parallel": 5}) == JobProfile(
        name="gpu", max_parallel=5, cpus_per_run=2, gpus_per_run=0, data_dir=tmp_path / "data"
    )


def test_every_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    text = 'max_paralel: 3\ncpus_per_run: 0\ngpus_per_run: "1"\ndata_dir: [a]\nname: x\ncpus_per_run: 2\n'
    path = profile(tmp_path, text)
    with pytest.raises(SpecError) as error:
        read_profile(path, {})
    allowed = "allowed: cpus_per_run, data_dir, gpus_per_run, max_parallel"
    assert str(error.value).split("\n") == [
        f"{path}:1: max_paralel: unknown key; did you mean `max_parallel`? {allowed}",
        f"{path}:2: cpus_per_run: found 0; allowed: a number above 0",
        f'{path}:3: gpus_per_run: found the text "1"; write 1 without quotes',
        f'{path}:4: data_dir: found ["a"]; allowed: a path',
        f"{path}:5: name: unknown key; a profile is called by its file",
        f"{path}:6: cpus_per_run: doubled key, first given in line 2; keep one of them",
    ]


def test_a_wrong_override_is_told_without_a_line(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"^job settings: max_parallel: found -1; allowed: a number above 0$"):
        read_profile(None, {"max_parallel": -1})


def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"gpu.yaml:1: found \[1\]; allowed: a mapping of keys$"):
        read_profile(profile(tmp_path, "[1]"), {})


def test_a_missing_profile_is_answered_with_those_there_are(tmp_path: Path) -> None:
    path = profile(tmp_path, "")
    with pytest.raises(UnknownNameError, match=rf"gp.yaml: no such file; did you mean `{path}`\?$"):
        read_profile(tmp_path / "gp.yaml", {})
