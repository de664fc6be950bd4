"""A process of its own that tries runs before a sweep is started: python -m ... REQUEST ANSWERS.

It makes each run's trainer, as a worker does, over images that are only as large and as many as the real ones.
"""

from __future__ import annotations

import hashlib
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cnnjobs.config.run import RunConfig
from cnnjobs.errors import concerning, key_of
from cnnjobs.system import own_modules
from cnnjobs.system.memory import free_memory
from cnnjobs.system.package import PACKAGE
from cnnjobs.training.networks.asked import Answer, Asked, Images, Request

if TYPE_CHECKING:
    from cnnjobs.training.data.pipeline import DeviceData

_INSTALLED: Final = ("site-packages", "dist-packages")
_LEAST_BYTES: Final = 4 << 30
_MIDDLE: Final = 0.5


def answer(request_file: Path, answers_file: Path) -> None:
    """Try the runs of a request, and add a line for each: when it begins, so that its end is known, and what came."""
    request, until = Request.model_validate_json(request_file.read_bytes()), 0.0
    _leave_memory()
    with answers_file.open("a", encoding="utf-8") as answers:

        def tell(found: Answer) -> None:
            print(found.model_dump_json(exclude_defaults=True), file=answers, flush=True)

        try:
            import cnnjobs.training.loop.trainer  # noqa: F401
        except ImportError as error:
            tell(Answer(missing=str(error)))
            return
        until = time.monotonic() + request.seconds
        for number, asked in enumerate(request.runs):
            if time.monotonic() > until:
                return
            tell(Answer(number=number, begun=True))
            tell(_tried(number, asked, request))


def _leave_memory() -> None:
    """Take no more than half of what is free: others work on a login node, too."""
    free = free_memory()
    if free is not None:
        most, hard = max(_LEAST_BYTES, free // 2), resource.getrlimit(resource.RLIMIT_DATA)[1]
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _tried(number: int, asked: Asked, request: Request) -> Answer:
    from cnnjobs.system.failure import cause_of

    own_modules.use(asked.code)
    try:
        notes = _try(RunConfig.model_validate(asked.config), asked.images, request)
    except Exception as error:
        return Answer(number=number, cause=cause_of(error), key=key_of(error))
    return Answer(number=number, notes=notes, files=_own_files(asked.code))


def _try(config: RunConfig, images: Images | None, request: Request) -> tuple[str, ...]:
    import torch

    from cnnjobs.training.data.pipeline import DataSets
    from cnnjobs.training.loop.trainer import Trainer
    from cnnjobs.training.weights.initial import read_initial_weights
    from cnnjobs.training.weights.source import find_weights

    torch.set_num_threads(1)
    with concerning("dataset"):
        data = stand_in(images) if images else DataSets(request.folders, torch.device("cpu")).get(config)
    with concerning("weights"):
        source = find_weights(config, request.folders, request.results)
        weights = read_initial_weights(source) if source else None
    notes = Trainer(config, data, weights=weights).trial.notes
    return tuple(f"model `{config.model.name}`: {note}" for note in notes)


def stand_in(images: Images) -> DeviceData:
    """Black images that are one in memory, with labels of every class."""
    import torch

    from cnnjobs.training.data.device_split import DeviceSplit
    from cnnjobs.training.data.pipeline import DeviceData

    channels, height, width = images.shape
    pixels = torch.zeros(1, height, width, channels, dtype=torch.uint8)

    def split(name: str) -> DeviceSplit:
        number = images.sizes[name]
        return DeviceSplit(pixels.expand(number, -1, -1, -1), torch.arange(number) % len(images.classes))

    middle = (_MIDDLE,) * channels
    splits = split("train"), split("validation"), split("test")
    return DeviceData(*splits, images.classes, mean=middle, std=middle, are_fitted=images.are_fitted)


def _own_files(code: Path | None) -> dict[str, str]:
    """The files that were imported from neither Python, nor an installed package, nor this one, with their SHA-256.

    Those of the copy are known by its name.
    """
    library = Path(sys.prefix), Path(sys.base_prefix)
    found = {}
    for module in list(sys.modules.values()):
        name = getattr(module, "__file__", None)
        path = Path(name) if isinstance(name, str) else Path()
        if path.suffix != ".py" or not path.is_file():
            continue
        if code is not None and path.is_relative_to(code):
            continue
        is_own = not any(part in _INSTALLED for part in path.parts) and not path.is_relative_to(PACKAGE)
        if is_own and not any(path.is_relative_to(each / "lib") for each in library):
            found[str(path.absolute())] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


if __name__ == "__main__":
    answer(Path(sys.argv[1]), Path(sys.argv[2]))
