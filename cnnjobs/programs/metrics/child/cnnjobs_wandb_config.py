"""`wandb.config` and `wandb.summary` of the stand-in."""

import json
import os
import re

import cnnjobs_channel as channel


class Error(Exception):
    """Any error of W&B's."""


class ConfigError(Error):
    """A value of the configuration that is to change without leave."""


class BeforeInit:
    """Stand-in before wandb.init: it says so as soon as it is used."""

    def __init__(self, name):
        vars(self)["_name"] = name

    def _refuse(self, *_, **__):
        raise Error(f"You must call wandb.init() before {self._name}()")

    def __getattr__(self, key):
        if key.startswith("__"):
            raise AttributeError(key)
        raise Error(f"You must call wandb.init() before {self._name}.{key}")

    __call__ = __getitem__ = __setitem__ = __setattr__ = _refuse


class Config:
    """The configuration of a run by item and attribute; what the sweep has set cannot be changed by the program."""

    def __init__(self):
        vars(self).update(_items={}, _locked=set())
        if os.path.exists("config-defaults.yaml"):
            self.update(without_wrapping(read_yaml("config-defaults.yaml")))

    def __getitem__(self, key):
        return self._items[key]

    def __getattr__(self, key):
        try:
            return self._items[key]
        except KeyError:
            raise AttributeError(f"{type(self)!r} object has no attribute {key!r}") from None

    def __setitem__(self, key, value):
        self.update({key: value})

    __setattr__ = __setitem__

    def __contains__(self, key):
        return key in self._items

    def __iter__(self):
        return iter(self._items)

    def __len__(self):
        return len(self._items)

    def __repr__(self):
        return repr(self._items)

    def keys(self):
        """Names that are set."""
        return list(self._items)

    def items(self):
        """Names and values."""
        return list(self._items.items())

    def values(self):
        """Values alone."""
        return list(self._items.values())

    def get(self, key, default=None):
        """The value of a name, or the default."""
        return self._items.get(key, default)

    def as_dict(self):
        """A plain dict of it."""
        return dict(self._items)

    def update(self, given, allow_val_change=None):
        """Set values; one of the sweep's stays, and another that is set already only changes with leave."""
        for key, value in self._read(given).items():
            if key in self._locked:
                if value != self._items[key]:
                    channel.say(f"wandb.config: {key!r} is set by the sweep, and stays {self._items[key]!r}")
            elif key in self._items and value != self._items[key] and not allow_val_change:
                change = f'Attempted to change value of key "{key}" from {self._items[key]!r} to {value!r}'
                raise ConfigError(change + "; config.update(..., allow_val_change=True) allows it")
            else:
                self._items[key] = value

    def setdefaults(self, given):
        """Set the values of names that have none."""
        self._items.update({key: value for key, value in self._read(given).items() if key not in self._items})

    def setdefault(self, key, default=None):
        """The value of a name, which is the default where it had none."""
        return self._items.setdefault(key, default)

    def merge_locked(self, given):
        """Set what the sweep says, within nested mappings too."""
        self._items.update(merged(self._items, given))
        self._locked.update(given)

    def persist(self):
        """Nothing, as it is kept at once."""

    @staticmethod
    def _read(given):
        return {str(key).strip("-"): _plain(value) for key, value in as_mapping(given).items()}


class Summary(dict):
    """The last values of a run by item and attribute; those that the program sets are reported."""

    def __init__(self, reporter):
        super().__init__()
        vars(self)["_reporter"] = reporter

    def __getattr__(self, key):
        try:
            return self[key]
        except KeyError:
            raise AttributeError(key) from None

    def __setitem__(self, key, value):
        self.update({key: value})

    __setattr__ = __setitem__

    def update(self, *given, **more):
        """Set values, and report them."""
        data = dict(*given, **more)
        self._reporter.summarise(data)
        super().update(data)

    def logged(self, data):
        """Take over what is logged, which is reported already."""
        super().update(data)


def as_mapping(given):
    """The values of a dict, a namespace of argparse, flags of absl, a dataclass or a YAML file."""
    if given is None or isinstance(given, BeforeInit):
        return {}
    if isinstance(given, str):
        return without_wrapping(read_yaml(given))
    if hasattr(given, "flag_values_dict"):
        return given.flag_values_dict()
    if hasattr(given, "keys"):
        return {key: given[key] for key in given.keys()}  # noqa: SIM118
    if not hasattr(given, "__dict__"):
        raise TypeError("config must be a dict or have a __dict__ attribute.")
    return dict(vars(given))


def _plain(value):
    if isinstance(value, (tuple, set, frozenset)):
        return [_plain(each) for each in value]
    if hasattr(value, "keys") and hasattr(value, "__getitem__"):
        return {str(key): _plain(value[key]) for key in value.keys()}  # noqa: SIM118
    if isinstance(value, (bool, int, float, str, type(None), list)):
        return value
    found = channel.number(value)
    return str(value) if found is None and isinstance(value, os.PathLike) else value if found is None else found


def merged(before, after):
    """Values of the first with those of the second over them, within nested mappings too."""
    both = {**before, **after}
    for key in before:
        if isinstance(before[key], dict) and isinstance(after.get(key), dict):
            both[key] = merged(before[key], after[key])
    return both


def of_the_sweep():
    """The parameters of this run, from the file by which W&B's agent gives them."""
    path = os.environ.get("WANDB_SWEEP_PARAM_PATH")
    return without_wrapping(read_yaml(path)) if path and os.path.exists(path) else {}


def without_wrapping(document):
    """The values of W&B's `{name: {value: ...}}`."""
    document = {key: value for key, value in (document or {}).items() if key not in ("wandb_version", "_wandb")}
    wrapped = all(isinstance(value, dict) and "value" in value for value in document.values())
    return {key: value["value"] for key, value in document.items()} if wrapped else document


# As a run's parameters are written.
_PARAMETER = re.compile(r'("(?:[^"\\]|\\.)*"): \{value: (.*)\}')
_IN_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|[-+]?\.(?:inf|nan)')


def _json(text):
    def plain(found):
        part = found[0]
        if part[0] == '"':
            return re.sub(r"\\U([0-9a-f]{8})", lambda code: json.dumps(chr(int(code[1], 16)))[1:-1], part)
        return part.replace(".inf", "Infinity").replace(".nan", "NaN").lstrip("+")

    return json.loads(_IN_TEXT.sub(plain, text))


def read_yaml(path):
    """A YAML file; one that is JSON, or a run's parameters, needs no package."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        return json.loads(text)
    except ValueError:
        lines = [_PARAMETER.fullmatch(line) for line in text.splitlines()[1:]]
        if lines and all(lines):
            return {json.loads(line[1]): {"value": _json(line[2])} for line in lines}
        try:
            import yaml
        except ImportError:
            raise Error(f"{path} is YAML, which needs a package: pip install pyyaml") from None
        return yaml.safe_load(text)
