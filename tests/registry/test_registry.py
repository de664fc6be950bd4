from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from cnnjobs import registry
from cnnjobs.config.run import RunConfig, read_config
from cnnjobs.errors import UnknownNameError

REGISTERED = [(kind, name) for kind in registry.KINDS for name in sorted(registry.components(kind))]

UserModule = Callable[[str], str]


@pytest.fixture
def user_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UserModule:
    """Write a module into the working folder, under a name that no other test has imported; returns the name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def write(text: str) -> str:
        name = f"user_{abs(hash((tmp_path, text)))}"
        (tmp_path / f"{name}.py").write_text(dedent(text), encoding="utf-8")
        importlib.invalidate_caches()
        return name

    return write


def found(kind: str, name: str) -> str:
    with pytest.raises(UnknownNameError) as error:
        registry.find(kind, name)
    return str(error.value)


@pytest.mark.parametrize(("kind", "name"), REGISTERED, ids=str)
def test_the_source_tells_the_same_signature_as_the_imported_builder(kind: str, name: str) -> None:
    component = registry.find(kind, name)
    builder = getattr(importlib.import_module(component.module), component.attribute)
    parameters = inspect.signature(builder).parameters
    given = {key for key in parameters if key in registry.KINDS[kind].given}
    assert set(component.given) == given
    assert {key: each.default for key, each in component.parameters.items()} == {
        key: parameter.default for key, parameter in parameters.items() if key not in given
    }
    assert all(parameters[key].kind is inspect.Parameter.KEYWORD_ONLY for key in component.parameters)
    names = {"Path": Path, "Any": Any, **vars(importlib.import_module(component.module)), **vars(typing)}
    for key, each in component.parameters.items():
        assert each.annotation == eval(parameters[key].annotation, names), key
        assert each.annotation is not Any or kind == "distribution", f"{name} has a `{key}` that is not checked"


@pytest.mark.parametrize(("kind", "name"), REGISTERED, ids=str)
def test_every_component_says_what_it_is(kind: str, name: str) -> None:
    summary = registry.find(kind, name).summary
    assert summary
    assert len(summary) <= 120


def test_every_kind_has_components() -> None:
    assert {kind for kind, _ in REGISTERED} == set(registry.KINDS)


def test_reading_all_signatures_imports_no_builder() -> None:
    program = (
        "import sys; from cnnjobs import registry\n"
        "assert all(registry.components(kind) for kind in registry.KINDS)\n"
        "loaded = [name for name in sys.modules if name.startswith(('torch', 'cnnjobs.components.models.', 'numpy'))]\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    known = ", ".join(sorted(registry.allowed_names("model")))
    assert found("model", "lenet") == (
        f"no model is called `lenet`; did you mean `lenet5`? allowed: {known}, or an import path `module:Name`"
    )


class TestImportPaths:
    def test_a_function_is_known_by_its_source_without_being_imported(self, user_module: UserModule) -> None:
        module = user_module(
            '''\
            raise RuntimeError("imported")

            def net(in_channels, num_classes, image_size, *, depth: int = 2, width: PositiveInt, act: "Relu" = None):
                """A network.

                More."""
            '''
        )
        component = registry.find("model", f"{module}:net")
        assert component.given == ("in_channels", "num_classes", "image_size")
        assert component.parameters["depth"] == registry.Parameter(int, 2)
        assert component.parameters["width"].default is registry.REQUIRED
        assert component.parameters["act"].annotation is Any
        assert component.summary == "A network."

    def test_a_class_takes_its_options_from_its_init(self, user_module: UserModule) -> None:
        module = user_module(
            """\
            import torch

            class Net(torch.nn.Module):
                def __init__(self, num_classes, *, depth: int = 2):
                    super().__init__()
                    self.head = torch.nn.Linear(depth, num_classes)
            """
        )
        component = registry.find("model", f"{module}:Net")
        assert (component.given, list(component.parameters)) == (("num_classes",), ["depth"])
        given = {"in_channels": 1, "num_classes": 5, "image_size": 8}
        net = component.build(given=given, options={"depth": 3})
        assert net.head.weight.shape == (5, 3)

    def test_what_the_source_cannot_tell_is_imported(self, user_module: UserModule) -> None:
        module = user_module(
            """\
            from __future__ import annotations
            from dataclasses import dataclass
            from typing import TYPE_CHECKING

            if TYPE_CHECKING:
                from elsewhere import Thing

            WIDTH = 2 * 8

            def computed(num_classes, *, width: int = WIDTH, **rest):
                return width

            def unknown_hint(num_classes: int, *, width: int = WIDTH, thing: Thing = None):
                return width

            @dataclass
            class Net:
                num_classes: int
                depth: int = 3

            class Child(Net):
                pass

            made_elsewhere = computed
            """
        )
        assert registry.find("model", f"{module}:computed").parameters == {"width": registry.Parameter(int, 16)}
        assert registry.find("model", f"{module}:made_elsewhere").parameters["width"].default == 16
        hints = registry.find("model", f"{module}:unknown_hint").parameters
        assert {key: each.annotation for key, each in hints.items()} == {"width": Any, "thing": Any}
        for name in ("Net", "Child"):
            component = registry.find("model", f"{module}:{name}")
            assert (component.given, component.parameters) == (("num_classes",), {"depth": registry.Parameter(int, 3)})

    def test_options_are_checked_and_part_of_the_run(self, user_module: UserModule) -> None:
        module = user_module("def net(num_classes, *, depth: int = 2, sizes: tuple[int, ...] = (1, 2)): ...\n")
        nested = {"dataset": "mnist", "model": {"name": f"{module}:net", "sizes": [3]}}
        config = read_config(nested)
        assert isinstance(config, RunConfig)
        assert config.model.options == {"depth": 2, "sizes": (3,)}
        wrong = read_config({"dataset": "mnist", "model": {"name": f"{module}:net", "depth": "x", "dept": 1}})
        assert isinstance(wrong, list)
        assert [(mistake.key, mistake.found) for mistake in wrong] == [
            ("model.depth", 'found "x"'),
            ("model.dept", f"model `{module}:net` has no `dept`"),
        ]

    def test_a_missing_module_is_said_with_where_it_was_looked_for(
        self, user_module: UserModule, tmp_path: Path
    ) -> None:
        user_module("")
        for name in ("nowhere:Net", "nowhere.at.all:Net"):
            module = name.partition(":")[0]
            assert found("model", name) == (
                f"model `{name}`: no module `{module}` can be found from {tmp_path}; write `module:Name`"
            )

    def test_torchs_own_written_with_a_dot_is_answered_with_its_path(self) -> None:
        for name in ("optim.Adam", "torch.optim.Adam", "nn.Adam"):
            assert "did you mean `torch.optim:Adam`?" in found("optimizer", name)

    def test_a_missing_name_is_answered_with_the_nearest(self, user_module: UserModule) -> None:
        module = user_module("def my_net(): ...\n")
        assert found("model", f"{module}:mynet") == (
            f"model `{module}:mynet`: module `{module}` has no `mynet`; did you mean `my_net`? allowed: my_net"
        )

    def test_a_module_that_cannot_be_read_or_imported_is_said(self, user_module: UserModule) -> None:
        broken, exported = user_module("def net(:\n"), user_module("%pip install timm\ndef net(): ...\n")
        assert "remove `%pip install timm`, which only notebooks know" in found("model", f"{exported}:net")
        assert found("model", f"{broken}:net").startswith(f"model `{broken}:net` cannot be imported: SyntaxError: ")
        failing = user_module("raise RuntimeError('no GPU here')\n")
        assert found("model", f"{failing}:net") == (
            f"model `{failing}:net` cannot be imported: RuntimeError: no GPU here; correct the module"
        )

    def test_a_default_that_is_no_plain_value_is_refused(self, user_module: UserModule) -> None:
        module = user_module(
            "from pathlib import Path\ndef net(*, act=Path): ...\ndef other(*, act=(1, {'a': None})): ...\n"
        )
        assert found("model", f"{module}:net") == (
            f"model `{module}:net`: the default of `act` is <class 'pathlib.Path'>; "
            "a default is a plain value, as YAML writes it"
        )
        assert registry.find("model", f"{module}:other").parameters["act"].default == (1, {"a": None})


@pytest.mark.parametrize("module", ["mine/nets.py", "./mine/nets.py", "mine/nets"])
def test_the_path_of_a_file_is_told_as_an_import_path(module: str) -> None:
    with pytest.raises(UnknownNameError, match=r"is the path of a file; write `mine\.nets:Net`"):
        registry.find("model", f"{module}:Net")
