"""Runs of the stand-in: what they log is reported, all else that they are asked for does nothing."""

import os
import sys
import tempfile
import time
import uuid

import cnnjobs_channel as channel
from cnnjobs_wandb_config import Config, Error, Summary, as_mapping, of_the_sweep
from cnnjobs_wandb_lines import Reporter
from cnnjobs_wandb_parts import Inert


class Run:
    """A run of W&B's, as far as a program can see without a network."""

    resumed, offline, disabled, starting_step = False, True, False, 0
    url = project_url = sweep_url = None

    def __init__(self, given):
        self._reporter = Reporter("wandb (stand-in)")
        self.id = given.get("id") or os.environ.get("WANDB_RUN_ID") or uuid.uuid4().hex[:8]
        self.name = given.get("name") or os.environ.get("WANDB_NAME") or self.id
        self.project = given.get("project") or os.environ.get("WANDB_PROJECT") or "uncategorized"
        self.entity = given.get("entity") or os.environ.get("WANDB_ENTITY") or "offline"
        self.group = given.get("group") or os.environ.get("WANDB_RUN_GROUP") or ""
        self.job_type, self.notes = given.get("job_type") or "", given.get("notes")
        self.tags = tuple(given.get("tags") or ())
        self.sweep_id = os.environ.get("WANDB_SWEEP_ID")
        self.settings = Inert()
        self.start_time = time.time()
        self.config, self.summary = Config(), Summary(self._reporter)
        left_out, only = given.get("config_exclude_keys") or (), given.get("config_include_keys")
        values = as_mapping(given.get("config")).items()
        self.config.update({k: v for k, v in values if k not in left_out and (not only or k in only)}, True)
        self.config.merge_locked(of_the_sweep())

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return Inert()

    @property
    def step(self):
        """The step of the next call of log."""
        return self._reporter.step

    @property
    def dir(self):
        """A folder for files of the run."""
        path = os.path.join(os.environ.get("WANDB_DIR") or tempfile.gettempdir(), "wandb", "files")
        os.makedirs(path, exist_ok=True)
        return path

    @property
    def path(self):
        """Owner, project and run, as W&B writes them."""
        return "/".join((self.entity, self.project, self.id))

    def log(self, data, step=None, commit=None, sync=None):
        """Report metrics."""
        if not hasattr(data, "items"):
            raise TypeError("wandb.log must be passed a dictionary")
        if not all(isinstance(key, str) for key in data):
            raise TypeError("Key values passed to `wandb.log` must be strings.")
        self._reporter.log(data, step, commit)
        self.summary.logged(data)

    _log = log

    def define_metric(self, name, step_metric=None, step_sync=None, hidden=None, summary=None, overwrite=None, **_):
        """Report which value of a metric is asked for."""
        self._reporter.defined(name, summary)
        return Inert()

    def finish(self, exit_code=None, quiet=None):
        """The end of this run."""
        sys.modules["wandb"].ended(self)

    join = finish

    def use_artifact(self, *given, **_):
        """No artifact can be had. Raises Error."""
        raise Error(
            "wandb.use_artifact({}): this run has no network; name a local file instead".format(
                ", ".join(map(repr, given))
            )
        )

    use_model = restore = use_artifact

    def log_artifact(self, artifact=None, *_, **__):
        """Nothing, as no server takes it."""
        channel.say("wandb.log_artifact: artifacts of the stand-in are not kept")
        return artifact if isinstance(artifact, Inert) else Inert()

    upsert_artifact = finish_artifact = link_artifact = log_artifact

    def save(self, *_, **__):
        """Nothing: files stay where the program has written them."""
        return []

    def get_url(self):
        """None, as there is no server."""

    def project_name(self):
        """The project."""
        return self.project

    def _nothing(self, *_, **__):
        """Nothing."""

    log_code = log_model = link_model = alert = mark_preempting = watch = unwatch = _nothing
    display = to_html = status = pin_config_keys = write_logs = _label = _nothing

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.finish()
        return False
