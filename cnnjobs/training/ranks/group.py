"""Several ranks of one run: they meet, share batches and sums, and stop at the same step.

The gradients go through DistributedDataParallel (NCCL between GPUs, else Gloo). What is said beside them goes through
Gloo on the CPU, so that no step waits for a GPU. Rank 0 keeps the store at which all meet.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import socket
import struct
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Self

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from cnnjobs.errors import RunError
from cnnjobs.system.stop_request import Stopped, StopRequest
from cnnjobs.training.data.gathering import OutcomeCollector
from cnnjobs.training.data.random_state import seed_everything
from cnnjobs.training.data.ranks import RankLost, Ranks
from cnnjobs.training.data.test_predictions import Outcome
from cnnjobs.training.loop import checkpoint
from cnnjobs.training.ranks.batch_norm import over_whole_batches

# Data may be decoded and a results folder may be away for a while on one rank alone.
_PATIENCE: Final = timedelta(minutes=30)
_MEETING: Final = timedelta(minutes=5)
_END: Final = "end"
_SIOCGIFADDR: Final = 0x8915


@dataclass(frozen=True)
class RankPlace:
    """Rank of a process among `number`, and where rank 0 waits for the others."""

    index: int
    number: int
    host: str
    port: int

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """From what srun, or the process that started this one, has set."""
        return cls(
            int(environment.get("CNNJOBS_RANK") or environment["SLURM_PROCID"]),
            int(environment.get("CNNJOBS_RANKS") or environment["SLURM_NTASKS"]),
            environment.get("SLURM_LAUNCH_NODE_IPADDR") or "127.0.0.1",
            int(environment["CNNJOBS_RANKS_PORT"]),
        )


class RankGroup(Ranks):
    """The ranks of a run, as one of several sees them. Raises RankLost when they do not meet."""

    def __init__(self, place: RankPlace, device: torch.device, stop: StopRequest) -> None:
        self.index, self.number = place.index, place.number
        self._stop = stop
        self._asked: tuple[Any, Tensor] | None = None
        self._batch = 0
        self.has_agreed = False
        try:
            _choose_interface(place)
            self._store = dist.TCPStore(  # type: ignore[attr-defined]
                place.host, place.port, is_master=place.index == 0, wait_for_workers=False, timeout=_MEETING
            )
            dist.init_process_group(
                "gloo", store=self._store, rank=place.index, world_size=place.number, timeout=_PATIENCE
            )
        except RuntimeError as error:
            raise RankLost(f"its ranks could not meet at {place.host}, port {place.port}: {error}") from error
        kinds = self._kinds(device)
        if len(kinds) > 1:
            raise RunError(f"its ranks have different devices: {', '.join(sorted(kinds))}; is a GPU missing on a node?")
        self.backend = "nccl" if device.type == "cuda" else "gloo"
        group = dist.new_group(backend=self.backend, timeout=_PATIENCE)
        assert isinstance(group, dist.ProcessGroup)
        self.group = group
        self.notes = (
            f"trained by {self.number} ranks ({self.backend}), each with its share of every batch: batch norm over the"
            " whole batch; ranks after the first draw dropout of their own",
        )

    def _kinds(self, device: torch.device) -> set[str]:
        on_gpu = self.total([float(device.type == "cuda")])[0]
        return {name for name, number in (("GPU", on_gpu), ("CPU", self.number - on_gpu)) if number}

    @property
    def is_divided(self) -> bool:
        """True if the batch at hand is large enough for all ranks; else each of them has the whole of it."""
        return self._batch >= self.number

    def counted(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The logits (n, classes) and labels (n,) of the batch that no other rank counts."""
        return (logits, labels) if self.is_divided or self.index == 0 else (logits[:0], labels[:0])

    def share(self, count: int) -> slice:
        """The own part of `count` images that follow one another; it may be empty."""
        return slice(self.index * count // self.number, (self.index + 1) * count // self.number)

    def batch_share(self, count: int) -> slice:
        """The own part of a batch, all of it when there are fewer images than ranks."""
        return self.share(count) if count >= self.number else slice(0, count)

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Ranks after the first draw dropout of their own: the same again when the run goes on from here."""
        if self.index:
            drawn = hashlib.sha256(f"rank {self.index} {seed} {epoch}".encode()).digest()
            seed_everything(int.from_bytes(drawn[:7]))

    def begin_batch(self, count: int) -> None:
        """A batch of `count` images is trained on now, by all ranks together."""
        self._batch = count

    def weigh(self, loss: Tensor, own: int) -> Tensor:
        """The mean loss () over `own` images of the batch, so that the mean over the ranks is that over the batch."""
        return loss * (own * self.number / self._batch) if self.is_divided else loss

    def spread(self, model: nn.Module) -> nn.Module:
        """The network to train; every rank starts from the weights of the first."""
        others = over_whole_batches(model, self)
        if others:
            self.notes += (f"batch norm of each rank's own images in {', '.join(others)}: it has a forward of its own",)
        with warnings.catch_warnings():
            # Newer releases of torch have another name for it, which older ones do not know.
            warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated", category=FutureWarning)
            # Buffers are the same everywhere, and a network may leave out a layer now and then.
            return DistributedDataParallel(
                model, process_group=self.group, broadcast_buffers=False, find_unused_parameters=True
            )

    def total(self, values: Sequence[float]) -> list[float]:
        """The sum over all ranks of each value; on the way they tell one another of signals."""
        sums = torch.tensor([*values, *self._signals()], dtype=torch.float64)
        dist.all_reduce(sums)
        *totals, limited, stopped = sums.tolist()
        self._hear(limited, stopped)
        return totals

    def agree(self, stopping: bool) -> bool:
        """Decide whether to stop at this step. The answer is that to the step before, so that nobody waits for it."""
        flags = torch.tensor([float(stopping), *self._signals()])
        before, self._asked = self._asked, (dist.all_reduce(flags, async_op=True), flags)
        if before is None:
            return False
        before[0].wait()
        stopping_ranks, limited, stopped = before[1].tolist()
        self._hear(limited, stopped)
        self.has_agreed |= stopping_ranks > 0
        return self.has_agreed

    def _signals(self) -> tuple[float, float]:
        limited = self._stop.time_limit_ahead
        return float(limited), float(self._stop() and not limited)

    def _hear(self, limited: float, stopped: float) -> None:
        """A signal that another rank has got counts as one of this rank's."""
        if (limited or stopped) and not self._stop():
            self._stop.received.append(signal.SIGTERM if stopped else signal.SIGUSR2)

    def gather(self, collector: OutcomeCollector, count: int) -> OutcomeCollector:
        """Gather the values of all ranks, each of its share of `count` images."""
        if not count:
            return collector
        own = collector.outcome()
        whole = Outcome(np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count, np.float32))
        for name, column in vars(whole).items():
            if own is not None:
                column[self.share(count)] = getattr(own, name)
            dist.all_reduce(torch.from_numpy(column))
        return OutcomeCollector.of(whole)

    def give(self, state: dict[str, Any] | None) -> dict[str, Any] | None:
        """Broadcast rank 0's value to all ranks: plain values and tensors."""
        content = torch.frombuffer(bytearray(checkpoint.to_bytes(state)), dtype=torch.uint8)
        size = torch.tensor(len(content))
        dist.broadcast(size, src=0)
        if self.index:
            content = torch.empty(int(size), dtype=torch.uint8)
        dist.broadcast(content, src=0)
        if self.index:
            state = torch.load(io.BytesIO(content.numpy().tobytes()), map_location="cpu", weights_only=True)
        return state

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """On rank 0, what is raised because another rank has gone tells why it has. Raises Stopped, RankLost."""
        try:
            yield
        except Exception as error:
            if not is_lost(error):
                raise
            for rank in range(1, self.number):
                self._explain(rank, error)
            raise RankLost(f"one of its {self.number} ranks ended without an error message") from error

    def _explain(self, rank: int, error: Exception) -> None:
        if not self._store.check([_key(rank)]):
            return
        told = json.loads(self._store.get(_key(rank)))
        if told["signals"]:
            self._stop.received += told["signals"]
            raise Stopped from error
        explained = RunError(f"rank {rank} on {told['host']}: {told['cause']}")
        explained.add_note(told["traceback"])
        raise explained from error

    def tell(self, *, signals: Sequence[int] = (), cause: str = "", traceback: str = "") -> None:
        """Leave with rank 0 why this rank ends before the others."""
        told = {"signals": list(signals), "cause": cause, "traceback": traceback, "host": socket.gethostname()}
        with suppress(RuntimeError):
            self._store.set(_key(self.index), json.dumps(told))

    def end(self) -> None:
        """Let the other ranks end: the first one has written what is to be kept."""
        with suppress(RuntimeError):
            self._store.set(_END, "")

    def await_end(self, patience: timedelta = _PATIENCE) -> bool:
        """Check whether rank 0 has ended in time: what ends before it would count as a rank that was lost."""
        try:
            self._store.wait([_END], patience)
        except dist.DistStoreError:
            return False
        except RuntimeError:
            # It has taken the store along.
            return True
        return True


def _key(rank: int) -> str:
    return f"told by {rank}"


def is_lost(error: BaseException) -> bool:
    """Check whether an error comes from the talk with another rank."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error).lower())


def _choose_interface(place: RankPlace) -> None:
    """Have Gloo use the network over which rank 0 is reached: a host's own name may stand for its loopback."""
    if "GLOO_SOCKET_IFNAME" in os.environ or not sys.platform.startswith("linux"):
        return
    import fcntl

    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((place.host, place.port))
        own = socket.inet_aton(probe.getsockname()[0])
        for _, name in socket.if_nameindex():
            with suppress(OSError):
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                if answer[20:24] == own:
                    os.environ["GLOO_SOCKET_IFNAME"] = name
                    return
