"""Parts of the user's own, tried: words for what fails in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import torch

from cnnjobs import registry
from cnnjobs.config.run import Choice
from cnnjobs.errors import CnnjobsError, InputError, concerning
from cnnjobs.training.data.random_state import random_state, restore_random_state

_PAGE: Final = "docs/own-parts.md has one that works"
_TRIED: Final = 4


@contextmanager
def trying(choice: Choice) -> Iterator[None]:
    """Name the part, and its contract, in every error that it raises in here; the draws of the run are as before."""
    before = random_state(torch.device("cpu"))
    key = "augment" if choice.kind == "augmentation" else choice.kind
    try:
        with concerning(key):
            yield
    except Exception as error:
        said = str(error) if isinstance(error, CnnjobsError) else f"{type(error).__name__}: {error}"
        said = " ".join(said.split())
        if said.startswith(f"{choice.kind} {choice.name}:") or isinstance(error, torch.OutOfMemoryError):
            raise
        found = said if isinstance(error, InputError) else f"fails when it is tried: {said}"
        with concerning(key):
            raise InputError(f"{choice.kind} `{choice.name}` {found}; {_PAGE}") from error
    finally:
        with suppress(RuntimeError):
            restore_random_state(before, torch.device("cpu"))


def require(holds: bool, otherwise: str) -> None:
    """Raise InputError where a condition does not hold."""
    if not holds:
        raise InputError(otherwise)


def kind(value: Any) -> str:
    """Name the type of a value, in words."""
    return f"a `{type(value).__name__}`"


def is_foreign(choice: Choice) -> bool:
    """Tell a part of the user's own from those that come with the package."""
    return registry.is_foreign(choice.kind, choice.name)
