"""Batch norm over the whole batch of a run with several ranks, on every device; torch has it for GPUs alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase


class Statistics(Protocol):
    """The ranks, as batch norm needs them."""

    group: dist.ProcessGroup

    @property
    def is_divided(self) -> bool:
        """True if each rank has a part of the batch, not the whole."""


def over_whole_batches(model: nn.Module, ranks: Statistics) -> tuple[str, ...]:
    """Let every batch norm of a network measure the whole batch; the names of those whose own `forward` it cannot."""
    others = []
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and type(module).forward is _BatchNorm.forward:
            # The same module, so that whoever holds it goes on holding it.
            kind = type(module)
            module.__class__ = type(f"WholeBatch{kind.__name__}", (_WholeBatch, kind), {})
            module.ranks = ranks  # type: ignore[assignment]
        elif isinstance(module, _NormBase) and hasattr(module, "num_batches_tracked"):
            others.append(name)
    return tuple(others)


class _WholeBatch(_BatchNorm):
    ranks: Any

    def forward(self, images: Tensor) -> Tensor:
        """images (B, C, ...) -> (B, C, ...), by the mean and variance over the images of all ranks in training."""
        if not (self.training and self.ranks.is_divided):
            return super().forward(images)
        self._check_input_dim(images)  # type: ignore[no-untyped-call]
        values = images.float() if images.dtype in (torch.bfloat16, torch.float16) else images
        along = [place for place in range(values.dim()) if place != 1]
        shape = [1, -1, *[1] * (values.dim() - 2)]
        add: Callable[[Tensor], Tensor] = lambda sums: _Sum.apply(sums, self.ranks.group)  # noqa: E731
        sums = add(torch.cat([values.sum(along), values.new_tensor([values.numel() / values.shape[1]])]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = values - mean.view(shape)
        variance = add(centred.square().sum(along)) / count
        self._remember(mean.detach(), variance.detach() * (count / (count - 1)))
        scale = (variance + self.eps).rsqrt()
        if self.affine:
            scale = scale * self.weight
        normalised = centred * scale.view(shape)
        return (normalised + self.bias.view(shape) if self.affine else normalised).to(images.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all ranks, gradients included."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, group: dist.ProcessGroup) -> Tensor:
        ctx.group = group
        return _summed(tensor, group)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _summed(gradients[0], ctx.group), None


def _summed(tensor: Tensor, group: dist.ProcessGroup) -> Tensor:
    total = tensor.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total, group=group)
    return total
