"""The processes that train one run together: each of them, a rank, has its share of every batch.

Here is a run with one; `rank_group` has those with several.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cnnjobs.training.data.gathering import OutcomeCollector


class RankLost(Exception):  # noqa: N818
    """Another rank of the run has ended without an error message: this one can do no more."""


class Ranks:
    """The ranks of a run, as rank `index` of `number` sees them; this is the only one."""

    index = 0
    number = 1
    notes: tuple[str, ...] = ()

    def share(self, count: int) -> slice:
        """The own part of `count` images that follow one another."""
        return slice(0, count)

    def batch_share(self, count: int) -> slice:
        """The own part of a batch: never empty."""
        return slice(0, count)

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """An epoch of the run with this seed begins."""

    def begin_batch(self, count: int) -> None:
        """A batch of `count` images is trained on now, by all ranks together."""

    def weigh(self, loss: Tensor, own: int) -> Tensor:
        """The mean loss () over `own` images of the batch, so that the mean over the ranks is that over the batch."""
        del own
        return loss

    def counted(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The logits (n, classes) and labels (n,) of the batch that no other rank counts."""
        return logits, labels

    def spread(self, model: nn.Module) -> nn.Module:
        """The network to train: its gradients are those of the whole batch."""
        return model

    def total(self, values: Sequence[float]) -> list[float]:
        """The sum over all ranks of each value."""
        return list(values)

    def agree(self, stopping: bool) -> bool:
        """Decide whether to stop at this step: all ranks do, once one of them is to."""
        return stopping

    def gather(self, collector: OutcomeCollector, count: int) -> OutcomeCollector:
        """Gather the values of all ranks, each of its share of `count` images."""
        del count
        return collector

    def give(self, state: dict[str, Any] | None) -> dict[str, Any] | None:
        """Broadcast the first rank's value to all of them."""
        return state

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Inside, what is raised because of another rank tells what happened there. Raises RankLost."""
        yield


ALONE = Ranks()


def same_sums(state: dict[str, Any], ranks: Ranks) -> tuple[dict[str, int], str]:
    """The threads to go on with from a checkpoint, for sums as before, or a note that other ranks make others."""
    before = state.get("ranks", 1)
    if before == ranks.number:
        return {"threads": state["threads"]}, ""
    return {}, f"trained by {ranks.number} {'rank' if ranks.number == 1 else 'ranks'}, before by {before}"
