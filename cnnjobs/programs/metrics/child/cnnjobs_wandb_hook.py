"""The real wandb, listened to: it stays offline, and what is logged is reported as it is logged."""

import functools
import os
import threading

import cnnjobs_channel as channel
from cnnjobs_wandb_config import as_mapping, merged, of_the_sweep
from cnnjobs_wandb_lines import Reporter, refuse_sweeps

_QUIET = ("offline", "disabled", "dryrun")
_inside = threading.local()


def install(wandb):
    """Wrap what reports; a release of wandb that has it elsewhere is told."""
    if not callable(getattr(wandb, "init", None)) or not hasattr(wandb, "sdk"):
        channel.say(f"the module wandb at {getattr(wandb, '__file__', '?')} is not W&B's: nothing of it is copied")
        return
    mode = os.environ.get("WANDB_MODE")
    mode = mode if mode in _QUIET else "offline"
    os.environ["WANDB_MODE"] = mode
    _wrap_init(wandb, mode)
    wandb.login = _login
    refuse_sweeps(wandb)
    run = getattr(wandb, "Run", None) or getattr(getattr(wandb.sdk, "wandb_run", None), "Run", None)
    if run is None:
        channel.say(f"wandb {getattr(wandb, '__version__', '?')} has no class Run: its first run will tell")
    else:
        _listen_to(run)
        _listen_to_summaries(wandb)


def _login(*_, **__):
    """W&B's login, with nobody to ask: its answer is that of a key that works."""
    return True


def _wrap_init(wandb, mode):
    real = wandb.init

    @functools.wraps(real)
    def init(*given, **settings):
        asked = settings.get("mode")
        if asked is None or asked not in _QUIET:
            if asked is not None:
                channel.say(f"wandb.init(mode={asked!r}) became mode={mode!r}: runs of a sweep stay offline")
            settings["mode"] = mode
        if settings["mode"] == "disabled":
            run = _disabled(real, given, settings)
        else:
            try:
                run = real(*given, **settings)
            except Exception as error:
                # Its own service may not start on a node; that is no reason for a run to fail.
                channel.say(f"wandb.init failed ({type(error).__name__}: {error}): W&B is disabled, metrics are kept")
                run = _disabled(real, given, settings)
        # Its class is another in some releases, where W&B is disabled.
        if run is not None and (_listen_to(type(run)) or _listen_to_this(run)):
            wandb.log = run.log
        wandb.login = _login
        return run

    for place in (wandb, wandb.sdk, getattr(wandb.sdk, "wandb_init", None)):
        if getattr(place, "init", None) is real:
            place.init = init


def _disabled(real, given, settings):
    """A disabled run with the sweep's values locked in its configuration, which W&B itself leaves to chance."""
    config, sweep = as_mapping(settings.get("config")), of_the_sweep()
    others = {key: value for key, value in config.items() if key not in sweep}
    run = real(*given, **{**settings, "config": others, "mode": "disabled"})
    if run is not None and hasattr(run.config, "update_locked"):
        both = merged(config, sweep)
        run.config.update_locked({key: both[key] for key in sweep}, user="sweep", _allow_val_change=True)
    return run


def _listen_to(kind):
    """Report what runs of this class log; False where that is done already."""
    if not callable(getattr(kind, "log", None)) or "_cnnjobs" in vars(kind):
        return False
    for each in kind.__subclasses__():
        if "log" in vars(each):
            _listen_to(each)
    log = _reporting(kind.log)
    kind.log, kind._cnnjobs = log, True
    if hasattr(kind, "define_metric"):
        kind.define_metric = _and_report(kind.define_metric)
    return True


def _reporting(real):
    """A method `log` that reports first."""

    @functools.wraps(real)
    def log(self, data, step=None, commit=None, *more, **others):
        if not getattr(_inside, "log", False):
            _reporter(self).log(data, step, commit)
        _inside.log = True
        try:
            return real(self, data, step, commit, *more, **others)
        finally:
            _inside.log = False

    return log


def _listen_to_this(run):
    """The same for a run with a function of its own, as releases before 0.19 have it where W&B is disabled."""
    own = vars(run).get("log")
    if own is not None and not hasattr(own, "_cnnjobs"):
        method = _reporting(lambda _, *given, **more: own(*given, **more))
        vars(run)["log"] = functools.partial(method, run)
        run.log._cnnjobs = True
    return own is not None


def _and_report(real):
    @functools.wraps(real)
    def define_metric(self, name, *more, **others):
        _reporter(self).defined(name, others.get("summary"))
        return real(self, name, *more, **others)

    return define_metric


def _reporter(run):
    found = vars(run).get("_cnnjobs_reporter")
    if found is None:
        found = vars(run)["_cnnjobs_reporter"] = Reporter()
        _reporter.last = found
    return found


_reporter.last = None


def _listen_to_summaries(wandb):
    summary = getattr(getattr(wandb.sdk, "wandb_summary", None), "Summary", None)
    if summary is not None and hasattr(summary, "_update"):
        real = summary._update

        def update(self, record):
            _summarise({".".join(map(str, item.key)): item.value for item in record.update or ()})
            return real(self, record)

        summary._update = update
    disabled = getattr(getattr(wandb.sdk.lib, "disabled", None), "SummaryDisabled", None)
    if disabled is not None and issubclass(disabled, dict):
        disabled.__setitem__ = disabled.__setattr__ = _set_and_tell
        disabled.update = _update_and_tell


def _set_and_tell(self, key, value):
    _summarise({key: value})
    dict.__setitem__(self, key, value)


def _update_and_tell(self, *given, **more):
    _summarise(dict(*given, **more))
    dict.update(self, *given, **more)


def _summarise(data):
    """Report values of the summary, but not those that W&B takes over from what is logged."""
    if not getattr(_inside, "log", False) and data:
        (_reporter.last or Reporter()).summarise(data)
