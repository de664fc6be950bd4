"""Names as Python programs write them, `models.resnet18(pretrained=True)`, and what stands for them here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from cnnjobs.components.pretrained import torchvision
from cnnjobs.components.torch_parts.catalogue import FUNCTIONS, HOMES, class_names, classes, import_path
from cnnjobs.components.torch_parts.refusals import why_refused
from cnnjobs.errors import InputError, suggest, suggest_nearest
from cnnjobs.registry import components
from cnnjobs.system import own_modules

_NETWORKS: Final = ("torchvision", "models", "timm", "applications")
_DATA: Final = ("torchvision", "datasets", "tfds", "tensorflow_datasets")
# An import path into any other package is taken as it is.
_PACKAGES: Final = ("torch", "torchvision", "timm")
_NO_CLASSIFIERS: Final = ("segmentation", "detection", "video", "quantization", "optical_flow")
_BY_NAME: Final = ("create_model", "get_model", "load", "load_dataset")
_FOLDERS: Final = ("imagefolder", "datasetfolder", "imagenet", "imagefolderdataset")
_LAYERS: Final = ("nn", "torch.nn", "keras.layers", "layers")


class Meant(NamedTuple):
    """A name that is accepted here, if there is one, and what to say."""

    name: str | None
    remedy: str


def meant(kind: str, text: str) -> Meant | None:
    """Name and remedy for what a Python program writes; None for what is nothing of the kind."""
    found = re.fullmatch(r"\s*(?P<path>[\w.:]+)\s*(?P<call>\(.*\))?\s*", text, re.DOTALL)
    if found is None:
        return None
    head, _, word = found["path"].replace(":", ".").rpartition(".")
    call = found["call"] or ""
    is_path = ":" in found["path"]
    if head and _is_own(head):
        # The user's own, written with a dot.
        return None if is_path and not call else _here(f"{head}:{word}", call)
    if is_path and head.partition(".")[0] not in (*_PACKAGES, head if call else "models"):
        return None
    if kind == "model":
        return _network(head, word, call)
    if kind == "dataset":
        return _data_set(head, word, call)
    return _part(kind, head, word, call) if kind in {home.kind for home in HOMES} else None


def _is_own(module: str) -> bool:
    """Check whether a module is the user's own; one with a name of Python's is refused where it is imported."""
    try:
        return own_modules.find_file(module) is not None
    except InputError:
        return True


def _here(name: str, call: str) -> Meant:
    """The accepted name; what stood in brackets becomes keys."""
    keys = ", with what stands in its brackets as keys beside `name`" if call[1:-1].strip() else ""
    return Meant(name, f"did you mean `{name}`{keys}?")


def _goes_by(kind: str, name: str, call: str = "") -> Meant:
    pretrained = bool(re.search(r"pretrained\s*=\s*True|weights\s*=\s*(?!None)\S", call))
    accepted = None if name.endswith("<name>") else name
    return Meant(accepted, f"write {kind}: {name}{', and its weights as weights: DEFAULT' if pretrained else ''}")


def _network(head: str, word: str, call: str) -> Meant | None:
    family, quoted = head.split("."), _quoted(call)
    if family[0] == "timm":
        named = (*quoted, "")[0] if word in _BY_NAME else word
        return _goes_by("model", f"timm/{named.removeprefix('timm/') or '<name>'}")
    if head in _LAYERS:
        return Meant(None, "it is a layer, and a network is made of several: write yours as `module:Name`")
    if set(family) & set(_NO_CLASSIFIERS) and {"torchvision", "models"} & set(family):
        return Meant(None, "it is no classifier of images, which is what cnnjobs trains; docs/transfer.md lists those")
    if word in _BY_NAME and {*family, word} & {*_NETWORKS, "hub", "get_model"}:
        head, word = "models", (*quoted, "")[-1]
    near = _alike(word.removesuffix("_Weights"), torchvision.names())
    if word.endswith("_Weights"):
        return Meant(None, f"it names weights: write model: torchvision/{near or '<name>'} and weights: DEFAULT")
    return _of_torchvision(head, word, call, near)


def _of_torchvision(head: str, word: str, call: str, near: str | None) -> Meant | None:
    if near is not None:
        return _goes_by("model", f"torchvision/{near}", call) if head or call else None
    if head.partition(".")[0] != "torchvision" and head != "models":
        return None
    known = [f"torchvision/{name}" for name in torchvision.names()]
    said = suggest_nearest(f"torchvision/{word}", known, "all of them: docs/transfer.md") if word else ""
    return Meant(None, said or "write the network's name, as model: torchvision/resnet18")


def _data_set(head: str, word: str, call: str) -> Meant | None:
    known = [name for name in components("dataset") if name != "image_folder"]
    quoted = _quoted(call)
    if word in _BY_NAME and quoted:
        head, word = head or "datasets", quoted[0].rpartition("/")[2]
    if word == "load_data":
        head, _, word = head.rpartition(".")
    near = _alike(word, known)
    if near is not None and (head or call):
        return _goes_by("dataset", near)
    # `datasets.csv` is a table of images, and a folder may be called `datasets.v2`.
    if not set(head.split(".")) & set(_DATA) or (word.islower() and not call):
        return None
    if _plainly(word) in _FOLDERS:
        return Meant(None, "images in data/NAME/{train,test}/<class>/* are the data set NAME: write dataset: NAME")
    return Meant(None, f"{suggest(word, known)}, a folder of images, or one of your own (docs/own-parts.md)")


def _part(kind: str, head: str, word: str, call: str) -> Meant | None:
    """A class of torch's, under the names by which programs import its module, or a function that does the same."""
    homes = [home for home in HOMES if home.kind == kind]
    function = FUNCTIONS.get(f"torch.nn.functional:{word}") if kind == "loss" else None
    own = _alike(word, components(kind)) if not head else None
    path = own or import_path(kind, f"{head}.{word}") or import_path(kind, word) or function
    if path is not None:
        return _here(path, call)
    for home in homes:
        near = _alike(word, classes(home))
        why = why_refused(home.module, near) if near else None
        if why:
            return Meant(None, f"torch's own `{near}` cannot be used: {why}")
    for home in homes:
        if head and f".{home.module}".endswith(f".{head}"):
            known = [f"{home.module}:{name}" for name in class_names(kind, home.module)]
            return Meant(None, suggest(f"{home.module}:{word}", known))
    return None


def _quoted(call: str) -> list[str]:
    return [first or second for first, second in re.findall(r"'([^']*)'|\"([^\"]*)\"", call)]


def _alike(word: str, names: Iterable[str]) -> str | None:
    """The name of these that has the same letters and digits."""
    return next((each for each in names if _plainly(each) == _plainly(word)), None)


def _plainly(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())
