from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.training.loop.event_file import EventFile, all_hyperparameters


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def line(step: int) -> dict[str, Any]:
    return {
        "step": step,
        "epoch": step / 4,
        "seconds": 10.0 * step,
        "images_per_s": 100.0,
        "lr": 0.1,
        "train.loss": 1.0,
        "train.accuracy": 0.5,
        "validation.loss": 1 / step,
        "validation.accuracy": 0.75,
        "windows": {"step": [step - 1, step], "loss": [3.0, 2.0], "sd": [0.0, 0.0], "accuracy": [0.5, 0.5]},
    }


def read(folder: RunFolder) -> EventAccumulator:
    (file,) = folder.event_files()
    return EventAccumulator(str(file)).Reload()


def test_scalars_and_hyperparameters_can_be_read(folder: RunFolder, toy: Any) -> None:
    events = EventFile(folder, toy.config(), [])
    for step in (4, 8):
        events.add(line(step))
    events.finish(8, 90.0, {"test.loss": 0.25, "validation.loss": 0.5})
    found = read(folder)
    assert [(event.step, event.value) for event in found.Scalars("train/loss")] == [(3, 3), (4, 2), (7, 3), (8, 2)]
    assert [event.value for event in found.Scalars("validation/loss")] == [0.25, 0.125]
    assert [(event.step, event.value) for event in found.Scalars("test/loss")] == [(8, 0.25)]
    times = [event.wall_time for event in found.Scalars("validation/loss")]
    assert times[1] - times[0] == pytest.approx(40)
    contents = found.summary_metadata
    assert {name for name in contents if "hparams" in name} == {
        "_hparams_/experiment",
        "_hparams_/session_start_info",
        "_hparams_/session_end_info",
    }
    started = HParamsPluginData.FromString(contents["_hparams_/session_start_info"].plugin_data.content)
    assert started.session_start_info.hparams["model"].string_value == "toys:Small"
    experiment = HParamsPluginData.FromString(contents["_hparams_/experiment"].plugin_data.content).experiment
    assert {info.name.tag for info in experiment.metric_infos} >= {"validation/accuracy", "test/accuracy", "train/loss"}


def test_a_run_that_goes_on_has_one_file_as_if_it_had_never_stopped(folder: RunFolder, toy: Any) -> None:
    whole = EventFile(folder, toy.config(), [])
    for step in (4, 8, 12):
        whole.add(line(step))
    expected = [(event.step, event.value) for event in read(folder).Scalars("train/loss")]
    resumed = EventFile(folder, toy.config(), [line(4), line(8)])
    resumed.add(line(12))
    found = read(folder).Scalars("train/loss")
    assert [(event.step, event.value) for event in found] == expected
    assert found[-1].wall_time - found[0].wall_time == pytest.approx(80)


def test_runs_of_different_networks_have_the_same_keys(toy: Any) -> None:
    small, cnn = (
        all_hyperparameters(toy.config(model=model)) for model in ("lenet5", {"name": "cnn", "filters": [8, 16]})
    )
    assert small.keys() == cnn.keys()
    assert (small["model.filters"], cnn["model.filters"]) == ("none", "[8, 16]")
    assert (small["early_stopping"], small["lr"], small["drop_last"]) == ("none", 0.05, True)
