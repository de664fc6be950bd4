from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from cnnjobs import registry
from cnnjobs.config.run import RunConfig, read_config
from cnnjobs.disk.code_copies import Code, CodeCopies, Comparison, collect, have_changed
from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.errors import InputError, StorageError, UnknownNameError
from cnnjobs.system import own_modules

NET = """\
def Net(in_channels, num_classes, *, width: int = 4):
    from kit import parts
    return parts.A
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two networks in a package; what is imported from it is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode)
    (tmp_path / "kit").mkdir()
    for name in ("one", "two"):
        (tmp_path / "kit" / f"{name}.py").write_text(NET)
    (tmp_path / "kit" / "parts.py").write_text("A = 1\n")
    monkeypatch.setattr(own_modules._Path, "chosen", None)
    monkeypatch.setattr(own_modules._Path, "first", None)
    for name in [name for name in sys.modules if name.partition(".")[0] == "kit"]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


def config(name: str, **changes: object) -> RunConfig:
    found = read_config({"dataset": "fashion_mnist_mini", "model": {"name": name, **changes}})
    assert isinstance(found, RunConfig)
    return found


def kept(project: Path, *configs: RunConfig, **listed: str) -> tuple[CodeCopies, Code]:
    copies = CodeCopies(project / "results" / "x" / "code")
    code = collect(configs, listed, project, project / "results")
    assert code is not None
    copies.keep(code)
    return copies, code


def test_a_copy_is_made_once_and_whole(project: Path) -> None:
    copies, code = kept(project, config("kit.one:Net"))
    assert sorted(code.contents) == ["kit/one.py", "kit/parts.py"]
    assert copies.hashes() == [code.hash]
    assert copies.latest() == code.hash
    folder = copies.checked(code.hash)
    before = (folder / "kit" / "one.py").stat().st_ino
    # What a killed start has left goes, what is whole stays.
    (copies.path / ".abc.1.tmp" / "kit").mkdir(parents=True)
    copies.keep(code)
    assert (folder / "kit" / "one.py").stat().st_ino == before
    assert sorted(each.name for each in copies.path.iterdir()) == sorted([code.hash, "latest"])
    (folder / "kit" / "__pycache__").mkdir()
    (folder / "kit" / "__pycache__" / "one.pyc").write_bytes(b"")
    assert copies.checked(code.hash) == folder
    (folder / "kit" / "one.py").write_text("changed")
    with pytest.raises(InputError, match="has been changed; put it back, or start the sweep again"):
        copies.checked(code.hash)
    assert copies.here(code.hash) is None
    assert copies.latest() == code.hash
    copies.keep(code)
    assert copies.checked(code.hash) == folder
    with pytest.raises(InputError, match="is gone"):
        copies.checked("0" * 16)


def test_what_stands_in_place_of_the_latest_names_no_copy(project: Path) -> None:
    copies, code = kept(project, config("kit.one:Net"))
    copies.latest_file.write_bytes(b"\xff\xfe\x00")
    assert copies.latest() is None
    copies.latest_file.unlink()
    # To read it would wait for ever.
    os.mkfifo(copies.latest_file)
    assert copies.latest() is None
    copies.keep(code)
    assert copies.latest() == code.hash


def test_what_stands_in_place_of_the_folder_of_copies_is_named(project: Path) -> None:
    copies, code = kept(project, config("kit.one:Net"))
    shutil.rmtree(copies.path)
    copies.path.write_text("a file")
    with pytest.raises(StorageError, match=rf"^{copies.path}: is no folder, .*; remove or rename it$"):
        copies.keep(code)


def test_a_run_has_changed_by_what_it_reaches_itself(project: Path) -> None:
    one, two = config("kit.one:Net"), config("kit.two:Net")
    copies, before = kept(project, one, two)
    (project / "kit" / "two.py").write_text("def Net(in_channels, num_classes, *, width: int = 4): ...\n")
    now = Comparison(copies, collect([one, two], {}, project, project / "results"), project)
    assert now.changed(before.hash, one) == ()
    assert now.changed(before.hash, two) == ("kit/two.py",)
    assert now.changed(before.hash, config("lenet5")) == ()
    # The other network alone is asked for now: that changes nothing of this one.
    assert Comparison(copies, collect([one], {}, project, project / "results"), project).changed(before.hash, one) == ()
    (project / "kit" / "parts.py").unlink()
    later = Comparison(copies, collect([one, two], {}, project, project / "results"), project)
    assert later.changed(before.hash, one) == ("kit/parts.py",)
    assert have_changed(later.changed(before.hash, two)) == "kit/parts.py and kit/two.py have changed since"


def test_what_the_sweep_file_lists_comes_along(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    shelf = tmp_path_factory.mktemp("library") / "shelf"
    (shelf / ".git").mkdir(parents=True)
    (shelf / ".git" / "index").write_text("")
    (shelf / "nets.py").write_text("")
    (project / "kit" / "table.bin").write_bytes(b"1")
    one = config("kit.one:Net")
    copies, code = kept(project, one, **{"kit/table.bin": "a.yaml:3: code", str(shelf): "a.yaml:4: code"})
    assert sorted(code.contents) == ["kit/one.py", "kit/parts.py", "kit/table.bin", "shelf/nets.py"]
    (project / "kit" / "table.bin").write_bytes(b"2")
    now = collect([one], {"kit/table.bin": "a.yaml:3: code"}, project, project / "results")
    assert Comparison(copies, now, project).changed(code.hash, one) == ("kit/table.bin",)
    for item, told in (("gone.py", "a.yaml:3: code: found `gone.py`: no such file"), (".", "it holds the results")):
        with pytest.raises(InputError, match=told):
            collect([one], {item: "a.yaml:3: code"}, project, project / "results")


def test_each_copy_gives_its_own_modules(project: Path) -> None:
    one = config("kit.one:Net")
    assert one.model.options == {"width": 4}
    copies, code = kept(project, one)
    assert one.model.build(in_channels=1, num_classes=2, image_size=(8, 8)) == 1
    (project / "kit" / "parts.py").write_text("A = 2\n")
    (project / "kit" / "one.py").write_text(NET.replace("width: int = 4", "width: int = 5"))
    folder = RunFolder(project / "results" / "x" / "run")
    folder.use_code(code.hash)
    assert one.model.build(in_channels=1, num_classes=2, image_size=(8, 8)) == 1
    assert config("kit.one:Net").model.options == {"width": 4}
    # What is not in the copy is missing: another folder's file would be another program.
    (project / "kit" / "late.py").write_text("def Net(): ...\n")
    with pytest.raises(UnknownNameError, match=r"no module `kit\.late` can be found from .*code"):
        registry.find("model", "kit.late:Net")
    folder.use_code(None)
    assert one.model.build(in_channels=1, num_classes=2, image_size=(8, 8)) == 2
    assert not list(copies.path.rglob("*.pyc"))


def test_a_module_with_a_name_of_pythons_is_refused(project: Path) -> None:
    (project / "random.py").write_text("def Net(in_channels, num_classes): ...\n")
    told = r"model `random:Net`: Python has a module `random` of its own, .*random\.py; rename that file"
    with pytest.raises(UnknownNameError, match=told):
        registry.find("model", "random:Net")
    # A folder of data beside it is no obstacle.
    (project / "data").mkdir()
    (project / "data.py").write_text("def Net(in_channels, num_classes, *, depth: int = 3): ...\n")
    assert config("data:Net").model.options == {"depth": 3}
