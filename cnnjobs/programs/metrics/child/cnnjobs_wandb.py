"""The stand-in for wandb where it is not installed: metrics are reported, media are inert, nothing is sent anywhere."""

import importlib
import os
import sys

import cnnjobs_channel as channel
from cnnjobs_wandb_config import BeforeInit, Config, Error
from cnnjobs_wandb_lines import refuse_sweeps
from cnnjobs_wandb_parts import PARTS, VERSION, Artifact, CommError, Inert, Settings, Table, UsageError, inert
from cnnjobs_wandb_run import Run

__version__ = VERSION
__all__ = ["Artifact", "CommError", "Config", "Error", "Run", "Settings", "Table", "UsageError", "init", "run"]
cnnjobs_stand_in = True
run = None
# Functions of the run there is, which its own methods replace once there is one.
_OF_A_RUN = ("log", "define_metric", "watch", "unwatch", "save", "restore", "use_artifact", "log_artifact", "log_model",
             "use_model", "link_model", "alert", "mark_preempting", "pin_config_keys")  # fmt: skip


def init(*_, reinit=None, **given):
    """Start a run, or give the one that there is."""
    if run is not None:
        if not reinit or reinit == "return_previous":
            return run
        run.finish()
    channel.say(f"no wandb in {sys.executable}: a stand-in takes its place, and the run keeps its metrics")
    began = Run(given)
    module = globals()
    module.update(run=began, config=began.config, summary=began.summary)
    module.update({name: getattr(began, name) for name in _OF_A_RUN})
    return began


def ended(of):
    """Forget a run that has ended."""
    if of is run:
        _before_init()


def _before_init():
    globals().update({name: BeforeInit("wandb." + name) for name in (*_OF_A_RUN, "config", "summary")}, run=None)


def finish(exit_code=None, quiet=None):
    """End the run."""
    if run is not None:
        run.finish()


join = finish


def login(*_, **__):
    """W&B's login, with nobody to ask: its answer is that of a key that works."""
    return True


def setup(*_, **__):
    """Nothing to set up."""
    return Inert()


teardown = require = termlog = termwarn = termerror = ensure_configured = setup


def _attach(*_, **__):
    return run


def Api(*_, **__):  # noqa: N802
    """No server answers. Raises CommError."""
    raise CommError(
        "wandb.Api asks W&B's server, and this run has no network: `cnnjobs report` has the results of its sweep"
    )


def __getattr__(name):
    if name.startswith("_"):
        raise AttributeError(f"module 'wandb' has no attribute {name!r}")
    if name in PARTS:
        return importlib.import_module("wandb." + name)
    return inert(name)


refuse_sweeps(sys.modules[__name__])
_before_init()
os.environ.setdefault("WANDB_MODE", "offline")
