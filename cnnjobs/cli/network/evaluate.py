"""`cnnjobs evaluate`: the best weights of finished runs measured on a split of any data set that fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cnnjobs.cli import completion
from cnnjobs.cli import options as o

if TYPE_CHECKING:
    from pathlib import Path

    from cnnjobs.disk.submission_folder import EvaluationRequest
    from cnnjobs.status.sweeps import OpenSweep
    from cnnjobs.sweep.file import SweepRun


@o.with_launch_options(without=("retry_failed", "force", "dry_run", "no_report", "code"))
def evaluate(
    runs: Annotated[
        list[str],
        typer.Argument(
            autocompletion=completion.sweeps_and_runs,
            metavar="RUN|SWEEP...",
            help="Run ids or their beginnings, labels, SWEEP/RUN, whole sweeps.",
        ),
    ],
    *,
    options: o.LaunchOptions,
    split: Annotated[Literal["train", "validation", "test"], typer.Option("--split", help="Which images.")] = "test",
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset", metavar="NAME", show_default="the run's own", help="Another data set with the same classes."
        ),
    ] = None,
    here: Annotated[bool, typer.Option("--local", help="On this machine, also where Slurm is.")] = False,
) -> None:
    """Evaluate the best weights of finished runs, and add the metrics to their records; nothing is trained."""
    from cnnjobs.console.own_code import show_differences
    from cnnjobs.disk.submission_folder import EvaluationRequest
    from cnnjobs.launch.evaluate import to_evaluate
    from cnnjobs.launch.plan.place import Place, place_for
    from cnnjobs.status.named_runs import find_targets

    request = EvaluationRequest(split=split, dataset=_data_set(dataset))
    chosen = [(target, to_evaluate(target)) for target in find_targets(runs, options.results)]
    local_command = f"{options.command('evaluate', ' '.join(runs))} --local"
    place = Place("local", "as asked") if here else place_for(local_command, dry_run=False)
    show_differences([target.opened.store.run(run.run_id) for target, own in chosen for run in own])
    exit_code = 0
    for target, own in chosen:
        if place.name == "slurm":
            _submit(target.opened, own, request, options, place.reason)
        else:
            exit_code = max(exit_code, _evaluate_here(target.opened, own, request, options, place.reason))
    raise typer.Exit(exit_code)


def _data_set(text: str | None) -> dict[str, Any] | None:
    """A data set's name or YAML mapping with all its options. Raises InputError."""
    from cnnjobs.config.run import read_choice

    if text is None:
        return None
    value: Any = o.read_yaml(text, f"--dataset {text}:") if text.startswith("{") else text
    nested: dict[str, Any] = read_choice("dataset", value).model_dump(mode="json")
    return nested


def _check_data(runs: tuple[SweepRun, ...], request: EvaluationRequest, folders: tuple[Path, ...]) -> None:
    from cnnjobs.config.run import read_choice
    from cnnjobs.console.runs.plan import show_notes
    from cnnjobs.launch.plan.data_sets import check_choices

    own = [run.network.dataset for run in runs]
    show_notes(check_choices(own if request.dataset is None else [read_choice("dataset", request.dataset)], folders))


def _evaluate_here(
    opened: OpenSweep, runs: tuple[SweepRun, ...], request: EvaluationRequest, options: o.LaunchOptions, reason: str
) -> int:
    """The exit code: 1 when an evaluation failed, 2 when one was refused."""
    from cnnjobs.components.data.datasets import data_folders
    from cnnjobs.console.runs.evaluations import show_ending, show_stopped
    from cnnjobs.console.runs.plan import show_resources
    from cnnjobs.launch.evaluate import evaluated_here
    from cnnjobs.launch.plan.place import profile_here
    from cnnjobs.launch.plan.resources import share_out

    profile = profile_here(options.job(opened.sweep))
    folders = data_folders(options.data_dir, profile.data_dir)
    _check_data(runs, request, folders)
    # An evaluation is too short to find out how many go on at once.
    resources = share_out(profile.model_copy(update={"runs_at_once": profile.at_once}), len(runs))
    show_resources(resources, reason)
    labels = {run.run_id: run for run in runs}
    states = []
    try:
        with evaluated_here(opened.store, runs, request, resources, folders) as endings:
            for number, ending in enumerate(endings, 1):
                run = labels[ending.run_id]
                show_ending(ending, run, opened.store.run(run.run_id), request, f"[{number}/{len(runs)}]")
                states.append(ending.state)
    except KeyboardInterrupt:
        show_stopped(len(states), len(runs))
        raise typer.Exit(130) from None
    return 1 if "failed" in states else 2 if "refused" in states else 0


def _submit(
    opened: OpenSweep, runs: tuple[SweepRun, ...], request: EvaluationRequest, options: o.LaunchOptions, reason: str
) -> None:
    from cnnjobs.components.data.datasets import data_folders
    from cnnjobs.console.runs.evaluations import show_submitted_evaluation
    from cnnjobs.launch.evaluate import submit_evaluation
    from cnnjobs.launch.plan.place import profile_for_slurm
    from cnnjobs.launch.plan.resolving import resolve

    profile = resolve(profile_for_slurm(options.job(opened.sweep)))
    folders = data_folders(options.data_dir, profile.data_dir)
    _check_data(runs, request, folders)
    submitted = submit_evaluation(opened, runs, request, profile, folders)
    words = f"{opened.word}{o.results_option(options.results)}"
    show_submitted_evaluation(submitted, len(runs), reason, words)
