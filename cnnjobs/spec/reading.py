"""YAML 1.2 with the line of every value: `1e-4` is a number, `no` is a text, a doubled key is a mistake."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from cnnjobs.errors import InputError, Mistake, SpecError, UnknownNameError, suggest

_TAG: Final = "tag:yaml.org,2002:"
_TRUE: Final = ("true", "yes", "on")


@dataclass(frozen=True, eq=False)
class Node:
    """A value and the line of its key or list item; a mapping holds {key: Node}, a list [Node, ...]."""

    value: Any
    line: int | None

    @property
    def plain(self) -> Any:
        """The value without lines."""
        if isinstance(self.value, dict):
            return {key: node.plain for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain for node in self.value]
        return self.value

    def at(self, path: Sequence[str]) -> Node:
        """The node at the end of `path`, or the last one on the way that exists."""
        inner = None
        if path and isinstance(self.value, dict):
            inner = self.value.get(path[0])
        elif path and isinstance(self.value, list) and path[0].isdigit() and int(path[0]) < len(self.value):
            inner = self.value[int(path[0])]
        return self if inner is None else inner.at(path[1:])


class Findings:
    """Mistakes and notices of one file, each kept once."""

    def __init__(self, file: Path) -> None:
        self.file = str(file)
        self._mistakes: dict[Mistake, None] = {}
        self._notices: dict[str, None] = {}

    def mistake(self, line: int | None, key: str, found: str, remedy: str = "") -> None:
        """Keep a mistake; the same one at the same place counts once."""
        self._mistakes[Mistake(self.file, line, key, found, remedy)] = None

    def notice(self, line: int | None, key: str, text: str) -> None:
        """Keep one line that the user should read; it stops nothing."""
        self._notices[str(Mistake(self.file, line, key, text))] = None

    @property
    def notices(self) -> tuple[str, ...]:
        """Every notice, in the order they were found."""
        return tuple(self._notices)

    @property
    def num_mistakes(self) -> int:
        """How many mistakes there are so far."""
        return len(self._mistakes)

    def stop_at_mistakes(self) -> None:
        """Raise SpecError with all mistakes, if there are any."""
        if self._mistakes:
            raise SpecError(list(self._mistakes))


def shown(value: Any) -> str:
    """A value as a message shows it: like YAML's flow style, texts in quotes, long ones cut."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."


def read_text(path: Path, near: Iterable[Path] = ()) -> str:
    """The file's text. Raises one InputError for a path that is no readable text; `near` are files to suggest."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        names = [str(file) for file in near]
        close = difflib.get_close_matches(str(path), names, n=1, cutoff=0.6) or _same_stem(path, names)
        remedy = f"did you mean `{close[0]}`?" if close else f"there is: {', '.join(names[:12])}" if names else ""
        raise UnknownNameError("; ".join(filter(None, (f"{path}: no such file", remedy)))) from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; name a YAML file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"byte 0x{content[error.start]:02x} at position {error.start} is not UTF-8"
        raise InputError(f"{path}: not a text file: {found}; a YAML file in UTF-8 is expected") from None


def _same_stem(path: Path, names: Sequence[str]) -> list[str]:
    return [name for name in names if difflib.get_close_matches(path.stem, [Path(name).stem], cutoff=0.6)]


def read_yaml(text: str, findings: Findings) -> Node:
    """The document of one YAML text. Raises SpecError at once when it is no YAML; doubled keys become mistakes."""
    try:
        root = YAML(typ="rt", pure=True).compose(text)
        return Node(None, None) if root is None else _Builder(findings).build(root)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        parts = [error.problem or "", f"({error.context})" if error.context else ""]
        findings.mistake(
            mark.line + 1 if mark else None, "", f"not YAML: {' '.join(filter(None, parts))}", _hint(error)
        )
    except YAMLError as error:
        findings.mistake(None, "", f"not YAML: {str(error).splitlines()[0]}")
    except RecursionError:
        findings.mistake(None, "", "not YAML that can be read: nested too deeply")
    raise SpecError(list(findings._mistakes))


def _hint(error: MarkedYAMLError) -> str:
    problem = f"{error.problem}"
    if "'\\t'" in problem:
        return "indent with spaces, not tabs"
    if "mapping values are not allowed" in problem:
        return "a text with `: ` in it needs quotes, and keys of one mapping the same indentation"
    if "another document" in problem:
        return "one file holds one sweep: remove the `---` between"
    return ""


class _Builder:
    """ruamel's node graph -> Node."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def build(self, node: Any, line: int | None = None) -> Node:
        """One node; `line` is that of its key, where it has one."""
        line = line or node.start_mark.line + 1
        if isinstance(node, MappingNode):
            return Node(self._mapping(node, line), line)
        if isinstance(node, SequenceNode):
            if node.tag != f"{_TAG}seq":
                self._refuse_tag(node, line)
            return Node([self.build(item) for item in node.value], line)
        return Node(self._scalar(node, line), line)

    def _mapping(self, node: MappingNode, line: int) -> dict[str, Node]:
        if node.tag != f"{_TAG}map":
            self._refuse_tag(node, line)
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in node.value:
            key_line = key.start_mark.line + 1
            if key.tag == f"{_TAG}merge":
                for source in _merge_sources(value):
                    for name, inner in self._mapping(source, key_line).items():
                        merged.setdefault(name, inner)
            elif not isinstance(key, ScalarNode):
                self._findings.mistake(key_line, "", "a key that is no text", "write a name")
            elif key.value in own:
                found = f"doubled key, first given in line {own[key.value].line}"
                self._findings.mistake(key_line, key.value, found, "keep one of them")
            else:
                own[key.value] = self.build(value, key_line)
        return {**{name: inner for name, inner in merged.items() if name not in own}, **own}

    def _scalar(self, node: ScalarNode, line: int) -> Any:
        text, tag = node.value, str(node.tag).removeprefix(_TAG)
        if tag == "null":
            return None
        if tag == "bool":
            return text.lower() in _TRUE
        if tag in ("int", "float"):
            try:
                return _number(text.replace("_", ""), tag)
            except ValueError:
                return text
        if tag not in ("str", "timestamp", "value"):
            self._refuse_tag(node, line)
        return text

    def _refuse_tag(self, node: Any, line: int) -> None:
        tag = node.tag.replace(_TAG, "!!")
        remedy = "write a list: [1, 2]" if "tuple" in tag else "write the plain value"
        self._findings.mistake(line, "", f"the tag `{tag}` has no meaning here", remedy)


def _merge_sources(node: Any) -> Iterator[MappingNode]:
    for source in node.value if isinstance(node, SequenceNode) else [node]:
        if isinstance(source, MappingNode):
            yield source


def _number(text: str, tag: str) -> int | float:
    if tag == "float":
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return int(text) if text.lstrip("+-").isdigit() else int(text, 0)


def number_in(value: Any) -> float | None:
    """The finite number that a text spells, or None: `"1e-4"` in quotes is such a text."""
    if not isinstance(value, str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def known_keys(node: Node, place: str, allowed: Sequence[str], findings: Findings) -> dict[str, Node]:
    """The allowed keys of a mapping; unknown ones, and what is no mapping, are mistakes."""
    if not is_mapping(node, place, findings):
        return {}
    for key, inner in node.value.items():
        if key not in allowed:
            findings.mistake(inner.line, f"{place}.{key}", "unknown key", suggest(key, allowed))
    return {key: inner for key, inner in node.value.items() if key in allowed}


def is_mapping(node: Node, place: str, findings: Findings) -> bool:
    """Whether `node` is a mapping with something in it; else a mistake."""
    if isinstance(node.value, dict) and node.value:
        return True
    if node.value in (None, {}):
        findings.mistake(node.line, place, "empty", "fill it or leave the key out")
    else:
        findings.mistake(node.line, place, f"found {shown(node.plain)}", "allowed: a mapping of keys")
    return False


def is_list(node: Node, place: str, findings: Findings, example: str) -> bool:
    """Whether `node` is a list with something in it; else a mistake that shows `example`."""
    if isinstance(node.value, list) and node.value:
        return True
    if node.value in (None, []):
        findings.mistake(node.line, place, "empty list", f"fill it or leave the key out, for example {example}")
    else:
        findings.mistake(node.line, place, f"found {shown(node.plain)}", f"allowed: a list, for example {example}")
    return False
