"""The decisions of a search on disk: results/<sweep>/search/, each file written once and never again.

stopping.json                  the rule of early stopping, and the blocks of configurations
band-0003-block-0002.json      a verdict, with what it saw
proposing.json                 how configurations are proposed, and the first ones
proposal-0011.json             one of them, with what it was proposed from
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from cnnjobs.disk.files import NO_FILE, set_aside_damaged, why_damaged, write_once, write_whole
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.errors import InputError
from cnnjobs.search.rule import Block, Configuration, StoppingRule, Told, Verdict
from cnnjobs.system.opening import read_bytes

Content = TypeVar("Content", bound=BaseModel)


class Stopping(BaseModel):
    """The rule of early stopping of a sweep, and its configurations by blocks; their indices go through all blocks.

    In a search that proposes them only their `sizes` are known before; a block with fewer is not complete.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    rule: StoppingRule
    blocks: tuple[Block, ...] = ()
    sizes: tuple[int, ...] = ()

    def filled(self, known: Sequence[Configuration], total: int) -> Stopping:
        """The same with the configurations that are known now of `total`."""
        blocks, sizes, start = [], [], 0
        for size in self.sizes:
            blocks.append(tuple(known[start : start + size]))
            sizes.append(max(0, min(size, total - start)))
            start += size
        return self.model_copy(update={"blocks": tuple(blocks), "sizes": tuple(sizes)})

    def is_complete(self, block: int) -> bool:
        """Check whether all configurations of a block are known."""
        return not self.sizes or len(self.blocks[block]) >= self.sizes[block]

    def place(self, run_id: str) -> tuple[int, int] | None:
        """Block and index of the configuration that a run belongs to."""
        index = 0
        for number, block in enumerate(self.blocks):
            for configuration in block:
                if run_id in configuration:
                    return number, index
                index += 1
        return None

    def places(self) -> dict[str, int]:
        """Index of its configuration for each run."""
        configurations = (each for block in self.blocks for each in block)
        return {run_id: index for index, runs in enumerate(configurations) for run_id in runs}

    def members(self, block: int) -> dict[int, tuple[str, ...]]:
        """The configurations of a block by their indices."""
        first = sum(len(each) for each in self.blocks[:block])
        return dict(enumerate(self.blocks[block], first))


class First(BaseModel):
    """A configuration with which a search begins: its coordinates, and its runs by id with their settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    coordinates: dict[str, float]
    runs: dict[str, dict[str, Any]]
    variant: str | None = None
    space: str = ""

    @property
    def configuration(self) -> Configuration:
        """The run ids."""
        return tuple(self.runs)


class Proposal(First):
    """A configuration that was proposed, by which release of an engine, and from what; or why the search has `ended`.

    `saw` is by index; `waited` tells that results were missing which others went on with for too long.
    """

    index: int
    engine: str = ""
    seed: int = 0
    saw: dict[int, Told] = {}
    waited: bool = False
    ended: str | None = None


class ProposingRule(BaseModel):
    """Way of a search: `most` configurations, of which each is proposed from the results of those `lag` behind it.

    `space` is a fingerprint of the parameters.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    metric: str
    goal: Literal["maximize", "minimize"]
    target: float | None = None
    engine: str
    seed: int
    lag: int
    most: int
    space: str
    first: tuple[First, ...]


class SearchFolder:
    """Files of a search."""

    def __init__(self, store: RunStore) -> None:
        self.path = store.path / "search"
        self.stopping_file = self.path / "stopping.json"
        self.proposing_file = self.path / "proposing.json"

    def read_stopping(self) -> Stopping | None:
        """The rule of early stopping, if there is one. Raises InputError where it is damaged, OSError."""
        return _read(self.stopping_file, Stopping)

    def write_stopping(self, stopping: Stopping) -> None:
        """Keep the rule; only for the launcher. Raises StorageError."""
        write_whole(self.stopping_file, stopping.model_dump_json(indent=1, exclude_none=True).encode() + b"\n")

    def drop_stopping(self) -> None:
        """Let no run be stopped any more. Raises OSError."""
        self.stopping_file.unlink(missing_ok=True)

    def read_proposing(self) -> ProposingRule | None:
        """The way of the search, if configurations are proposed. Raises InputError where it is damaged, OSError."""
        return _read(self.proposing_file, ProposingRule)

    def write_proposing(self, rule: ProposingRule) -> None:
        """Keep the way of the search; only for the launcher. Raises StorageError."""
        write_whole(self.proposing_file, rule.model_dump_json(indent=1).encode() + b"\n")

    def proposal_file(self, index: int) -> Path:
        """File of one proposal."""
        return self.path / f"proposal-{index:04d}.json"

    def read_proposal(self, index: int) -> Proposal | None:
        """A proposal, if it was made. Raises InputError where it is damaged, OSError."""
        return _read(self.proposal_file(index), Proposal, "; move it away to have it made anew")

    def look_at_proposals(self, first: int, known: Sequence[Proposal]) -> list[Proposal]:
        """The proposals after the `first` configurations, `known` ones and those that were made since."""
        found = list(known)
        while not (found and found[-1].ended):
            proposal = self.read_proposal(first + len(found))
            if proposal is None:
                break
            found.append(proposal)
        return found

    def write_proposal(self, proposal: Proposal) -> Proposal:
        """Keep a proposal; the one that counts, where another process was faster. Raises StorageError."""
        content = proposal.model_dump_json(indent=1).encode() + b"\n"
        return Proposal.model_validate_json(write_once(self.proposal_file(proposal.index), content))

    def verdict_file(self, band: int, block: int) -> Path:
        """File of one verdict."""
        return self.path / f"band-{band:04d}-block-{block:04d}.json"

    def read_verdict(self, band: int, block: int) -> Verdict | None:
        """A verdict, if it is known; a damaged one is set aside, and found again. Raises OSError, StorageError."""
        file = self.verdict_file(band, block)
        try:
            return Verdict.model_validate_json(read_bytes(file))
        except (FileNotFoundError, NotADirectoryError):
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


def _read(file: Path, kind: type[Content], remedy: str = "") -> Content | None:
    """Content of a file; None where it is not there. Raises InputError where it is damaged, OSError."""
    try:
        return kind.model_validate_json(read_bytes(file))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (*NO_FILE, ValidationError) as error:
        raise InputError(f"{file}: damaged ({why_damaged(error)}){remedy}") from error
