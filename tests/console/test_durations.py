from __future__ import annotations

import pytest

from cnnjobs.console.durations import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (3599.9, "1 h 00 min"),
        (7620, "2 h 07 min"), (86399, "23 h 59 min"), (86400 * 3 + 4 * 3600, "3 d 04 h"),
    ],
)  # fmt: skip
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
