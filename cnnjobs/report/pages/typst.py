"""Texts and Markdown in Typst's language: every word is a string literal, so that none is taken for a command."""

from __future__ import annotations

from collections.abc import Iterable

from markdown_it.tree import SyntaxTreeNode

_INLINE = {"strong": "strong", "em": "emph", "s": "strike"}


def string(text: str) -> str:
    """A string literal."""
    letters = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    shown = (
        letters.get(letter, letter if letter.isprintable() or letter == "\u200b" else f"\\u{{{ord(letter):x}}}")
        for letter in text
    )
    return f'"{"".join(shown)}"'


def content(text: str) -> str:
    """A text as content."""
    return f"[#{string(text)};]"


def words(nodes: Iterable[SyntaxTreeNode]) -> str:
    """Markdown's nodes as content."""
    return "".join(map(_node, nodes))


def _node(node: SyntaxTreeNode) -> str:  # noqa: PLR0911
    inner = words(node.children)
    match node.type:
        case "paragraph":
            return f"#par[{inner}]\n"
        case "heading":
            return f"#heading(level: {node.tag[1]}, outlined: false)[{inner}]\n"
        case "bullet_list":
            return f"#list({inner})\n"
        case "ordered_list":
            return f"#enum(start: {node.attrs.get('start', 1)}, {inner})\n"
        case "list_item":
            return f"[{inner}],"
        case "blockquote":
            return f"#quote(block: true)[{inner}]\n"
        case "table":
            columns = len(node.children[0].children[0].children)
            return f"#align(center, table(columns: {columns}, stroke: 0.5pt, {inner}))\n"
        case "th":
            return f"strong[{inner}],"
        case "td":
            return f"[{inner}],"
        case "link":
            return f"#link({string(str(node.attrs['href']))})[{inner}];"
        case kind if kind in _INLINE:
            return f"#{_INLINE[kind]}[{inner}];"
        case _:
            return _leaf(node, inner)


def _leaf(node: SyntaxTreeNode, inner: str) -> str:
    """Blocks that hold text alone, and those that only hold others."""
    text = string(node.content)
    code = string(node.content.rstrip())
    made = {
        "text": f"#{text};",
        "code_inline": f"#raw({text});",
        "fence": f"#code({code})\n",
        "code_block": f"#code({code})\n",
        "softbreak": " ",
        "hardbreak": "#linebreak();",
        "hr": "#line(length: 100%, stroke: 0.5pt)\n",
    }
    if node.type == "image":
        place = str(node.attrs["src"])
        return f"#image({string(place)}, alt: {text}, width: 80%);" if place.startswith("figures/") else f"#{text};"
    return made.get(node.type, inner)
