"""Names of the keys of a run in other tools, and their keys without a counterpart here."""

from __future__ import annotations

from typing import Final

# Names that other tools use -> ours.
_HABITS: Final = {
    **dict.fromkeys(("learning_rate", "learningrate", "init_lr", "base_lr"), "lr"),
    **dict.fromkeys(("batchsize", "batch", "bs", "train_batch_size"), "batch_size"),
    **dict.fromkeys(("epoch", "num_epochs", "max_epochs", "n_epochs"), "epochs"),
    **dict.fromkeys(("wd", "weightdecay", "l2"), "weight_decay"),
    **dict.fromkeys(("arch", "architecture", "net", "network", "model_name"), "model"),
    **dict.fromkeys(("opt", "optim", "optimiser"), "optimizer"),
    **dict.fromkeys(("scheduler", "lr_scheduler", "lr_schedule"), "schedule"),
    **dict.fromkeys(("pretrained", "pretrained_weights", "checkpoint"), "weights"),
    **dict.fromkeys(("frozen", "freeze_layers", "frozen_layers"), "freeze"),
    **dict.fromkeys(("data", "data_set", "ds"), "dataset"),
    **dict.fromkeys(("augmentation", "augmentations", "transform", "transforms"), "augment"),
    **dict.fromkeys(("criterion", "loss_fn", "loss_function"), "loss"),
    **dict.fromkeys(("random_seed", "random_state", "manual_seed", "seed_everything"), "seed"),
    **dict.fromkeys(("patience", "early_stop", "early_stop_count"), "early_stopping"),
    **dict.fromkeys(("amp", "dtype", "bf16", "fp16", "mixed_precision"), "precision"),
    **dict.fromkeys(("eval_every", "val_every", "val_check_interval", "check_val_every_n_epoch"), "validate_every"),
    **dict.fromkeys(("log_every", "print_freq", "log_every_n_steps", "log_interval", "log_freq"), "print_every"),
}

# Where a value of the same kind would be refused: the whole setting.
_WRITTEN: Final = {
    **dict.fromkeys(("amp", "bf16", "fp16", "mixed_precision"), "precision: bfloat16"),
    **dict.fromkeys(("pretrained", "pretrained_weights"), "weights: DEFAULT"),
}

_NO_PART: Final = {
    **dict.fromkeys(("gradient_clip_val", "grad_clip", "clip_grad_norm", "max_grad_norm"), "gradients are not clipped"),
    **dict.fromkeys(("accumulate_grad_batches", "gradient_accumulation_steps"), "give batch_size as a whole"),
    **dict.fromkeys(("num_workers", "workers", "pin_memory", "persistent_workers"), "cnnjobs loads images by itself"),
    **dict.fromkeys(
        ("device", "devices", "gpus", "gpu", "accelerator", "num_gpus", "strategy"), "write job: {gpus_per_run: 1}"
    ),
    **dict.fromkeys(("log_every_n_steps", "logger", "verbose"), "every epoch is recorded"),
    **dict.fromkeys(("output_dir", "save_dir", "log_dir", "default_root_dir"), "results go to results/<name>"),
    "monitor": "write metric: {name: validation.loss}, beside base",
    "shuffle": "training images are shuffled in every epoch",
}


def our_name(name: str) -> str:
    """The key here for what another tool calls `name`; the name itself where it means nothing here."""
    return _HABITS.get(_plain(name), name)


def written(name: str) -> str:
    """Our setting for another tool's key, with a value where theirs would not do."""
    return _WRITTEN.get(_plain(name), our_name(name))


def no_part(name: str) -> str:
    """Alternative to a key that has no counterpart; "" for all others."""
    told = _NO_PART.get(_plain(name), "")
    return f"no key of a run: {told}" if told else ""


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
