from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from cnnjobs import registry
from cnnjobs.components.pretrained import timm as timm_catalogue
from cnnjobs.errors import UnknownNameError


@pytest.fixture
def no_timm(monkeypatch: pytest.MonkeyPatch) -> Any:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "timm" else find(name, *rest))
    timm_catalogue.names.cache_clear()
    yield
    timm_catalogue.names.cache_clear()


def test_where_timm_is_missing_one_line_says_how_to_get_it(no_timm: None) -> None:
    with pytest.raises(UnknownNameError) as refused:
        registry.find("model", "timm/resnet18")
    assert str(refused.value) == (
        "model `timm/resnet18`: timm is not installed; install it with: pip install 'cnnjobs[timm]'"
    )


def test_the_names_are_those_that_timm_lists() -> None:
    timm = pytest.importorskip("timm", reason="needs timm: pip install 'cnnjobs[timm]'")
    assert timm_catalogue.names() == sorted(timm.list_models())


def test_an_unknown_name_gets_the_nearest() -> None:
    pytest.importorskip("timm", reason="needs timm: pip install 'cnnjobs[timm]'")
    with pytest.raises(UnknownNameError) as refused:
        registry.find("model", "timm/resnt18")
    assert str(refused.value).startswith("timm has no classifier `resnt18`; did you mean `resnet18`, ")
    with pytest.raises(UnknownNameError) as refused:
        registry.find("model", "timm/resnet18.a1_in1k")
    assert "did you mean `resnet18" in str(refused.value)
