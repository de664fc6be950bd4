"""Layers of K networks of the same shape as one layer: what a stacked network is made of.

Between layers the data lie in one of three forms: SHARED, images or rows (B, ...) that are the same for all networks;
MAPS (B, K·C, H, W), channels of one network after the other; ROWS (K, B, features).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Form(Enum):
    """Layout of the data of K networks between two layers."""

    SHARED = auto()
    MAPS = auto()
    ROWS = auto()


class NotStackableError(Exception):
    """These networks cannot train as one; the text says why."""


class StackedLayer(nn.Module):
    """K layers of one shape as one.

    Its parameters and buffers are theirs, one after the other, and theirs are views into them from now on: what either
    side writes, both have. It takes data of one `form` and gives those of the form `after`.
    """

    def __init__(self, members: Sequence[nn.Module], form: Form) -> None:
        super().__init__()
        self.size, self.form, self.after = len(members), form, form
        # In a tuple, they are no submodules of this one.
        self.members = tuple(members)
        for name, own in members[0]._parameters.items():
            if own is None:
                self.register_parameter(name, None)
                continue
            parts = [member.get_parameter(name) for member in members]
            self.register_parameter(name, nn.Parameter(_joined(parts), requires_grad=own.requires_grad))
        for name, buffer in members[0].named_buffers(recurse=False):
            if buffer.dim():
                self.register_buffer(name, _joined([member.get_buffer(name) for member in members]))


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """One tensor of all parts along their first dimension; each part is a view into it from now on."""
    # In the layout that they have, as what their optimizers keep has it.
    layout = torch.channels_last if parts[0].dim() == 4 else torch.contiguous_format
    joined = torch.cat([part.detach() for part in parts]).contiguous(memory_format=layout)
    for part, view in zip(parts, joined.chunk(len(parts)), strict=True):
        part.data = view
    return joined


class Convolution(StackedLayer):
    """Without groups on shared images, else with one group for each network."""

    def __init__(self, members: Sequence[nn.Module], form: Form) -> None:
        super().__init__(members, form)
        first = members[0]
        assert isinstance(first, nn.Conv2d)
        if form is Form.ROWS or first.groups != 1 or first.padding_mode != "zeros":
            raise NotStackableError(f"{first} is of another kind")
        self.after = Form.MAPS
        self._stride, self._padding, self._dilation = first.stride, first.padding, first.dilation

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) or maps (B, K·C, H, W) -> maps (B, K·O, H', W')."""
        groups = 1 if self.form is Form.SHARED else self.size
        bias = self.bias if isinstance(self.bias, Tensor) else None
        weight = self.get_parameter("weight")
        return F.conv2d(images, weight, bias, self._stride, self._padding, self._dilation, groups)


class Affine(StackedLayer):
    """Linear layers as one batched product."""

    def __init__(self, members: Sequence[nn.Module], form: Form) -> None:
        super().__init__(members, form)
        if form is Form.MAPS:
            raise NotStackableError(f"{members[0]} acts on maps that are not flattened")
        self.after = Form.ROWS

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (K, B, inputs), or (B, inputs) shared by all -> rows (K, B, outputs)."""
        joined = self.get_parameter("weight")
        weights = joined.view(self.size, -1, joined.shape[1]).transpose(1, 2)
        if self.form is Form.SHARED:
            rows = rows.expand(self.size, *rows.shape)
        if not isinstance(self.bias, Tensor):
            return torch.bmm(rows, weights)
        return torch.baddbmm(self.bias.view(self.size, 1, -1), rows, weights)


class Norm(StackedLayer):
    """Batch norm over the channels, or the features, of all networks."""

    def __init__(self, members: Sequence[nn.Module], form: Form) -> None:
        super().__init__(members, form)
        first = members[0]
        assert isinstance(first, nn.BatchNorm1d | nn.BatchNorm2d)
        if form is Form.SHARED or first.momentum is None:
            raise NotStackableError(f"{first} stands ahead of all weights, or has no momentum")
        self._momentum, self._eps = first.momentum, first.eps

    def forward(self, data: Tensor) -> Tensor:
        """Maps or rows, of the same shape after."""
        if self.form is Form.MAPS:
            return self._norm(data)
        flat = data.transpose(0, 1).flatten(1)
        return self._norm(flat).view(len(flat), self.size, -1).transpose(0, 1)

    def _norm(self, data: Tensor) -> Tensor:
        """Data (B, K·features, ...)."""
        mean, var = (getattr(self, name, None) for name in ("running_mean", "running_var"))
        if self.training and mean is not None:
            for member in self.members:
                member.get_buffer("num_batches_tracked").add_(1)
        of_batch = self.training or mean is None
        weight, bias = (getattr(self, name, None) for name in ("weight", "bias"))
        return F.batch_norm(data, mean, var, weight, bias, of_batch, self._momentum, self._eps)


class Drop(StackedLayer):
    """Dropout with a mask for each network, drawn from its own generator as the network alone draws it on a CPU."""

    def __init__(self, members: Sequence[nn.Module], form: Form) -> None:
        super().__init__(members, form)
        first = members[0]
        assert isinstance(first, nn.Dropout)
        if form is Form.SHARED:
            raise NotStackableError("dropout stands ahead of all weights")
        self._share = first.p
        self.generators: Sequence[torch.Generator] = ()

    def forward(self, data: Tensor) -> Tensor:
        """Maps or rows, of the same shape after."""
        if not self.training or not self._share:
            return data
        if self._share == 1:
            return data * 0
        dimension = 1 if self.form is Form.MAPS else 0
        parts = data.chunk(self.size, dimension)
        kept = [
            torch.empty_like(part).bernoulli_(1 - self._share, generator=generator)
            for part, generator in zip(parts, self.generators, strict=True)
        ]
        return data * torch.cat(kept, dimension).div_(1 - self._share)


class Flat(StackedLayer):
    """Maps to rows; shared images to shared rows."""

    def __init__(self, members: Sequence[nn.Module], form: Form) -> None:
        super().__init__(members, form)
        first = members[0]
        assert isinstance(first, nn.Flatten)
        if (first.start_dim, first.end_dim) != (1, -1):
            raise NotStackableError(f"{first} is of another kind")
        self.after = Form.ROWS if form is Form.MAPS else form

    def forward(self, data: Tensor) -> Tensor:
        """Maps (B, K·C, H, W) -> rows (K, B, C·H·W)."""
        if self.form is Form.MAPS:
            batch, _, height, width = data.shape
            return data.reshape(batch, self.size, -1, height, width).transpose(0, 1).flatten(2)
        return data.flatten(1) if self.form is Form.SHARED else data


class Alike(StackedLayer):
    """A layer without weights that treats every value, or every channel, by itself: one of the members serves all."""

    def forward(self, data: Tensor) -> Tensor:
        """Any form, the same after."""
        result: Tensor = self.members[0](data)
        return result


_LAYERS: Final[dict[type[nn.Module], type[StackedLayer]]] = {
    nn.Conv2d: Convolution,
    nn.Linear: Affine,
    nn.BatchNorm1d: Norm,
    nn.BatchNorm2d: Norm,
    nn.Dropout: Drop,
    nn.Flatten: Flat,
    nn.ReLU: Alike,
    nn.LeakyReLU: Alike,
    nn.ELU: Alike,
    nn.GELU: Alike,
    nn.SiLU: Alike,
    nn.Tanh: Alike,
    nn.Identity: Alike,
    nn.MaxPool2d: Alike,
    nn.AvgPool2d: Alike,
    nn.AdaptiveAvgPool2d: Alike,
}
# Of modules and of parameters: of those that are joined, none would be called.
_HOOKS: Final = (
    "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_post_accumulate_grad_hooks",
)  # fmt: skip


def stacked_layer(members: Sequence[nn.Module], form: Form) -> StackedLayer:
    """The K members as one layer on data of this form. Raises NotStackableError."""
    return _LAYERS[type(members[0])](members, form)


def leaves(model: nn.Module) -> list[nn.Module]:
    """The layers of a network in the order in which they act. Raises NotStackableError for what cannot be stacked."""
    found = _acting(model)
    if len({id(leaf) for leaf in found}) < len(found):
        raise NotStackableError("one layer acts twice")
    held = [id(parameter) for leaf in found for parameter in leaf.parameters()]
    if held != [id(parameter) for parameter in model.parameters()]:
        raise NotStackableError("two of its layers share weights, or there are weights beside them")
    return found


def _acting(module: nn.Module) -> list[nn.Module]:
    kind = type(module)
    is_usual = kind.train is nn.Module.train and not {"forward", "train"} & vars(module).keys()
    if is_usual and isinstance(module, nn.Sequential) and kind.forward is nn.Sequential.forward:
        found = [leaf for child in module for leaf in _acting(child)]
    elif is_usual and kind in _LAYERS:
        found = [module]
    else:
        raise NotStackableError(f"no way is known for {kind.__name__}")
    if any(getattr(each, name, None) for each in (module, *module.parameters(recurse=False)) for name in _HOOKS):
        raise NotStackableError(f"there is a hook on a {kind.__name__}")
    return found
