from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnjobs.components.files.image_folders import read_splits
from cnnjobs.components.files.pictures import read_picture
from cnnjobs.errors import InputError


def noise(*shape: int) -> Any:
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def kinds(tmp_path: Path) -> Path:
    """One image file of each kind."""
    Image.fromarray(noise(12, 12, 3)).save(tmp_path / "rgb.png")
    Image.fromarray(noise(12, 12)).save(tmp_path / "gray.png")
    Image.fromarray(noise(12, 12, 4)).save(tmp_path / "rgba.png")
    Image.fromarray(noise(12, 12)).convert("P").save(tmp_path / "palette.gif")
    Image.fromarray(noise(12, 12)).convert("1").save(tmp_path / "bits.png")
    Image.fromarray(noise(12, 12, 4), "CMYK").save(tmp_path / "cmyk.tif")
    Image.fromarray(noise(12, 12).astype(np.uint16) * 257).save(tmp_path / "deep.png")
    Image.fromarray(noise(12, 12).astype(np.float32) / 255).save(tmp_path / "float.tif")
    Image.fromarray(noise(40, 60, 3)).save(tmp_path / "large.jpg")
    return tmp_path


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")
@pytest.mark.parametrize("channels", [1, 3])
def test_every_kind_of_image_gets_the_shape_of_the_data_set(kinds: Path, channels: int) -> None:
    for file in kinds.iterdir():
        picture = read_picture(file, channels=channels, size=12)
        assert (picture.pixels.shape, picture.pixels.dtype) == ((12, 12, channels), np.uint8), file.name
    assert read_picture(kinds / "rgb.png", channels=3, size=12).notes == ()
    assert read_picture(kinds / "gray.png", channels=channels, size=12).notes == ()


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "notes"),
    [
        ("rgb.png", ("colour made gray",)),
        ("rgba.png", ("transparency dropped", "colour made gray")),
        ("deep.png", ("pixels of mode I;16 brought to 8 bits",)),
        ("float.tif", ("pixels of mode F brought to 8 bits",)),
        ("large.jpg", ("colour made gray", "the middle square of 60×40 pixels brought to 12×12")),
    ],
)
def test_what_changes_an_image_is_told(kinds: Path, name: str, notes: tuple[str, ...]) -> None:
    assert read_picture(kinds / name, channels=1, size=12).notes == notes


def test_16_bits_become_8_and_the_values_stay(kinds: Path) -> None:
    assert np.array_equal(read_picture(kinds / "deep.png", channels=1, size=12).pixels[..., 0], noise(12, 12))


def test_a_photo_is_turned_upright_and_keeps_its_proportions(tmp_path: Path) -> None:
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, 10:20], pixels[:, 20:30] = (255, 0, 0), (0, 0, 255)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turned by 90 degrees to the right it is as it was seen
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    seen = read_picture(tmp_path / "turned.png", channels=3, size=4).pixels
    (red, green, blue), below = seen[0, 1].tolist(), seen[3, 1].tolist()
    assert red > 200
    assert blue == green < 50
    assert below == [blue, green, red]


def test_an_image_of_a_data_set_is_what_training_saw(tmp_path: Path) -> None:
    for split in ("train", "test"):
        folder = tmp_path / split / "noise"
        folder.mkdir(parents=True)
        Image.fromarray(noise(16, 16, 3)).save(folder / "0.jpg")
    images = read_splits(tmp_path).images["train"]
    seen = read_picture(tmp_path / "train" / "noise" / "0.jpg", channels=3, size=16).pixels
    assert np.array_equal(seen, images[0])


def test_what_is_no_image_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(noise(40, 60, 3)).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:900])
    (tmp_path / "text.png").write_text("a text")
    (tmp_path / "empty.png").touch()
    found = {}
    for name in ("cut.jpg", "text.png", "empty.png", "missing.png", "."):
        with pytest.raises(InputError) as told:
            read_picture(tmp_path / name, channels=3, size=8)
        found[name] = str(told.value).removeprefix(f"{tmp_path / name}: ")
    assert found.pop("cut.jpg").startswith("cannot be read as an image (")
    unknown = "is no image, or of a kind that cannot be read here"
    assert found == {
        "text.png": unknown,
        "empty.png": unknown,
        "missing.png": "there is no such file",
        ".": f"is a folder; name image files, for example {tmp_path}/*",
    }
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
    with pytest.raises(InputError, match="has too many pixels"):
        read_picture(tmp_path / "whole.jpg", channels=3, size=8)
