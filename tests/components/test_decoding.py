from __future__ import annotations

import numpy as np
import pytest

from cnnjobs.components.data.decoding import channel_statistics


def test_statistics_are_those_of_each_channel() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3000, 4, 4, 3), dtype=np.uint8)
    images[..., 1] //= 2
    mean, std = channel_statistics(images)
    assert mean == pytest.approx((images / 255).mean(axis=(0, 1, 2)), rel=1e-12)
    assert std == pytest.approx((images / 255).std(axis=(0, 1, 2)), rel=1e-12)
