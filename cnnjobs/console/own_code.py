"""The user's own code, where it is not as runs were trained with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cnnjobs.console.terminal import notice
from cnnjobs.disk.code_copies import have_changed
from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.launch.plan.plan import Action, Plan
from cnnjobs.status.own_code import differences

_CODE_WORDS: Final = {
    (Action.FINISHED,): (
        "{number} finished, kept, but {changed}: --code new trains them again, --code kept goes on with the old code"
    ),
    (
        Action.RESUMED,
        Action.AGAIN,
    ): "{number} to go on with the code that they began with: {changed}; --code new starts anew",
    (Action.RUNNING,): "{number} running with the code that they began with: {changed}",
    (Action.QUEUED,): "{number} in the queue, to train with the code that they were submitted with: {changed}",
    (Action.FAILED,): "{number} left as they are, though {changed}: --code new trains them again",
}
_KEPT: Final = "{number} finished, kept, with the old code: {changed}"
_WITH_CODE: Final = (Action.FINISHED, Action.RESUMED)


def show_code(plan: Plan) -> None:
    """Show the effect of code that has changed since runs were submitted."""
    if plan.code.choice == "new" and plan.code.given is None:
        notice("--code new: no import path of the sweep leads to code of your own, so nothing of it has changed")
    for actions, words in _CODE_WORDS.items():
        runs = [
            planned
            for planned in plan.runs
            if planned.changed and planned.action in actions and not planned.from_nothing
        ]
        if runs:
            files = sorted({file for planned in runs for file in planned.changed})
            told = _KEPT if actions == (Action.FINISHED,) and plan.code.choice == "kept" else words
            notice(told.format(number=len(runs), changed=have_changed(files)))
    if plan.code.choice != "new" and plan.count(Action.NEW) and any(planned.changed for planned in plan.runs):
        many = "1 new run begins" if plan.count(Action.NEW) == 1 else f"{plan.count(Action.NEW)} new runs begin"
        notice(f"{many} with the {'old code' if plan.code.choice == 'kept' else 'code as it is now'}")
    unknown = [planned for planned in plan.runs if planned.has_unknown_code and planned.action in _WITH_CODE]
    if unknown:
        many = "1 run is" if len(unknown) == 1 else f"{len(unknown)} runs are"
        notice(f"{many} older than copies of code: whether your own code has changed since is not known")
    for text in plan.code.given.notes if plan.code.given and plan.to_run else ():
        notice(text)


def show_differences(folders: Sequence[RunFolder]) -> None:
    """Notes on changed code of the runs at hand."""
    for text in differences(folders):
        notice(text)
