from __future__ import annotations

import numpy as np
import pytest

from cnnjobs.figures.network.test_card import card_regions, draw_card


@pytest.mark.parametrize("size", [28, 32, 97, 224])
def test_every_part_of_the_card_is_what_its_name_says(size: int) -> None:
    card, regions = draw_card(size).astype(float), card_regions(size)
    assert card.shape == (size, size, 3)
    red, green, blue = np.moveaxis(card, 2, 0)
    assert (blue[regions["sky"]] > green[regions["sky"]]).all()
    assert (green[regions["grass"]].mean() > 1.5 * red[regions["grass"]].mean()).all()
    for name in ("vertical", "rising", "falling", "horizontal"):
        stripes = red[regions[name]]
        assert np.ptp(stripes) > 200
        assert np.array_equal(stripes, blue[regions[name]])
    vertical, horizontal = red[regions["vertical"]], red[regions["horizontal"]]
    assert np.ptp(vertical, axis=0).max() == 0
    assert np.ptp(horizontal, axis=1).max() == 0
    covered = np.zeros((size, size), dtype=int)
    for place in regions.values():
        covered[place] += 1
    assert (covered == 1).all()


def test_the_card_is_the_same_every_time_and_gray_where_it_has_to_be() -> None:
    assert np.array_equal(draw_card(64), draw_card(64))
    gray = draw_card(64, 1)
    assert gray.shape == (64, 64, 1)
    assert np.abs(gray[..., 0] - draw_card(64) @ np.array([0.299, 0.587, 0.114])).max() <= 1
