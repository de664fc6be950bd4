"""A file that breaks readers is answered soon, in words, or read with the one meaning that it has."""

from __future__ import annotations

from pathlib import Path

import pytest
from nasty_files import BASE, GRID, RANDOM, READ, REFUSED

from cnnjobs.errors import InputError, SpecError
from cnnjobs.sweep.file import Sweep, read_sweep


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(content: str | bytes) -> Sweep:
    path = Path("s.yaml")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_sweep(path)


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_in_words(case: str) -> None:
    content, expected = REFUSED[case]
    with pytest.raises(InputError) as refused:
        read(content)
    assert str(refused.value).split("\n")[0].removeprefix("s.yaml:").startswith(expected)


@pytest.mark.parametrize("case", READ)
def test_it_is_read_with_its_meaning(case: str) -> None:
    content, num_runs, expected = READ[case]
    sweep = read(content)
    assert len(sweep.runs) == num_runs
    assert any(expected in notice for notice in sweep.notices) if expected else sweep.notices == ()


def test_random_search_draws_until_so_many_configurations_differ() -> None:
    values = "lr: {values: [1e-3, 1e-4, 5e-4]}, batch_size: {values: [32, 64]}, model.dropout: {values: [0.3, 0.5]}"
    text = f"{RANDOM}parameters: {{{values}, model.activation: {{values: [relu, tanh]}}}}\n"
    few, many = read(text.replace("run_cap: 5", "run_cap: 17")), read(text.replace("run_cap: 5", "run_cap: 24"))
    assert (len(few.runs), len(many.runs)) == (17, 24)
    # More of them are the same ones first.
    assert [run.run_id for run in many.runs][:17] == [run.run_id for run in few.runs]


def test_each_foreign_name_is_told_once() -> None:
    parameters = "".join(f"  p{number}:\n    values:\n" + "      - 1\n      - 2\n      - 3\n" for number in range(3))
    with pytest.raises(SpecError) as refused:
        read(f"{GRID}parameters:\n{parameters}")
    assert [mistake.key for mistake in refused.value.mistakes] == ["p0", "p1", "p2"]


def test_of_wrong_values_the_first_are_told() -> None:
    with pytest.raises(SpecError) as refused:
        read(f"{GRID}parameters: {{lr: {{values: [a, b, c, d, e]}}}}\n")
    assert [mistake.found for mistake in refused.value.mistakes] == ['found "a"', 'found "b"', 'found "c"']


def test_very_many_mistakes_are_counted() -> None:
    with pytest.raises(SpecError) as refused:
        read(GRID + "".join(f"k{number}: 1\n" for number in range(80)))
    assert len(refused.value.told) == 51
    assert refused.value.told[-1] == "and 30 more mistakes in s.yaml"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("parameters: {model.kernel_size: {values: [3, 5]}}", "no run uses it, as each sets its own"),
        ("variants: {a: {model: {name: cnn, kernel_size: 5}}}", "no run uses it, as each sets its own"),
        (
            "variants: {a: {model: cnn}, b: {model.kernel_size: 5}}",
            "no run uses it, as each sets its own or `model` anew",
        ),
        ("parameters: {model: {values: [cnn]}}", "no run uses it, as all set `model` anew; to keep it, write model: "),
    ],
)
def test_what_no_run_uses_is_told_with_its_reason(change: str, told: str) -> None:
    text = f"method: grid\n{BASE.replace('model: cnn', 'model: {name: cnn, kernel_size: 3}')}{change}\n"
    (notice,) = [each for each in read(text).notices if "base.model.kernel_size" in each]
    assert notice.startswith(f"s.yaml:2: base.model.kernel_size: {told}")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sweeps", "sweeps: is a folder; name one of its files: sweeps/a.yaml, sweeps/b.yml"),
        (
            "train.py",
            "train.py: is a Python program; your own network goes into a sweep file as `model: mod",
        ),
        ("sweeps/c.yaml", "sweeps/c.yaml: no such file; did you mean `sweeps/a.yaml`?"),
    ],
)
def test_what_is_no_file_is_told(name: str, expected: str) -> None:
    Path("sweeps").mkdir()
    for file in ("sweeps/a.yaml", "sweeps/b.yml", "train.py"):
        Path(file).write_text(GRID)
    with pytest.raises(InputError) as refused:
        read_sweep(Path(name))
    assert str(refused.value).startswith(expected)
