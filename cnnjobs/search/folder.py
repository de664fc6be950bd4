"""The decisions of a search on disk: results/<sweep>/search/, each file written once and never again.

stopping.json                  the rule of early stopping, and the blocks of configurations
band-0003-block-0002.json      a verdict, with what it saw
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from cnnjobs.disk.files import NO_FILE, set_aside_damaged, why_damaged, write_once, write_whole
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.errors import InputError
from cnnjobs.search.rule import Block, StoppingRule, Verdict
from cnnjobs.system.opening import read_bytes


class Stopping(BaseModel):
    """The rule of early stopping of a sweep, and its configurations by blocks; their indices go through all blocks."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    rule: StoppingRule
    blocks: tuple[Block, ...] = ()

    def place(self, run_id: str) -> tuple[int, int] | None:
        """Block and index of the configuration that a run belongs to."""
        index = 0
        for number, block in enumerate(self.blocks):
            for configuration in block:
                if run_id in configuration:
                    return number, index
                index += 1
        return None

    def members(self, block: int) -> dict[int, tuple[str, ...]]:
        """The configurations of a block by their indices."""
        first = sum(len(each) for each in self.blocks[:block])
        return dict(enumerate(self.blocks[block], first))


class SearchFolder:
    """Files of a search."""

    def __init__(self, store: RunStore) -> None:
        self.path = store.path / "search"
        self.stopping_file = self.path / "stopping.json"

    def read_stopping(self) -> Stopping | None:
        """The rule of early stopping, if there is one. Raises InputError where it is damaged, OSError."""
        try:
            return Stopping.model_validate_json(read_bytes(self.stopping_file))
        except FileNotFoundError:
            return None
        except (*NO_FILE, ValidationError) as error:
            raise InputError(f"{self.stopping_file}: damaged ({why_damaged(error)})") from error

    def write_stopping(self, stopping: Stopping) -> None:
        """Keep the rule; only for the launcher. Raises StorageError."""
        write_whole(self.stopping_file, stopping.model_dump_json(indent=1, exclude_none=True).encode() + b"\n")

    def drop_stopping(self) -> None:
        """Let no run be stopped any more. Raises OSError."""
        self.stopping_file.unlink(missing_ok=True)

    def verdict_file(self, band: int, block: int) -> Path:
        """File of one verdict."""
        return self.path / f"band-{band:04d}-block-{block:04d}.json"

    def read_verdict(self, band: int, block: int) -> Verdict | None:
        """A verdict, if it is known; a damaged one is set aside, and found again. Raises OSError, StorageError."""
        file = self.verdict_file(band, block)
        try:
            return Verdict.model_validate_json(read_bytes(file))
        except FileNotFoundError:
            return None
        except (*NO_FILE, ValidationError):
            set_aside_damaged(file)
            return None

    def write_verdict(self, verdict: Verdict) -> Verdict:
        """Keep a verdict; the one that counts, where another process was faster. Raises StorageError."""
        content = verdict.model_dump_json(indent=1).encode() + b"\n"
        return Verdict.model_validate_json(write_once(self.verdict_file(verdict.band, verdict.block), content))

    def verdicts(self) -> list[Verdict]:
        """All verdicts that can be read, by band and block."""
        files = sorted(self.path.glob("band-*-block-*.json"))
        places = (file.stem.split("-") for file in files)
        found = (self.read_verdict(int(place[1]), int(place[3])) for place in places)
        return [verdict for verdict in found if verdict is not None]
