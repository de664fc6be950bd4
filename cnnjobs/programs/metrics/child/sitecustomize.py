"""Loaded first in every Python of a program: it waits for `import wandb`, and loads nothing where none comes."""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_NAMES = {"wandb": "cnnjobs_wandb.py", "cnnjobs": "cnnjobs_log.py"}
_ENDINGS = (".csv", ".tsv", ".log", ".json", ".jsonl", ".db")
_MOST_TOLD = 1000
_told = set()
_OWN = [os.environ[name] for name in ("CNNJOBS_RUN_DIR", "CNNJOBS_CHECKPOINT_DIR") if os.environ.get(name)]
try:
    _FOLDER = os.path.join(os.getcwd(), "")
except OSError:
    _FOLDER = os.devnull


class Hook:
    """A finder ahead of all others: the real wandb is listened to, and where there is none a stand-in is found."""

    def __init__(self):
        self._asks = False

    def find_spec(self, name, path=None, target=None):
        """The spec of wandb, or of a part of its stand-in; None for any other module."""
        if self._asks or name not in _NAMES:
            return _part(name) if name.startswith("wandb.") else None
        import importlib.util

        self._asks = True
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            spec = None
        finally:
            self._asks = False
        # A folder that is merely called so, as W&B leaves one beside a program, is no package.
        if spec is None or spec.origin is None:
            return stand_in(name)
        if name == "wandb":
            _listen(spec.loader)
        return spec

    def find_distributions(self, context=None):
        """The version of the stand-in, for libraries that ask whether wandb is installed."""
        if self._asks or getattr(context, "name", None) != "wandb":
            return ()
        import importlib.metadata

        self._asks = True
        try:
            importlib.metadata.distribution("wandb")
            return ()
        except importlib.metadata.PackageNotFoundError:
            import cnnjobs_wandb_parts

            return (cnnjobs_wandb_parts.StandInDistribution(),)
        finally:
            self._asks = False

    def invalidate_caches(self):
        """Nothing is kept."""


def stand_in(name):
    """The spec of what takes a missing package's place."""
    from importlib.util import spec_from_file_location

    file = os.path.join(_HERE, _NAMES[name])
    return spec_from_file_location(name, file, submodule_search_locations=[] if name == "wandb" else None)


def _part(name):
    if not hasattr(sys.modules.get("wandb"), "cnnjobs_stand_in"):
        return None
    import cnnjobs_wandb_parts

    return cnnjobs_wandb_parts.spec_of(name)


def _listen(loader):
    """Let the hook have wandb as soon as it is loaded, before anyone has taken a name out of it."""
    load = loader.exec_module

    def load_and_hook(module):
        try:
            load(module)
        except Exception as error:
            _replace(module, error)
            return
        import cnnjobs_wandb_hook

        cnnjobs_wandb_hook.install(module)

    loader.exec_module = load_and_hook


def _replace(module, error):
    """Put the stand-in where a wandb is that cannot be loaded, as with another NumPy or protobuf than its own."""
    from importlib.util import module_from_spec

    import cnnjobs_channel

    for name in [name for name in sys.modules if name.startswith("wandb.")]:
        del sys.modules[name]
    cnnjobs_channel.say(f"wandb at {module.__file__} cannot be imported: {type(error).__name__}: {error}")
    spec = stand_in(module.__name__)
    sys.modules[module.__name__] = replacement = module_from_spec(spec)
    spec.loader.exec_module(replacement)


def _next_one():
    """Load the sitecustomize that would have been found without this one."""
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec("sitecustomize", [each for each in sys.path if os.path.abspath(each) != _HERE])
    if spec is not None and spec.loader is not None and spec.origin is not None:
        from importlib.util import module_from_spec

        module = sys.modules["sitecustomize"] = module_from_spec(spec)
        spec.loader.exec_module(module)


def _hear_opened(event, given):
    """Tell the run of files that this process writes and that may hold metrics: nobody else knows whose they are."""
    opens = event == "open" and _writes(given[1], given[2])
    if (opens or event == "sqlite3.connect") and isinstance(given[0], (str, bytes)):
        try:
            path = os.path.abspath(os.fsdecode(given[0]))
            kind = "_wrote" if _may_hold_metrics(path) else "_shares" if _is_shared(path) else None
            if kind and path not in _told and len(_told) < _MOST_TOLD:
                _told.add(path)
                import cnnjobs_channel

                cnnjobs_channel.report({kind: path})
                if len(_told) == _MOST_TOLD:
                    cnnjobs_channel.say(f"{_MOST_TOLD} files were written: later ones are not looked at for metrics")
        except Exception:
            # At the end of the interpreter there is nothing left to tell with.
            return


def _writes(mode, flags):
    if isinstance(mode, str):
        return mode[:1] in "wax" or "+" in mode
    return bool(flags & (os.O_WRONLY | os.O_RDWR))


def _may_hold_metrics(path):
    if path.endswith(_ENDINGS):
        return path != os.environ.get("CNNJOBS_METRICS")
    in_store = os.sep + "metrics" + os.sep in path and "__pycache__" not in path and not path.endswith(".py")
    return "events.out.tfevents." in path or in_store


def _is_shared(path):
    """Tell whether other runs may write this file, too: it lies in the folder where this process was started."""
    inside = path.startswith(_FOLDER) and os.sep + "." not in path[len(_FOLDER) - 1 :] and "__pycache__" not in path
    return inside and not any(path.startswith(own) for own in _OWN)


# Python 2 finds modules in another way, and its wandb is another.
if sys.version_info >= (3, 7):
    if os.environ.get("CNNJOBS_METRICS"):
        sys.meta_path.insert(0, Hook())
        if hasattr(sys, "addaudithook"):
            sys.addaudithook(_hear_opened)
    _next_one()
