"""The best weights of a finished run measured on a whole split, of its own data set or of another that fits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch

from cnnjobs.components.data.fingerprints import changed
from cnnjobs.config.run import read_choice
from cnnjobs.disk.run_folder import Evaluation, RunFolder, RunRecord
from cnnjobs.disk.submission_folder import EvaluationRequest
from cnnjobs.errors import InputError, RunError
from cnnjobs.system import origin
from cnnjobs.training.data.device_split import DeviceSplit
from cnnjobs.training.data.pipeline import DataSets, DeviceData
from cnnjobs.training.data.preprocessing import Preprocessing
from cnnjobs.training.loop import provenance
from cnnjobs.training.networks.evaluate import evaluate
from cnnjobs.training.trained.network import TrainedNetwork, load_trained

_PATIENCE_S: Final = 10.0
_PAUSE_S: Final = 0.05


def evaluate_run(
    folder: RunFolder,
    request: EvaluationRequest,
    data_sets: DataSets,
    stopped: Callable[[], bool] = lambda: False,
) -> Evaluation:
    """Measure, and write nothing; on the run's own data, device and split this gives its record's numbers, bit for bit.

    Raises InputError for a run without weights or data that does not fit, Stopped, and whatever the network raises.
    """
    trained = load_trained(folder, data_sets.device, data_sets.folders)
    config, attempts = trained.config, trained.record.attempts
    if attempts:
        # The order of a sum depends on them.
        torch.set_num_threads(attempts[-1].threads)
    if request.dataset is not None:
        config = config.model_copy(update={"dataset": read_choice("dataset", request.dataset)})
    data, before = data_sets.get(config), trained.record.data_sha256
    split = fitting_split(trained, data, config.dataset.name, request.split)
    is_other = request.dataset is None and before not in (None, data.sha256)
    told = f"{changed(config.dataset.name, before, data.sha256)} since the run was trained on it"
    loss = config.loss.build()
    metrics = evaluate(
        trained.model,
        preprocessing_for(trained, data).batches(split, config.batch_size),
        loss.to(data_sets.device) if isinstance(loss, torch.nn.Module) else loss,
        precision=config.precision,
        stopped=stopped,
    )
    commit, dirty = origin.git_state(Path.cwd())
    return Evaluation(
        dataset=config.dataset.model_dump(mode="json"),
        split=request.split,
        metrics=metrics,
        num_images=len(split),
        at=origin.now(),
        host=origin.host(),
        job_id=origin.job_id(),
        device=provenance.device_name(data_sets.device),
        threads=torch.get_num_threads(),
        git_commit=commit,
        git_dirty=dirty,
        notes=(*data_sets.notes, *((told,) if is_other else ())),
    )


def fitting_split(trained: TrainedNetwork, data: DeviceData, name: str, split_name: str) -> DeviceSplit:
    """A split of the data set `name`, its labels as the network counts the classes. Raises InputError."""
    split: DeviceSplit = getattr(data, split_name)
    if not len(split):
        raise InputError(f"data set `{name}` has no {split_name} images; choose another split")
    problem = _misfit(trained, split, data)
    if problem:
        raise InputError(f"data set `{name}` does not fit run {trained.run_id}: {problem}")
    unknown = [each for each in data.classes if each not in trained.classes]
    if unknown:
        raise InputError(
            f"data set `{name}` does not fit run {trained.run_id}: the run does not know {_listed(unknown)};"
            f" its classes are {_listed(trained.classes)}"
        )
    if data.classes == trained.classes:
        return split
    places = torch.tensor([trained.classes.index(each) for each in data.classes], device=split.labels.device)
    return replace(split, labels=places[split.labels])


def preprocessing_for(trained: TrainedNetwork, data: DeviceData) -> Preprocessing:
    """The steps of a run for images of another data set, which may be fitted where its own were not."""
    _, height, width, channels = data.test.pixels.shape
    steps = trained.preprocessing.steps
    return Preprocessing.from_steps(steps, (channels, height, width), are_fitted=data.are_fitted)


def _misfit(trained: TrainedNetwork, split: DeviceSplit, data: DeviceData) -> str | None:
    """Why the network cannot see these images, if it cannot."""
    _, height, width, channels = split.pixels.shape
    found = f"its images have {_shape((channels, height, width))}"
    try:
        given = preprocessing_for(trained, data).input_shape
    except InputError:
        return f"{found}; those that it was trained on have {_shape(trained.preprocessing.image_shape)}"
    wanted = trained.preprocessing.input_shape
    if given == wanted:
        return None
    made = "" if given == (channels, height, width) else f", the run's preprocessing makes {_shape(given)} of them"
    return f"{found}{made}; the network takes {_shape(wanted)}"


def _shape(shape: tuple[int, int, int]) -> str:
    channels, height, width = shape
    return f"{'1 channel' if channels == 1 else f'{channels} channels'} of {width}×{height} pixels"


def _listed(classes: list[str] | tuple[str, ...], most: int = 10) -> str:
    more = f" and {len(classes) - most} more" if len(classes) > most else ""
    return ", ".join(f"`{each}`" for each in classes[:most]) + more


def keep_evaluation(folder: RunFolder, evaluation: Evaluation, of: RunRecord) -> None:
    """Add it to the record of the run that was measured, over one of the same name. Raises RunError, StorageError."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        with folder.claim() as log:
            if log is not None:
                record = folder.read_record()
                if (record.state, record.attempts) != (of.state, of.attempts):
                    raise RunError("the run was started again while it was evaluated: evaluate it when it has finished")
                evaluations = {**record.evaluations, evaluation.name: evaluation}
                folder.write_record(record.model_copy(update={"evaluations": evaluations}))
                return
        # Another evaluation of the run holds it for the same moment; a worker that trains it again holds it for long.
        if time.monotonic() > until:
            raise RunError("another process holds the run, it was started again: evaluate it when it has finished")
        time.sleep(_PAUSE_S)
