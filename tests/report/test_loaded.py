from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from matplotlib.figure import Figure

import cnnjobs
from cnnjobs.disk.run_folder import RunState
from cnnjobs.errors import InputError
from cnnjobs.report.loaded import SweepResults
from cnnjobs.search.folder import First, Proposal, ProposingRule, SearchFolder

if TYPE_CHECKING:
    from conftest import Results


@pytest.fixture
def loaded(results: Results) -> SweepResults:
    """All twelve runs finished."""
    results.write_all()
    return cnnjobs.load(results.store.path)


def test_the_tables(loaded: SweepResults, results: Results) -> None:
    assert repr(loaded) == "SweepResults('comparison': 12 of 12 runs finished)"
    assert list(loaded.runs["run_id"]) == [run.run_id for run in results.sweep.runs]
    assert len(loaded.history) == 12 * 8
    first = loaded.history.iloc[0]
    assert (first["run_id"], first["configuration"]) == (results.sweep.runs[0].run_id, results.sweep.runs[0].label)
    assert {"model.batch_norm", "seed", "epoch", "validation.loss"} <= set(loaded.history.columns)
    means = loaded.configurations["validation.accuracy.mean"]
    assert list(means) == sorted(means, reverse=True)
    assert loaded.configurations["configuration"][0] == loaded.best == "lr=0.1 batch_norm=true"
    assert list(loaded.importance.index) == ["model.batch_norm", "lr", "interactions", "seeds"]
    assert loaded.importance.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    "draw",
    [
        lambda sweep: sweep.overview("loss"),
        lambda sweep: sweep.curves(),
        lambda sweep: sweep.curves("lr=0.01 batch_norm=false", "accuracy"),
        lambda sweep: sweep.compare("Batch normalisation"),
        lambda sweep: sweep.parallel(),
        lambda sweep: sweep.marginal("lr"),
    ],
)
def test_a_notebook_shows_the_figures(draw: Callable[[SweepResults], Figure], loaded: SweepResults) -> None:
    figure = draw(loaded)
    assert isinstance(figure, Figure)
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]


def test_what_is_not_there_is_told(loaded: SweepResults, results: Results) -> None:
    with pytest.raises(InputError, match=r"`lr=0.2` is not there; .*allowed: lr=0.01 batch_norm=false"):
        loaded.curves("lr=0.2")
    with pytest.raises(InputError, match="did you mean `Batch normalisation`"):
        loaded.compare("batch normalisation")
    with pytest.raises(InputError, match=r"no sweep was started there; in .* there is comparison"):
        cnnjobs.load(results.store.path.parent / "comparisom")


def test_before_anything_has_finished(results: Results) -> None:
    results.write(results.sweep.runs[0], RunState.RUNNING, epochs=1)
    sweep = cnnjobs.load(results.store.path)
    assert sweep.best is None
    assert len(sweep.configurations) == 4
    assert len(sweep.history) == 2
    for draw in (sweep.curves, sweep.parallel, lambda: sweep.marginal("lr"), lambda: sweep.importance):
        with pytest.raises(InputError):
            draw()
    assert isinstance(sweep.curves(sweep.configurations["configuration"][0]), Figure)


def test_runs_that_a_search_has_proposed_are_loaded_too(make_results: Callable[..., Results]) -> None:
    text = "name: proposed\nmethod: bayes\nrun_cap: 2\nsearch: {startup: 1}\nbase: {model: cnn, dataset: mnist}\n"
    results = make_results(text + "parameters: {lr: {min: 0.01, max: 0.1}}\n")
    (first,) = results.sweep.runs
    proposed = type(first.config).model_validate({**first.config.nested(), "lr": 0.05})
    each = {run.run_id: run.nested() for run in (first.config, proposed)}
    one, two = ({run_id: nested} for run_id, nested in each.items())
    folder, common = SearchFolder(results.store), {"metric": "validation.accuracy", "goal": "maximize", "space": ""}
    begun = First(coordinates={"parameters.lr": 0.03}, runs=one)
    folder.write_proposing(ProposingRule(engine="tpe", seed=0, lag=1, most=2, first=(begun,), **common))
    folder.write_proposal(Proposal(coordinates={"parameters.lr": 0.05}, runs=two, index=1))
    assert list(cnnjobs.load(results.store.path).runs["run_id"]) == [*each]
