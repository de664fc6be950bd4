from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cnnjobs.errors import InputError
from cnnjobs.figures.methods.top_images import Score, top_images


def batches(images: Tensor, size: int) -> Iterator[Tensor]:
    yield from images.split(size)


@pytest.mark.parametrize("score", ["sum", "max", "mean"])
@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_it_is_what_looking_at_all_of_them_gives(score: Score, size: int) -> None:
    images = torch.randint(-3, 4, (200, 2, 5, 6)).float()
    network = nn.Conv2d(2, 4, 3)
    nn.init.constant_(network.bias, 0)
    network.weight.data.round_(decimals=1)
    with torch.no_grad():
        maps = network.double()(images.double())
    found = top_images(network, batches(images.double(), size), score=score, top=9)
    values = {"sum": maps.sum((2, 3)), "max": maps.amax((2, 3)), "mean": maps.mean((2, 3))}[score].numpy()
    for channel in range(4):
        assert found.scores[channel] == pytest.approx(np.sort(values[:, channel])[::-1][:9])
        for index, value, (row, column) in zip(
            found.indices[channel], found.scores[channel], found.positions[channel], strict=True
        ):
            assert values[index, channel] == pytest.approx(value)
            assert maps[index, channel, row, column] == maps[index, channel].max()
    assert found.num_images == 200


@pytest.mark.parametrize("size", [1, 3, 50])
def test_equal_scores_stand_in_the_order_of_their_numbers(size: int) -> None:
    values = torch.tensor([5.0, 1, 5, 7, 1, 5, 7, 0, 5, 5])
    found = top_images(nn.Identity(), batches(values[:, None, None, None], size), top=6)
    assert found.indices.tolist() == [[3, 6, 0, 2, 5, 8]]
    assert found.indices[0].tolist() == np.argsort(-values.numpy(), kind="stable")[:6].tolist()


def test_the_very_first_image_can_be_the_best_and_all_may_be_negative() -> None:
    values = -torch.arange(1.0, 6.0)[:, None, None, None]
    found = top_images(nn.Identity(), batches(values, 2), top=9)
    assert found.indices.tolist() == [[0, 1, 2, 3, 4]]
    assert found.scores.tolist() == [[-1, -2, -3, -4, -5]]


def test_it_says_how_far_it_is_and_keeps_no_graph() -> None:
    done: list[int] = []
    network = nn.Conv2d(1, 2, 1)
    found = top_images(network, batches(torch.randn(10, 1, 2, 2), 4), top=2, progress=done.append)
    assert done == [4, 8, 10]
    assert found.scores.shape == (2, 2)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_what_cannot_be_ranked_is_told() -> None:
    images = torch.ones(6, 1, 2, 2)
    images[4, 0, 0, 0] = float("nan")
    with pytest.raises(InputError, match="image 4: its feature maps are not numbers"):
        top_images(nn.Identity(), batches(images, 2))
    with pytest.raises(InputError, match="no images to choose from"):
        top_images(nn.Identity(), iter(()))
