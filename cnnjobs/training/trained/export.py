"""A trained network as one file that plain PyTorch reads: tensors and plain values, nothing that runs code."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch

from cnnjobs.config.run import read_config
from cnnjobs.disk.run_folder import RunFolder, RunRecord
from cnnjobs.errors import InputError, UnknownNameError
from cnnjobs.training.loop.checkpoint import plain_weights, to_bytes, weights_to_bytes
from cnnjobs.training.trained.network import TrainedNetwork, load_trained, read_weights, trained_network

_FORMAT: Final = 1
_OF_THE_RECORD: Final = (
    "run_id", "classes", "image_shape", "preprocessing", "are_fitted", "input_shape", "metrics", "best_epoch",
    "num_images", "versions", "git_commit",
)  # fmt: skip


def exported(network: TrainedNetwork) -> bytes:
    """The file: `state_dict`, and beside it in plain values all that it takes to use it.

    `model` and `config` tell the network and the whole run; images are uint8 (N, C, H, W) of `image_shape`, and the
    steps of `preprocessing` make of them what the network takes, of `input_shape` (where images
    `are_fitted`, the first `resize` or `letterbox` has been done to them); logit k is that of `classes[k]`.
    """
    record = network.record.model_dump(mode="json", include=set(_OF_THE_RECORD))
    about = {"cnnjobs": _FORMAT, "model": network.config.model.model_dump(mode="json")}
    about |= {"config": network.config.nested(), **{key: record[key] for key in _OF_THE_RECORD}}
    return to_bytes({**about, "state_dict": plain_weights(network.model)})


def exported_weights(network: TrainedNetwork) -> bytes:
    """The state_dict alone."""
    return weights_to_bytes(network.model)


def load_exported(path: Path, device: torch.device) -> TrainedNetwork:
    """The network of such a file. Raises InputError for any other file."""
    saved = read_weights(path)
    if not isinstance(saved, dict) or saved.get("cnnjobs") != _FORMAT:
        raise InputError(f"{path}: was not written by this version of `cnnjobs export`; torch.load reads what it holds")
    config = read_config(saved["config"])
    if isinstance(config, list):
        raise InputError(f"{path}: config: {config[0].key}: {config[0].found}; written by another version?")
    record = RunRecord.model_validate({key: saved[key] for key in _OF_THE_RECORD if key in saved})
    return trained_network(config, record, saved["state_dict"], device, str(path))


def load_model(path: Path, device: torch.device) -> TrainedNetwork:
    """The network of an exported file or of a run's folder. Raises InputError."""
    if (path / "config.yaml").is_file():
        return load_trained(RunFolder(path.resolve()), device)
    if path.is_file():
        return load_exported(path, device)
    raise UnknownNameError(f"{path}: neither a file of `cnnjobs export` nor the folder of a run")
