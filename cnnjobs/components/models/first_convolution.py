"""Networks that were made for colour, taught to take gray images."""

from __future__ import annotations

from torch import Tensor, nn

RGB = 3


def with_channels(model: nn.Module, in_channels: int) -> nn.Module:
    """A network for RGB, made to take images of `in_channels` in place; its output for gray images stays the same.

    For one channel the weights of the first convolution are summed over RGB; for any other number they are drawn anew.
    """
    name, first = first_convolution(model)
    if first.in_channels == in_channels:
        return model
    assert isinstance(first.padding_mode, str)
    replaced = nn.Conv2d(
        in_channels,
        first.out_channels,
        first.kernel_size,  # type: ignore[arg-type]
        first.stride,  # type: ignore[arg-type]
        first.padding,  # type: ignore[arg-type]
        first.dilation,  # type: ignore[arg-type]
        bias=first.bias is not None,
        padding_mode=first.padding_mode,
    )
    if in_channels == 1:
        replaced.weight.data = summed_over_rgb(first.weight.data)
        if first.bias is not None and replaced.bias is not None:
            replaced.bias.data = first.bias.data
    parent, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(parent), attribute, replaced)
    return model


def first_convolution(model: nn.Module) -> tuple[str, nn.Conv2d]:
    """Name and module of the convolution that sees the images."""
    return next((name, module) for name, module in model.named_modules() if isinstance(module, nn.Conv2d))


def summed_over_rgb(weight: Tensor) -> Tensor:
    """weight (out, 3, k, k) -> (out, 1, k, k), which gives for gray what the three gave for gray in all channels."""
    return weight.sum(1, keepdim=True)
