"""Parts that the tests of bad sweep files share: the beginnings of files, and what messages list."""

from __future__ import annotations

from collections.abc import Mapping

from cnnjobs import registry
from cnnjobs.config.profile import PROFILE_KEYS
from cnnjobs.config.run import RunConfig
from cnnjobs.sweep.report_settings import SECTIONS

# By what is wrong: the file, and each message without the file's name.
Cases = Mapping[str, tuple[str, list[str]]]


def names(kind: str) -> str:
    return ", ".join(sorted(registry.allowed_names(kind)))


def options(kind: str, name: str) -> str:
    return ", ".join(sorted(registry.find(kind, name).parameters))


def every_option(kind: str) -> str:
    return ", ".join(sorted({option for each in registry.components(kind).values() for option in each.parameters}))


DATA_SETS = ", ".join(name for name in names("dataset").split(", ") if name != "image_folder")
KEYS = ", ".join(sorted(RunConfig.model_fields))
JOB = ", ".join(sorted(("profile", *PROFILE_KEYS)))
SECTION_NAMES = ", ".join(sorted(SECTIONS))
TOP = (
    "ablate, base, code, compare, description, early_terminate, exclude, job, method, metric, name, parameters, "
    "report, run_cap, sampling_seed, search, seeds, variants, when, zip"
)
FORMS = "a, b, distribution, max, min, mu, parameters, probabilities, q, sigma, value, values"
BASE = "base: {dataset: mnist, model: cnn}\n"
GRID = f"method: grid\n{BASE}"
