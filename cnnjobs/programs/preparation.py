"""Start of one attempt of a program: its places on disk, its environment, its command line."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from cnnjobs.config.program import ProgramConfig
from cnnjobs.disk.files import write_whole
from cnnjobs.disk.start import Start
from cnnjobs.errors import ProgramError
from cnnjobs.programs.command import argument_forms, command_line, resume_arguments, unknown_macros
from cnnjobs.programs.environment import environment_of, parameters_text, path_note
from cnnjobs.programs.metrics.collector import heard, variables
from cnnjobs.programs.reported import ProgramPlaces
from cnnjobs.programs.untaken import attempt_file
from cnnjobs.programs.working_folder import own_working_folder


class Preparation:
    """An attempt of a program before it starts. It works where the sweep was started, or in a folder of its run's own.

    Its code is the copy that the run was submitted with, where there is one.
    """

    def __init__(self, start: Start) -> None:
        folder = start.folder
        config = start.config
        assert isinstance(config, ProgramConfig)
        self._start, self._folder, self.config = start, folder.program_folder.resolve(), config
        self._project = Path.cwd().resolve()
        self._code = folder.codes.folder(start.code).resolve() if start.code else None
        self._arguments = _arguments(config)
        self.places = ProgramPlaces(
            run_id=folder.run_id,
            sweep_id=folder.path.resolve().parent.name,
            attempt=start.attempt,
            outputs=folder.outputs_folder.resolve(),
            checkpoints=folder.checkpoints_folder.resolve(),
            metrics_file=attempt_file(folder, start.attempt).resolve(),
            working_folder=self._folder / "workdir" if config.workdir == "run" else self._project,
            started=time.time(),
        )

    def places_before(self) -> ProgramPlaces:
        """The places of the attempt before."""
        number = self.places.attempt - 1
        began = [each.started for each in self._start.before.attempts if each.number == number]
        started = datetime.fromisoformat(began[0]).timestamp() if began else self.places.started
        file = attempt_file(self._start.folder, number).resolve()
        return replace(self.places, attempt=number, metrics_file=file, started=started)

    @property
    def code_folders(self) -> list[Path]:
        """Where the program's own code may be."""
        return [each for each in (self._code, self._project, self.places.working_folder) if each is not None]

    def in_project(self, command: str) -> str:
        """A command line of the program as it would be called in the project."""
        for folder in self.code_folders:
            command = command.replace(f"{folder}{os.sep}", "")
        return command

    def make_places(self) -> None:
        """Make the folders and the files of parameters. Raises OSError, StorageError."""
        places = self.places
        for each in (self._folder, places.outputs, places.checkpoints):
            each.mkdir(exist_ok=True)
        write_whole(self._folder / "parameters.yaml", parameters_text(self._arguments).encode(), make_folder=False)
        as_json = argument_forms(self._arguments)["args_json"][0]
        write_whole(self._folder / "parameters.json", as_json.encode(), make_folder=False)
        places.metrics_file.touch()
        if self.config.workdir == "run":
            own_working_folder(self._project, places.working_folder, self._folder.parents[2])

    def resume(self) -> list[str]:
        """The arguments by which it goes on, from its second attempt on."""
        if self._start.attempt == 1 or not self.config.resume:
            return []
        places = {"checkpoint_dir": self.places.checkpoints, "run_dir": self.places.outputs}
        arguments, note = resume_arguments(self.config.resume, places)
        self._start.note(f"attempt {self._start.attempt}: {note}" if note else "")
        return arguments

    def environment(self, gpu: int | str | None, *, goes_on: bool) -> dict[str, str]:
        """All of it, with the GPUs that the program may use."""
        base = {**os.environ, "CUDA_VISIBLE_DEVICES": "" if gpu is None else str(gpu)}
        if path := self._python_path(base.get("PYTHONPATH", "")):
            base["PYTHONPATH"] = path
        given = environment_of(
            self.places, base, parameter_file=self._folder / "parameters.yaml", seed=self.config.seed,
            goes_on=goes_on, threads=self._start.threads,
        )  # fmt: skip
        return {**given, **variables(self.places, given)}

    def _python_path(self, path: str) -> str:
        """PYTHONPATH with the copy of the code before each folder of the project."""
        found: list[str] = []
        for entry in path.split(os.pathsep) if path else ():
            folder = self._project / entry
            if self._code is not None and folder.is_relative_to(self._project):
                found.append(str(self._code / os.path.relpath(folder, self._project)))
            found.append(entry)
        return os.pathsep.join(found)

    def command_line(self, resume: Sequence[str], environment: Mapping[str, str], *, processes: int) -> list[str]:
        """Its items; torchrun, where the run asks for it, starts so many `processes`. Raises ProgramError."""
        template = self.config.command or ()
        for item in unknown_macros(template):
            self._start.note(f"`{item}` in `command:` is no macro: left out, as W&B's agent does")
        if not template or "${interpreter}" in template:
            self._start.note(path_note(os.environ))
        is_torchrun = self.config.launch == "torchrun"
        if is_torchrun and template and "${interpreter}" not in template:
            cause = (
                "`launch: torchrun` starts its processes by ${interpreter}, which `command:` has not: write it there,"
                " or `launch: once` and torchrun itself in `command:`"
            )
            raise ProgramError(cause, cause)
        line = command_line(
            template, self._arguments, program=self._program(), environment=environment,
            json_file=str(self._folder / "parameters.json"), resume=resume,
            processes=max(1, processes) if is_torchrun else 0,
        )  # fmt: skip
        return heard(line)

    def _program(self) -> str:
        """The program in the copy of the code, or else as it is called where the sweep was started."""
        name = str(self.config.program or "")
        if self._code is not None and name and not Path(name).is_absolute() and (self._code / name).exists():
            return str(self._code / name)
        return name


def _arguments(config: ProgramConfig) -> dict[str, Any]:
    """The parameters of the program, with its seed among them."""
    seed = {} if config.seed is None or not config.seed_argument else {config.seed_argument: config.seed}
    # As W&B orders them.
    return dict(sorted({**seed, **config.parameters}.items()))
