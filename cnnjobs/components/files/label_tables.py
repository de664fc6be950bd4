"""Tables of images and their labels, CSV, TSV, JSON or JSON lines: `labels.csv`, or `train.csv` and `test.csv`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from cnnjobs.errors import DataError, suggest

_SUFFIXES: Final = (".csv", ".tsv", ".json", ".jsonl")
_WHOLE: Final = ("labels", "metadata")
_PATH: Final = ("path", "file", "filename", "file_name", "filepath", "image", "image_path", "img")
_LABEL: Final = ("label", "class", "class_name", "target", "category")
_SPLIT: Final = ("split", "subset", "set", "fold")
_SPLITS: Final = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_PROBLEMS_TOLD: Final = 5

# Split -> class -> files, in the order of the table.
Labelled = dict[str, dict[str, list[Path]]]


def tables_in(folder: Path) -> tuple[Path, ...]:
    """The table of all images of a folder, or one for each split; none where there is no such file."""
    for name in _WHOLE:
        for suffix in _SUFFIXES:
            if (folder / f"{name}{suffix}").is_file():
                return (folder / f"{name}{suffix}",)
    for suffix in _SUFFIXES:
        found = [path for name in _SPLITS if (path := folder / f"{name}{suffix}").is_file()]
        if (folder / f"train{suffix}").is_file():
            return tuple(found)
    return ()


def read_tables(tables: Iterable[Path]) -> Labelled:
    """Images by split and class, classes in the order of their names, or of their numbers.

    Raises DataError with file and line of what is wrong, a few at once.
    """
    found: Labelled = {}
    seen: dict[Path, tuple[str, str]] = {}
    problems: list[str] = []
    for table in tables:
        of_name = _SPLITS.get(table.stem, "train")
        for line, row in _rows(table):
            path, label = table.parent / str(row["path"]), str(row["label"]).strip()
            word = str(row.get("split") or of_name).strip().lower()
            split = _SPLITS.get(word, "")
            problem = _problem(path, label, word, seen.get(path))
            if problem:
                problems.append(f"{table}:{line}: {problem}")
            elif path not in seen:
                seen[path] = (split, label)
                found.setdefault(split, {}).setdefault(label, []).append(path)
    if problems:
        more = [f"and {len(problems) - _PROBLEMS_TOLD} more"] if len(problems) > _PROBLEMS_TOLD else []
        raise DataError("\n".join([*problems[:_PROBLEMS_TOLD], *more]))
    return {split: {name: classes[name] for name in _ordered(classes)} for split, classes in found.items()}


def _ordered(classes: Iterable[str]) -> list[str]:
    names = list(classes)
    return sorted(names, key=int) if all(name.isdecimal() for name in names) else sorted(names)


def _problem(path: Path, label: str, split: str, before: tuple[str, str] | None) -> str:
    if not label:
        return f"{path.name} has no label; give one or remove the line"
    if split not in _SPLITS:
        return f"found split `{split}`; allowed: train, validation, test"
    if before is not None and before != (_SPLITS[split], label):
        return f"{path} is there twice, as {' '.join(before)} and as {_SPLITS[split]} {label}; remove one"
    if not path.is_file():
        return f"{path}: there is no such file; paths are below the table's folder, or whole"
    return ""


def _rows(table: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Line or number of each row, and its path, label and split. Raises DataError."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{table}: cannot be read ({error}); save it as UTF-8") from None
    rows = list(_of_json(table, text) if table.suffix in (".json", ".jsonl") else _of_csv(table, text))
    if not rows:
        raise DataError(f"{table}: holds no image; write a line for each: path and label")
    keys = list(rows[0][1])
    names = {"path": _named(keys, _PATH), "label": _named(keys, _LABEL), "split": _named(keys, _SPLIT)}
    for wanted, known in (("path", _PATH), ("label", _LABEL)):
        if names[wanted] is None:
            raise DataError(
                f"{table}:{rows[0][0]}: no column `{wanted}` among {', '.join(keys)}; {suggest(wanted, known)}"
            )
    for line, row in rows:
        yield line, {key: row.get(name) or "" if row.get(name) != 0 else 0 for key, name in names.items() if name}


def _named(keys: Iterable[str], known: Iterable[str]) -> str | None:
    by_name = {key.strip().lower(): key for key in keys}
    return next((by_name[name] for name in known if name in by_name), None)


def _of_csv(table: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    heading = text.partition("\n")[0]
    separator = max("\t;,", key=heading.count) if table.suffix == ".csv" else "\t"
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    for row in reader:
        if None in row:
            raise DataError(
                f"{table}:{reader.line_num}: has more fields than the heading; quote those with `{separator}`"
            )
        yield reader.line_num, row


def _of_json(table: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        if table.suffix == ".jsonl":
            rows = [(line, json.loads(each)) for line, each in enumerate(text.splitlines(), start=1) if each.strip()]
        else:
            found = json.loads(text)
            pairs = (
                [{"path": path, "label": label} for path, label in found.items()] if isinstance(found, dict) else found
            )
            rows = [*enumerate(pairs, start=1)]
    except ValueError as error:
        raise DataError(f"{table}: is no JSON ({error}); correct it") from None
    for number, row in rows:
        if not isinstance(row, dict):
            raise DataError(f'{table}:{number}: found {row!r}; write {{"path": ..., "label": ...}}')
        yield number, row
