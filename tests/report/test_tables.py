from __future__ import annotations

import csv
import io

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnjobs.report.results.files import Grid, beginning, csv_bytes, markdown, tex


def test_csv_keeps_every_digit_and_leaves_the_missing_empty() -> None:
    frame = pd.DataFrame({"a": [0.1 + 0.2, float("nan")], "b": [True, None], "c": [3, -4], "d": ["x,y", 'say "no"']})
    assert csv_bytes(frame).decode() == 'a,b,c,d\n0.30000000000000004,true,3,"x,y"\n,,-4,"say ""no"""\n'


@settings(deadline=None)
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_floats_come_back_from_csv(values: list[float]) -> None:
    lines = csv_bytes(pd.DataFrame({"value": values})).decode().splitlines()
    assert [float(line) for line in lines[1:]] == values


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r\n+", " -"])
def test_no_text_is_a_formula(start: str) -> None:
    frame = pd.DataFrame({f"{start}key": [f"{start}1+1"], "number": [-1.5]})
    header, row = csv.reader(io.StringIO(csv_bytes(frame).decode(), newline=""))
    assert header == [f"'{start.strip()}key", "number"]
    assert row == [f"'{start.strip()}1+1", "-1.5"]


def test_a_long_table_is_cut_and_keeps_its_total() -> None:
    rows = (*((f"row {number}", "1") for number in range(99)), ("total", "99"))
    shown, told = beginning(Grid(("name", "value"), rows, marked=99))
    assert (len(shown.rows), shown.rows[-1], shown.marked, told) == (60, ("total", "99"), 59, "60 of 100 rows")
    shown, _ = beginning(Grid(("name", "value"), rows, marked=0))
    assert (shown.rows, shown.marked) == (rows[:60], 0)


def test_markdown_takes_no_cell_for_markup() -> None:
    grid = Grid(("name", "value"), (("a|b *c* _d_ `e` <i> &amp; [f](g) ~x~", "1"), ("two\nlines", "$x$")))
    assert markdown(grid) == (
        "| name | value |\n"
        "| :-- | --: |\n"
        "| a\\|b \\*c\\* \\_d\\_ \\`e\\` &lt;i> &amp;amp; \\[f\\](g) \\~x\\~ | 1 |\n"
        "| two lines | \\$x\\$ |\n"
    )


def test_tex_breaks_long_cells_and_says_which_letters_it_needs() -> None:
    lines = tex(Grid(("a", "b", "n"), (("日本 é", "word " * 20, "1"),), labels=2)).splitlines()
    assert lines[0] == "% Set it with xelatex or lualatex, in a font that has these letters: 日本"
    assert lines[1] == "\\begin{tabular}{lp{0.6\\linewidth}r}"


def test_tex_takes_no_cell_for_a_command() -> None:
    rows = (("50 % of a_b & c#1", "±1×2"), ("[1] * {x}\ny", r"\alpha$"), ("total", ""))
    assert tex(Grid(("name", "value"), rows, marked=2)) == (
        "\\begin{tabular}{lr}\n"
        "\\hline\n"
        "name & value \\\\\n"
        "\\hline\n"
        "50 \\% of a\\_b \\& c\\#1 & $\\pm$1$\\times$2 \\\\\n"
        "{[}1] {*} \\{x\\} y & \\textbackslash{}alpha\\$ \\\\\n"
        "\\textbf{total} &  \\\\\n"
        "\\hline\n"
        "\\end{tabular}\n"
    )
