from __future__ import annotations

import torch

from cnnjobs.components.models.mnist_cnn import mnist_cnn
from cnnjobs.components.theory.shifts import shift_changes

torch.set_num_threads(1)


def test_pooling_reduces_what_a_shift_changes_and_the_more_the_larger_it_is() -> None:
    state = torch.random.get_rng_state()
    found = {change.layer: change.mean for change in shift_changes(num_seeds=2)}
    assert torch.equal(torch.random.get_rng_state(), state)
    for kind in ("max", "average"):
        sizes = [found[f"{kind} pooling {k}×{k}"] for k in (2, 4, 8)]
        assert found["ReLU"] > sizes[0] > sizes[1] > sizes[2]
    # The convolution alone reduces little: what it gives is shifted as the image is.
    assert 0.5 < found["image"] < 0.6
    assert found["convolution"] > 0.8 * found["image"]


def test_a_convolution_is_equivariant_and_not_invariant() -> None:
    torch.manual_seed(0)
    convolution, images = mnist_cnn(1, 10, 28).conv1, torch.rand(2, 1, 28, 28)
    with torch.no_grad():
        before, after = convolution(images), convolution(images.roll(1, dims=3))
    assert torch.allclose(after[..., 1:], before[..., :-1], atol=1e-6)
    assert not torch.allclose(after, before, atol=0.1)
