"""Runs of one job that train as one network: each keeps its claim, its record, its metrics and its checkpoints.

A run that ends before the others, however it does, leaves them alone. Runs that stand at different epochs, after a kill
between two of their checkpoints, come together again: those that are behind go first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from cnnjobs.disk.fence import Superseded
from cnnjobs.training.loop.workload import NetworkWorkload
from cnnjobs.training.stacks.trainer import Stack, StackedTrainer
from cnnjobs.worker.attempt import RunAttempt

Result = TypeVar("Result")


@dataclass(eq=False)
class Member:
    """A run of a stack; it is released when it ends."""

    attempt: RunAttempt
    workload: NetworkWorkload[StackedTrainer]
    is_gone: bool = False

    @property
    def trainer(self) -> StackedTrainer:
        """The workload's, once it is open."""
        return self.workload.trainer

    @property
    def place(self) -> tuple[int, int]:
        """Key that networks share which can take the next step together."""
        return self.trainer.epoch, self.attempt.threads


class StackedRuns:
    """Claimed runs whose batches and shapes are the same, and their training."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = tuple(members)
        self._stack: Stack | None = None
        self._is_superseded = False
        self._unwritten: Exception | None = None

    def train(self) -> None:
        """Train all to their ends. Raises Superseded, and what kept a run's end from being written."""
        for member in self._members:
            member.attempt.run.beat()
            with self._recorded(member):
                member.attempt.prepare()
        while left := self._left():
            place = min(left, key=lambda member: member.trainer.epoch).place
            for member in left:
                if member.place != place:
                    with self._recorded(member):
                        member.attempt.wait()
            self._train_epoch([member for member in left if member.place == place])
        if self._is_superseded:
            raise Superseded
        if self._unwritten is not None:
            raise self._unwritten

    def _left(self) -> list[Member]:
        """Runs still to be trained, once those that are done have finished."""
        left = [member for member in self._members if not member.is_gone]
        done = [member for member in left if member.trainer.is_done]
        if done:
            self._finish(done)
        return [member for member in left if member not in done]

    def _train_epoch(self, members: Sequence[Member]) -> None:
        torch.set_num_threads(members[0].attempt.threads)
        pipeline, epoch = members[0].trainer.pipeline, members[0].trainer.epoch
        batches, started = pipeline.training_batches(epoch), time.perf_counter()
        while batch := self._for_all(members, lambda: next(batches, None)):
            members = self._going_on(members)
            if not members:
                return
            lrs = [member.trainer.lr for member in members]
            self._step(members, *batch)
            due = [(member, lr) for member, lr in zip(members, lrs, strict=True) if _is_due(member)]
            if due:
                _share(members, time.perf_counter() - started)
                self._validate(due)
                started = time.perf_counter()
        _share(members, time.perf_counter() - started)
        for member in _present(members):
            with self._recorded(member):
                member.trainer.end_epoch(member.attempt.on_epoch)

    def _going_on(self, members: Sequence[Member]) -> list[Member]:
        """Those that have not ended and are not asked to."""
        for member in _present(members):
            with self._recorded(member):
                member.trainer.check_stop()
        return [member for member in _present(members) if not member.trainer.stopped_early]

    def _step(self, members: Sequence[Member], images: Tensor, labels: Tensor) -> None:
        found = self._for_all(members, lambda: self._stack_of(members).step(images, labels))
        for member, loss, own in zip(members, *found, strict=True) if found else ():
            with self._recorded(member):
                member.trainer.update()
                member.trainer.count(loss, own, labels)

    def _for_all(self, members: Sequence[Member], action: Callable[[], Result | None]) -> Result | None:
        """Result of an action for all of them; an error ends every one of them."""
        try:
            return action()
        except (Exception, KeyboardInterrupt) as error:
            for member in _present(members):
                with self._recorded(member):
                    raise error
        return None

    def _stack_of(self, members: Sequence[Member]) -> Stack:
        trainers = tuple(member.trainer for member in members)
        if self._stack is None or self._stack.trainers != trainers:
            self._stack = Stack(trainers)
        return self._stack

    def _validate(self, due: Sequence[tuple[Member, float]]) -> None:
        self._evaluate([member for member, _ in due], ("validation",))
        for member, lr in due:
            with self._recorded(member):
                member.attempt.on_validation(member.trainer.validate(lr))

    def _finish(self, members: Sequence[Member]) -> None:
        for member in members:
            with self._recorded(member):
                member.trainer.load_best()
        self._evaluate(members, ("train", "validation", "test"))
        for member in _present(members):
            with self._recorded(member):
                member.attempt.finish()

    def _evaluate(self, members: Sequence[Member], splits: Sequence[str]) -> None:
        members = _present(members)
        started = time.perf_counter()
        # What cannot be found together, each finds alone, or that it is to stop.
        with suppress(Exception, KeyboardInterrupt):
            for name in splits if len(members) > 1 else ():
                self._stack_of(members).evaluate(name)
        for member in members:
            member.trainer.seconds += (time.perf_counter() - started) / len(members)

    @contextmanager
    def _recorded(self, member: Member) -> Iterator[None]:
        """Record an error in here as the end of this run alone."""
        try:
            with member.attempt.recorded():
                yield
            if member.attempt.has_ended:
                member.is_gone = True
                member.attempt.tell_end()
        except Superseded:
            member.is_gone = self._is_superseded = True
        except Exception as error:
            member.is_gone, self._unwritten = True, error
        if member.is_gone:
            member.attempt.run.release()


def _present(members: Sequence[Member]) -> list[Member]:
    return [member for member in members if not member.is_gone]


def _is_due(member: Member) -> bool:
    return not member.is_gone and member.trainer.is_validation_due


def _share(members: Sequence[Member], seconds: float) -> None:
    """Each run has its part of the time that all take."""
    for member in members:
        member.trainer.add_seconds(seconds / len(members))
