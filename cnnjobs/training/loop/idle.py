"""Settings that change nothing with the data that a run has: for the notes of its record."""

from __future__ import annotations

from cnnjobs.config.intervals import Steps
from cnnjobs.config.run import RunConfig
from cnnjobs.sweep.consistency import idle_settings


def idle_notes(config: RunConfig, num_images: int, steps_per_epoch: int) -> tuple[str, ...]:
    """Notes from the file alone, and from the number of training images."""
    told = idle_settings(config, steps_per_epoch)
    notes = [text if text.startswith(key.partition(".")[0]) else f"{key}: {text}" for key, text in told]
    total = config.epochs * steps_per_epoch
    notes += large_batch(config, num_images)
    if isinstance(config.validate_every, Steps) and config.validate_every.steps > total:
        notes.append(f"validate_every {config.validate_every}: the run has {total} and is validated once, at its end")
    if config.print_every and config.print_every > total:
        notes.append(f"print_every {config.print_every}: the run has {total} steps, nothing is printed")
    return tuple(notes)


def large_batch(config: RunConfig, num_images: int) -> tuple[str, ...]:
    """A note where a batch has room for more than all training images."""
    if config.batch_size <= num_images:
        return ()
    kept = " (drop_last keeps it)" if config.drop_last else ""
    images = f"{num_images} training images"
    return (f"batch_size {config.batch_size}: one batch of {num_images} an epoch, there are {images}{kept}",)
