"""The cause of a program's end, from what the usual tools write when they end badly."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnjobs.programs.causes import cause_of_exit

CLICK = """\
Usage: train.py [OPTIONS]
Try 'train.py --help' for help.

Error: No such option: --layers"""
JSONARGPARSE = """\
usage: main.py [-h] [-c CONFIG] {fit,validate} ...
error: Parser key "optimizer.lr": Expected a <class 'float'>. Got value: fast"""
HYDRA = """\
Could not override 'model.lr'.
To append to your config use +model.lr=0.1
Key 'lr' is not in struct
    full_key: model.lr
    object_type=dict

Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace."""
CHAINED = """\
Traceback (most recent call last):
  File "/code/train.py", line 3, in load
    open("a")
FileNotFoundError: [Errno 2] No such file or directory: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/code/train.py", line 9, in <module>
    main()
  File "/code/net/model.py", line 5, in main
    raise ValueError("no data")
  File "/usr/lib/python3/site-packages/torch/nn.py", line 1, in forward
ValueError: no data
wandb: You can sync this run to the cloud by running:
wandb: wandb sync offline-run-1"""
TORCHRUN = """\
[rank1]: Traceback (most recent call last):
[rank1]:   File "/code/train.py", line 7, in <module>
[rank1]:     step()
[rank1]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.
W1201 torch/distributed/elastic/multiprocessing/api.py:900] Sending process 12 closing signal SIGTERM
Traceback (most recent call last):
  File "<frozen runpy>", line 198, in _run_module_as_main
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
train.py FAILED"""
ACCELERATE = """\
Traceback (most recent call last):
  File "/code/train.py", line 2, in <module>
KeyError: 'lr'
Traceback (most recent call last):
  File "/bin/accelerate", line 8, in <module>
subprocess.CalledProcessError: Command '['python', 'train.py']' returned non-zero exit status 1."""
GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "/code/train.py", line 2, in <module>
  | ExceptionGroup: two (2 sub-exceptions)"""


@pytest.mark.parametrize(
    ("code", "said", "cause"),
    [
        (2, CLICK, "Error: No such option: --layers (exit code 2)"),
        (
            2,
            JSONARGPARSE,
            "error: Parser key \"optimizer.lr\": Expected a <class 'float'>. Got value: fast (exit code 2)",
        ),
        (
            1,
            HYDRA,
            "Could not override 'model.lr'. To append to your config use +model.lr=0.1 Key 'lr' is not in struct"
            " (exit code 1)",
        ),
        (1, CHAINED, "ValueError: no data (net/model.py:5 in main) (exit code 1)"),
        (
            1,
            TORCHRUN,
            "the GPU's memory is full: make its batch smaller, or run fewer at once (OutOfMemoryError: CUDA out of"
            " memory. Tried to allocate 2.00 GiB. (train.py:7 in <module>))",
        ),
        (1, ACCELERATE, "KeyError: 'lr' (train.py:2 in <module>) (exit code 1)"),
        (1, GROUP, "ExceptionGroup: two (2 sub-exceptions) (train.py:2 in <module>) (exit code 1)"),
        (137, "training", "killed by SIGKILL: out of memory, or ended from outside; its last words: training"),
        (143, "", "killed by SIGTERM"),
        (-6, "terminate called: std::bad_alloc", "the machine's memory is full: make its batch smaller, or run fewer"),
        (-11, "", "killed by SIGSEGV (a crash inside a library)"),
        (
            127,
            "/usr/bin/env: 'python': No such file or directory",
            "No such file or directory (exit code 127); install",
        ),
        (255, "gone\n\n  ", "gone (exit code 255)"),
    ],
)
def test_what_was_said_last_is_the_cause(code: int, said: str, cause: str) -> None:
    found = cause_of_exit(code, said.splitlines(), own_folders=[Path("/code")], memory_was_full=False)
    assert cause in found
    assert "\n" not in found


def test_the_systems_own_kill_for_memory_is_told() -> None:
    cause = cause_of_exit(-9, ["step 3"], own_folders=[], memory_was_full=True)
    assert cause.startswith(
        "the machine's memory is full: make its batch smaller, or run fewer at once (killed by SIGKILL"
    )


def test_a_very_long_last_line_is_cut() -> None:
    assert len(cause_of_exit(1, ["x" * 5_000], own_folders=[], memory_was_full=False)) < 500
