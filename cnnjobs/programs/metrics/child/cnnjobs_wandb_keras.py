"""W&B's callbacks for Keras, in the stand-in: metrics under W&B's names, models where Keras saves them."""

import contextlib
import sys

try:
    from keras.callbacks import Callback, ModelCheckpoint
except ImportError:
    from tensorflow.keras.callbacks import Callback, ModelCheckpoint


def _log(data, **how):
    sys.modules["wandb"].log(data, **how)


class WandbMetricsLogger(Callback):
    """Metrics of each epoch as `epoch/loss`, and of batches as `batch/loss` where they are asked for."""

    def __init__(self, log_freq="epoch", initial_global_step=0, *_, **__):
        super().__init__()
        self._every = None if log_freq == "epoch" else 1 if log_freq == "batch" else int(log_freq)
        self._batches = initial_global_step

    def on_epoch_end(self, epoch, logs=None):
        """Log an epoch."""
        data = {"epoch/" + name: value for name, value in (logs or {}).items()}
        data["epoch/epoch"] = epoch
        rate = getattr(getattr(self.model, "optimizer", None), "learning_rate", None)
        with contextlib.suppress(TypeError, ValueError):
            data["epoch/learning_rate"] = float(rate)
        _log(data)

    def on_train_batch_end(self, batch, logs=None):
        """Log a batch."""
        if self._every and batch % self._every == 0:
            _log(
                {**{"batch/" + name: value for name, value in (logs or {}).items()}, "batch/batch_step": self._batches}
            )
        self._batches += 1


class WandbCallback(Callback):
    """Metrics of each epoch by their own names, with the best of what is watched in the summary."""

    def __init__(self, monitor="val_loss", mode="auto", *_, **__):
        super().__init__()
        self._monitor, self._best = monitor, None
        self._sign = (
            -1 if mode == "max" or (mode == "auto" and ("acc" in monitor or monitor.startswith("fmeasure"))) else 1
        )

    def on_epoch_end(self, epoch, logs=None):
        """Log an epoch."""
        logs = dict(logs or {})
        _log({"epoch": epoch, **logs})
        value = logs.get(self._monitor)
        if value is not None and (self._best is None or self._sign * value < self._sign * self._best):
            self._best = value
            sys.modules["wandb"].summary.update({"best_" + self._monitor: value, "best_epoch": epoch})


WandbModelCheckpoint = ModelCheckpoint
