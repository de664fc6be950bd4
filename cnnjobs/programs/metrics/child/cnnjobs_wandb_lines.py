"""The lines of what W&B's functions are given, with its own rule for steps."""

import os
import sys
import threading
import time

import cnnjobs_channel as channel

_REFUSAL = """cnnjobs: wandb.{name} is a sweep inside the program; here a file is the sweep, and a run one start of it.
Change three lines:
    sweep_id = wandb.sweep(configuration, ...)    ->  write `configuration` into sweep.yaml, with `program: {program}`
    wandb.agent(sweep_id, function=train, ...)    ->  train()
    start it with                                 ->  cnnjobs sweep sweep.yaml"""


class Reporter:
    """One run of W&B in this process: what it logs goes to the metrics of ours."""

    number = 0

    def __init__(self, source="wandb"):
        self.step = 0
        self._lock = threading.RLock()
        self._kind = {"_source": source, "_rank": channel.rank(), "_run": f"{os.getpid()}.{Reporter.number}"}
        Reporter.number += 1

    def log(self, data, step=None, commit=None):
        """Report what is logged; a step that is given is the line's, otherwise W&B's count of calls is."""
        with self._lock:
            self._log(data, step, commit)

    def _log(self, data, step, commit):
        implicit = step is None
        if not implicit:
            found = channel.number(step)
            step = self.step if found is None else found
            self.step = max(self.step, step)
        if hasattr(data, "items"):
            numbers, passed = channel.flat(data)
            line = {**self._kind, "_at": time.time(), "_step": self.step if implicit else step, "data": numbers}
            if implicit:
                line["_is_count"] = True
            if passed:
                line["_passed"] = passed
            channel.report(line)
        if commit or (implicit and commit is None):
            self.step += 1

    def summarise(self, data):
        """Report values that a program sets in its summary."""
        numbers, passed = channel.flat(data)
        line = {**self._kind, "_at": time.time(), "_is_summary": True, "data": numbers}
        if numbers:
            channel.report({**line, "_passed": passed} if passed else line)

    def defined(self, name, summary):
        """Report the summary that is asked for a metric, where it is another than its last value."""
        if summary and str(summary) not in ("last", "none"):
            channel.report({**self._kind, "_at": time.time(), "_summary": {str(name): str(summary)}})


def refuse_sweeps(wandb):
    """Put the refusal in the place of the functions that would run a sweep inside the program."""

    def refuse(name):
        def refused(*_, **__):
            program = os.path.basename(sys.argv[0]) or "train.py"
            print(_REFUSAL.format(name=name, program=program), file=sys.stderr, flush=True)
            raise SystemExit(2)

        return refused

    for name in ("agent", "sweep", "controller"):
        setattr(wandb, name, refuse(name))
