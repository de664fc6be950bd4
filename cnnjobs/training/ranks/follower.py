"""Work of the ranks after the first: the same training, and nothing on disk."""

from __future__ import annotations

import traceback
from datetime import timedelta
from typing import Any, Final

import torch

from cnnjobs.config.kinds import network
from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.system.failure import cause_of
from cnnjobs.system.stop_request import Stopped, StopRequest
from cnnjobs.training.data.pipeline import DataSets
from cnnjobs.training.data.ranks import same_sums
from cnnjobs.training.loop.trainer import Trainer
from cnnjobs.training.ranks.group import RankGroup, is_lost
from cnnjobs.training.weights.initial import read_initial_weights
from cnnjobs.training.weights.source import find_weights

_MOMENT: Final = timedelta(seconds=2)


def follow(threads: int, folder: RunFolder, data_sets: DataSets, ranks: RankGroup, stop: StopRequest) -> int:
    """Train the run along with rank 0; what the process exits with."""
    try:
        _train(threads, folder, data_sets, ranks, stop)
    except (Stopped, KeyboardInterrupt):
        if not ranks.has_agreed:
            ranks.tell(signals=stop.received)
            return 0
    except Exception as error:
        if not is_lost(error):
            ranks.tell(cause=cause_of(error), traceback=traceback.format_exc())
            # What all ranks meet with, rank 0 tells; what this one alone does, it hears of by this one's end.
            if not ranks.await_end(_MOMENT):
                traceback.print_exc()
                return 1
    ranks.await_end()
    return 0


def _train(threads: int, folder: RunFolder, data_sets: DataSets, ranks: RankGroup, stop: StopRequest) -> None:
    state: dict[str, Any] | None = ranks.give(None)
    # The first rank has written down by now which code it trains with.
    folder.use_code(folder.read_record().code)
    config = network(folder.read_config())
    changes = same_sums(state, ranks)[0] if state is not None else {}
    torch.set_num_threads(changes.get("threads", threads))
    source = find_weights(config, data_sets.folders, folder.path.parent.parent)
    weights = None if source is None else read_initial_weights(source)
    trainer = Trainer(config, data_sets.get(config), weights=weights, stopped=stop, ranks=ranks)
    if state is not None:
        trainer.restore(state)
    trainer.train(lambda _: None, lambda: None)
    trainer.final_metrics()
