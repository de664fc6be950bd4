"""Geometry of images: batched crops, mirrors and turns of images (N, C, H, W), uint8 or float, with given numbers."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from cnnjobs.components.files.fitting import Fitting


def crop(images: Tensor, offsets: Tensor, padding: int, mode: str = "zero") -> Tensor:
    """The windows (N, C, H, W) of padded images that start at the rows and columns `offsets` (2, N), 0 to 2 padding."""
    from torch.nn import functional as F

    height, width = images.shape[2:]
    if mode == "zero":
        padded = F.pad(images, [padding] * 4)
    else:
        rows, columns = (_reflected(side, padding, images.device) for side in (height, width))
        padded = images.index_select(2, rows).index_select(3, columns)
    return laid_out(_windows(padded, offsets, height, width), images)


def _windows(padded: Tensor, offsets: Tensor, height: int, width: int) -> Tensor:
    """The windows (N, C, height, width) that start at `offsets` (2, N), channels last."""
    pixels = padded.permute(0, 2, 3, 1).contiguous()
    count, tall, wide, channels = pixels.shape
    # Every run of `width` pixels in memory as a row of one matrix, so that a window's rows are copied whole (4 times
    # faster on the CPU than by the index of each pixel).
    runs = pixels.view(-1).as_strided((pixels.numel() - width * channels + 1, width * channels), (1, 1))
    shifts = (offsets[0] * wide + offsets[1]) * channels
    starts = _row_starts(count, tall, height, wide * channels, pixels.device) + shifts[:, None]  # (N, height)
    windows = runs.index_select(0, starts.view(-1)).view(count, height, width, channels)
    return windows.permute(0, 3, 1, 2)


@lru_cache(maxsize=4)
def _row_starts(count: int, tall: int, height: int, row: int, device: torch.device) -> Tensor:
    """Where the first `height` rows of `count` images of `tall` rows begin (count, height), rows being `row` long."""
    import torch

    first = torch.arange(count, device=device)[:, None] * tall
    return (first + torch.arange(height, device=device)) * row


def _reflected(side: int, padding: int, device: torch.device) -> Tensor:
    """Index of the pixel at -padding ... side + padding - 1; the border itself is not repeated."""
    import torch

    places = torch.arange(-padding, side + padding, device=device).abs()
    return torch.where(places < side, places, 2 * (side - 1) - places)


def flip(images: Tensor, chosen: Tensor) -> Tensor:
    """The images with those at `chosen` (n,) mirrored left and right."""
    import torch

    # Pixels (N, H, W, C): where channels are last, images are then copied whole (3 times faster on the CPU).
    pixels = images.permute(0, 2, 3, 1)
    source = torch.arange(len(images), device=images.device)
    source[chosen] = torch.arange(len(images), len(images) + len(chosen), device=images.device)
    both = torch.cat([pixels, pixels.index_select(0, chosen).flip(2)])
    return laid_out(both.index_select(0, source).permute(0, 3, 1, 2), images)


def rotate(images: Tensor, degrees: Tensor) -> Tensor:
    """Square images (N, C, S, S) turned counter-clockwise by `degrees` (N,)."""
    import torch
    from torch.nn import functional as F

    pixels = images if images.is_floating_point() else images.float()
    angles = degrees.to(pixels.dtype).deg2rad()
    cosine, sine, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    rows = (torch.stack([cosine, -sine, zero], 1), torch.stack([sine, cosine, zero], 1))
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)  # (N, S, S, 2)
    return like(F.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False), images)


def like(pixels: Tensor, images: Tensor) -> Tensor:
    """`pixels` in the type and memory layout of `images`."""
    if not images.is_floating_point():
        pixels = pixels.round_().clamp_(0, 255).to(images.dtype)
    return laid_out(pixels, images)


def laid_out(pixels: Tensor, images: Tensor) -> Tensor:
    """`pixels` in the memory layout of `images`."""
    import torch

    last = images.is_contiguous(memory_format=torch.channels_last)
    return pixels.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def fit(images: Tensor, fitting: Fitting) -> Tensor:
    """Floats (N, C, H, W) -> (N, C, size, size), as the fitting makes them of image files."""
    from torch.nn import functional as F

    size = fitting.size
    height, width = fitting.scaled(*images.shape[2:])
    if images.shape[2:] != (height, width):
        shrinking = height < images.shape[2] or width < images.shape[3]
        images = F.interpolate(images, (height, width), mode="bilinear", antialias=shrinking)
    top, left = fitting.place(height, width)
    if fitting.form == "crop":
        return images[:, :, top : top + size, left : left + size]
    return F.pad(images, [left, size - width - left, top, size - height - top])
