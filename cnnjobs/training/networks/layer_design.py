"""Settings of layers: kernel, stride, padding, filters, and the activation that follows each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from cnnjobs.components.activations import ACTIVATIONS

CONVOLUTIONS: Final = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED: Final = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_POOLINGS: Final = (
    nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.LPPool1d, nn.LPPool2d,
)  # fmt: skip
# Products with weights that are no module's, attention, and new tensors.
_AFRESH: Final = (
    "linear", "conv", "matmul", "bmm", "baddbmm", "addmm", "mm", "einsum", "scaled_dot_product", "new_", "zeros_like",
    "ones_like", "full_like",
)  # fmt: skip
_MAX_POOLINGS: Final = ("max_pool", "adaptive_max_pool", "fractional_max_pool")
_OTHER_POOLINGS: Final = ("avg_pool", "adaptive_avg_pool", "lp_pool")
_SHARE_OF: Final = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
_USUAL_SLOPE: Final = 0.01


def settings(module: nn.Module) -> dict[str, Any]:
    """Settings of a Design that the module itself has."""
    if isinstance(module, nn.Linear):
        return {"units": module.out_features}
    if isinstance(module, _SHARE_OF):
        return {"dropped": float(module.p)}
    if isinstance(module, (*CONVOLUTIONS, *TRANSPOSED)):
        number = len(module.kernel_size)
        return {
            "units": module.out_channels,
            "groups": module.groups,
            **{name: _each(getattr(module, name), number) for name in ("stride", "padding", "dilation")},
            "kernel": _each(module.kernel_size, number),
        }
    if isinstance(module, _POOLINGS):
        number = int(type(module).__name__[-2])
        stride = module.kernel_size if module.stride is None else module.stride
        found = {"kernel": _each(module.kernel_size, number), "stride": _each(stride, number)}
        return found | {name: _each(getattr(module, name), number) for name in ("padding",) if hasattr(module, name)}
    return {}


def has_units(module: nn.Module) -> bool:
    """Check whether it is a convolution or a linear layer, which activations follow."""
    return isinstance(module, (nn.Linear, *CONVOLUTIONS, *TRANSPOSED))


def _each(value: Any, number: int) -> tuple[int, ...] | str:
    """A number for each dimension; a word stays one."""
    return value if isinstance(value, str) else tuple(value) if isinstance(value, tuple | list) else (value,) * number


@dataclass(frozen=True)
class _Origin:
    """The layers (as numbers) that a value comes from with no activation since, and the poolings on the way."""

    layers: frozenset[int] = frozenset()
    poolings: tuple[str, ...] = ()


class Activations(TorchFunctionMode):
    """Follows values from layers to the activations that are applied to them, while it is entered.

    Functions are seen as well as modules: `F.relu(self.conv(x))` is told like `nn.ReLU`. An activation behind a sum is
    that of every layer in it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[int, tuple[str, tuple[str, ...]]] = {}
        self.inside: list[str] = []
        """The names of the modules that are at work."""
        self._origins = WeakTensorKeyDictionary()

    def left(self, layer: int, output: Any) -> None:
        """A layer with weights has given this."""
        for tensor in _tensors([output]):
            self._origins[tensor] = _Origin(frozenset({layer}))

    def __torch_function__(
        self, function: Callable[..., Any], _types: Any, arguments: Sequence[Any] = (), options: Any = None
    ) -> Any:
        """Do what was asked, and note where its result comes from."""
        options = options or {}
        given = [
            self._origins[tensor] for tensor in _tensors([*arguments, *options.values()]) if tensor in self._origins
        ]
        result = function(*arguments, **options)
        if given:
            origin = self._next(function, arguments, options, given)
            for tensor in _tensors([result]):
                self._origins[tensor] = origin
        return result

    def _next(
        self, function: Callable[..., Any], arguments: Sequence[Any], options: Mapping[str, Any], given: list[_Origin]
    ) -> _Origin:
        name = str(getattr(function, "__name__", "")).strip("_")
        layers = frozenset().union(*(origin.layers for origin in given))
        poolings = tuple(dict.fromkeys(each for origin in given for each in origin.poolings))
        if name.startswith(_AFRESH):
            return _Origin()
        if name in ACTIVATIONS:
            for layer in layers:
                self.found.setdefault(layer, (_activation(name, arguments, options), poolings))
            return _Origin()
        if name.startswith((*_MAX_POOLINGS, *_OTHER_POOLINGS)) and layers:
            return _Origin(layers, (*poolings, self.inside[-1] if self.inside else name))
        return _Origin(layers, poolings)


def _activation(name: str, arguments: Sequence[Any], options: Mapping[str, Any]) -> str:
    """`ReLU`; `LeakyReLU(0.2)` where its slope is not torch's."""
    called = ACTIVATIONS[name]
    if called != "LeakyReLU":
        return called
    slope = options.get("negative_slope", arguments[1] if len(arguments) > 1 else _USUAL_SLOPE)
    return f"{called}({slope:g})"


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from _tensors(value)
        elif isinstance(value, Mapping):
            yield from _tensors(value.values())
