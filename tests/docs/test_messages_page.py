"""The page of messages: each one that it quotes still stands in the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "when-something-goes-wrong.md"
FAQ = ROOT / "docs" / "faq.md"


def quoted() -> list[str]:
    """The first column of each table, without its marks."""
    rows = re.findall(r"^\| (`+ ?)(.+?)( ?`+) \| .+ \| .+ \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [text for _, text, _ in rows]


def literals(node: ast.AST) -> Iterator[str]:
    """Every text in the code, `…` for what is put into it."""
    for each in ast.walk(node):
        if isinstance(each, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in each.values)
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield re.sub(r"\{\w*\}", "…", each.value)


@pytest.fixture(scope="module")
def code() -> str:
    """All texts of the code, one a line."""
    files = sorted((ROOT / "cnnjobs").rglob("*.py"))
    return "\n".join(text.replace("\n", " ") for file in files for text in literals(ast.parse(file.read_text("utf-8"))))


def test_every_message_of_the_page_stands_in_the_code(code: str) -> None:
    messages = quoted()
    assert len(messages) > 40
    gone = []
    for message in messages:
        parts = [re.escape(part.strip()) for part in message.split("…") if part.strip(" :;,`.?()")]
        if not re.search(".*?".join(parts), code):
            gone.append(message)
    assert gone == []


def test_the_test_can_fail(code: str) -> None:
    assert not re.search(r"the disk is overfull", code)
    assert re.search(r"the disk is full; .*? --results: …", code)


@pytest.mark.parametrize("page", [PAGE, FAQ], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)", page.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []
