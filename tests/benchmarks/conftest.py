"""The benchmarks stand beside the package and are run from the root of the checkout."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any, Self

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent))


class SideHere:
    """A side whose work is done in this process, for one window after the other: no process has to import torch."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def prepare(self, work: str, **settings: Any) -> Self:
        # There may be no GPU for what is measured as on one.
        self._order = {"work": work, **settings, "device": "cpu"}
        del self._order["cores"]
        return self

    def wait(self) -> None:
        pass

    def window(self, seconds: float) -> Any:
        from benchmarks.interleaved import Window
        from benchmarks.side import serve

        orders, replies = (self._order, {"seconds": seconds}), io.StringIO()
        serve(io.StringIO("".join(json.dumps(order) + "\n" for order in orders)), replies)
        ready, found = map(json.loads, replies.getvalue().splitlines())
        assert ready == {"ready": True}, ready
        return Window(**found, others=0.0, disturbed=False)

    def begin(self, seconds: float) -> None:
        self._seconds = seconds

    def answer(self) -> Any:
        return vars(self.window(self._seconds))


@pytest.fixture
def sides_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """All sides in this process, whose environment is as before when the test has ended."""
    import torch

    from benchmarks import stacked

    for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    monkeypatch.setattr(stacked, "Side", SideHere)
