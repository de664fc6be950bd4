"""Image as an optimiser's parameters, with legal pixels in every state."""

from __future__ import annotations

from typing import Final, Protocol

import torch
from torch import Tensor

_RATE: Final = 0.1
_SPECTRUM_RATE: Final = 0.05
# Closer to black and white, the logarithms of a spectrum's image would have no end.
_EDGE: Final = 1 / 512


class Canvas(Protocol):
    """Images (n, C, H, W) as functions of the `values` that an optimiser changes, in steps of about `rate`."""

    values: Tensor
    rate: float

    def image(self) -> Tensor:
        """The images (n, C, H, W) in [0, 1], differentiable in the values."""

    def clamp(self) -> None:
        """Make the pixels legal after a step."""


class Pixels:
    """The pixels themselves."""

    rate = _RATE

    def __init__(self, starts: Tensor) -> None:
        self.values = starts.detach().clone().requires_grad_()

    def image(self) -> Tensor:
        """The images (n, C, H, W) in [0, 1]."""
        return self.values

    def clamp(self) -> None:
        """Cut what is darker than black or brighter than white."""
        with torch.no_grad():
            self.values.clamp_(0, 1)


class Spectrum:
    """Amplitudes of frequencies, the high ones weighted down as they are in photos; a sigmoid makes pixels of them.

    Olah et al. 2017, https://distill.pub/2017/feature-visualization, without its colours of ImageNet.
    """

    rate = _SPECTRUM_RATE

    def __init__(self, starts: Tensor) -> None:
        self._size = starts.shape[-2:]
        rows, columns = torch.fft.fftfreq(self._size[0]), torch.fft.rfftfreq(self._size[1])
        frequencies = (rows[:, None] ** 2 + columns**2).sqrt()
        self._scale = (1 / frequencies.clamp(min=1 / max(self._size)))[..., None].to(starts.device)
        logits = starts.detach().clamp(_EDGE, 1 - _EDGE).logit()
        amplitudes = torch.view_as_real(torch.fft.rfft2(logits, norm="ortho"))
        self.values = (amplitudes / self._scale).requires_grad_()

    def image(self) -> Tensor:
        """The images (n, C, H, W) in [0, 1]."""
        amplitudes = torch.view_as_complex(self.values * self._scale)
        logits: Tensor = torch.fft.irfft2(amplitudes, s=self._size, norm="ortho")
        return logits.sigmoid()

    def clamp(self) -> None:
        """A sigmoid is legal at any values."""
