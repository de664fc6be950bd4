from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnjobs.components.data.decoding import look, source_of
from cnnjobs.components.files import image_folders
from cnnjobs.components.files.image_folders import read_splits
from cnnjobs.components.files.pictures import read_picture
from cnnjobs.components.files.places import Place
from cnnjobs.errors import DataError

Writer = Callable[..., Path]
SUFFIXES = ".avif .bmp .gif .j2c .j2k .jfif .jp2 .jpe .jpeg .jpf .jpg .jpx .pbm .pgm .png .pnm .ppm .tif .tiff .webp"
REMEDY = (
    "begin `augment` with {name: resize, size: 64}, or with {name: resize, shorter: 72, crop: 64} for the middle, or"
    " {name: letterbox, size: 64} for all of it between bars"
)


def place(folder: Path) -> Place:
    return Place("pets", folder, "image_folder")


def failure(folder: Path) -> str:
    with pytest.raises(DataError) as raised:
        read_splits(folder)
    return str(raised.value)


def test_images_are_read_in_the_order_of_classes_and_names(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets", classes=("dog", "cat"))
    found = read_splits(folder)
    train_images, test_images = found.images["train"], found.images["test"]
    train_labels, test_labels, classes = found.labels["train"], found.labels["test"], found.classes
    assert classes == ("cat", "dog")
    assert train_labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert test_labels.tolist() == [0, 0, 1, 1]
    assert (train_images.shape, test_images.shape) == ((8, 6, 6, 3), (4, 6, 6, 3))
    assert np.array_equal(train_images[5], np.asarray(Image.open(folder / "train" / "dog" / "1.png")))
    assert np.array_equal(test_images[0], np.asarray(Image.open(folder / "test" / "cat" / "0.png")))
    assert Path(source_of(place(folder)).files[5]) == folder / "train" / "dog" / "1.png"


def test_many_images_are_shared_out_among_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_folders, "_IMAGES_PER_TASK", 3)
    for split, count in (("train", 20), ("test", 1)):
        (tmp_path / split / "only").mkdir(parents=True)
        for index in range(count):
            Image.new("L", (2, 2), index).save(tmp_path / split / "only" / f"{index:02}.png")
    images = read_splits(tmp_path).images["train"]
    assert images[:, 0, 0, 0].tolist() == list(range(20))


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("1", 1), ("RGB", 3), ("RGBA", 3), ("P", 3), ("LA", 1)])
def test_gray_images_have_one_channel_and_all_others_three(
    tmp_path: Path, write_images: Writer, mode: str, channels: int
) -> None:
    assert read_splits(write_images(tmp_path / "pets", mode=mode)).images["train"].shape == (8, 6, 6, channels)


def test_one_colour_image_makes_all_colour(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets", mode="L")
    gray = read_splits(folder).images["train"]
    Image.new("RGB", (6, 6), (1, 2, 3)).save(folder / "test" / "dog" / "1.png")
    train_images, test_images = read_splits(folder).images.values()
    assert np.array_equal(train_images, np.repeat(gray, 3, axis=3))
    assert test_images[3, 0, 0].tolist() == [1, 2, 3]


def test_corrupt_image_is_named(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets")
    path = folder / "train" / "dog" / "2.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(path)
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 20):
        path.write_bytes(whole[:length])
        told = failure(folder)
        assert told.startswith(f"{path}: cannot be read as an image (")
        assert told.endswith("); replace or remove it")


def test_all_bad_images_are_named_at_once(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets")
    first, odd = folder / "train" / "cat" / "0.png", folder / "test" / "dog" / "1.png"
    first.write_bytes(b"")
    Image.new("RGB", (7, 6)).save(odd)
    heading, *lines = failure(folder).split("\n")
    assert heading == f"{folder}: 2 of 12 images cannot be used"
    assert lines[0].startswith(f"  {first}: cannot be read as an image (")
    assert lines[1] == f"  {odd}: is 7×6 pixels, not 6×6 like {folder / 'train' / 'cat' / '1.png'}; {REMEDY}"
    for path in (folder / "train").rglob("*.png"):
        path.write_bytes(b"not an image")
    heading, *lines = failure(folder).split("\n")
    assert heading == f"{folder}: 9 of 12 images cannot be used"
    assert (len(lines), lines[-1]) == (6, "  and 4 more")
    for path in (folder / "test").rglob("*.png"):
        path.write_bytes(b"not an image")
    assert failure(folder).startswith(f"{folder}: 12 of 12 images cannot be used")


def test_names_and_the_first_image_tell_the_contents(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets")
    found = look(place(folder), ())
    contents = found.contents
    assert (contents.height, contents.width, contents.channels) == (6, 6, 3)
    assert (contents.train, contents.test, found.classes) == ((4, 4), (2, 2), ("cat", "dog"))
    assert contents.train_labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert look(place(write_images(tmp_path / "gray", mode="L")), ()).contents.channels == 1


def test_images_of_different_sizes_are_named(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets")
    path, first = folder / "test" / "cat" / "1.png", folder / "train" / "cat" / "0.png"
    Image.new("RGB", (7, 6)).save(path)
    assert failure(folder) == f"{path}: is 7×6 pixels, not 6×6 like {first}; {REMEDY}"


def test_images_that_are_not_square_are_refused(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets")
    path = folder / "train" / "cat" / "0.png"
    Image.new("RGB", (7, 6)).save(path)
    assert failure(folder) == f"{path}: is 7×6 pixels, but networks here take square images; {REMEDY}"


def test_deep_pixels_become_8_bits_as_in_predictions(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets", mode="L")
    pixels = (np.arange(36, dtype=np.uint16) * 1820).reshape(6, 6)
    path = folder / "test" / "cat" / "0.png"
    Image.fromarray(pixels).save(path)
    found = read_splits(folder).images["test"][0]
    assert np.array_equal(found[..., 0], (pixels / 257).round())
    assert np.array_equal(found, read_picture(path, channels=1, size=6).pixels)
    assert look(place(folder), ()).contents.channels == 1


def test_classes_of_train_and_test_must_agree(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets")
    (folder / "test" / "dog").rename(folder / "test" / "dogs")
    lonely = "`dog` (in train alone), `dogs` (in test alone)"
    assert failure(folder) == f"{folder}: train and test must hold the same classes; found {lonely}"


def test_empty_class_is_named(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets")
    (folder / "train" / "bird").mkdir()
    (folder / "train" / "bird" / "notes.txt").touch()
    put = f"put images there ({SUFFIXES}) or remove the folder"
    assert failure(folder) == f"{folder / 'train' / 'bird'}: holds no image; {put}"
    (folder / "train" / "bird" / "blue").mkdir()
    assert failure(folder) == f"{folder / 'train' / 'bird'}: holds no image; {put}"


def test_split_without_classes_is_named(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets", classes=())
    (folder / "train").mkdir(parents=True)
    (folder / "test").mkdir()
    told = "holds no class; make one folder per class, with its images in it"
    assert failure(folder) == f"{folder / 'train'}: {told}"


def test_other_files_are_passed_over_and_told(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets")
    assert source_of(place(folder)).notes == ()
    (folder / "test" / "labels.csv").touch()
    (folder / "train" / "cat" / "README.txt").touch()
    (folder / "train" / "cat" / "more").mkdir()
    (folder / "train" / "cat" / ".DS_Store").touch()
    first = folder / "train" / "cat" / "README.txt"
    told = f"{folder}: 2 files are not images and were passed over (1 .txt, 1 .csv), the first is {first}"
    assert source_of(place(folder)).notes == look(place(folder), ()).notes == (told,)
    assert len(read_splits(folder).images["train"]) == 8


def test_folders_that_systems_leave_are_no_classes(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets")
    before = read_splits(folder).images["train"].shape
    for name in ("__MACOSX", "@eaDir", ".ipynb_checkpoints"):
        (folder / "train" / name).mkdir()
    assert read_splits(folder).images["train"].shape == before
    first = folder / "train" / "@eaDir"
    told = f"{folder}: 2 files are not images and were passed over (2 folders), the first is {first}"
    assert look(place(folder), ()).notes == (told,)


def test_jfif_is_jpeg_and_kinds_that_mix_are_told(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets")
    for path in sorted((folder / "train" / "cat").iterdir())[:3]:
        Image.open(path).save(path.with_suffix(".jpg"), format="JPEG")
        path.with_suffix(".jpg").rename(path.with_suffix(".jfif"))
        path.unlink()
    assert read_splits(folder).images["train"].shape == (8, 6, 6, 3)
    kinds = "9 .png, 3 .jfif"
    assert source_of(place(folder)).notes == (
        f"{folder}: its images are of several kinds, {kinds}: what tells classes apart may be that",
    )


def test_images_lie_as_their_orientation_says(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets")
    pixels = np.zeros((6, 6, 3), np.uint8)
    pixels[:2] = 255
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(folder / "train" / "cat" / "0.png", exif=exif)
    train_images = read_splits(folder).images["train"]
    # A quarter turn to the right: what was above is at the right.
    assert train_images[0, 0, :, 0].tolist() == [0, 0, 0, 0, 255, 255]
    predicted = read_picture(folder / "train" / "cat" / "0.png", channels=3, size=6).pixels
    assert np.array_equal(train_images[0], predicted)
    # What an earlier version has decoded as it lay serves no more.
    assert (source_of(place(folder)).form, source_of(Place("mnist", folder, "idx")).form) == (2, 1)


def test_class_names_in_two_unicode_forms_are_one_class(tmp_path: Path, write_images: Writer) -> None:
    composed, parted = unicodedata.normalize("NFC", "Käse"), unicodedata.normalize("NFD", "Käse")
    folder = write_images(tmp_path / "food", classes=("Kuchen", parted))
    (folder / "test" / parted).rename(folder / "test" / composed)
    found = read_splits(folder)
    (train_labels, test_labels), classes = found.labels.values(), found.classes
    assert classes == ("Kuchen", composed)
    assert (train_labels.tolist(), test_labels.tolist()) == ([0] * 4 + [1] * 4, [0, 0, 1, 1])
    told = f"{folder}: folders called {composed} in two Unicode forms (NFC and NFD) are one class"
    assert source_of(place(folder)).notes == (told,)
    # Both forms in one split, too, and the same order for a copy in the other form.
    (folder / "train" / composed).mkdir()
    (folder / "train" / parted / "0.png").rename(folder / "train" / composed / "0.png")
    assert read_splits(folder).labels["train"].tolist() == train_labels.tolist()


@pytest.mark.parametrize("below", ["train/bird", "test/cat/9.png"])
def test_links_to_nothing_are_named(tmp_path: Path, write_images: Writer, below: str) -> None:
    folder = write_images(tmp_path / "pets")
    (folder / below).symlink_to("/nowhere/at/all")
    told = "is a link to /nowhere/at/all, which is not there; mend the link or remove it"
    assert failure(folder) == f"{folder / below}: {told}"


def test_pipe_called_like_an_image_is_passed_over(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets")
    os.mkfifo(folder / "train" / "cat" / "9.png")
    assert len(read_splits(folder).images["train"]) == 8


@pytest.mark.parametrize("colourful", [False, True])
def test_what_another_process_has_decoded_is_gone_on_with(
    tmp_path: Path, write_images: Writer, monkeypatch: pytest.MonkeyPatch, colourful: bool
) -> None:
    folder, work = write_images(tmp_path / "pets", mode="L"), tmp_path / "work"
    if colourful:
        Image.new("RGB", (6, 6), (1, 2, 3)).save(folder / "test" / "dog" / "1.png")
    expected = read_splits(folder)
    work.mkdir()
    monkeypatch.setattr(image_folders, "_IMAGES_PER_TASK", 2)
    read_splits(folder, work)
    # The last of six chunks was in the writing, the first one is damaged.
    heading, *chunks = (work / "chunks").read_text().splitlines(keepends=True)
    # Threads write them in any order.
    lines = [heading, *sorted(chunks, key=lambda line: not line.startswith("train 0 "))]
    (work / "chunks").write_text("".join(lines[:-1]) + lines[-1][:5])
    with (work / "train_images.npy").open("r+b") as file:
        file.seek(140)
        file.write(b"XX")
    opened: list[Path] = []
    pixels = image_folders._pixels
    monkeypatch.setattr(image_folders, "_pixels", lambda *given: (opened.append(given[0]), pixels(*given))[1])
    found = read_splits(folder, work)
    assert len(opened) == 1 + 2 * 2
    assert all(np.array_equal(found.images[name], expected.images[name]) for name in ("train", "test"))
    assert isinstance(found.images["train"], np.memmap)


def test_headers_tell_before_the_start_what_cannot_serve(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets")
    (folder / "train" / "dog" / "empty.png").touch()
    (folder / "test" / "dog" / "page.png").write_text("<html>404</html>")
    with pytest.raises(DataError) as raised:
        look(place(folder), ("cat", "dog"))
    assert str(raised.value).splitlines() == [
        f"{folder}: 2 of 14 images cannot be used",
        f"  {folder}/train/dog/empty.png: cannot be read as an image (it is empty); replace or remove it",
        f"  {folder}/test/dog/page.png: cannot be read as an image (it is of no known kind); replace or remove it",
    ]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".gif", ".bmp", ".webp"])
def test_truncated_images_are_told_before_the_start(tmp_path: Path, write_images: Writer, suffix: str) -> None:
    folder = write_images(tmp_path / "pets")
    path = folder / "train" / "dog" / f"9{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    look(place(folder), ())
    path.write_bytes(path.read_bytes() + bytes(200))  # as some cameras do
    look(place(folder), ())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"9{suffix}: cannot be read as an image \("):
        look(place(folder), ())


def test_headers_tell_that_images_have_sizes_of_their_own(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets")
    assert not look(place(folder), ()).contents.needs_fitting
    assert image_folders.have_one_size(folder)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 9)).save(folder / "train" / "dog" / "large.jpg", exif=exif)
    contents = look(place(folder), ()).contents
    assert contents.needs_fitting
    assert (contents.height, contents.width, contents.largest) == (6, 6, (30, 9))
    assert not image_folders.have_one_size(folder)


def test_oblong_images_of_one_size_need_fitting(tmp_path: Path) -> None:
    for name in ("train/cat", "test/cat"):
        (tmp_path / name).mkdir(parents=True)
        Image.new("RGB", (8, 6)).save(tmp_path / name / "0.png")
    contents = look(place(tmp_path), ()).contents
    assert (contents.needs_fitting, contents.height, contents.width, contents.largest) == (True, 6, 8, None)
    assert not image_folders.have_one_size(tmp_path)


def test_one_colour_header_tells_that_all_become_colour(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets", mode="L")
    assert look(place(folder), ("cat", "dog")).contents.channels == 1
    Image.new("RGB", (6, 6)).save(folder / "test" / "dog" / "colour.png")
    assert look(place(folder), ("cat", "dog")).contents.channels == 3


def test_images_beside_the_classes_are_told(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets")
    Image.new("RGB", (6, 6)).save(folder / "train" / "loose.png")
    assert source_of(place(folder)).notes == (
        f"{folder}: 1 image lies in no class's folder and was passed over, the first is {folder}/train/loose.png",
    )
