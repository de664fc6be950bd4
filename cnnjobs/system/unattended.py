"""Code of the user's own, run as no script of theirs: without arguments, and where nobody answers."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from cnnjobs.errors import UnknownNameError
from cnnjobs.system import own_modules

_REMEDY: Final = "put what a script does under: if __name__ == '__main__':"


@contextmanager
def unattended(what: str) -> Iterator[None]:
    """Import or build `what` in here.

    Raises UnknownNameError where that would end the process, waits for input or needs a package that is not here.
    """
    arguments, keyboard = sys.argv, sys.stdin
    sys.argv, sys.stdin = arguments[:1], io.StringIO()
    try:
        yield
    except SystemExit as error:
        raise UnknownNameError(
            f"{what}: its code ends Python as it is imported or built (exit code {error.code or 0}), as sys.exit() and"
            f" argparse do; {_REMEDY}"
        ) from error
    except EOFError as error:
        raise UnknownNameError(f"{what}: its code waits for input as it is imported or built; {_REMEDY}") from error
    except ModuleNotFoundError as error:
        raise UnknownNameError(
            f"{what}: its code imports `{error.name}`, which Python does not find; install that package (its pip name"
            f" may differ), or {own_modules.to_be_found(str(error.name))}"
        ) from error
    finally:
        sys.argv, sys.stdin = arguments, keyboard
