"""The sign of life of a run that trains, and the look at whether it still should."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

from cnnjobs.disk.metrics_log import MetricsLog

TOUCH_S: Final = 30.0
LOOK_S: Final = 2.0


class Heartbeat:
    """A thread that touches the run's metrics every `touch_s` and looks every `look_s` whether the run is to go on.

    `is_passed` tells that a newer attempt has come: then nothing is touched any more; `is_cancelled` that someone has
    asked for the end. `stops` says either, from then on, to any thread.
    """

    def __init__(
        self,
        log: MetricsLog,
        is_passed: Callable[[], bool],
        is_cancelled: Callable[[], bool] = lambda: False,
        *,
        touch_s: float = TOUCH_S,
        look_s: float = LOOK_S,
    ) -> None:
        self.stops = False
        self._log, self._is_passed, self._is_cancelled = log, is_passed, is_cancelled
        self._touch_s, self._look_s = touch_s, look_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        touched = time.monotonic()
        while not self._ended.wait(self._look_s):
            if self._is_passed():
                self.stops = True
                return
            self.stops = self.stops or self._is_cancelled()
            self._log.keep()
            if time.monotonic() - touched >= self._touch_s:
                touched = time.monotonic()
                # A file system that is away for a moment is the next write's affair.
                with suppress(OSError, ValueError):
                    self._log.touch()
