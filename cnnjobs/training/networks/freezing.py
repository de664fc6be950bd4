"""Transfer learning's other half: which modules training leaves as they are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from cnnjobs.config.transfer import Freeze
from cnnjobs.errors import InputError, RunError

_NEAR = 2
_NAMED = 3


def freeze(model: nn.Module, frozen: Freeze) -> tuple[nn.Module, ...]:
    """Take the gradients from all that `frozen` names: a module with everything in it, or a parameter.

    Gives the frozen modules that keep statistics, which `train_mode` wants. Raises InputError for a pattern that
    matches nothing, and when nothing or everything would be frozen.
    """
    names = [name for name, _ in (*model.named_modules(), *model.named_parameters()) if name]
    for pattern in frozen.patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise InputError(f"freeze: `{pattern}` matches no module; {_near(pattern, names)}")
    before = _num_trained(model)
    for name, parameter in model.named_parameters():
        if _is_named(name, frozen.patterns) ^ frozen.all_but:
            parameter.requires_grad_(False)
    if not _num_trained(model):
        raise InputError(f"freeze: all {before:,} parameters would be frozen; leave some modules to train, as the head")
    if _num_trained(model) == before:
        raise InputError("freeze: nothing would be frozen: what it names has no parameters; leave `freeze` out")
    modules = (module for name, module in model.named_modules() if _is_named(name, frozen.patterns) ^ frozen.all_but)
    return tuple(module for module in modules if _has_statistics(module))


def frozen_by_itself(model: nn.Module, name: str, why: str = "") -> tuple[tuple[nn.Module, ...], str]:
    """Modules that keep statistics in parts that the network's own code has frozen, and a note that names them.

    `train_mode` wants them. Raises RunError for a network that trains nothing, with `why` where that is known.
    """
    total = sum(parameter.numel() for parameter in model.parameters())
    if not _num_trained(model):
        found = f"all of its {total:,} parameters have requires_grad=False" if total else why or "it has no parameters"
        raise RunError(f"model `{name}` has nothing to train: {found}")
    modules = dict(model.named_modules())
    still = [each for each in modules if _has_statistics(modules[each]) and _is_frozen(each, modules)]
    if not still:
        return (), ""
    more = f" and {len(still) - _NAMED} more" if len(still) > _NAMED else ""
    note = (
        f"model `{name}` freezes {total - _num_trained(model):,} of {total:,} parameters by itself; statistics in"
        f" frozen parts keep their values: {', '.join(still[:_NAMED])}{more}"
    )
    return tuple(modules[each] for each in still), note


def _is_frozen(name: str, modules: Mapping[str, nn.Module]) -> bool:
    """Check whether the module, or the smallest around it that has parameters, trains none of them."""
    while not any(True for _ in modules[name].parameters()):
        name = name.rpartition(".")[0]
    return not _num_trained(modules[name])


def train_mode(model: nn.Module, still: Iterable[nn.Module]) -> None:
    """Training mode, but evaluation mode for the modules `still`.

    Without gradients alone, the running mean and variance of batch norm would drift with every batch.
    """
    model.train()
    for module in still:
        # Not `eval()`: modules inside may be trained.
        module.training = False


def _num_trained(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def _has_statistics(module: nn.Module) -> bool:
    return isinstance(module, _NormBase) or any(each.is_floating_point() for each in module.buffers(recurse=False))


def _is_named(name: str, patterns: Sequence[str]) -> bool:
    """Check whether the parameter, or a module around it, matches one of the patterns."""
    parts = name.split(".")
    around = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
    return any(fnmatchcase(each, pattern) for each in around for pattern in patterns)


def _near(pattern: str, names: Iterable[str]) -> str:
    """Suggestions: similar names at the pattern's level, or names at the top."""
    known = list(dict.fromkeys(names))
    near = difflib.get_close_matches(pattern, known, n=_NEAR, cutoff=0.6)
    parent = pattern.rpartition(".")[0]
    level = [name for name in known if name.rpartition(".")[0] == parent] if parent in known else []
    level = level or [name for name in known if "." not in name]
    listed = f"there is: {', '.join(level)}"
    return f"did you mean {' or '.join(f'`{name}`' for name in near)}? {listed}" if near else listed
