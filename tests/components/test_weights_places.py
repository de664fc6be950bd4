from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from cnnjobs.components.pretrained.places import (
    checked_hash,
    concrete_name,
    file_hash,
    named_weights,
    torch_cache,
    weights_file,
    weights_place,
)
from cnnjobs.errors import DataError, UnknownNameError

RESNET18 = "resnet18-f37072fd.pth"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


def put(folder: Path, name: str = RESNET18, content: bytes = b"weights") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def test_the_first_folder_that_has_the_file_is_taken(cache: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    place = weights_place("torchvision/resnet18", "DEFAULT", folders)
    assert (place.weights, place.file, place.sha256, place.size_mb) == ("IMAGENET1K_V1", RESNET18, "f37072fd", 44.661)
    assert (place.path, place.target) == (None, tmp_path / "first" / "weights" / RESNET18)
    for folder in (cache, tmp_path / "second" / "weights", tmp_path / "first" / "weights"):
        file = put(folder)
        assert weights_place("torchvision/resnet18", "IMAGENET1K_V1", folders).path == file


def test_a_missing_file_is_told_with_all_that_it_takes_to_get_it(cache: Path, tmp_path: Path) -> None:
    assert weights_place("torchvision/resnet18", "DEFAULT", [tmp_path]).missing() == (
        "weights `IMAGENET1K_V1` of model `torchvision/resnet18` were not found; looked for resnet18-f37072fd.pth "
        f"(SHA-256 f37072fd..., 44.7 MB) in\n  {tmp_path}/weights\n  {cache}\n"
        "fetch them where there is a network with: cnnjobs fetch torchvision/resnet18:IMAGENET1K_V1\n"
        f"or put the file into {tmp_path}/weights; it comes from https://download.pytorch.org/models/{RESNET18}"
    )


def test_the_own_resnet18_takes_what_torchvisions_takes(cache: Path, tmp_path: Path) -> None:
    assert weights_place("resnet18", "DEFAULT", [tmp_path]).file == RESNET18


def test_the_cache_is_where_torch_has_it(cache: Path) -> None:
    assert torch_cache() == Path(torch.hub.get_dir()) / "checkpoints"


def test_fetch_understands_a_network_with_and_without_its_weights() -> None:
    assert named_weights("torchvision/resnet50") == ("torchvision/resnet50", "IMAGENET1K_V2")
    assert named_weights("resnet18:IMAGENET1K_V1") == ("resnet18", "IMAGENET1K_V1")
    assert named_weights("cifar10") is None
    assert named_weights("package.module:Net") is None
    with pytest.raises(UnknownNameError, match="model `resnet18` has no weights `V3`; allowed: DEFAULT, IMAGENET1K_V1"):
        named_weights("resnet18:V3")


def test_only_published_networks_have_named_weights() -> None:
    with pytest.raises(UnknownNameError, match=r"model `cnn` has no published weights `DEFAULT`; allowed: a file"):
        concrete_name("cnn", "DEFAULT")


def test_another_content_than_the_name_says_is_refused(tmp_path: Path) -> None:
    file = put(tmp_path)
    whole = hashlib.sha256(b"weights").hexdigest()
    assert checked_hash(file, whole[:8]) == whole
    with pytest.raises(DataError) as refused:
        checked_hash(file, "f37072fd")
    assert str(refused.value) == (
        f"weights file {file}: its SHA-256 begins with {whole[:8]}, not f37072fd: it is damaged or another file;"
        " delete it, then fetch it again"
    )


def test_a_changed_file_has_another_hash(tmp_path: Path) -> None:
    before = file_hash(put(tmp_path))
    assert file_hash(put(tmp_path, content=b"other weights")) != before


def test_a_file_is_found_from_here_and_in_the_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = put(tmp_path / "data" / "weights", "best.pth")
    assert weights_file("best.pth", [tmp_path / "data"]) == file
    here = put(tmp_path, "best.pth")
    assert weights_file("best.pth", [tmp_path / "data"]) == here
    with pytest.raises(DataError) as refused:
        weights_file("worst.pth", [tmp_path / "data"])
    assert str(refused.value) == (
        f"weights `worst.pth`: no such file; looked for\n  {tmp_path}/worst.pth\n  {tmp_path}/data/weights/worst.pth"
    )
