from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from cnnjobs.components.pretrained import torchvision
from cnnjobs.components.pretrained.places import file_hash
from cnnjobs.config.run import RunConfig
from cnnjobs.disk.outage import Storage
from cnnjobs.disk.record import RunRecord
from cnnjobs.disk.run_folder import RunFolder, RunState, RunStore
from cnnjobs.errors import DataError, UnknownNameError
from cnnjobs.training.data.pipeline import DataSets
from cnnjobs.training.loop.workload import NetworkWorkload
from cnnjobs.training.weights.source import Normalisation, find_weights
from cnnjobs.worker.attempt import RunAttempt
from cnnjobs.worker.claim.claimed_run import ClaimedRun

STEPS = ({"name": "resize", "size": 8}, {"name": "normalise", "mean": [0.5], "std": [0.25]})


def finished(results: Path, run: RunConfig, state: RunState = RunState.FINISHED) -> RunFolder:
    folder = RunStore(results / "earlier").run(run.run_id)
    (results / "earlier").mkdir(parents=True, exist_ok=True)
    (results / "earlier" / "sweep.yaml").write_text("")
    folder.create(run)
    folder.write_record(RunRecord(run_id=run.run_id, state=state, preprocessing=STEPS))
    if state is RunState.FINISHED:
        torch.save(run.model.build(in_channels=1, num_classes=3, image_size=8).state_dict(), folder.model_file)
    return folder


def attempt(folder: RunFolder, run: RunConfig, data: Path, **settings: Any) -> RunRecord:
    folder.create(run)
    with ClaimedRun.take(Storage(folder, lambda: False, lambda _: None)) as claimed:
        sets = DataSets((data,), torch.device("cpu"))
        RunAttempt(claimed, NetworkWorkload(sets), threads=1, **settings).execute()
    return folder.read_record()


def test_weights_that_are_drawn_have_no_source(toy: Any, tmp_path: Path) -> None:
    assert find_weights(toy.config(), (), tmp_path) is None


def test_published_weights_are_checked_whenever_they_are_found(
    toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    run = toy.config(model={"name": "torchvision/resnet18"}, weights="DEFAULT")
    with pytest.raises(DataError, match=r"^weights `IMAGENET1K_V1` of model `torchvision/resnet18` were not found; "):
        find_weights(run, [tmp_path], tmp_path)
    file = tmp_path / "weights" / "resnet18-f37072fd.pth"
    file.parent.mkdir()
    file.write_bytes(b"cut short")
    with pytest.raises(
        DataError, match=r"resnet18-f37072fd.pth: its SHA-256 begins with \w{8}, not f37072fd: it is dam"
    ):
        find_weights(run, [tmp_path], tmp_path)
    monkeypatch.setattr(torchvision.Pretrained, "sha256", file_hash(file)[:8])
    source = find_weights(run, [tmp_path], tmp_path)
    assert source is not None
    assert (source.path, source.sha256, source.image_size) == (file, file_hash(file), 224)
    assert source.normalisation == Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "ImageNet")


def test_a_finished_run_gives_its_weights_and_its_normalisation(toy: Any, tmp_path: Path) -> None:
    folder = finished(tmp_path, toy.config())
    source = find_weights(toy.config(weights=f"run:{folder.run_id}", seed=1), (), tmp_path)
    assert source is not None
    assert (source.path, source.sha256) == (folder.model_file, file_hash(folder.model_file))
    assert source.normalisation == Normalisation((0.5,), (0.25,), f"run {folder.run_id}")


def test_a_run_that_is_not_there_or_not_done_is_told(toy: Any, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"no such run under .*; no run has finished there$"):
        find_weights(toy.config(weights="run:lenet5-x"), (), tmp_path)
    done = finished(tmp_path, toy.config(seed=1))
    with pytest.raises(UnknownNameError) as refused:
        find_weights(toy.config(weights=f"run:{done.run_id[:-1]}"), (), tmp_path)
    assert f"did you mean `{done.run_id}`? allowed: " in str(refused.value)
    folder = finished(tmp_path, toy.config(), RunState.FAILED)
    with pytest.raises(DataError) as told:
        find_weights(toy.config(weights=f"run:{folder.run_id}"), (), tmp_path)
    assert str(told.value) == (
        f"weights `run:{folder.run_id}`: the run is failed and has no weights yet; they are there when it has finished"
    )


def test_a_run_starts_from_another_and_its_record_says_so(toy: Any, tmp_path: Path) -> None:
    first = finished(tmp_path, toy.config())
    run = toy.config(weights=f"run:{first.run_id}", epochs=1)
    record = attempt(RunStore(tmp_path / "later").run(run.run_id), run, tmp_path)
    assert (record.state, record.cause) == (RunState.FINISHED, None)
    assert record.weights_sha256 == file_hash(first.model_file)
    assert record.preprocessing == ({"name": "normalise", "mean": [0.5], "std": [0.25]},)
    assert record.notes == (
        f"starts from the weights run:{first.run_id} (SHA-256 {record.weights_sha256[:16]})",
        f"images are normalised by the mean and std of run {first.run_id}",
    )


def test_a_run_goes_on_with_the_content_that_it_began_with_alone(toy: Any, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    file = tmp_path / "weights" / "best.pth"
    run = toy.config(weights="best.pth", epochs=1)
    network = run.model.build(in_channels=1, num_classes=3, image_size=8)
    torch.save(network.state_dict(), file)
    folder = RunStore(tmp_path / "later").run(run.run_id)
    before = attempt(folder, run, tmp_path)
    assert before.weights_sha256 == file_hash(file)
    folder.write_record(before.model_copy(update={"state": RunState.PENDING}))
    torch.save(network.state_dict() | {"6.bias": torch.ones(3)}, file)
    after = attempt(folder, run, tmp_path)
    assert after.state is RunState.FAILED
    assert after.cause == (
        f"weights {file} have changed since runs began with them (SHA-256 "
        f"{before.weights_sha256[:16]}... then, {file_hash(file)[:16]}... now); put the old file back, rename the new"
        " one, or start anew with --force"
    )
