"""What every room's tests share: no colour, a fixed width, a cache of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.update({"NO_COLOR": "1", "COLUMNS": "120", "TERM": "dumb", "OMP_NUM_THREADS": "1"})


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoded data sets go to one folder of this test session, never to the user's."""
    monkeypatch.setenv("CNNJOBS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def full_data() -> Path:
    """The folder with the full data sets; skips where there is none."""
    folder = os.environ.get("CNNJOBS_TEST_DATA")
    if not folder:
        pytest.skip("needs the full data sets: set CNNJOBS_TEST_DATA to their folder")
    return Path(folder)
