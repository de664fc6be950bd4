"""Requests to finished runs: predictions, exported files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cnnjobs.cli.main import run


@pytest.fixture
def ask(finished: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """A command in a project whose sweep has run: exit code, stdout, stderr."""
    monkeypatch.chdir(finished.path)

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["cnnjobs", *words])
        with pytest.raises(SystemExit) as stop:
            run()
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    return call


IMAGE = "data/shades/test/dark/0.png"


def test_images_of_the_data_set_come_with_a_picture_and_a_table(ask: Any) -> None:
    code, out, err = ask(
        "predict", "seed=0", "--split", "test", "--first", "3", "--picture", "grid.png", "--csv", "p.csv"
    )
    assert (code, err) == (0, "note: written: p.csv\nnote: written: grid.png\n")
    title, heading, *rows, summary = out.splitlines()
    assert title.startswith("cnn-shades-sgd-")
    assert heading.split() == ["image", "true", "class", "1st", "2nd"]
    assert rows[0].startswith("test 0  dark        right  dark")
    assert summary == "3 of 3 right (100 %)"
    header, first, *_ = Path("p.csv").read_text().splitlines()
    assert header == "image,true,predicted,probability of dark,probability of light"
    assert first.startswith("test 0,dark,dark,0.9")
    with Image.open("grid.png") as picture:
        assert picture.width > picture.height


def test_image_files_are_brought_to_the_size_of_the_data_set(ask: Any) -> None:
    with Image.open(IMAGE) as image:
        image.resize((50, 40)).save("large.png")
    code, out, err = ask("predict", "seed=1", IMAGE, "large.png", "--json")
    assert (code, err) == (0, "")
    same, large = json.loads(out)["images"]
    assert (same["predicted"], same["true"], same["notes"]) == ("dark", None, [])
    assert large["notes"] == ["the middle square of 50×40 pixels brought to 16×16"]
    assert large["probabilities"]["dark"] == pytest.approx(1 - large["probabilities"]["light"])
    _, out, err = ask("predict", "seed=1", "large.png", "--top", "1")
    assert err == "note: large.png: the middle square of 50×40 pixels brought to 16×16\n"
    assert out.splitlines()[1].split() == ["image", "1st"]


def test_a_model_file_is_written_once_and_loads_as_shown(ask: Any, finished: Any) -> None:
    code, out, _ = ask("export", "seed=0", "-o", "model.pth")
    assert code == 0
    lines = [line.strip() for line in out.splitlines() if line.startswith("    ")]
    import torch

    images = torch.full((2, 3, 16, 16), 90, dtype=torch.uint8)
    shown: dict[str, Any] = {"images": images, "model": torch.nn.Module()}
    for line in lines:
        if not line.startswith("model."):
            exec(line, shown)
    assert shown["saved"]["classes"] == ["dark", "light"]
    assert shown["network"].probabilities(images).argmax(1).tolist() == [0, 0]
    before = Path("model.pth").read_bytes()
    code, _, err = ask("export", "seed=1", "-o", "model.pth")
    assert (code, Path("model.pth").read_bytes()) == (2, before)
    assert "model.pth exists already and stays as it is" in err
    code, out, _ = ask("export", "seed=0", "-o", "weights.pth", "--format", "state_dict")
    assert torch.load("weights.pth", weights_only=True).keys() == shown["saved"]["state_dict"].keys()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["predict", "seed=0"], "which images? name files, or take some of the data set: --split test"),
        (["predict", "seed=0", IMAGE, "--split", "test"], "which images?"),
        (["predict", "seed=0", "data", "shades.yaml", "no.png"], "data: is a folder"),
        (["predict", "seed=0", IMAGE, "--picture", "x.pdf"], "--picture x.pdf: the name of a figure ends with .png or"),
        (["predict", "seed=0", IMAGE, "--picture", IMAGE], f"{IMAGE} exists already and stays as it is"),
        (["predict", "seed=0", IMAGE, "--csv", "no/p.csv"], "no/p.csv: there is no folder no; make it first"),
        (["predict", "shades", IMAGE], "shades is a sweep of 2 runs; name one of them"),
        (["predict", "nothing", IMAGE], "`nothing` is no run id, no beginning of one, no label and no sweep"),
        (["export", "nothing", "-o", "m.pth"], "`nothing` is no run id"),
        (["export", "seed=0", "-o", "no/m.pth"], "no/m.pth: there is no folder no; make it first"),
    ],
)
def test_wrong_words_are_told_in_one_line_and_write_nothing(ask: Any, words: list[str], told: str) -> None:
    before = sorted(Path().rglob("*"))
    code, out, err = ask(*words)
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err
    assert sorted(Path().rglob("*")) == before


def test_a_run_without_weights_has_nothing_to_say(ask: Any, finished: Any) -> None:
    for weights in finished.store.glob("*-s0-*/model.pt"):
        weights.unlink()
    for words in (["predict", "seed=0", IMAGE], ["export", "seed=0", "-o", "m.pth"]):
        code, _, err = ask(*words)
        assert code == 2
        assert "is finished, but its weights are gone" in err


def test_evaluations_are_added_to_the_records(ask: Any, finished: Any) -> None:
    before = finished.records()
    code, out, err = ask("evaluate", "shades", "--local")
    assert (code, err) == (0, "")
    place, *ends = out.splitlines()
    assert place.startswith("on this machine (as asked): 1 run at a time, 1 thread")
    assert [line.partition(": loss")[0] for line in ends] == ["[1/2] seed=0: shades/test", "[2/2] seed=1: shades/test"]
    for old, new in zip(before, finished.records(), strict=True):
        evaluation = new["evaluations"].pop("shades/test")
        assert new == old
        assert evaluation["metrics"] == {name: old["metrics"][f"test.{name}"] for name in ("loss", "accuracy")}
        assert evaluation["num_images"] == 16
    assert not (finished.store / "jobs").exists()
    _, out, _ = ask("status", "shades")
    assert out.count("shades/test") == 2
    _, out, _ = ask("status", "shades", "--json")
    told = json.loads(out)["sweeps"][0]["evaluations"]
    assert [(each["state"], each["metrics"]["accuracy"]) for each in told] == [("finished", 1.0)] * 2
    _, out, _ = ask("show", before[0]["run_id"])
    assert "shades/test" in out
    ask("report", "shades")
    rows = (finished.store / "report" / "evaluations.csv").read_text().splitlines()
    assert rows[0] == "run_id,seed,data,split,loss,accuracy,images,device,at"
    assert len(rows) == 3
    assert "shades/test" in (finished.store / "report" / "report.html").read_text()


def test_another_data_set_has_to_fit(ask: Any, finished: Any) -> None:
    # Its classes stand in another order, one of them is missing, and there are fewer images.
    fewer = finished.path / "other" / "shadow"
    for split in ("train", "test"):
        (fewer / split / "dark").mkdir(parents=True)
        for number in range(6):
            (fewer / split / "dark" / f"{number}.png").symlink_to(
                finished.path / f"data/shades/{split}/dark/{number}.png"
            )
    code, out, err = ask("evaluate", "seed=0", "--dataset", "shadow", "--data-dir", "other", "--local")
    assert (code, err) == (0, "")
    assert out.splitlines()[1].startswith("[1/1] seed=0: shadow/test: loss")
    assert finished.records()[0]["evaluations"]["shadow/test"]["num_images"] == 6
    code, _, err = ask("evaluate", "seed=0", "--dataset", "fashion_mnist_mini", "--local")
    assert code == 2
    assert "`fashion_mnist_mini` does not fit run" in err
    assert "its images have 1 channel of 28×28 pixels; those that it was trained on have 3 channels of 16×16" in err
    assert not (finished.store / "jobs").exists()


def test_a_run_that_cannot_be_evaluated_leaves_the_others_alone(ask: Any, finished: Any) -> None:
    (model,) = finished.store.glob("*-s0-*/model.pt")
    model.write_bytes(model.read_bytes()[:50])
    code, out, err = ask("evaluate", "shades", "--local")
    assert code == 2
    assert "[1/2] seed=0: shades/test: " in err
    assert "model.pt: it is damaged or holds no weights" in err
    assert "[2/2] seed=1: shades/test: loss" in out
    assert [[*record["evaluations"]] for record in finished.records()] == [[], ["shades/test"]]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nothing"], "`nothing` is no run id"),
        (["seed=0", "--dataset", "nowhere"], "`nowhere`"),
        (["seed=0", "--dataset", "{name: cifar10, valid: 1}"], "dataset `cifar10` has no `valid`"),
        (["seed=0", "--dataset", "{name"], "--dataset {name: cannot be read as YAML"),
        (["seed=0", "--profile", "nothing"], "nothing"),
    ],
)
def test_a_wrong_evaluation_is_refused_at_once(ask: Any, finished: Any, words: list[str], told: str) -> None:
    before = sorted(Path().rglob("*"))
    code, out, err = ask("evaluate", *words, "--local")
    assert (code, out) == (2, "")
    assert told in err
    assert sorted(Path().rglob("*")) == before
