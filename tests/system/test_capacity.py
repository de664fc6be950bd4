from __future__ import annotations

import os
import sys

import pytest

from cnnjobs.system.capacity import Usage, measured, read_usage

GB = 10**9


@pytest.mark.parametrize(
    ("usage", "carried"),
    [
        (Usage(2 * GB, 10 * GB), 5),
        (Usage(2 * GB, 100 * GB), 8),
        (Usage(2 * GB, GB), 1),
        (Usage(2 * GB, 0), 1),
        (Usage(2 * GB, 100 * GB, busy=0.3), 4),
        (Usage(2 * GB, 3 * GB, busy=0.1), 2),
        (Usage(2 * GB, 100 * GB, busy=1.0), 1),
        (Usage(2 * GB, 100 * GB, busy=0.0), 8),
        (Usage(0, GB), 8),
    ],
)
def test_as_many_as_fit_and_have_work_to_do(usage: Usage, carried: int) -> None:
    assert usage.carried(8) == carried


def test_what_is_found_is_told_in_words() -> None:
    assert Usage(2 * GB, 10 * GB, 0.25).told("GPU 0") == (
        "one takes 2.0 GB and computes 25% of the time, 10.0 GB of GPU 0 are free"
    )
    assert Usage(2 * GB, GB).told("this machine") == "one takes 2.0 GB, 1.0 GB of this machine are free"


def test_answers_of_the_driver() -> None:
    assert read_usage("1024, 4096, 37\n") == Usage(1024 << 20, 3072 << 20, 0.37)
    assert read_usage("1024, 4096, [N/A]\n") == Usage(1024 << 20, 3072 << 20)
    for other in ("", "No devices were found\n", "[N/A], [N/A], 3\n"):
        assert read_usage(other) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process takes")
def test_a_process_takes_memory() -> None:
    usage = measured(os.getpid(), None)
    assert usage is not None
    assert 10**7 < usage.memory < 10**11
    assert measured(2**22 + 1, None) is None
