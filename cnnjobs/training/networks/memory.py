"""The memory format of a network: channels_last is faster, contiguous takes what `view` asks for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cnnjobs.errors import RunError


def lay_out(model: nn.Module, memory_format: torch.memory_format) -> nn.Module:
    """The model itself with its weights in this format; a contiguous one gets its images so, whatever comes in.

    Raises RunError for a compiled one that would have to be contiguous.
    """
    if memory_format is torch.contiguous_format:
        if isinstance(model, torch.jit.ScriptModule):
            raise RunError("the network is compiled by torch.jit.script and fails in channels_last: write .flatten(1)")
        spread_out(model)
        model.register_forward_pre_hook(_contiguous)
        return model
    return model.to(memory_format=memory_format)


def spread_out(model: nn.Module) -> None:
    """Put every tensor of the model in order in memory."""
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.data = in_order(tensor.data)


def in_order(tensor: Tensor) -> Tensor:
    """The tensor with its last dimension closest in memory.

    `contiguous()` leaves a single channel as channels_last has it, and convolutions go on so.
    """
    strides = torch.empty(tensor.shape, device="meta").stride()
    return tensor if tensor.stride() == strides else tensor.clone(memory_format=torch.contiguous_format)


def _contiguous(_module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(in_order(each) if isinstance(each, Tensor) else each for each in given)
