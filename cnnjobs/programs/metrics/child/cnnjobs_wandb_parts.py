"""Media, artifacts and other modules of wandb in the stand-in: all can be made and called, none does anything."""

import importlib
import sys
import types
import uuid
from importlib.machinery import ModuleSpec

from cnnjobs_wandb_config import ConfigError, Error

# Libraries that use W&B ask for a release that is new enough.
VERSION = "0.31.0+cnnjobs"


class CommError(Error):
    """No server answers."""


class UsageError(Error):
    """A wrong call."""


class _InertKind(type):
    """A class that has every name, as enumerations and factories are asked for theirs."""

    def __getattr__(cls, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return Inert()


class Inert(metaclass=_InertKind):
    """An object that can be made, called, entered and asked for anything, and does nothing."""

    def __init__(self, *_, **__):
        pass

    def __init_subclass__(cls, **_):
        pass

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Inert()

    def __call__(self, *_, **__):
        return Inert()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def __iter__(self):
        return iter(())

    def __bool__(self):
        return True


class Settings:
    """W&B's settings: what is given is remembered."""

    def __init__(self, **given):
        vars(self).update(given)


class Artifact(Inert):
    """Files for W&B's server, which stay where they are."""

    def __init__(self, name="", type="", description=None, metadata=None, **_):
        self.name, self.type, self.description, self.metadata = name, type, description, dict(metadata or {})

    def wait(self, *_, **__):
        """Nothing to wait for."""
        return self


class Table(Inert):
    """Rows, which a program may read again."""

    def __init__(self, columns=None, data=None, rows=None, dataframe=None, **_):
        if dataframe is not None:
            columns, data = list(dataframe.columns), dataframe.values.tolist()
        self.columns, self.data = (
            list(columns or ["Input", "Output", "Expected"]),
            [list(row) for row in data or rows or ()],
        )

    def add_data(self, *values):
        """One more row."""
        self.data.append(list(values))

    def add_row(self, *values):
        """One more row."""
        self.data.append(list(values))

    def get_column(self, name, **_):
        """The values of a column."""
        return [row[self.columns.index(name)] for row in self.data]

    def iterrows(self):
        """Rows by number."""
        return iter(enumerate(self.data))


def inert(name):
    """Stand-in for a name of wandb: a class where it is written as one, else an object to call."""
    return type(name, (Inert,), {}) if name[:1].isupper() else Inert()


def _generate_id(length=8):
    return uuid.uuid4().hex[:length]


def _keras():
    import cnnjobs_wandb_keras

    return vars(cnnjobs_wandb_keras)


def _of_wandb(*names):
    return lambda: {name: getattr(sys.modules["wandb"], name) for name in names}


# Parts in which something is more than inert, and the others that programs name without importing them.
_errors = {"Error": Error, "CommError": CommError, "UsageError": UsageError, "ConfigError": ConfigError}
_FILLED = {
    "errors": lambda: _errors,
    "errors.errors": lambda: _errors,
    "util": lambda: {"generate_id": _generate_id},
    "sdk.lib.runid": lambda: {"generate_id": _generate_id},
    "sdk.wandb_run": _of_wandb("Run"),
    "wandb_run": _of_wandb("Run"),
    "sdk.wandb_config": _of_wandb("Config"),
    "data_types": _of_wandb("Table"),
    "keras": _keras,
    "integration.keras": _keras,
}
PARTS = frozenset(
    [
        "errors",
        "util",
        "keras",
        "integration",
        "plot",
        "sdk",
        "data_types",
        "apis",
        "env",
        "sklearn",
        "tensorboard",
        "tensorflow",
        "xgboost",
        "lightgbm",
        "catboost",
        "gym",
        "jupyter",
        "wandb_run",
        "lightning",
        "fastai",
    ]
)


class _Part(types.ModuleType):
    """A module of the stand-in."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        part = f"{self.__name__}.{name}"
        if any(f"wandb.{filled}.".startswith(f"{part}.") for filled in _FILLED):
            return importlib.import_module(part)
        return inert(name)


class _Loader:
    @staticmethod
    def create_module(spec):
        """A part, filled with what there is for it."""
        part = _Part(spec.name)
        filled = _FILLED.get(spec.name.partition(".")[2])
        vars(part).update({name: each for name, each in (filled() if filled else {}).items() if name[:2] != "__"})
        return part

    @staticmethod
    def exec_module(module):
        """Nothing more."""


def spec_of(name):
    """The spec of a part, `wandb.plot`, which may have parts of its own."""
    return ModuleSpec(name, _Loader, is_package=True)


try:
    from importlib.metadata import Distribution
except ImportError:
    Distribution = object


class StandInDistribution(Distribution):
    """The stand-in among what is installed."""

    def read_text(self, filename):
        """Its name and version."""
        return f"Metadata-Version: 2.1\nName: wandb\nVersion: {VERSION}\n" if filename == "METADATA" else None

    def locate_file(self, path):
        """Nowhere."""
        return path
