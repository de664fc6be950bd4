from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from cnnjobs import registry
from cnnjobs.components.augment import (
    Augmentation,
    Crop,
    Erase,
    Flip,
    Grayscale,
    Normalise,
    Resize,
    Rotation,
    crop,
    rotate,
)
from cnnjobs.errors import InputError

# Options that every registered augmentation is tried with; a new one is tried with its defaults.
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "crop": [{}, {"padding": 2, "mode": "reflect"}],
    "rotation": [{}, {"degrees": 90.0}],
    "erase": [{"probability": 1.0}, {"scale": (0.1, 0.1), "ratio": (1.0, 1.0)}],
    "resize": [{"size": 12}, {"size": 28}, {"shorter": 20, "crop": 12}],
    "letterbox": [{"size": 12}, {"size": 28}],
    "normalise": [{"mean": (0.5,), "std": (0.25,)}],
}
CASES = [(name, options) for name in registry.components("augmentation") for options in OPTIONS.get(name, [{}])]
RANDOM = ["crop", "flip", "rotation", "erase"]

every_case = pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{name}{options}" for name, options in CASES])


def build(name: str, options: dict[str, Any] | None = None) -> Augmentation:
    built: Augmentation = registry.find("augmentation", name).build(given={}, options=options or {})
    return built


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixels(count: int = 64, channels: int = 3, size: int = 16) -> Tensor:
    return torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8, generator=generator())


def kinds_of_images() -> list[Callable[[Tensor], Tensor]]:
    return [
        lambda images: images,
        lambda images: images.float() / 255,
        lambda images: images.to(memory_format=torch.channels_last),
        lambda images: (images.float() / 255).to(memory_format=torch.channels_last),
    ]


every_kind = pytest.mark.parametrize("kind", kinds_of_images(), ids=["uint8", "float", "uint8 last", "float last"])


@every_case
@every_kind
@pytest.mark.parametrize("channels", [1, 3])
def test_type_range_layout_and_promised_shape_are_kept(
    name: str, options: dict[str, Any], kind: Callable[[Tensor], Tensor], channels: int
) -> None:
    images = kind(pixels(channels=channels))
    before = images.clone()
    augmentation = build(name, options)
    augmented = augmentation(images, generator())
    out_channels, size = augmentation.shape(channels, 16)
    assert augmented.shape == (64, out_channels, size, size)
    assert torch.equal(images, before), "the input must not change"
    last = images.is_contiguous(memory_format=torch.channels_last)
    assert augmented.is_contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    if name == "normalise":
        assert augmented.dtype == torch.float32
    else:
        assert augmented.dtype == images.dtype
        assert augmented.min() >= 0
        assert augmented.max() <= images.max()


@every_case
def test_bytes_and_floats_are_augmented_alike(name: str, options: dict[str, Any]) -> None:
    augmentation = build(name, options)
    of_bytes = augmentation(pixels(), generator())
    of_floats = augmentation(pixels().float() / 255, generator())
    if name != "normalise":
        of_bytes = of_bytes.float() / 255
    assert torch.allclose(of_bytes, of_floats, atol=0.51 / 255)


@every_case
def test_draws_come_from_the_generator_alone(name: str, options: dict[str, Any]) -> None:
    augmentation = build(name, options)
    first = augmentation(pixels(), generator())
    torch.manual_seed(123)
    assert torch.equal(build(name, options)(pixels(), generator()), first)
    assert torch.equal(augmentation(pixels(), generator(1)), first) == (not augmentation.random)


@pytest.mark.parametrize("name", registry.components("augmentation"))
def test_random_ones_draw_for_each_image(name: str) -> None:
    augmentation = build(name, OPTIONS.get(name, [{}])[0])
    assert augmentation.random == (name in RANDOM)
    same = pixels(1).expand(64, -1, -1, -1).contiguous()
    different = {image.numpy().tobytes() for image in augmentation(same, generator())}
    assert len(different) > 1 if augmentation.random else len(different) == 1


@pytest.mark.parametrize("name", RANDOM)
def test_one_image_is_a_batch_too(name: str) -> None:
    assert build(name)(pixels(1), generator()).shape == (1, 3, 16, 16)


@pytest.mark.parametrize(
    "augmentation",
    [
        Crop(padding=0), Flip(probability=0.0), Rotation(degrees=0.0), Erase(probability=0.0), Resize(size=16),
        Normalise(mean=(0.0,), std=(1 / 255,)),
    ],
    ids=lambda augmentation: type(augmentation).__name__,
)  # fmt: skip
def test_nothing_to_do_changes_nothing(augmentation: Augmentation) -> None:
    assert torch.allclose(augmentation(pixels(), generator()).float(), pixels().float(), atol=1e-3)


@pytest.mark.parametrize("mode", ["zero", "reflect"])
@every_kind
def test_crop_is_the_crop_of_each_image(mode: str, kind: Callable[[Tensor], Tensor]) -> None:
    images, padding = kind(pixels(size=9)), 3
    offsets = torch.randint(0, 2 * padding + 1, (2, 64), generator=generator())
    padded = torch.nn.functional.pad(images.float(), [padding] * 4, mode="reflect" if mode == "reflect" else "constant")
    expected = [
        image[:, top : top + 9, left : left + 9] for image, top, left in zip(padded, *offsets.tolist(), strict=True)
    ]
    assert torch.equal(crop(images, offsets, padding, mode).float(), torch.stack(expected))


def test_crop_reaches_every_place() -> None:
    places = torch.arange(9).view(1, 1, 3, 3).expand(500, 1, 3, 3)
    centres = {image[0, 1, 1].item() for image in Crop(padding=1, mode="reflect")(places, generator())}
    assert centres == set(range(9))


def test_crop_refuses_to_reflect_more_than_there_is() -> None:
    assert Crop(padding=7, mode="reflect").shape(3, 8) == (3, 8)
    with pytest.raises(InputError) as raised:
        Crop(padding=8, mode="reflect").shape(3, 8)
    assert str(raised.value) == (
        "augmentation crop: padding 8 cannot be reflected from images of 8×8 pixels; allowed: less than 8"
    )


def test_flip_mirrors_about_half_of_the_images() -> None:
    images = pixels(1000, 1, 4)
    flipped = Flip()(images, generator())
    mirrored = (flipped == images.flip(3)).flatten(1).all(1)
    kept = (flipped == images).flatten(1).all(1)
    assert (mirrored ^ kept).all()
    assert 450 < mirrored.sum() < 550
    assert torch.equal(Flip(probability=1.0)(images, generator()), images.flip(3))


@pytest.mark.parametrize("quarters", [-1, 0, 1, 2, 3])
def test_quarter_turns_are_exact(quarters: int) -> None:
    images = pixels()
    turned = rotate(images, torch.full((64,), 90.0 * quarters))
    assert torch.equal(turned, torch.rot90(images, quarters, (2, 3)))


def test_rotation_stays_within_its_limits() -> None:
    """A point right of the centre, on the circle around it, tells the angle."""
    size = 65
    image = torch.zeros(1, 1, size, size)
    image[..., size // 2, size - 3] = 1.0
    turned = Rotation(degrees=30.0)(image.expand(300, 1, size, size), generator())
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    weights = turned[:, 0] / turned.sum((1, 2, 3)).view(-1, 1, 1)
    down, right = (weights * (rows - size // 2)).sum((1, 2)), (weights * (columns - size // 2)).sum((1, 2))
    angles = torch.atan2(-down, right).rad2deg()
    assert -30.5 < angles.min() < -28
    assert 28 < angles.max() < 30.5
    assert abs(angles.mean()) < 3


@pytest.mark.parametrize("scale", [(0.02, 0.4), (0.3, 0.3), (0.0, 1.0)])
def test_erased_rectangles_stay_within_the_image_and_their_share(scale: tuple[float, float]) -> None:
    top, left, tall, wide = Erase(probability=1.0, scale=scale).rectangles(5000, 32, 24, generator())
    erased = tall > 0
    assert erased.float().mean() > 0.9
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + tall <= 32).all()
    assert (left + wide <= 24).all()
    # Sides are rounded to whole pixels: each differs from its draw by at most half of one.
    areas = (tall * wide)[erased]
    assert (areas >= scale[0] * 768 - 0.5 * (tall + wide)[erased]).all()
    assert (areas <= scale[1] * 768 + 0.5 * (tall + wide)[erased]).all()
    ratios = (tall.double() / wide)[erased & (tall > 6) & (wide > 6)]
    assert ratios.min() > 0.25
    assert ratios.max() < 4
    assert {0, 32 - 10} <= set(top.tolist())


def test_erased_pixels_are_zero_and_all_others_stay() -> None:
    images = pixels(500).clamp_(min=1)
    erase = Erase()
    augmented = erase(images, generator())
    rectangles = erase.rectangles(500, 16, 16, generator())
    for image, before, (top, left, tall, wide) in zip(augmented, images, rectangles.T.tolist(), strict=True):
        assert (image == 0).sum() == 3 * tall * wide
        assert (image[:, top : top + tall, left : left + wide] == 0).all()
        assert (image == before).sum() == image.numel() - 3 * tall * wide
    assert 200 < (rectangles[2] > 0).sum() < 300


def test_erase_names_limits_in_the_wrong_order() -> None:
    with pytest.raises(InputError) as raised:
        Erase(scale=(0.4, 0.02))
    told = "scale [0.4, 0.02] has its larger number first; give [smallest, largest]"
    assert str(raised.value) == f"augmentation erase: {told}"


def test_resize_averages_when_shrinking_and_keeps_flat_images_flat() -> None:
    stripes = torch.zeros(1, 1, 16, 16, dtype=torch.uint8)
    stripes[..., ::2] = 200
    shrunk = Resize(size=4)(stripes)
    assert 90 <= shrunk.min() <= shrunk.max() <= 110, "without antialiasing, stripes vanish or cover everything"
    flat = torch.full((2, 3, 8, 8), 77, dtype=torch.uint8)
    assert torch.equal(Resize(size=21)(flat), torch.full((2, 3, 21, 21), 77, dtype=torch.uint8))


def test_grayscale_is_that_of_pillow() -> None:
    images = pixels(8)
    gray = Grayscale()(images)
    for image, expected in zip(gray, images, strict=True):
        converted = np.array(Image.fromarray(expected.permute(1, 2, 0).numpy()).convert("L"))
        difference = image[0].int() - torch.from_numpy(converted)
        assert difference.abs().max() <= 1
    assert torch.equal(Grayscale()(gray), gray)
    with pytest.raises(InputError, match=r"^augmentation grayscale: found images of 4 channels; allowed: 1 or 3$"):
        Grayscale().shape(4, 8)


@every_kind
def test_normalise_subtracts_the_mean_and_divides(kind: Callable[[Tensor], Tensor]) -> None:
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.25, 0.5)
    expected = (pixels().float() / 255 - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
    normalise = Normalise(mean=mean, std=std)
    for _ in range(2):
        assert torch.allclose(normalise(kind(pixels())), expected, atol=1e-5)
    for size in (5, 8):
        assert normalise(kind(pixels(size=size))).shape == (64, 3, size, size)


def test_normalise_needs_numbers_for_each_channel() -> None:
    with pytest.raises(InputError) as raised:
        Normalise(mean=(0.5, 0.5), std=(0.5,))
    give = "give one of each for all channels, or one for each channel"
    assert str(raised.value) == f"augmentation normalise: mean has 2 numbers and std 1; {give}"
    assert Normalise(mean=(0.5,), std=(0.5,)).shape(3, 8) == (3, 8)
    with pytest.raises(InputError) as raised:
        Normalise(mean=(0.5,) * 3, std=(0.5,) * 3).shape(1, 8)
    told = "mean and std have 3 numbers, images of 1 channel need 1"
    assert str(raised.value) == f"augmentation normalise: {told}"
    with pytest.raises(InputError) as raised:
        Normalise(mean=(0.5,) * 2, std=(0.5,) * 2).shape(3, 8)
    told = "mean and std have 2 numbers, images of 3 channels need 1 or 3"
    assert str(raised.value) == f"augmentation normalise: {told}"


def test_building_loads_no_torch() -> None:
    program = (
        "import sys; from cnnjobs import registry\n"
        "registry.find('augmentation', 'erase').build(given={}, options={})\n"
        "assert not {'torch', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.gpu
@every_case
def test_images_on_a_gpu_are_augmented_as_on_the_cpu(name: str, options: dict[str, Any]) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU")
    there = build(name, options)(pixels().cuda(), generator())
    here = build(name, options)(pixels(), generator())
    assert there.device.type == "cuda"
    assert (there.cpu().float() - here.float()).abs().max() <= (1e-5 if name == "normalise" else 1)
