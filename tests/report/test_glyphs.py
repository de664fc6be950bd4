from __future__ import annotations

from collections.abc import Sequence

import pytest

from cnnjobs.report.pages import fonts as glyphs


def test_what_fonts_everywhere_have_is_not_told_of() -> None:
    assert glyphs.boxes("plain, and × ± → λ ▲ – − · … é \u200b") == ""


def test_letters_that_no_font_has_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glyphs, "_are_drawn", lambda letters: not {*"🚀🦀"} & {*letters})
    assert glyphs.boxes("±🚀 日本\n🚀🦀") == "no font here has 🚀 (ROCKET) and 🦀 (CRAB): the PDF shows a box for each"
    assert glyphs.boxes("± 日本") == ""


def test_of_many_a_few_are_named_and_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []
    monkeypatch.setattr(glyphs, "_are_drawn", lambda letters: asked.append(letters) or letters == "a")
    said = glyphs.boxes("".join(chr(number) for number in range(0x4E00, 0x4E00 + 1024)))
    assert said.startswith("no font here has 一 (CJK UNIFIED IDEOGRAPH-4E00), 丁")
    assert " and more: " in said
    assert said.count("CJK") == 5
    assert len(asked) < 30


def test_where_typst_minds_something_else_nothing_is_said_of_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glyphs, "_are_drawn", lambda _: False)
    assert glyphs.boxes("é") == ""
