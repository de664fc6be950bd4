"""YAML 1.2 -> Node, with the line of every value: `1e-4` is a number, `no` is a text, a doubled key is a mistake."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from cnnjobs.config.yaml import Findings, Node, shown
from cnnjobs.errors import SpecError

MOST_VALUES: Final = 20_000
"""Keys and values in one file, those that aliases repeat included."""

_DEEPEST: Final = 40
_LARGEST: Final = 2**63 - 1
_TAG: Final = "tag:yaml.org,2002:"
_BOOLS: Final = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_REMEDIES: Final = {
    "mapping values are not allowed": "a text with `: ` in it needs quotes, and keys of one mapping the same "
    "indentation",
    "could not find expected ':'": "a key is followed by a colon and a space: `lr: 0.1`",
    "undefined alias": "an anchor (&name) stands above the aliases (*name) that repeat it",
    "<stream end>": "a bracket or a quote that is opened is closed again",
    "but got '<document": "a bracket or a quote that is opened is closed again",
    "'<document start>'": "a sweep file is YAML: lines of `key: value`",
    "expected <block end>": "keys of one mapping have the same indentation",
    "scanning an alias": 'a text that begins with this sign needs quotes: "*"',
    "cannot start any token": "a text that begins with this sign needs quotes",
}
_OPENED: Final = {"flow mapping": "bracket `{`", "flow sequence": "bracket `[`", "quoted scalar": "quote"}
_GLUED: Final = re.compile(r"[\w.]+:(?=[\[{])|^ *[\w.]+:(?=[\w\"'])")
_LONG_KEY: Final = re.compile(r"^[ \t-]*([^\s:#]{1025,})[ \t]*:", re.MULTILINE)
_CURLY: Final = re.compile("^[\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb].*[\u201c\u201d\u2018\u2019\u00ab\u00bb]$")


def read_yaml(text: str, findings: Findings) -> Node:
    """The document of one YAML text. Raises SpecError at once when it is no YAML; doubled keys become mistakes."""
    try:
        roots = [root for root in _documents(text) if not _is_empty(root)]
        if len(roots) > 1:
            line = roots[1].start_mark.line + 1
            findings.mistake(line, "", "a second document begins", "one file holds one sweep: remove the `---` between")
            findings.stop_at_mistakes()
        return _Builder(findings).build(roots[0]) if roots else Node(None, None)
    except _TooMuch as refusal:
        findings.mistake(refusal.line, "", refusal.found, refusal.remedy)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        parts = [error.problem or "", f"({error.context})" if error.context else ""]
        findings.mistake(line, "", f"not YAML: {' '.join(filter(None, parts))}", _hint(error, text, line))
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        found = f"a character that is no text: U+{ord(text[error.position]):04X}"
        findings.mistake(line, "", found, "take it out, or save the file as plain text")
    except (YAMLError, ValueError) as error:
        findings.mistake(None, "", f"not YAML: {str(error).splitlines()[0]}")
    except RecursionError:
        findings.mistake(None, "", "not YAML that can be read: nested too deeply")
    raise SpecError(list(findings.mistakes), findings.notices)


class _TooMuch(Exception):  # noqa: N818
    """A file that is larger, in itself or by its aliases, than any sweep needs."""

    def __init__(self, line: int | None, found: str, remedy: str) -> None:
        self.line, self.found, self.remedy = line, found, remedy
        super().__init__(found)


class _BoundedComposer(Composer):
    """ruamel's composer, which stops at a file that is too large in place of composing it to its end."""

    num_nodes = level = 0

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader=loader)
        # An anchor may be given anew; an alias means the one above it.
        self.warn_double_anchors = False

    def compose_node(self, parent: Any, index: Any) -> Any:
        """One node and all in it."""
        self.num_nodes += 1
        if self.num_nodes > MOST_VALUES:
            found = f"more than {MOST_VALUES:,} keys and values"
            raise _TooMuch(self._line(), found, "a sweep file has at most so many: leave some out")
        self.level += 1
        if self.level > _DEEPEST:
            raise _TooMuch(self._line(), "not YAML that can be read: nested too deeply", f"at most {_DEEPEST} levels")
        node = super().compose_node(parent, index)
        self.level -= 1
        return node

    def _line(self) -> int:
        return int(self.parser.peek_event().start_mark.line) + 1


def _documents(text: str) -> Iterator[Any]:
    if long := _LONG_KEY.search(text):
        line = text.count("\n", 0, long.start()) + 1
        raise _TooMuch(line, f"a key of {len(long[1]):,} characters", "YAML allows at most 1,024")
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _BoundedComposer
    yield from yaml.compose_all(text)


def _is_empty(root: Any) -> bool:
    return root is None or (isinstance(root, ScalarNode) and root.tag == f"{_TAG}null" and not root.value)


def _hint(error: MarkedYAMLError, text: str, line: int | None) -> str:
    problem = f"{error.problem}"
    lines = text.split("\n")
    # The parser notices some lines after the one that is wrong.
    near = lines[max(0, (line or 1) - 2) : line or 1]
    glued = next((found[0] for each in near if (found := _GLUED.search(each))), None)
    if "'\\t'" in problem or any(re.match(r" *\t", each) for each in near):
        indents = any(re.match(r" *\t", each) for each in near)
        return "indent with spaces, not tabs" if indents else "write spaces in place of tabs"
    if glued:
        return f"write a space after the colon: `{glued.strip()} ...`"
    if any(each.startswith(("<<<<<<<", "=======", ">>>>>>>")) for each in near):
        return "git has left both sides of a merge here: keep one, without the lines of <<<, === and >>>"
    if any("\uff1a" in each for each in near):
        return "write a plain colon `:` in place of the wide one"
    return _general_hint(error, line)


def _general_hint(error: MarkedYAMLError, line: int | None) -> str:
    """Remedy by the parser's own words."""
    opened = next((sign for what, sign in _OPENED.items() if what in f"{error.context}"), None)
    if opened and error.context_mark and error.context_mark.line + 1 < (line or 0):
        return f"the {opened} that is opened in line {error.context_mark.line + 1} is not closed"
    said = f"{error.problem} {error.context}"
    return next((remedy for part, remedy in _REMEDIES.items() if part in said), "see docs/sweep-file.md for examples")


class _Builder:
    """ruamel's node graph -> Node; what an anchor names is built once, however often it is repeated."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._built: dict[int, Any] = {}
        self._sizes: dict[int, int] = {}
        self._open: set[int] = set()

    def build(self, node: Any, line: int | None = None) -> Node:
        """One node; `line` is that of its key, where it has one."""
        line = line or node.start_mark.line + 1
        return Node(self._value(node, line), line)

    def _value(self, node: Any, line: int) -> Any:
        key = id(node)
        if key in self._built:
            return self._built[key]
        if key in self._open:
            raise _TooMuch(line, f"the anchor `{node.anchor}` holds itself", "an alias repeats what stands above it")
        self._open.add(key)
        if isinstance(node, MappingNode):
            value: Any = self._mapping(node, line)
        elif isinstance(node, SequenceNode):
            if node.tag != f"{_TAG}seq":
                self._refuse_tag(node, line)
            value = [self.build(item) for item in node.value]
            self._keep_size(node, sum(self._sizes[id(item)] for item in node.value))
        else:
            value = self._scalar(node, line)
            self._keep_size(node, 0)
        self._open.discard(key)
        self._built[key] = value
        return value

    def _keep_size(self, node: Any, inside: int) -> None:
        self._sizes[id(node)] = 1 + inside
        if inside >= MOST_VALUES:
            found = f"aliases make {1 + inside:,} values of this"
            raise _TooMuch(node.start_mark.line + 1, found, f"a sweep file has at most {MOST_VALUES:,}")

    def _mapping(self, node: MappingNode, line: int) -> dict[str, Node]:
        if node.tag != f"{_TAG}map":
            self._refuse_tag(node, line)
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        size = 0
        for key, value in node.value:
            key_line = key.start_mark.line + 1
            if key.tag == f"{_TAG}merge":
                for source in self._merge_sources(value, key_line):
                    inside = self._value(source, key_line)
                    size += self._sizes[id(source)]
                    # A node of its own, so that each mapping is known to have set it.
                    for name, inner in inside.items():
                        merged.setdefault(name, Node(inner.value, inner.line))
            elif not isinstance(key, ScalarNode):
                self._findings.mistake(key_line, "", "a key that is no text", "write a name")
            elif key.value in own:
                found = f"doubled key, first given in line {own[key.value].line}"
                self._findings.mistake(key_line, key.value, found, "keep one of them")
            else:
                own[key.value] = self.build(value, key_line)
                size += 1 + self._sizes[id(value)]
        self._keep_size(node, size)
        return {**{name: inner for name, inner in merged.items() if name not in own}, **own}

    def _merge_sources(self, node: Any, line: int) -> Iterator[MappingNode]:
        sources = node.value if isinstance(node, SequenceNode) else [node]
        if not all(isinstance(source, MappingNode) for source in sources):
            found = f"found {shown(self.build(node, line).plain)}, which is no mapping"
            self._findings.mistake(line, "<<", found, "`<<: *name` takes in the keys of a mapping with an anchor")
        yield from (source for source in sources if isinstance(source, MappingNode))

    def _scalar(self, node: ScalarNode, line: int) -> Any:
        text, tag = node.value, str(node.tag).removeprefix(_TAG)
        if tag == "null":
            return None
        if tag == "bool":
            return _BOOLS.get(text.lower(), text)
        if tag in ("int", "float"):
            return self._number(text, tag, line)
        if tag not in ("str", "timestamp", "value"):
            self._refuse_tag(node, line)
        elif node.style is None and _CURLY.match(text):
            remedy = f"write '{text[1:-1]}' with the straight quotes of the keyboard, or none"
            self._findings.mistake(line, "", f"{shown(text)} stands in typographic quotes", remedy)
        elif any("\ud800" <= letter <= "\udfff" for letter in text):
            self._findings.mistake(line, "", "half of a character", "write the character itself")
            return ""
        return text

    def _number(self, text: str, tag: str, line: int) -> Any:
        number: int | float | str | None
        try:
            number = _number(text.replace("_", ""), tag)
        except ValueError:
            number = None if len(text) > 4000 else text
        infinite = isinstance(number, float) and math.isinf(number) and "inf" not in text.lower()
        vanished = isinstance(number, float) and number == 0 and re.search(r"[1-9]", re.split("[eE]", text)[0])
        if vanished:
            self._findings.mistake(line, "", f"the number {_cut(text)} is too small", "write 0, or a larger one")
        if number is None or infinite or (isinstance(number, int) and abs(number) > _LARGEST):
            self._findings.mistake(line, "", f"the number {_cut(text)} is too large", "write a smaller one")
            return 1
        return number

    def _refuse_tag(self, node: Any, line: int) -> None:
        tag = _cut(node.tag.replace(_TAG, "!!"))
        remedy = "write a list: [1, 2]" if "tuple" in tag else "write the plain value"
        self._findings.mistake(line, "", f"the tag `{tag}` has no meaning here", remedy)


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def _number(text: str, tag: str) -> int | float:
    if tag == "float":
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return int(text) if text.lstrip("+-").isdigit() else int(text, 0)
