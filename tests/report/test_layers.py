from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnnjobs.components.models.cnn import cnn
from cnnjobs.disk.layer_tables import LayerTable
from cnnjobs.report.sections.layers import layers_grid, stages_grid
from cnnjobs.training.networks.layer_table import layer_table

torch.set_num_threads(1)


def rows(table: LayerTable) -> list[tuple[Any, ...]]:
    return [(layer.name, layer.output_shape, layer.parameters, layer.macs) for layer in table.layers]


def test_the_cnn_of_the_assignment() -> None:
    table = layer_table(cnn(3, 10, 32), (3, 32, 32))
    weighty = [(layer.kind, layer.output_shape, layer.parameters) for layer in table.layers if layer.parameters]
    assert weighty == [
        ("Conv2d", (1, 32, 32, 32), 2_432),
        ("Conv2d", (1, 64, 16, 16), 51_264),
        ("Conv2d", (1, 128, 8, 8), 204_928),
        ("Linear", (1, 64), 131_136),
        ("Linear", (1, 10), 650),
    ]
    assert (table.parameters, table.trainable, table.frozen) == (390_410, 390_410, 0)
    # 5x5 kernels: outputs x inputs per output.
    assert table.macs == 1024 * 32 * 75 + 256 * 64 * 800 + 64 * 128 * 1600 + 2048 * 64 + 64 * 10


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2, bias=False)
        self.up = nn.ConvTranspose2d(8, 6, 2, stride=2)
        self.fc = nn.Linear(6 * 8 * 8, 5)

    def forward(self, images: Tensor) -> Tensor:
        images = F.relu(self.first(images))
        return self.fc(torch.flatten(F.max_pool2d(self.up(images), 1), 1))


def test_a_functional_network_has_the_rows_of_its_modules() -> None:
    table = layer_table(Functional(), (4, 8, 8), batch=3)
    assert rows(table) == [
        ("first", (3, 8, 4, 4), 8 * 2 * 9, 3 * 8 * 16 * 2 * 9),
        ("up", (3, 6, 8, 8), 8 * 6 * 4 + 6, 3 * 8 * 16 * 6 * 4),
        ("fc", (3, 5), 384 * 5 + 5, 3 * 384 * 5),
    ]
    assert table.input_shape == (3, 4, 8, 8)


@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1}, {"dilation": 2}, {"groups": 4}])
def test_macs_are_those_of_torch_counted(options: dict[str, int]) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    model = nn.Sequential(nn.Conv2d(4, 8, 3, **options), nn.Flatten(), nn.LazyLinear(7), nn.Linear(7, 2))
    model(torch.zeros(1, 4, 12, 12))
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(2, 4, 12, 12))
    assert layer_table(model, (4, 12, 12), batch=2).macs * 2 == counter.get_total_flops()


def test_a_module_called_twice_has_two_rows_and_its_parameters_once() -> None:
    shared = nn.Linear(6, 6)
    model = nn.Sequential(shared, nn.ReLU(), shared)
    table = layer_table(model, (6,))
    assert [(layer.name, layer.parameters, layer.shared) for layer in table.layers] == [
        ("0", 42, False),
        ("1", 0, False),
        ("0", 0, True),
    ]
    assert (table.parameters, table.macs) == (42, 72)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(4, 4, bias=False), nn.Linear(4, 4)
        self.decode.weight = self.encode.weight
        self.scale = nn.Parameter(torch.ones(3))
        self.unused = nn.Linear(2, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.decode(self.encode(images)) * self.scale[0]


def test_tied_weights_count_once_and_what_is_never_called_is_listed() -> None:
    table = layer_table(Tied(), (4,))
    found = [(layer.name, layer.parameters, layer.shared, layer.called) for layer in table.layers]
    assert found == [
        ("encode", 16, False, True),
        ("decode", 4, True, True),
        ("Tied", 3, False, True),
        ("unused", 6, False, False),
    ]
    assert table.parameters == 29 == sum(layer.parameters for layer in table.layers)
    assert table.layers[-1].output_shape is None


@dataclass
class Output:
    name: str
    logits: Tensor


@pytest.mark.parametrize(
    ("wrap", "shape"),
    [
        (lambda x: (None, x), (1, 4)),
        (lambda x: {"logits": x}, (1, 4)),
        (lambda x: Output("two", x), (1, 4)),
        (lambda _: "nothing", None),
    ],
)
def test_outputs_that_are_no_tensor(wrap: Callable[[Tensor], Any], shape: tuple[int, ...] | None) -> None:
    class Wrapped(nn.Module):
        def forward(self, images: Tensor) -> Any:
            return wrap(images)

    assert layer_table(Wrapped(), (4,)).layers[0].output_shape == shape


def test_the_model_stays_as_it_was() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5), nn.Flatten(), nn.Linear(72, 2))
    model.train()
    model[1].eval()
    for parameter in model[0].parameters():
        parameter.requires_grad = False
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random = torch.random.get_rng_state()
    table = layer_table(model, (1, 8, 8))
    assert [module.training for module in model.modules()] == [True, True, False, True, True, True]
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), random)
    assert not any(module._forward_hooks for module in model.modules())
    assert (table.parameters, table.trainable, table.frozen) == (170, 150, 20)


def test_hooks_go_and_modes_come_back_when_the_forward_pass_fails() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(4, 4)).train()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        layer_table(model, (3,))
    assert all(module.training and not module._forward_hooks for module in model.modules())


def test_double_precision_gets_images_of_its_kind() -> None:
    assert layer_table(nn.Sequential(nn.Linear(2, 3)).double(), (2,)).macs == 6


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        first, second = nn.Conv2d(1, 2, 3, padding=1, bias=False), nn.Conv2d(2, 2, 3, padding=1, bias=False)
        self.features = nn.Sequential(first, nn.Sequential(second, nn.Flatten()))
        self.fc = nn.Linear(32, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.features(images))


def test_stages_hold_the_sums_of_their_layers() -> None:
    stages = layer_table(Nested(), (1, 4, 4)).stages
    found = [(stage.name, stage.output_shape, stage.parameters, stage.macs) for stage in stages]
    assert found == [("features", (1, 32), 54, 16 * 54), ("fc", (1, 3), 99, 96)]


def test_stages_begin_where_names_part() -> None:
    table = layer_table(nn.Sequential(nn.Sequential(Nested())), (1, 4, 4))
    assert [stage.name for stage in table.stages] == ["0.0.features", "0.0.fc"]


def test_a_network_of_single_layers_has_no_stages() -> None:
    shared = nn.Linear(6, 6)
    table = layer_table(nn.Sequential(shared, nn.ReLU(), shared), (6,))
    assert table.stages == ()
    assert stages_grid(table).rows == ()


def test_grids_for_readers() -> None:
    table = layer_table(Nested(), (1, 4, 4), batch=2)
    layers, stages = layers_grid(table, with_batch=True), stages_grid(table)
    words = ("layer", "type", "input shape", "output shape")
    assert layers.columns == (*words, "parameters", "multiply-accumulates of 2 images")
    assert layers.rows == (
        ("features.0", "Conv2d", "2×1×4×4", "2×2×4×4", "18", "576"),
        ("features.1.0", "Conv2d", "2×2×4×4", "2×2×4×4", "36", "1,152"),
        ("features.1.1", "Flatten", "2×2×4×4", "2×32", "", ""),
        ("fc", "Linear", "2×32", "2×3", "99", "192"),
        ("total", "", "", "", "153", "1,920"),
    )
    assert stages.rows[0] == ("features", "32", "54", "1,728")
    assert stages.rows[stages.marked or 0] == ("total", "", "153", "1,920")


def test_what_is_frozen_has_a_column() -> None:
    network = Nested()
    network.fc.requires_grad_(False)
    for grid in (layers_grid(layer_table(network, (1, 4, 4))), stages_grid(layer_table(network, (1, 4, 4)))):
        place = grid.columns.index("trainable")
        assert [row[place] for row in grid.rows if row[0] in ("fc", "total")] == ["", "54"]


def test_what_has_no_shape_says_why() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.unused = nn.Linear(2, 2), nn.Linear(3, 3)
            self.name = Name()

        def forward(self, images: Tensor) -> Tensor:
            self.name("odd")
            return self.fc(images)

    class Name(nn.Module):
        def forward(self, name: str) -> str:
            return name

    rows = layers_grid(layer_table(Odd(), (2,))).rows
    assert [row[:4] for row in rows[:3]] == [
        ("name", "Name", "", "no tensor"),
        ("fc", "Linear", "2", "2"),
        ("unused", "Linear", "", "never called"),
    ]


@pytest.mark.parametrize(("name", "macs"), [("swin_t", 4_490_566_656), ("vit_b_16", 16_848_500_736)])
def test_attention_is_counted_as_torch_counts_it(name: str, macs: int) -> None:
    import torchvision

    with torch.device("meta"):
        model = getattr(torchvision.models, name)().eval()
    # Zeros are as good to count as drawn weights, and sooner there.
    model.to_empty(device="cpu")
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.detach().zero_()
    table = layer_table(model, (3, 224, 224))
    assert table.macs == macs
    assert torch.backends.mha.get_fastpath_enabled()


class Attention(nn.Module):
    """Attention in a `forward` whose linear layers are modules, and one whose weights are used without a call."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.project = nn.Linear(4, 12, bias=False), nn.Linear(4, 4, bias=False)
        self.weights = nn.ParameterList([nn.Parameter(torch.ones(4, 3)) for _ in range(2)])
        self.spare = nn.Linear(4, 4)

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = self.qkv(tokens).chunk(3, dim=-1)
        mixed = (query @ key.transpose(1, 2)).softmax(-1) @ value
        return sum((F.linear(mixed, self.project.weight) @ each for each in self.weights), torch.zeros(()))


def test_products_of_a_forward_have_a_row_and_used_weights_are_told_from_spare_ones() -> None:
    table = layer_table(nn.Sequential(Attention()), (5, 4))
    found = [(layer.name, layer.macs, layer.called, layer.used) for layer in table.layers]
    assert found == [
        ("0.qkv", 5 * 48, True, True),
        ("0", 2 * 5 * 5 * 4 + 2 * 5 * 16 + 2 * 5 * 12, True, True),
        ("0.project", 0, False, True),
        ("0.weights", 0, False, True),
        ("0.spare", 0, False, False),
    ]
    words = {row[0]: row[3] for row in layers_grid(table).rows}
    assert (words["0.weights"], words["0.spare"]) == ("used without a call", "never called")
