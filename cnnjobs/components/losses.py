"""Loss functions over logits (N, classes) and labels (N,)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnjobs.registry import Fraction, register

if TYPE_CHECKING:
    from torch import nn


@register("loss", "cross_entropy")
def cross_entropy(*, label_smoothing: Fraction = 0.0) -> nn.Module:
    """Cross-entropy of the softmax; label smoothing: Szegedy et al. 2016, section 7, https://arxiv.org/abs/1512.00567."""
    from torch import nn

    return nn.CrossEntropyLoss(label_smoothing=label_smoothing)
