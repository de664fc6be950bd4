"""The section of a search in a report."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from cnnjobs.report.sections.search import _ranks


@pytest.mark.parametrize("seed", range(5))
def test_ranks_correlate_as_spearmans_do(seed: int) -> None:
    drawn = np.random.default_rng(seed).integers(0, 6, (2, 20)).astype(float)
    ours = np.corrcoef([_ranks(list(row)) for row in drawn])[0, 1]
    assert ours == pytest.approx(spearmanr(*drawn).statistic, abs=1e-12)
