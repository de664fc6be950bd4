from __future__ import annotations

import pytest

from cnnjobs.components.theory.steps import Steps


@pytest.mark.parametrize(
    ("images", "batch_size", "whole", "dropped"),
    [
        (50_000, 64, 782, 781),
        (45_000, 64, 704, 703),
        (45_000, 32, 1_407, 1_406),
        (50_000, 4, 12_500, 12_500),
        (50_000, 128, 391, 390),
        (60_000, 64, 938, 937),
        (10, 64, 1, 0),
    ],
)
def test_steps_of_an_epoch(images: int, batch_size: int, whole: int, dropped: int) -> None:
    assert Steps(images, batch_size).per_epoch == whole
    assert Steps(images, batch_size, drop_last=True).per_epoch == dropped


def test_the_last_batch() -> None:
    assert [Steps(images, 64).last_batch for images in (50_000, 64, 65, 10)] == [16, 64, 1, 10]
