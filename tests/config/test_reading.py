from __future__ import annotations

from pathlib import Path

import pytest

from cnnjobs.config.documents import read_yaml
from cnnjobs.config.text_files import read_text
from cnnjobs.config.yaml import Findings, Node, number_in, shown
from cnnjobs.errors import InputError, SpecError, UnknownNameError


def parse(text: str) -> Node:
    findings = Findings(Path("a.yaml"))
    node = read_yaml(text, findings)
    findings.stop_at_mistakes()
    return node


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("5e-2", 0.05),
        (".5", 0.5),
        ("1_000", 1000),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-3", -3),
        ("no", "no"),
        ("on", "on"),
        ("True", True),
        ("false", False),
        ("~", None),
        ("12:00:00", "12:00:00"),
        ("2026-01-01", "2026-01-01"),
        ("'1e-4'", "1e-4"),
        ("!!str 3", "3"),
        ("-.inf", float("-inf")),
        ("[1, [a, null]]", [1, ["a", None]]),
        ("{a: {b: 1}}", {"a": {"b": 1}}),
        ("{1: a, no: b}", {"1": "a", "no": "b"}),
    ],
)
def test_values_are_those_of_yaml_1_2(text: str, value: object) -> None:
    read = parse(f"key: {text}").plain["key"]
    assert (read, type(read)) == (value, type(value))


def test_every_value_knows_its_line() -> None:
    node = parse("a: 1\nb:\n  - 2\n  - c:\n      3\nd: {e: 4,\n  f: [5,\n  6]}\n")
    lines = {path: node.at(path.split(".")).line for path in ("a", "b", "b.0", "b.1", "b.1.c", "d", "d.f", "d.f.1")}
    assert lines == {"a": 1, "b": 2, "b.0": 3, "b.1": 4, "b.1.c": 4, "d": 6, "d.f": 7, "d.f.1": 8}
    assert node.at(["d", "nothing", "here"]).line == 6
    assert node.at(["b", "7"]).line == 2


def test_anchors_and_merge_keys_are_followed() -> None:
    node = parse(
        "one: &one {lr: 0.1, epochs: 3}\ntwo:\n  <<: *one\n  lr: 0.2\nthree: {<<: [*one, {seed: 1}]}\nfour: *one\n"
    )
    assert node.plain["two"] == {"lr": 0.2, "epochs": 3}
    assert node.plain["three"] == {"lr": 0.1, "epochs": 3, "seed": 1}
    assert node.plain["four"] == {"lr": 0.1, "epochs": 3}
    assert node.at(["two", "epochs"]).line == 1


def test_a_value_that_holds_itself_is_refused() -> None:
    with pytest.raises(SpecError, match=r"^a\.yaml:1: the anchor `a` holds itself; .*$"):
        parse("a: &a [*a]")


def test_mistakes_come_once_and_in_the_order_of_the_file() -> None:
    findings = Findings(Path("a.yaml"))
    for line in (7, 3, 7):
        findings.mistake(line, "lr", "found 'x'", "allowed: a number")
    findings.notice(2, "project", "passed over")
    findings.notice(2, "project", "passed over")
    assert findings.notices == ("a.yaml:2: project: passed over",)
    with pytest.raises(SpecError) as error:
        findings.stop_at_mistakes()
    assert [mistake.line for mistake in error.value.mistakes] == [3, 7]
    assert error.value.exit_code == 2


class TestReadText:
    def test_a_missing_file_is_answered_with_the_nearest_one(self, tmp_path: Path) -> None:
        near = [tmp_path / "task2.yaml", tmp_path / "quickstart.yaml"]
        with pytest.raises(UnknownNameError, match=rf"tsk2.yaml: no such file; did you mean `{near[0]}`\?$"):
            read_text(tmp_path / "tsk2.yaml", near)
        with pytest.raises(UnknownNameError, match=rf"^task2: no such file; did you mean `{near[0]}`\?$"):
            read_text(Path("task2"), near)
        with pytest.raises(UnknownNameError, match=rf"^zzz: no such file; there is: {near[0]}, {near[1]}$"):
            read_text(Path("zzz"), near)
        with pytest.raises(UnknownNameError, match=r"^zzz: no such file$"):
            read_text(Path("zzz"))

    def test_a_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"is a folder; name a YAML file$"):
            read_text(tmp_path)

    def test_a_path_through_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match=r"file/x: cannot be read: Not a directory$"):
            read_text(tmp_path / "file" / "x")

    def test_a_binary_file_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "a.yaml"
        file.write_bytes(b"name: \x01\xff\xfe")
        with pytest.raises(InputError, match=r"a.yaml:1: not a text file: byte 0xff at position 7 is not UTF-8; "):
            read_text(file)

    def test_a_byte_order_mark_is_no_part_of_the_text(self, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfname: \xc3\xa4")
        assert read_text(tmp_path / "a.yaml") == "name: ä"


def test_values_are_shown_as_yaml_writes_them() -> None:
    assert shown([1, True, None, "ä", {"a": 0.5}]) == '[1, true, null, "ä", {"a": 0.5}]'
    assert len(shown("x" * 500)) == 80


def test_only_texts_that_spell_a_number_have_one() -> None:
    assert number_in("1e-4") == 1e-4
    assert [number_in(value) for value in ("x", "inf", 3, None)] == [None] * 4
