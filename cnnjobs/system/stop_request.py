"""A wish to end, told by a signal; imports nothing heavy, so that a job can listen before anything else is loaded."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(Exception):  # noqa: N818
    """The run was asked to stop; what is on disk is its last whole epoch."""


class GoesOnLater(Stopped):
    """The run has ended its start by itself, for the reason that the message tells, and is to be started again."""


class StopRequest:
    """Request to stop: whether a signal has asked the worker to end, and which."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self._interrupts = False

    def __call__(self) -> bool:
        """Check whether to stop."""
        return bool(self.received)

    @property
    def time_limit_ahead(self) -> bool:
        """True if the time limit is what ends the job, and nobody has asked for its end since."""
        return set(self.received) == {signal.SIGUSR2}

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGTERM and SIGINT as requests to stop; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._receive) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Let a request end at once what happens inside, as Ctrl-C would; raises Stopped then."""
        try:
            self._interrupts = True
            if self.received:
                raise Stopped
            yield
        except KeyboardInterrupt:
            raise Stopped from None
        finally:
            self._interrupts = False

    def listen_to_slurm(self) -> None:
        """Take SIGTERM (preemption, scancel) and SIGUSR2 (time limit ahead) as requests to stop, from now on."""
        for number in (signal.SIGTERM, signal.SIGUSR2):
            signal.signal(number, self._receive)
        # Whoever started this process may have held them back until now.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGUSR2))
        os.register_at_fork(after_in_child=_let_the_parent_listen)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del frame
        insists = bool(self.received) and number == signal.SIGINT
        self.received.append(number)
        # Once alone: the next signal is not to break off what tidies up.
        interrupts, self._interrupts = self._interrupts, False
        if insists or interrupts:
            raise KeyboardInterrupt


@contextmanager
def blocking(*numbers: int) -> Iterator[None]:
    """Hold signals back meanwhile; from processes that are started inside until they unblock them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _let_the_parent_listen() -> None:
    """A forked child, as a loader of images, ends when it is told to: else the job would wait for it for ever."""
    if signal.SIGUSR2 in signal.pthread_sigmask(signal.SIG_BLOCK, ()):
        # They are held back for it until it listens itself.
        return
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
