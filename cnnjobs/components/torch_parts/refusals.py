"""Classes of torch that cannot be parts of a run, each with its reason, and constructor parameters that are no keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

_OWN: Final = "write one of your own, docs/own-parts.md shows how"
_NUMBERS: Final = "it compares with numbers, and the labels of images are classes; use `cross_entropy`"
_TENSORS: Final = "images are tensors already; leave it out"
_TYPE: Final = f"it changes the type of images; {_TENSORS}"
_CHANGES: Final = "it changes labels, and an augmentation is given the images alone"
_SEVERAL: Final = "it makes several images of one; an augmentation gives one for each"
_BOXES: Final = "it is for boxes and points; images here have a class each"
_OTHERS: Final = "it is made of other transforms, which `augment` lists one after the other"
_CLOSURE: Final = (
    "it runs the network several times a step (a closure), and a run gives it one gradient; allowed: those that step"
    " from one gradient, as `adam`"
)

# Losses that take logits (N, classes) and labels (N,); all others are refused.
_LOSSES: Final = ("CrossEntropyLoss", "NLLLoss", "MultiMarginLoss")

_TRANSFORMS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("ToTensor", "PILToTensor", "ToImage", "ToPureTensor"), _TENSORS),
    **dict.fromkeys(("ConvertImageDtype", "ToDtype", "ToPILImage"), _TYPE),
    "Normalize": "images are normalised last, by their data set or by `{name: normalise, mean: ..., std: ...}`;"
    " write that",
    **dict.fromkeys(("MixUp", "CutMix"), _CHANGES),
    **dict.fromkeys(("FiveCrop", "TenCrop"), _SEVERAL),
    **dict.fromkeys(("Compose", "RandomApply", "RandomChoice", "RandomOrder", "RandomTransforms"), _OTHERS),
    **dict.fromkeys(("Lambda", "Transform"), f"it needs a function, which YAML cannot write; {_OWN}"),
    "LinearTransformation": f"it needs a matrix; {_OWN}",
    **dict.fromkeys(
        (
            "RandomIoUCrop", "SanitizeBoundingBoxes", "SanitizeKeyPoints", "ClampBoundingBoxes",
            "ClampKeyPoints", "ConvertBoundingBoxFormat", "SetClampingMode",
        ),
        _BOXES,
    ),
    **dict.fromkeys(
        ("ScaleJitter", "RandomShortestSize", "RandomResize", "RandomZoomOut"),
        "its images have sizes of their own, and those of a batch are alike; resize or crop instead",
    ),
    **dict.fromkeys(("UniformTemporalSubsample", "JPEG"), "it is not for batches of images as tensors"),
}  # fmt: skip

_REASONS: Final[Mapping[str, Mapping[str, str]]] = {
    "torch.optim": {
        "LBFGS": _CLOSURE,
        "SparseAdam": "it takes sparse gradients alone, and those of images are dense; use `adam`",
        "Muon": "it takes matrices alone, and a network has kernels and biases too; use `adamw`",
        "Optimizer": f"it is the base class of optimizers; {_OWN}",
    },
    "torch.optim.lr_scheduler": {
        **dict.fromkeys(("LambdaLR", "MultiplicativeLR"), f"it needs a function, which YAML cannot write; {_OWN}"),
        **dict.fromkeys(
            ("SequentialLR", "ChainedScheduler"), f"it is made of other schedules, which YAML cannot write; {_OWN}"
        ),
        "LRScheduler": f"it is the base class of schedules; {_OWN}",
    },
    "torchvision.transforms": _TRANSFORMS,
    "torchvision.transforms.v2": _TRANSFORMS,
}  # fmt: skip

# Parameters of constructors that the program gives, or that are for other uses than a run's.
NEVER_OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "optimizer": ("params", "lr", "weight_decay", "capturable", "differentiable"),
    "schedule": ("optimizer", "epochs", "steps_per_epoch", "verbose", "scale_fn"),
    "loss": (),
    "augmentation": ("inplace",),
}

# What earlier versions wrote out with every run of these classes stays known, and stays as it is.
_NOTHING: Final = type(None)
FIXED: Final[Mapping[str, tuple[Any, Any]]] = {
    "last_epoch": (Literal[-1], -1),
    "reduction": (Literal["mean"], "mean"),
    "size_average": (_NOTHING, None),
    "reduce": (_NOTHING, None),
}


def why_refused(module: str, name: str) -> str | None:
    """Why a class of a module of torch cannot be a part of a run; None when it can, or is not there."""
    if module == "torch.nn" and name not in _LOSSES:
        return _NUMBERS if name.endswith(("Loss", "Loss2d")) else None
    return _REASONS.get(module, {}).get(name)
