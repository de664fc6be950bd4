from __future__ import annotations

import torch

from cnnjobs.training.data.gathering import Gathered


def test_values_come_back_in_order_whatever_their_number() -> None:
    gathered = Gathered()
    assert len(gathered.values()) == 0
    batches = [torch.arange(start, start + 300) for start in range(0, 3000, 300)]
    for batch in batches:
        gathered.add(batch)
    gathered.add(torch.tensor(7))
    assert torch.equal(gathered.values(), torch.cat([*batches, torch.tensor([7])]))
    assert gathered.values().dtype == torch.int64
