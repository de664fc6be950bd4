"""Every error that a user may see.

CnnjobsError
  InputError            bad input: exit code 2, nothing was submitted
    SpecError           mistakes in a sweep or profile file, all of them at once
    UnknownNameError    a model, data set, run, sweep, ... that does not exist
    DataError           a data set that is missing, cut short or wrong
    StorageError        a results folder that cannot be written
  RunError              a run failed: exit code 1
    DivergedError       the loss is no longer a number
    ProgramError        a program that has ended badly
  FetchError            a published file that could not be fetched: exit code 1
"""

from __future__ import annotations

import difflib
import errno
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_KINDS: Final = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


_MOST_TOLD = 50


class CnnjobsError(Exception):
    """Error shown to the user in place of a traceback; `exit_code` is what the shell sees."""

    exit_code = 1


class InputError(CnnjobsError):
    """Unusable input; nothing was started."""

    exit_code = 2


@dataclass(frozen=True)
class Mistake:
    """One mistake in a file: where it is, what was found, what is allowed or what to do."""

    file: str
    line: int | None
    key: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, "; ".join(filter(None, (self.found, self.remedy)))) if part)


class SpecError(InputError):
    """A sweep or profile file holds mistakes; `mistakes` lists every one, in the order of the file.

    `notices` are what is to be known of the file beside them.
    """

    def __init__(self, mistakes: Sequence[Mistake], notices: Sequence[str] = ()) -> None:
        self.notices = tuple(notices)
        self.mistakes = sorted(mistakes, key=lambda mistake: (mistake.file, mistake.line or 0))
        super().__init__("\n".join(self.told))

    @property
    def told(self) -> list[str]:
        """Text of the mistakes, a line each; of very many the first."""
        lines = [str(mistake) for mistake in self.mistakes[:_MOST_TOLD]]
        more = len(self.mistakes) - len(lines)
        return [*lines, f"and {more:,} more mistakes in {self.mistakes[0].file}"] if more else lines


class UnknownNameError(InputError):
    """A name that nothing here answers to."""


class DataError(InputError):
    """A data set is missing, cut short, or not what its name says."""


class StorageError(InputError):
    """The results folder cannot be written."""


class RunError(CnnjobsError):
    """A run failed; the message is its cause."""


class DivergedError(RunError):
    """The loss became NaN or infinite at `step`."""

    def __init__(self, step: int) -> None:
        self.step = step
        super().__init__(f"diverged at step {step}: the loss is no longer a number; try a smaller lr")


class ProgramError(RunError):
    """A program has ended badly; `output` are its last lines."""

    def __init__(self, cause: str, output: str) -> None:
        self.output = output
        super().__init__(cause)


class FetchError(CnnjobsError):
    """A published file could not be fetched; what is there of it already stays."""


def suggest(name: str, allowed: Iterable[str]) -> str:
    """Suggest allowed names in place of `name`, with the nearest name when one is near."""
    names = [str(choice) for choice in allowed]
    # Nothing is near a text that is no name; to compare it would take long.
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6) if len(name) <= 100 else []
    last = name.rpartition(".")[2].lower()
    near = (
        [each for each in names if _letters(each) == _letters(name)] or near or [each for each in names if each == last]
    )
    near = near or [each for each in names if min(len(each), len(name)) > 2 and (each in name or name in each)]
    listed = f"allowed: {', '.join(sorted(names))}" if names else "nothing is allowed here"
    return f"did you mean `{near[0]}`? {listed}" if near else listed


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum()) or name


def suggest_nearest(name: str, allowed: Iterable[str], everything: str) -> str:
    """The nearest of more names than can be listed; `everything` says where all of them are."""
    names = [str(choice) for choice in allowed]
    near = difflib.get_close_matches(name, names, n=5, cutoff=0.6) or [each for each in names if name in each][:5]
    return f"did you mean {', '.join(f'`{each}`' for each in near)}? {everything}" if near else everything


def is_full(error: BaseException) -> bool:
    """Check whether a full disk or a used-up quota is behind an error."""
    return any(
        isinstance(each, OSError) and each.errno in (errno.ENOSPC, errno.EDQUOT)
        for each in (error, error.__cause__, error.__context__)
    )


def storage_error(path: Path, error: OSError) -> StorageError:
    """The one sentence for a file system that refuses, with what to do about it."""
    if error.errno == errno.ENOSPC:
        return StorageError(f"the disk is full; free some space or choose another folder with --results: {path}")
    if error.errno == errno.EDQUOT:
        return StorageError(f"the quota is used up; free some space or choose another folder with --results: {path}")
    if error.errno == errno.EROFS:
        return StorageError(
            f"{path}: the file system can only be read; copy the results to a place that can be written, and name its"
            " folder with --results"
        )
    if isinstance(error, NotADirectoryError | FileExistsError):
        above = next((each for each in path.parents if each.is_symlink() or each.exists()), path)
        if not above.is_dir():
            return StorageError(f"{above}: is no folder, so nothing can be written below it; remove or rename it")
    if isinstance(error, NotAFileError | IsADirectoryError):
        return StorageError(f"{path}: cannot be written ({error.strerror}); remove or rename what is there")
    return StorageError(f"{path}: cannot be written ({error.strerror}); choose another folder with --results")


@contextmanager
def concerning(key: str) -> Iterator[None]:
    """Let what is raised in here tell which key of a run it is about: the innermost counts, see `key_of`."""
    try:
        yield
    except Exception as error:
        if key_of(error) is None:
            error.key = key  # type: ignore[attr-defined]
        raise


def key_of(error: BaseException) -> str | None:
    """The key of a run that an error is about, where that is known."""
    key: str | None = getattr(error, "key", None)
    return key


class NotAFileError(OSError):
    """Something else stands in the place of a file."""

    def __init__(self, path: str, mode: int) -> None:
        super().__init__(errno.EINVAL, f"it is {_KINDS.get(stat.S_IFMT(mode), 'something else')}, no file", path)
