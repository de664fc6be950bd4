"""The text of a YAML file, in whatever encoding an editor left it; what is no such file is refused in words."""

from __future__ import annotations

import codecs
import difflib
import re
import stat
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Final

from cnnjobs.errors import InputError, UnknownNameError

_MOST_BYTES: Final = 1_000_000
# The longest first: UTF-32's mark begins with UTF-16's.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_NO_SWEEPS: Final = {
    ".py": "a Python program; your own network goes into a sweep file as `model: module:Name`",
    ".ipynb": "a notebook",
    ".sh": "a shell script",
    ".sbatch": "a batch script; what sbatch is told stands in jobs/NAME.yaml",
    ".md": "a page of text",
    ".csv": "a table",
    ".toml": "a TOML file",
    ".pt": "a file of weights; write base: {weights: its path} in a sweep file",
    ".pth": "a file of weights; write base: {weights: its path} in a sweep file",
}
_ODD_SPACES: Final = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_NOTHING: Final = "\u200b\u200c\u200d\u2060\ufeff"
# Where YAML looks for a space: before a line's first word, and after a sign of its own.
_MISTAKEN_SPACE: Final = re.compile(
    rf"(?:^|(?<=[:,\[{{\-?]))[ {_NOTHING}]*[{_ODD_SPACES}{_NOTHING}][ {_ODD_SPACES}{_NOTHING}]*", re.MULTILINE
)

Tell = Callable[[int | None, str], None]


def read_text(path: Path, near: Iterable[Path] = (), tell: Tell | None = None, *, others: Collection[str] = ()) -> str:
    """The file's text, lines ending with a line feed. Raises one InputError for a path that is no readable text.

    `near` are files to suggest; `tell` hears, with a line, of what was read otherwise than it stands there; `others`
    are endings of files that are no YAML, and are read all the same.
    """
    content = _content(path, near)
    tell = tell or (lambda *_: None)
    text = _decoded(path, content, tell)
    if re.match(r"\s*<(!doctype|html|\?xml)", text, re.IGNORECASE):
        raise InputError(f"{path}: is a web page, no YAML file; fetch the file itself (on GitHub: its `raw` link)")
    if path.suffix not in others:
        refuse_other_kinds(path)
    return _with_plain_spaces(text.replace("\r\n", "\n").replace("\r", "\n"), tell)


def refuse_other_kinds(path: Path) -> None:
    """Raise InputError for a file whose ending tells that it is no YAML file."""
    if path.suffix in _NO_SWEEPS:
        raise InputError(f"{path}: is {_NO_SWEEPS[path.suffix]}; name a YAML file")


def _content(path: Path, near: Iterable[Path]) -> bytes:
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError
        if not stat.S_ISREG(found.st_mode):
            raise InputError(f"{path}: is no file that can be read again; write its content into a YAML file")
        if found.st_size > _MOST_BYTES:
            size = f"{found.st_size / 1e6:.1f} MB"
            raise InputError(f"{path}: {size} is more than any sweep file needs; at most {_MOST_BYTES // 1_000_000} MB")
        return path.read_bytes()
    except FileNotFoundError:
        raise UnknownNameError("; ".join(filter(None, (f"{path}: no such file", _nearest(path, near))))) from None
    except IsADirectoryError:
        files = [str(file) for file in yaml_files(path)]
        raise InputError(f"{path}: is a folder; name {_one_of(files) if files else 'a YAML file'}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def yaml_files(*folders: Path) -> list[Path]:
    """The YAML files of these folders, those of each sorted."""
    found = [file for folder in folders for ending in ("yaml", "yml") for file in sorted(folder.glob(f"*.{ending}"))]
    return list(dict.fromkeys(found))


def _one_of(files: Sequence[str]) -> str:
    more = f" or one of {len(files) - 12} others" if len(files) > 12 else ""
    return f"{'one of its files: ' if len(files) > 1 else ''}{', '.join(files[:12])}{more}"


def _nearest(path: Path, near: Iterable[Path]) -> str:
    names = [str(file) for file in near]
    close = difflib.get_close_matches(str(path), names, n=1, cutoff=0.6) or _same_stem(path, names)
    return f"did you mean `{close[0]}`?" if close else f"there is: {', '.join(names[:12])}" if names else ""


def _same_stem(path: Path, names: Sequence[str]) -> list[str]:
    return [name for name in names if difflib.get_close_matches(path.stem, [Path(name).stem], cutoff=0.6)]


def _decoded(path: Path, content: bytes, tell: Tell) -> str:
    try:
        text, encoding = _unicode(content)
    except UnicodeDecodeError as error:
        line, byte = content[: error.start].count(b"\n") + 1, content[error.start]
        found = f"byte 0x{byte:02x} at position {error.start} is not UTF-8"
        # Accented letters of an older editor: nothing in the file is UTF-8, and every byte is a letter or a sign.
        text = content.decode("cp1252", errors="replace")
        odd = [letter for letter in text if ord(letter) < 32 and letter not in "\t\n\r"]
        if odd or "\ufffd" in text or not content.decode("utf-8", errors="ignore").isascii():
            raise InputError(f"{path}:{line}: not a text file: {found}; save it as UTF-8") from None
        tell(line, f"{found}; the file is read as Windows-1252, where it is `{bytes([byte]).decode('cp1252')}`")
        return text
    if encoding != "UTF-8":
        tell(None, f"read as {encoding}; UTF-8 is usual")
    return text


def _unicode(content: bytes) -> tuple[str, str]:
    for mark, name in _MARKS:
        if content.startswith(mark):
            return content.decode(name), name
    # Without a mark, every other byte of a text in Latin letters is zero.
    for start, name in ((1, "UTF-16-LE"), (0, "UTF-16-BE")):
        if len(content) > 3 and len(content) % 2 == 0 and not any(content[start::2]) and all(content[1 - start :: 2]):
            return content.decode(name), name
    return content.decode("utf-8-sig"), "UTF-8"


def _with_plain_spaces(text: str, tell: Tell) -> str:
    """No-break spaces and the like, as web pages and chats leave them in place of indentation, as plain ones."""
    if text.isascii():
        return text
    first = _MISTAKEN_SPACE.search(text)
    if first is None:
        return text
    character = next(letter for letter in first.group() if letter != " ")
    tell(
        text.count("\n", 0, first.start()) + 1,
        f"found the character U+{ord(character):04X} in place of a space, as copied from a web page; read as a space",
    )
    return _MISTAKEN_SPACE.sub(
        lambda found: re.sub(f"[{_ODD_SPACES}]", " ", re.sub(f"[{_NOTHING}]", "", found[0])), text
    )
