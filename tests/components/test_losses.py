from __future__ import annotations

import pytest
import torch

from cnnjobs import registry

LOGITS = torch.tensor([[2.0, 0.5, -1.0], [0.0, 0.0, 3.0], [1.0, 1.0, 1.0]])
LABELS = torch.tensor([0, 1, 2])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_is_the_mean_of_its_definition(smoothing: float) -> None:
    loss = registry.find("loss", "cross_entropy").build(given={}, options={"label_smoothing": smoothing})
    log_probabilities = LOGITS - LOGITS.exp().sum(1, keepdim=True).log()
    targets = torch.nn.functional.one_hot(LABELS, 3) * (1 - smoothing) + smoothing / 3
    assert loss(LOGITS, LABELS).item() == pytest.approx(-(targets * log_probabilities).sum(1).mean().item(), rel=1e-6)


@pytest.mark.parametrize("name", registry.components("loss"))
def test_every_loss_is_one_number_with_a_gradient(name: str) -> None:
    logits = LOGITS.clone().requires_grad_()
    value = registry.find("loss", name).build(given={}, options={})(logits, LABELS)
    value.backward()
    assert value.shape == ()
    assert logits.grad is not None
    assert logits.grad.abs().sum() > 0
