"""Choice of whether runs train as one network: known once their data and networks are there."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Final

import torch

from cnnjobs.config.kinds import networks
from cnnjobs.config.run import RunConfig
from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.system import own_modules
from cnnjobs.system.stop_request import Stopped
from cnnjobs.training.data.pipeline import DataSets, Pipeline
from cnnjobs.training.networks.building import build_model
from cnnjobs.training.networks.precision import num_products
from cnnjobs.training.stacks.layers import NotStackableError
from cnnjobs.training.stacks.network import StackedNetwork

# Multiply-accumulates for an image, above which little or nothing is gained on a CPU. Images per second of processor
# time, 8 runs together against one, batches of 64, one thread, medians of 10 (python -m benchmarks.stacked): LeNet-5
# (0.65 million) 2.2, MNIST CNN (0.73) 1.2, cnn of 8, 16, 32 filters (2.3) 1.4; of 16, 32, 64 filters with 3×3 kernels
# (2.9) 1.03, with 5×5 (7.8) 1.1; Table 2 (29) 0.96.
MOST_PRODUCTS: Final = 2_500_000


def why_alone(
    folders: Sequence[RunFolder], data_sets: DataSets, *, if_small: bool, code: str | None = None
) -> str | None:
    """Why these runs, which share their batches, train one after the other; None where they train as one network.

    With `if_small` only where that was measured to gain. `code` is the copy that those begin with that are new.
    """
    try:
        codes = {folder.code_for_start(code) for folder in folders}
        if len(codes) > 1:
            return "some go on with the code that they began with, which has changed since"
        folders[0].use_code(codes.pop())
        if any(map(_fell_together, folders)):
            return "the last two starts of such a stack ended without an error message: killed, or out of memory"
        return _refusal(
            networks(folder.read_config(own_modules.copy()) for folder in folders), data_sets, if_small=if_small
        )
    except Stopped:
        raise
    except Exception as error:
        # What is wrong with a run is told by its own attempt.
        return f"{type(error).__name__} in its preparation"


def _fell_together(folder: RunFolder) -> bool:
    """Check whether two stacks with it died silently at the same epoch: alone it may get further."""
    record = folder.read_record()
    stacked = [each for each in record.attempts[record.forgiven :] if each.stacked and not each.waited][-2:]
    return len(stacked) == 2 and not any(each.ended for each in stacked) and len({e.from_epoch for e in stacked}) == 1


def _refusal(configs: Sequence[RunConfig], data_sets: DataSets, *, if_small: bool) -> str | None:
    if if_small and data_sets.device.type != "cpu":
        return "stacked training was not measured on a GPU: set job.stack to a number to have it"
    data = data_sets.get(configs[0])
    shape, classes = Pipeline(configs[0], data).input_shape, len(data.classes)
    different = {config.model.model_dump_json(): config for config in configs}
    models = [build_model(config, shape, classes).eval() for config in different.values()]
    images = torch.zeros(2, *shape)
    products = num_products(models[0], images[:1])
    if if_small and products > MOST_PRODUCTS:
        return f"{products / 1e6:.1f} million products for an image, stacking gains up to {MOST_PRODUCTS / 1e6:g}"
    models = models if len(models) > 1 else [models[0], deepcopy(models[0])]
    try:
        with torch.no_grad():
            found = StackedNetwork(models, ()).eval()(images).shape
    except NotStackableError as error:
        return f"they cannot be stacked: {error}"
    return None if found == (len(models), 2, classes) else f"model `{configs[0].model.name}` gives other logits"
