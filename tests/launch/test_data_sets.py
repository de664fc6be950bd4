from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cnnjobs.components.data.surveys import fingerprint_of
from cnnjobs.components.files.places import place_of
from cnnjobs.config.run import read_choice
from cnnjobs.disk.run_folder import RunState, RunStore
from cnnjobs.errors import DataError
from cnnjobs.launch.plan import data_sets
from cnnjobs.launch.plan.data_sets import check_choices, check_data, check_same_data, other_data
from cnnjobs.launch.plan.plan import Selection, make_plan
from cnnjobs.sweep.file import Sweep, read_sweep

Put = Callable[..., None]


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """A folder of 12 training and 6 test images in three classes."""
    folder = tmp_path / "pets"
    for split, number in (("train", 4), ("test", 2)):
        for level, name in enumerate(("cat", "dog", "emu")):
            (folder / split / name).mkdir(parents=True)
            for index in range(number):
                Image.new("RGB", (6, 6), (60 * level, index, 0)).save(folder / split / name / f"{index}.png")
    return folder


def of_pets(sweep: Sweep, dataset: str = "pets", base: str = "batch_size: 4") -> Sweep:
    sweep.path.write_text(sweep.text.replace("dataset: fashion_mnist_mini", f"dataset: {dataset}, {base}"))
    return read_sweep(sweep.path)


def checked(sweep: Sweep, pets: Path, **options: str) -> tuple[str, ...]:
    return check_data(of_pets(sweep, **options).runs, [pets.parent])


def refused(sweep: Sweep, pets: Path, **options: str) -> str:
    with pytest.raises(DataError) as raised:
        checked(sweep, pets, **options)
    return str(raised.value)


def test_every_missing_data_set_is_named_at_once(sweep: Sweep, tmp_path: Path) -> None:
    check_data(sweep.runs, [tmp_path])
    text = sweep.text.replace("fashion_mnist_mini", "shades")
    other = sweep.path.with_name("other.yaml")
    other.write_text(text.replace("lr: {values: [0.1, 0.2]}", "dataset: {values: [shades, lights]}"))
    with pytest.raises(DataError) as missing:
        check_data(read_sweep(other).runs, [tmp_path])
    assert "`shades`" in str(missing.value)
    assert "`lights`" in str(missing.value)


def test_whole_data_sets_need_no_word(sweep: Sweep, pets: Path) -> None:
    assert checked(sweep, pets) == ()
    assert check_data(sweep.runs, []) == ()


def test_faults_of_a_folder_are_told_once_for_all_runs(sweep: Sweep, pets: Path) -> None:
    (pets / "train" / "fox").mkdir()
    assert refused(sweep, pets).startswith(f"{pets / 'train' / 'fox'}: holds no image; put images there (")
    (pets / "train" / "fox").rmdir()
    (pets / "test" / "dog").rename(pets / "test" / "Dog")
    told = refused(sweep, pets)
    assert told.startswith(
        f"{pets}: train and test must hold the same classes; found `dog` (in train alone), `Dog` (in"
    )
    with pytest.raises(DataError, match="must hold the same classes"):
        check_choices([read_choice("dataset", "pets")], [pets.parent])


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        (
            "{name: pets, validation: 0.01}",
            "validation 0.01 takes 0 of 12 training images; training and validation need",
        ),
        ("{name: pets, validation: 1.0}", "validation 1 takes 12 of 12 training images; training and validation need"),
        ("{name: pets, subset: 2}", "subset 2 is less than one image for each of 3 classes; give at least 3"),
        ("{name: pets, subset: 12}", "subset 12 has as many images of each class, but of 11 training images beside"),
        ("{name: pets, subset: {test: 7}}", "subset.test 7 has as many images of each class, but of 6 test images, 2"),
    ],
)
def test_splits_that_cannot_be_had_are_found_before_the_start(
    sweep: Sweep, pets: Path, dataset: str, told: str
) -> None:
    assert refused(sweep, pets, dataset=dataset).startswith(f"data set `pets`: {told}")


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("{name: normalise, mean: [0.5, 0.5], std: [0.2, 0.2]}", "mean and std have 2 numbers, images of 3 channels"),
        ("grayscale, {name: normalise, mean: [0.5, 0.4, 0.3], std: [0.2, 0.2, 0.2]}", "images of 1 channel need 1"),
        ("{name: crop, padding: 9, mode: reflect}", "augmentation crop: "),
    ],
)
def test_augmentations_that_do_not_fit_the_images_are_found_before_the_start(
    sweep: Sweep, pets: Path, steps: str, told: str
) -> None:
    assert told in refused(sweep, pets, base=f"augment: [{steps}]")
    assert (
        checked(sweep, pets, base="batch_size: 4, augment: [normalise, 'cnnjobs.components.augment:Grayscale']") == ()
    )


def test_what_users_must_know_is_said_in_a_line_each(sweep: Sweep, pets: Path) -> None:
    (pets / "train" / "cat" / "cat.heic").touch()
    told = checked(sweep, pets, dataset="{name: pets, validation: 0, subset: 3}", base="batch_size: 64")
    assert told == (
        f"{pets}: 1 file is not an image and was passed over (1 .heic), the first is {pets}/train/cat/cat.heic",
        "data set `pets` has validation 0: runs are trained on all its training images, and their results are those of"
        " the last epoch's weights",
        "data set `pets`: subset 3 is of the training images alone, and each run is measured on all 6 test images; for"
        " fewer of these, write subset: {train: 3, test: 3}",
        "batch_size 64: one batch of 3 an epoch, there are 3 training images (drop_last keeps it)",
    )
    (told,) = check_data(of_pets(sweep, "{name: fashion_mnist_mini, subset: 540}").runs, [])
    assert "measured on all 600 validation and 1,000 test images" in told
    assert told.endswith("write subset: {train: 540, validation: 60, test: 100}")


def test_mistakes_have_the_line_that_sets_what_cannot_be(sweep: Sweep, pets: Path) -> None:
    sweep.path.write_text(
        "name: four\nmethod: grid\nbase:\n  model: lenet5\n  batch_size: 4\n  dataset:\n    name: pets\n"
        "    validation: 0.25\n"
        "parameters:\n  dataset.subset: {values: [6, 99, {test: 7}]}\n"
    )
    with pytest.raises(DataError) as raised:
        check_data(read_sweep(sweep.path).runs, [pets.parent], sweep.path)
    first, second = str(raised.value).split("\n")
    assert first.startswith(f"{sweep.path}:10: dataset.subset: data set `pets`: subset 99 has as many images")
    assert second.startswith(f"{sweep.path}:10: dataset.subset: data set `pets`: subset.test 7 has as many images")
    sweep.path.write_text(sweep.path.read_text().replace("0.25", "0.01"))
    with pytest.raises(DataError) as raised:
        check_data(read_sweep(sweep.path).runs, [pets.parent], sweep.path)
    assert str(raised.value).startswith(f"{sweep.path}:8: dataset.validation: data set `pets`: validation 0.01 takes 0")
    assert "\n" not in str(raised.value)


def test_a_data_set_is_looked_at_once_for_all_its_options(
    sweep: Sweep, pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[object] = []
    look = data_sets.look_into
    monkeypatch.setattr(data_sets, "look_into", lambda place, **how: (looked.append(place), look(place, **how))[1])
    text = "method: grid\nbase: {model: lenet5, batch_size: 4, dataset: pets}\n"
    sweep.path.write_text(f"{text}parameters: {{dataset.subset: {{values: [4, 5, 6]}}}}\n")
    assert check_data(read_sweep(sweep.path).runs, [pets.parent])
    assert looked == [place_of("pets", [pets.parent])]


def test_one_class_is_said(sweep: Sweep, pets: Path) -> None:
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (pets / split / name).rename(pets.parent / f"{split}-{name}")
    assert checked(sweep, pets, dataset="{name: pets, validation: 0.25}", base="batch_size: 3")[0].startswith(
        "data set `pets` has one class, `emu`: "
    )


def test_finished_runs_of_other_images_are_told_and_others_refused(
    sweep: Sweep, store: RunStore, put: Put, pets: Path
) -> None:
    sweep = of_pets(sweep)
    before = fingerprint_of(place_of("pets", [pets.parent]))

    for index in (0, 1):
        put(index, RunState.FINISHED, of=sweep, data_sha256=before)
    # One of an earlier version, which kept no fingerprint.
    put(2, RunState.FINISHED, of=sweep)
    assert check_same_data(make_plan(sweep, store), [pets.parent]) == ()
    (pets / "train" / "cat" / "0.png").write_bytes((pets / "train" / "emu" / "0.png").read_bytes())
    now = fingerprint_of(place_of("pets", [pets.parent]))
    changed = f"data set `pets` has changed (SHA-256 {before[:16]}... then, {now[:16]}... now)"
    assert check_same_data(make_plan(sweep, store), [pets.parent]) == (
        f"{changed} since 2 runs finished with it, kept as they are; --force trains them again",
    )
    put(3, RunState.INTERRUPTED, of=sweep, data_sha256=before, checkpoint=True)
    with pytest.raises(DataError) as raised:
        check_same_data(make_plan(sweep, store), [pets.parent])
    remedy = "put the old images back, or start anew with --force"
    assert str(raised.value) == f"{changed} since 1 run began with it; {remedy}"
    assert check_same_data(make_plan(sweep, store, Selection(force=True)), [pets.parent]) == ()
    # Nothing to go on from: it starts with what is there now.
    store.run(sweep.runs[3].run_id).drop_checkpoints()
    assert len(check_same_data(make_plan(sweep, store), [pets.parent])) == 1
    # The data is gone since: what has finished needs it no more.
    (pets / "train").rename(pets / "away")
    assert check_same_data(make_plan(sweep, store), [pets.parent]) == ()


def test_checking_loads_no_torch(sweep: Sweep, pets: Path) -> None:
    of_pets(sweep, base="augment: [grayscale, {name: normalise, mean: [0.5], std: [0.5]}], batch_size: 4")
    look = (
        "import sys; from pathlib import Path; from cnnjobs.launch.plan.data_sets import check_data\n"
        "from cnnjobs.sweep.file import read_sweep\n"
        f"print(check_data(read_sweep(Path({str(sweep.path)!r})).runs, [Path({str(pets.parent)!r})]))\n"
        "print([name for name in ('torch', 'pandas', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, env={**os.environ}, check=True)
    assert done.stdout == "()\n[]\n"


def test_what_asks_a_run_of_other_images_is_told(sweep: Sweep, store: RunStore, put: Put, pets: Path) -> None:
    sweep = of_pets(sweep)
    before = fingerprint_of(place_of("pets", [pets.parent]))
    put(0, RunState.FINISHED, of=sweep, data_sha256=before)
    put(1, RunState.FINISHED, of=sweep)
    runs = [store.run(run.run_id) for run in sweep.runs[:2]]
    assert [other_data(run, [pets.parent]) for run in runs] == [(), ()]
    (pets / "test" / "cat" / "0.png").unlink()
    now = fingerprint_of(place_of("pets", [pets.parent]))
    told = f"(SHA-256 {before[:16]}... then, {now[:16]}... now) since the run was trained on it"
    assert [other_data(run, [pets.parent]) for run in runs] == [(f"data set `pets` has changed {told}",), ()]
    assert other_data(runs[0], []) == ()
