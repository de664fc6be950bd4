from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnnjobs.components.models.cnn import cnn
from cnnjobs.components.models.resnet18 import resnet18
from cnnjobs.report.sections.design_grid import design_grid, design_notes
from cnnjobs.training.networks.layer_table import layer_table

torch.set_num_threads(1)


def test_the_table_of_the_assignment() -> None:
    grid = design_grid(layer_table(cnn(3, 10, 32), (3, 32, 32)))
    assert grid.columns[2:] == ("filters or units", "kernel", "stride", "padding", "activation")
    assert [row[1:] for row in grid.rows] == [
        ("Conv2d", "32", "5×5", "1", "2", "ReLU"),
        ("MaxPool2d", "", "2×2", "2", "0", ""),
        ("Conv2d", "64", "5×5", "1", "2", "ReLU"),
        ("MaxPool2d", "", "2×2", "2", "0", ""),
        ("Conv2d", "128", "5×5", "1", "2", "ReLU"),
        ("MaxPool2d", "", "2×2", "2", "0", ""),
        ("Flatten", "", "", "", "", ""),
        ("Linear", "64", "", "", "", "ReLU"),
        ("Linear", "10", "", "", "", ""),
    ]


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, (3, 5), stride=(1, 2), padding="valid", dilation=2)
        self.second = nn.Conv2d(4, 6, 3, padding=1, groups=2)
        self.third = nn.Conv2d(6, 6, 1)
        self.fc = nn.Linear(6, 2)

    def forward(self, images: Tensor) -> Tensor:
        images = F.max_pool2d(F.leaky_relu(self.first(images), 0.2), 2)
        images = torch.tanh(F.avg_pool2d(self.second(images), 2))
        images = self.third(images).relu_().mean((2, 3))
        return self.fc(images).sigmoid()


def test_what_is_written_with_functions_is_told_too() -> None:
    table = layer_table(Own(), (3, 32, 32))
    assert [row[2:] for row in design_grid(table).rows] == [
        ("4", "3×5, dilation 2", "1×2", "valid", "LeakyReLU(0.2)"),
        ("6 in 2 groups", "3×3", "1", "1", "Tanh"),
        ("6", "1×1", "1", "0", "ReLU"),
        ("2", "", "", "", "Sigmoid"),
    ]
    assert design_notes(table) == [
        "Pooling comes before Tanh (avg_pool2d): the results are not those of the usual order."
    ]


def test_an_activation_behind_a_sum_is_that_of_all_its_layers() -> None:
    table = layer_table(resnet18(3, 10), (3, 64, 64))
    without = [layer.name for layer in table.layers if layer.design.kernel and not layer.design.activation]
    assert without == ["maxpool"]
    assert {layer.design.activation for layer in table.layers if "downsample.0" in layer.name} == {"ReLU"}
    assert design_notes(table) == []


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.ReLU()), "are those of the usual order."),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.AvgPool2d(2), nn.ReLU()), "are not those of the usual order."),
        # GELU falls before it rises.
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.GELU()), "are not those of the usual order."),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2)), ""),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.Conv2d(2, 2, 1), nn.ReLU()), ""),
    ],
)
def test_pooling_ahead_of_the_activation(network: nn.Module, told: str) -> None:
    notes = design_notes(layer_table(network, (1, 8, 8)))
    assert len(notes) == bool(told)
    assert all(note.endswith(told) for note in notes)


def test_values_are_not_kept() -> None:
    from cnnjobs.training.networks.layer_design import Activations

    seen = Activations()
    network = nn.Sequential(*(nn.Conv2d(1, 1, 1) for _ in range(3)))
    network[0].register_forward_hook(lambda _module, _arguments, output: seen.left(0, output))
    with torch.no_grad(), seen:
        network(torch.zeros(1, 1, 4, 4))
    assert len(seen._origins) == 0


def test_a_table_of_layers_loads_no_compiler() -> None:
    program = (
        "import sys; from torch import nn; from cnnjobs.training.networks.layer_table import layer_table\n"
        "assert layer_table(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), (1, 4, 4)).macs == 2 * 4 * 9\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class _Masked(nn.Module):
    """A convolution, and attention to it with a mask that is made from its output."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 1), nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.conv(images).flatten(2).transpose(1, 2)
        shares = (tokens @ tokens.transpose(1, 2) + tokens.new_zeros(1)).softmax(-1)
        result: Tensor = self.fc((tokens + shares @ tokens).mean(1))
        return result


def test_the_softmax_of_attention_is_no_activation_of_the_layer_before() -> None:
    table = layer_table(_Masked(), (3, 4, 4))
    assert {layer.name: layer.design.activation for layer in table.layers if layer.name == "conv"} == {"conv": ""}
