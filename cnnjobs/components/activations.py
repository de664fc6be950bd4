"""Names of activations, as torch has them."""

from __future__ import annotations

from typing import Final

# torch's names of functions and methods, those in place with an underscore more.
ACTIVATIONS: Final = {
    "relu": "ReLU", "relu6": "ReLU6", "leaky_relu": "LeakyReLU", "rrelu": "RReLU", "prelu": "PReLU", "elu": "ELU",
    "selu": "SELU", "celu": "CELU", "gelu": "GELU", "silu": "SiLU", "mish": "Mish", "softplus": "Softplus",
    "softsign": "Softsign", "sigmoid": "Sigmoid", "logsigmoid": "LogSigmoid", "tanh": "Tanh",
    "tanhshrink": "Tanhshrink", "hardtanh": "Hardtanh", "hardswish": "Hardswish", "hardsigmoid": "Hardsigmoid",
    "softmax": "Softmax", "log_softmax": "LogSoftmax",
}  # fmt: skip
# A maximum of what these give is what they give of the maximum.
_RISING: Final = {
    "ReLU", "ReLU6", "LeakyReLU", "ELU", "SELU", "CELU", "Softplus", "Softsign", "Sigmoid", "LogSigmoid", "Tanh",
    "Hardtanh", "Hardsigmoid",
}  # fmt: skip


def is_activation(kind: str) -> bool:
    """Check whether a module of this kind is nothing but an activation."""
    return kind in ACTIVATIONS.values()


def is_monotone(activation: str) -> bool:
    """Check whether it never falls: a maximum of its values is its value of the maximum."""
    return activation.partition("(")[0] in _RISING
