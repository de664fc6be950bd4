"""Fixtures of every room's tests: no colour, a fixed width, a cache of their own, a data set that trains in no time."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

# Modules that the tests of several rooms share.
sys.path.insert(0, str(Path(__file__).parent / "shared"))

os.environ.update({"NO_COLOR": "1", "COLUMNS": "120", "TERM": "dumb", "OMP_NUM_THREADS": "1"})
# A shell ignores Ctrl-C for what it starts in the background, and the commands that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoded data sets go to one folder of this test session, never to the user's."""
    monkeypatch.setenv("CNNJOBS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def _denormals_as_before() -> Iterator[None]:
    """A process that trains flushes denormals; the tests after it count with them."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture
def full_data() -> Path:
    """The folder with the full data sets; skips where there is none."""
    folder = os.environ.get("CNNJOBS_TEST_DATA")
    if not folder:
        pytest.skip("needs the full data sets: set CNNJOBS_TEST_DATA to their folder")
    return Path(folder)


@pytest.fixture(scope="session")
def shades(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with `shades`: 80 training and 16 test images of 16x16 pixels in two classes."""
    folder = tmp_path_factory.mktemp("shades") / "data"
    noise = random.Random(0)
    for split, number in (("train", 40), ("test", 8)):
        for name, level in (("dark", 90), ("light", 160)):
            place = folder / "shades" / split / name
            place.mkdir(parents=True)
            for index in range(number):
                pixels = bytes(min(255, max(0, int(noise.gauss(level, 60)))) for _ in range(3 * 16 * 16))
                Image.frombytes("RGB", (16, 16), pixels).save(place / f"{index}.png")
    return folder
