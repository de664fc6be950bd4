"""Image files of any size and mode -> pixels as a network's data set holds them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cnnjobs.components.files.fitting import Fitting
from cnnjobs.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

# The tag of EXIF.
_ORIENTATION: Final = 0x0112
_LYING: Final = (5, 6, 7, 8)
_COLOURLESS: Final = ("1", "L", "LA", "La", "I", "F")


def is_gray(mode: str) -> bool:
    """Check whether images of that mode of Pillow are without colour; those with a palette count as coloured."""
    return mode in _COLOURLESS or mode.startswith("I;")


def plain(image: Any) -> Any:
    """The image upright, in 8 bits, gray (L) or RGB; transparency is dropped. Raises ValueError for modes of no kin."""
    image = upright(image)
    image = _eight_bits(image)
    # Pillow would warn of what a transparent colour becomes.
    image.info.pop("transparency", None)
    return image.convert("L" if is_gray(image.mode) else "RGB")


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels (size, size, channels) uint8; `notes` tell what was done to the image for that."""

    pixels: NDArray[np.uint8]
    notes: tuple[str, ...]


def read_picture(path: Path, *, channels: int, size: int, fitting: Fitting | None = None) -> Picture:
    """The image, upright, in gray (1 channel) or RGB (3), scaled to size; of an oblong one the middle square.

    With the `fitting` of a run's images it is what training would have made of it, which is no news.

    Raises InputError for what is no image.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if path.is_dir():
        raise InputError(f"{path}: is a folder; name image files, for example {path}/*")
    if not path.exists():
        raise InputError(f"{path}: there is no such file")
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            # A picture of 90 million pixels or more is taken for an attack, at first with a warning.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # Pillow tells of odd metadata that do not matter here.
            warnings.simplefilter("ignore", UserWarning)
            image: Any = upright(Image.open(file))
            notes = _mode_notes(image, channels)
            image = _eight_bits(image).convert("L" if channels == 1 else "RGB")
            if fitting is not None:
                image = fitting.of_image(image)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: has too many pixels ({error}); make it smaller first") from None
    except UnidentifiedImageError:
        raise InputError(f"{path}: is no image, or of a kind that cannot be read here") from None
    except (OSError, SyntaxError, ValueError) as error:  # what PIL raises on damaged files
        raise InputError(f"{path}: cannot be read as an image ({error})") from None
    if image.size != (size, size):
        width, height = image.size
        middle = "" if width == height else "the middle square of "
        notes.append(f"{middle}{width}×{height} pixels brought to {size}×{size}")
        image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    return Picture(_array(image, channels), tuple(notes))


def upright(image: Image) -> Image:
    """The image as its EXIF orientation says, for training and for predictions alike; as it lies where none is told."""
    from PIL import ImageOps

    try:
        if image.getexif().get(_ORIENTATION, 1) == 1:
            return image
        turned: Image | None = ImageOps.exif_transpose(image)
    except Exception:  # damaged metadata may raise anything, and the pixels be whole
        return image
    return turned or image


def size_upright(image: Image) -> tuple[int, int]:
    """Width and height of the image once it is upright, by its header."""
    try:
        turned = image.getexif().get(_ORIENTATION, 1) in _LYING
    except Exception:
        turned = False
    width, height = image.size
    return (height, width) if turned else (width, height)


def _mode_notes(image: Any, channels: int) -> list[str]:
    notes = []
    if image.mode[0] in "IF":
        notes.append(f"pixels of mode {image.mode} brought to 8 bits")
    if image.has_transparency_data:
        notes.append("transparency dropped")
    if channels == 1 and not is_gray(image.mode):
        notes.append("colour made gray")
    return notes


def _eight_bits(image: Any) -> Any:
    """16-bit gray, and numbers that are no whole ones, as 8-bit gray."""
    import numpy as np
    from PIL import Image

    if image.mode[0] not in "IF":
        return image
    values = np.asarray(image).astype(float)
    # Whole numbers are those of 16-bit files; other ones are shares of white, or levels up to 255.
    white = 65535.0 if image.mode[0] == "I" else 1.0 if np.nanmax(values, initial=0.0) <= 1 else 255.0
    scaled = np.nan_to_num(values) * (255 / white)
    return Image.fromarray(scaled.clip(0, 255).round().astype(np.uint8))


def _array(image: Any, channels: int) -> NDArray[np.uint8]:
    import numpy as np

    pixels = np.asarray(image, dtype=np.uint8)
    return pixels.reshape(*pixels.shape[:2], channels)
