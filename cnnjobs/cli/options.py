"""The options that several commands share."""

from __future__ import annotations

import functools
import inspect
import shlex
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

if TYPE_CHECKING:
    from cnnjobs.launch.plan.plan import Selection
    from cnnjobs.sweep.file import JobSettings, Sweep

RESULTS: Final = Path("results")
_FIGURES: Final = (".png", ".svg")

Results = Annotated[Path, typer.Option("--results", metavar="DIR", help="Where all sweeps keep their runs.")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", metavar="DIR", help="Where data sets are looked for first.")
]
Profile = Annotated[
    str | None,
    typer.Option("--profile", metavar="NAME", show_default="the place's own", help="jobs/NAME.yaml, or a path."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="job.KEY=VALUE", help="A setting over the profile, such as job.max_parallel=1."),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Run the failed ones again too.")]
Force = Annotated[bool, typer.Option("--force", help="Run everything again from nothing, the finished ones too.")]
NoReport = Annotated[bool, typer.Option("--no-report", help="Build no report at the end.")]
Code = Annotated[
    Literal["new", "kept"] | None,
    typer.Option(
        "--code",
        help="Where own modules have changed: train runs of the old ones again, or go on with the old ones.",
        show_default=False,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would run and why, and write nothing.")]


@dataclass(frozen=True)
class LaunchOptions:
    """Options of a launch."""

    results: Path = RESULTS
    data_dir: Path | None = None
    profile: str | None = None
    settings: tuple[str, ...] = ()
    retry_failed: bool = False
    force: bool = False
    dry_run: bool = False
    report: bool = True
    only: frozenset[str] | None = None
    code: Literal["new", "kept"] | None = None

    def selection(self) -> Selection:
        """The part of a sweep that is asked for."""
        from cnnjobs.launch.plan.plan import Selection

        return Selection(self.retry_failed, self.force, self.only, self.code)

    def job(self, sweep: Sweep) -> JobSettings:
        """The profile and the settings over it, of the command before those of the sweep. Raises InputError."""
        return sweep.job.under(self.profile, self.overrides())

    def command(self, verb: str, word: str) -> str:
        """The command that goes on with the same sweep in the same way."""
        words = ["cnnjobs", verb, *([word] if word else [])]
        words += ["--profile", shlex.quote(self.profile)] if self.profile else []
        for setting in self.settings:
            words += ["--set", shlex.quote(setting)]
        words += ["--code", "kept"] if self.code == "kept" else []
        words += ["--data-dir", shlex.quote(str(self.data_dir))] if self.data_dir else []
        return " ".join(words) + results_option(self.results)

    def overrides(self) -> dict[str, Any]:
        """`--set job.KEY=VALUE` as profile keys with their values read as YAML. Raises InputError."""
        from cnnjobs.errors import InputError

        found: dict[str, Any] = {}
        for setting in self.settings:
            key, equals, value = setting.partition("=")
            if not equals or not key.startswith("job."):
                raise InputError(
                    f"--set {setting}: write job.KEY=VALUE; only resources are set here, what changes a run's numbers "
                    "belongs into the sweep file"
                )
            found[key.removeprefix("job.")] = read_yaml(value, f"--set {setting}: the value")
        return found


def launch_options(  # noqa: PLR0913
    *,
    profile: Profile = None,
    settings: Set = None,
    results: Results = RESULTS,
    data_dir: DataDir = None,
    retry_failed: RetryFailed = False,
    force: Force = False,
    dry_run: DryRun = False,
    no_report: NoReport = False,
    code: Code = None,
) -> LaunchOptions:
    """All launch options as one object."""
    return LaunchOptions(
        results, data_dir, profile, tuple(settings or ()), retry_failed, force, dry_run, not no_report, code=code
    )


def with_launch_options(*, without: Collection[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command that takes `options` the parameters of `launch_options` in its place, but not those `without`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters
        shared = inspect.signature(launch_options, eval_str=True).parameters
        shown = [each for name, each in shared.items() if name not in without]

        @functools.wraps(command)
        def call(**given: Any) -> None:
            command(options=launch_options(**{each.name: given.pop(each.name) for each in shown}), **given)

        first = [each for each in own.values() if each.kind is not inspect.Parameter.KEYWORD_ONLY]
        last = [each for name, each in own.items() if each not in first and name != "options"]
        call.__signature__ = inspect.Signature([*first, *shown, *last])  # type: ignore[attr-defined]
        return call

    return decorate


def read_yaml(text: str, place: str) -> Any:
    """The value that a text is in YAML. Raises InputError that begins with its place."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    from cnnjobs.errors import InputError

    try:
        return YAML(typ="safe").load(text)
    except (YAMLError, ValueError, RecursionError):
        raise InputError(f"{place} cannot be read as YAML; quote it") from None


def check_figure(path: Path) -> None:
    """Raises InputError for a name that no figure can be written to."""
    from cnnjobs.disk.files import check_new
    from cnnjobs.errors import InputError

    if path.suffix.lower() not in _FIGURES:
        raise InputError(f"--picture {path}: the name of a figure ends with {' or '.join(_FIGURES)}")
    check_new(path)


def results_option(results: Path) -> str:
    """` --results DIR` where it is not the usual one, for commands that are shown to the user."""
    return f" --results {shlex.quote(str(results))}" if results != RESULTS else ""
