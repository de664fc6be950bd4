"""Images made to excite channels: legal, better than real ones, ruled by their weights, and the same every time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cnnjobs import registry
from cnnjobs.errors import InputError
from cnnjobs.figures.drawing.figure import Drawing
from cnnjobs.figures.methods.maximisation import Ascent, Maximised, maximise, noise
from cnnjobs.figures.methods.spectrum import Pixels, Spectrum
from cnnjobs.figures.methods.top_images import search
from cnnjobs.figures.network.subject import Subject

SHORT = Ascent(steps=100, jitter=1, variation=0.5)


def make(
    subject: Subject, layer: str, channels: list[int], ascent: Ascent = SHORT, starts: Tensor | None = None
) -> Maximised:
    if starts is None:
        starts = noise(subject.input_shape, channels, ascent.seed)
    return maximise(subject.model, subject.normalisation, layer, channels, starts=starts, ascent=ascent)


def worth(subject: Subject, layer: str, found: Maximised, channels: list[int]) -> Tensor:
    """Output of the network for the images as a file holds them, through its whole preprocessing."""
    maps = subject.maps(layer, subject.preprocessing(found.pixels))
    return maps[torch.arange(len(channels)), channels].mean((1, 2))


def draw(subject: Subject, **options: Any) -> list[Drawing]:
    given = {"subject": subject, "progress": lambda done, total: None}
    return list(registry.find("figure", "maximize").build(given=given, options=options))


@pytest.mark.parametrize("fourier", [False, True])
def test_they_beat_the_best_of_all_real_images(learned: Subject, fourier: bool) -> None:
    channels = list(range(16))
    real = torch.from_numpy(search(learned, "4", "train", score="mean", top=1).scores[:, 0])
    found = make(learned, "4", channels, replace(SHORT, fourier=fourier))
    # The number that is told is that of a file of 8 bits, so no pixel can be illegal.
    assert found.pixels.dtype == torch.uint8
    assert torch.allclose(worth(learned, "4", found, channels).double(), found.activations, rtol=1e-4)
    assert int((found.activations > real).sum()) >= 14


def test_every_state_of_a_canvas_is_legal() -> None:
    starts = torch.rand(2, 3, 9, 8)
    for canvas, exact in ((Pixels(starts), 0.0), (Spectrum(starts), 1 / 512 + 1e-6)):
        assert float((canvas.image() - starts).detach().abs().max()) <= exact
        with torch.no_grad():
            canvas.values.add_(50 * torch.randn_like(canvas.values))
        canvas.clamp()
        image = canvas.image().detach()
        assert image.shape == starts.shape
        assert float(image.min()) >= 0
        assert float(image.max()) <= 1


def test_the_best_so_far_never_gets_worse_and_more_steps_do_no_harm(learned: Subject) -> None:
    plain = Ascent(steps=45)
    found = make(learned, "4", [0, 5, 9], plain)
    assert found.steps == (0, 10, 20, 30, 40, 45)
    assert bool((found.course.diff(dim=0) >= 0).all())
    assert torch.equal(found.course[0], found.before)
    assert torch.equal(found.course[-1], found.activations)
    assert bool((found.activations > found.before).all())


def test_seeds_reproduce_and_a_channel_does_not_depend_on_its_company(learned: Subject) -> None:
    together, again = (make(learned, "3", [4, 7]) for _ in range(2))
    assert torch.equal(together.pixels, again.pixels)
    alone = make(learned, "3", [7])
    assert float((alone.pixels[0].int() - together.pixels[1].int()).abs().max()) <= 2
    other = make(learned, "3", [7], replace(SHORT, seed=1))
    assert not torch.equal(other.pixels, alone.pixels)


def test_lambda_trades_activation_for_distance(learned: Subject) -> None:
    channels = [0, 2, 5, 11]
    top = search(learned, "4", "test", score="mean", top=1)
    images = learned.images([int(top.indices[each, 0]) for each in channels])
    starts = torch.from_numpy(np.stack([image.shown for image in images])).permute(0, 3, 1, 2) / 255
    found = [make(learned, "4", channels, Ascent(distance=weight), starts) for weight in (0.0, 0.1, 1.0, 10.0, 100.0)]
    activations, distances = (
        torch.stack([getattr(each, key) for each in found]) for key in ("activations", "distances")
    )
    assert torch.allclose(found[0].before, torch.from_numpy(top.scores[channels, 0]), rtol=1e-4)
    assert bool((activations[1:].diff(dim=0) < 0).all())
    # Ascents end on hills of their own: with nearly the same lambda, either may be a little higher.
    assert bool((activations[1] <= 1.1 * activations[0]).all())
    assert bool((distances.diff(dim=0) < 0).all())
    assert bool((activations[:4] > found[0].before).all())


@pytest.mark.parametrize("score", ["mean", "sum", "max"])
@pytest.mark.parametrize("layer", ["0", "4", "7"])
def test_at_the_default_lambda_the_image_stays_in_sight_whatever_the_layers_values_are(
    learned: Subject, layer: str, score: Any
) -> None:
    starts = torch.from_numpy(learned.images([0], "test")[0].shown).permute(2, 0, 1)[None] / 255
    found = make(learned, layer, [0, 1], Ascent(steps=60, distance=1.0, score=score), starts.repeat(2, 1, 1, 1))
    assert bool((found.activations > found.before).all())
    assert bool((found.distances > 0.02).all())
    for pixels in found.pixels:
        kept = torch.corrcoef(torch.stack([pixels.flatten() / 255.0, starts.flatten()]))[0, 1]
        assert float(kept) > 0.75


def test_total_variation_makes_smooth_images(learned: Subject) -> None:
    def variation(found: Maximised) -> float:
        pixels = found.pixels.double() / 255
        return float(pixels.diff(dim=2).abs().mean() + pixels.diff(dim=3).abs().mean())

    rough, smooth = (make(learned, "4", [1, 2], replace(SHORT, variation=weight)) for weight in (0.0, 50.0))
    assert variation(smooth) < 0.6 * variation(rough)


def test_a_silent_channel_is_woken_through_its_relu() -> None:
    convolution = nn.Conv2d(1, 2, 3)
    nn.init.constant_(convolution.weight, 1.0)
    # Gray gives 4.5: silent, with a gradient of 0, until it gets brighter than 6/9.
    nn.init.constant_(convolution.bias, -6.0)
    for end in (nn.Identity(), nn.MaxPool2d(2)):
        model = nn.Sequential(convolution, nn.ReLU(), end)
        found = maximise(model, nn.Identity(), "2", [1], starts=torch.full((1, 1, 8, 8), 0.5), ascent=Ascent(steps=40))
        assert (float(found.before[0]), float(found.activations[0])) == (0, 3)


def test_layers_without_maps_have_channels_too(learned: Subject) -> None:
    found = make(learned, "7", [3, 8], SHORT)
    logits = learned.model(learned.preprocessing(found.pixels)).detach()
    assert torch.allclose(logits[[0, 1], [3, 8]].double(), found.activations, atol=1e-3)
    assert bool((found.activations > 10).all())
    with pytest.raises(InputError, match="layer `7` has no channel 10; it has 10, from 0 to 9"):
        make(learned, "7", [10])


def test_the_network_is_left_as_it_was(learned: Subject) -> None:
    before = {name: tensor.clone() for name, tensor in learned.model.state_dict().items()}
    make(learned, "7", [1], replace(SHORT, steps=3))
    assert all(torch.equal(tensor, before[name]) for name, tensor in learned.model.state_dict().items())
    assert all(parameter.grad is None or not parameter.grad.isnan().any() for parameter in learned.model.parameters())


def test_from_the_top_image_as_a_figure(learned: Subject) -> None:
    top = search(learned, "4", "test", score="mean", top=1)
    (drawing,) = draw(learned, layer="4", channel=5, from_top_image=True, steps=20)
    assert drawing.data["indices"].tolist() == [top.indices[5, 0]]
    assert drawing.facts["distance"] == 1.0
    assert drawing.facts["jitter"] == drawing.facts["variation"] == 0
    assert drawing.data["activations"][0] > drawing.data["activations_before"][0]
    assert "λ = 1" in drawing.caption
    start, made, change = (np.asarray(axes.images[0].get_array()) for axes in drawing.figure.axes)
    assert np.array_equal(start, drawing.data["starts"][0, ..., 0])
    assert np.array_equal(made, drawing.data["images"][0, ..., 0])
    assert change.shape == (28, 28, 3)
    (card,) = draw(learned, layer="4", indices=(1, 3), image="card", lambda_=3.0, steps=5)
    assert "the test card, changed to excite each more, λ = 3" in card.caption
    assert card.name != drawing.name


def test_logits_are_called_by_their_classes(learned: Subject) -> None:
    (drawing,) = draw(learned, layer="7", steps=2)
    assert drawing.figure.axes[1].get_title().replace("\n", " ").startswith("1 Trouser: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "4", "channel": 16}, "layer `4` has no channel 16"),
        ({"layer": "4", "lambda_": 1.0}, "--lambda weighs the distance to an image: give --from-top-image"),
        ({"layer": "4", "image": "card", "from_top_image": True}, "--image and --from-top-image: give one of the two"),
        ({"layer": "4", "channel": 1, "indices": (2,)}, "--channel and --indices: give one of the two"),
        ({"layer": "7", "from_top_image": True}, "layer `7` is not spatial"),
    ],
)  # fmt: skip
def test_mistakes_are_told(learned: Subject, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        draw(learned, **options)
