from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cnnjobs.disk.code_walk import MOST_BESIDE, Reached, reached


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(folder: Path, **texts: str) -> None:
    """Modules by their dotted names, `__` for a dot."""
    for name, text in texts.items():
        file = folder / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def names(found: Reached) -> list[str]:
    return sorted(found.files)


def test_every_way_to_import_is_followed(folder: Path) -> None:
    put(
        folder,
        mine__nets="from .parts import scale\nfrom mine import more\nimport mine.plain as p",
        mine__parts="import importlib\nlibrary = importlib.import_module('mine.literal')",
        mine__more="from . import sibling\n__import__('top')",
        mine__plain="import torch, json, random",
        mine__sibling="",
        mine__literal="importlib.import_module('.deep.inner', __package__)",
        mine__deep__inner="if False:\n    import mine.guarded",
        mine__guarded="this is no Python",
        mine__unused="",
        top="",
        random="",
    )
    (folder / "mine" / "deep" / "__init__.py").write_text("")
    (folder / "torch").mkdir()
    found = reached(["mine.nets"], folder)
    assert names(found) == [
        "mine/deep/__init__.py", "mine/deep/inner.py", "mine/guarded.py", "mine/literal.py", "mine/more.py",
        "mine/nets.py", "mine/parts.py", "mine/plain.py", "mine/sibling.py", "top.py",
    ]  # fmt: skip
    assert not found.notes


def test_a_name_that_is_made_up_brings_all_beside_it(folder: Path) -> None:
    put(folder, mine__nets="import importlib\nimportlib.import_module(f'mine.{name}')", mine__a="", mine__b__c="", z="")
    assert names(reached(["mine.nets"], folder)) == ["mine/a.py", "mine/b/c.py", "mine/nets.py"]
    put(folder, one="import pkgutil\nfor each in pkgutil.iter_modules(): pass")
    assert names(reached(["one"], folder)) == ["one.py", "z.py"]


def test_links_are_followed_to_what_they_hold(folder: Path) -> None:
    put(folder, elsewhere__code__nets="from . import parts", elsewhere__code__parts="")
    (folder / "mine").symlink_to(folder / "elsewhere" / "code")
    (folder / "loop.py").symlink_to("loop.py")
    (folder / "one.py").symlink_to("mine/nets.py")
    assert names(reached(["mine.nets", "loop", "one"], folder)) == ["mine/nets.py", "mine/parts.py", "one.py"]


def test_files_that_a_module_finds_by_its_own_place(folder: Path) -> None:
    put(
        folder,
        mine__nets="from pathlib import Path\nimport os\nhere = Path(__file__).parent / 'tables' / 'x.json'\n"
        "os.path.join(os.path.dirname(__file__), 'y.txt')\n'large.bin' 'gone.txt'\nopen('large.bin')",
        mine__other="open('z.txt')",
        one="import mine.other\nPath(__file__).parent / 'data' / 'small.json'",
    )
    (folder / "mine" / "tables").mkdir()
    (folder / "data").mkdir()
    for name in ("mine/tables/x.json", "mine/y.txt", "mine/z.txt", "data/small.json"):
        (folder / name).write_text("1")
    with (folder / "mine" / "large.bin").open("wb") as file:
        file.truncate(MOST_BESIDE + 1)
    found = reached(["mine.nets"], folder)
    assert names(found) == ["mine/nets.py", "mine/tables/x.json", "mine/y.txt"]
    (note,) = found.notes
    assert note.startswith("mine/large.bin (1.0 MB), which nets.py names, is not copied")
    # Without __file__ a name is one of the folder in which the program starts; data is no code.
    assert names(reached(["one"], folder)) == ["mine/other.py", "one.py"]


def test_src_and_what_lies_outside(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path_factory.mktemp("library")
    put(outside, shelf__nets="")
    put(folder, src__inner__nets="import shelf.nets")
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder / "src"), str(outside)])
    found = reached(["inner.nets"], folder)
    assert names(found) == ["inner/nets.py"]
    (note,) = found.notes
    assert note.startswith("`shelf` is outside this folder and not copied with the code of the runs: ")
