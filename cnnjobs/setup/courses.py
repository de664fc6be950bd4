"""The sweeps of courses and reports, as `cnnjobs init --course` brings them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cnnjobs.errors import UnknownNameError, suggest
from cnnjobs.status.sweeps import QUICKSTART

# The same files as sweeps/ of the source: a link there, copies in a package.
_FOLDER: Final = QUICKSTART.parent / "courses"
_TDT4265: Final = """\
Part 1 is theory:

    cnnjobs theory conv2d '1,0,2,3,1; 3,2,0,7,0; 0,6,1,1,4' sobel-x    # 1a; --border reflect and others
    cnnjobs theory shift                                               # 1b
    cnnjobs theory shape 32 --kernel 5 --output same                   # 1c
    cnnjobs theory shape 512 --output 504                              # 1d
    cnnjobs theory shape 504 --kernel 2 --stride 2                     # 1e
    cnnjobs theory shape 252 --kernel 3                                # 1f
    cnnjobs show cnn --input 3,32,32                                   # 1g

Parts 2 to 4 are `sweeps/task2.yaml`, `sweeps/task3.yaml` and `sweeps/task4a.yaml`; then

    cnnjobs report task2 task3 task4a
    cnnjobs bundle task2 task3 task4a -o handin.zip
"""


@dataclass(frozen=True)
class Course:
    """A course or report: its title, its sweeps by their names, and what a project's README says of it."""

    title: str
    sweeps: tuple[str, ...]
    page: str = ""

    @property
    def files(self) -> Mapping[str, str]:
        """The text of each of its sweep files by its path in a project."""
        return {f"sweeps/{name}.yaml": (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8") for name in self.sweeps}


COURSES: Final[Mapping[str, Course]] = {
    "tdt4265": Course("TDT4265 (NTNU), assignment 3", ("task2", "task3", "task4a"), _TDT4265),
    "polyu": Course("PolyU, tutorial and assignment", ("s004_lenet5", "s004_mnist", "s004_fashion_mnist")),
    "resnet18": Course("ResNet18 from scratch on CIFAR-10", ("s001_resnet18", "s001_resnet18_small")),
    "deconvolution": Course(
        "Deconvolution and gradient pictures of ResNet18", ("s003_adam_halving", "s003_adam_halving_small")
    ),
}


def find_course(name: str) -> Course:
    """The course of that name, in any case. Raises UnknownNameError."""
    if name.lower() not in COURSES:
        raise UnknownNameError(f"--course {name}: no course is called so; {suggest(name.lower(), COURSES)}")
    return COURSES[name.lower()]
