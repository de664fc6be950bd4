"""A published file from the net, checked by its hash; a broken download is gone on with where it stands."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from cnnjobs.components.data.sources import HASH_NAMES, Original, in_megabytes
from cnnjobs.errors import FetchError

_TIMEOUT_S: Final = 30.0
_CHUNK_BYTES: Final = 1 << 18
# Before a broken download is gone on with; so many breaks without a byte in between end it.
PAUSES_S: Final = (1.0, 3.0, 9.0)
_HEADERS: Final = {"User-Agent": "cnnjobs", "Accept-Encoding": "identity"}
_RANGE_NOT_SATISFIABLE: Final = 416


class Watch(Protocol):
    """Someone who looks on."""

    def started(self, file: str, url: str, done: int, total: int | None) -> None:
        """A connection gives the file, of whose bytes so many are there already."""

    def advanced(self, done: int) -> None:
        """So many bytes are there."""

    def note(self, text: str) -> None:
        """Something to know."""


class _SourceError(Exception):
    """Why a URL did not give the file; `again` when another try may."""

    def __init__(self, why: str, *, again: bool = False) -> None:
        self.again = again
        super().__init__(why)


def download(original: Original, path: Path, watch: Watch) -> None:
    """Fetch the file to `path` from the first of its URLs that has it; on the way it grows as `path`.part, and stays.

    Raises FetchError with what each URL said, a line each.
    """
    part = path.with_name(f"{path.name}.part")
    failures: list[str] = []
    for url in original.urls:
        try:
            _fetch(url, original, part, watch)
            part.replace(path)
            return
        except _SourceError as error:
            failures.append(f"{url}: {error}")
        except OSError as error:
            raise FetchError(f"{part}: cannot be written ({error.strerror})") from None
    raise FetchError("\n".join(failures))


def wrong_hash(path: Path, expected: str) -> str:
    """`its MD5 is ..., not ...`; "" where it is right. Where none is known, only a web page is wrong."""
    kind, _, digest = expected.partition(":")
    with path.open("rb") as file:
        page = "it is a web page" if file.read(100).lstrip()[:1] == b"<" else ""
        file.seek(0)
        if not digest:
            return page
        found = hashlib.file_digest(file, partial(hashlib.new, kind, usedforsecurity=False)).hexdigest()
    if found.startswith(digest):
        return ""
    return f"its {HASH_NAMES[kind]} is {found[: len(digest)]}, not {digest}" + (page and f"; {page}")


def _fetch(url: str, original: Original, part: Path, watch: Watch) -> None:
    """The file, right by its hash, as `part`. Raises _SourceError."""
    at_once = _transfer_all(url, original.file, part, watch)
    wrong = wrong_hash(part, original.hash)
    if wrong and not at_once:
        watch.note(f"{original.file}: its pieces do not fit together ({wrong}); from the start")
        part.unlink()
        _transfer_all(url, original.file, part, watch)
        wrong = wrong_hash(part, original.hash)
    if wrong:
        part.unlink()
        raise _SourceError(f"another file is there: {wrong}")


def _transfer_all(url: str, file: str, part: Path, watch: Watch) -> bool:
    """Go on with `part` until it is whole, over as many connections as it takes: whether it came over one alone."""
    breaks = connections = 0
    while True:
        before = _size(part)
        try:
            connections += 1
            return _transfer(url, file, part, watch)
        except _SourceError as error:
            came = _size(part) > before
            breaks = 0 if came else breaks
            going = came or connections > 1
            if not (error.again or going) or breaks == len(PAUSES_S):
                raise
            watch.note(f"{file}: {error}; goes on")
            time.sleep(PAUSES_S[breaks])
            breaks += 1


def _transfer(url: str, file: str, part: Path, watch: Watch) -> bool:
    """Add to `part` what one connection gives: whether the file came over it alone. Raises _SourceError."""
    start = _size(part)
    response = _opened(url, part, start)
    if response is None:
        return False
    with closing(response):
        if start and not _goes_on(response, start):
            watch.note(f"{file}: this server cannot go on in the middle; from the start")
            start = 0
        length = response.headers.get("Content-Length") or ""
        total = start + int(length) if length.isdecimal() else None
        _check_space(part, (total or start) - start)
        watch.started(file, url, start, total)
        done = _append(response, part, start, watch)
    if total is not None and done < total:
        missing = f"{in_megabytes(done / 1e6)} of {in_megabytes(total / 1e6)}"
        raise _SourceError(f"the connection broke at {missing}", again=True)
    return not start


def _opened(url: str, part: Path, start: int) -> Any:
    """The server's answer, from byte `start` on; None when it has no more than what is there. Raises _SourceError."""
    headers = {**_HEADERS, "Range": f"bytes={start}-"} if start else _HEADERS
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            if error.code != _RANGE_NOT_SATISFIABLE or not start:
                raise _SourceError(f"HTTP {error.code} {error.reason}", again=error.code >= 500) from None
            total = (error.headers.get("Content-Range") or "").rpartition("/")[2]
        if total.isdecimal() and int(total) != start:
            part.unlink()
            raise _SourceError("more was there of it than the server has", again=True) from None
        return None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _SourceError(f"no connection ({_reason(error)})") from None


def _goes_on(response: Any, start: int) -> bool:
    """Check whether the answer is the part that was asked for."""
    given = response.headers.get("Content-Range") or ""
    return response.status == http.client.PARTIAL_CONTENT and given.startswith(f"bytes {start}-")


def _append(response: Any, part: Path, start: int, watch: Watch) -> int:
    """Write what comes from byte `start` on: how long `part` is then. Raises _SourceError, and OSError of the disk."""
    with part.open("ab" if start else "wb") as sink:
        while True:
            try:
                chunk = response.read(_CHUNK_BYTES)
            except (OSError, http.client.HTTPException) as error:
                raise _SourceError(f"the connection broke ({_reason(error)})", again=True) from None
            if not chunk:
                break
            sink.write(chunk)
            start += len(chunk)
            watch.advanced(start)
        sink.flush()
        os.fsync(sink.fileno())
    return start


def _check_space(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        found = f"{in_megabytes(needed / 1e6)} are to come, and {in_megabytes(free / 1e6)} are free"
        raise FetchError(f"{part.parent}: {found}")


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer within {_TIMEOUT_S:g} s"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause) or type(cause).__name__


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
