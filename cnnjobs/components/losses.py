"""Loss functions over logits (N, classes) and labels (N,)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnjobs.registry import Fraction, register

if TYPE_CHECKING:
    from torch import Tensor, nn


@register("loss", "cross_entropy")
def cross_entropy(*, label_smoothing: Fraction = 0.0) -> nn.Module:
    """Cross-entropy of the softmax; label smoothing: Szegedy et al. 2016, section 7, https://arxiv.org/abs/1512.00567.

    Like dropout, smoothing acts in training mode alone: what is measured is the plain cross-entropy of every run.
    """
    from torch import nn
    from torch.nn import functional as F

    class CrossEntropy(nn.CrossEntropyLoss):
        def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
            return F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing if self.training else 0.0)

    return CrossEntropy(label_smoothing=label_smoothing)
