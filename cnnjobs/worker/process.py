"""A process that trains: its threads, its memory, its GPU."""

from __future__ import annotations

import ctypes
import os
import platform
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def prepare_process(threads: int, gpu: int | str | None) -> tuple[torch.device, tuple[str, ...]]:
    """Set this process up, import torch, and choose the device; a note where it is not the one that was given."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "" if gpu is None else str(gpu)
    load_torch(threads)
    import torch

    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    if gpu is None:
        return torch.device("cpu"), ()
    if not torch.cuda.is_available():
        return torch.device("cpu"), (f"GPU {gpu} was given but torch finds none: trained on the CPU",)
    # The same run again gives the same numbers.
    torch.backends.cudnn.deterministic = True
    return torch.device("cuda", 0), ()


def load_torch(threads: int, **variables: str) -> None:
    """Import torch for so many threads, in an environment with these `variables`; no thread starts, no GPU is used."""
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)) | variables)
    _keep_freed_memory()
    import torch  # noqa: F401


def _keep_freed_memory() -> None:
    """Let glibc keep the memory of one step for the next: handing it back costs thousands of page faults each step."""
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
