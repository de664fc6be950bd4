"""Images of any size and shape brought to one size, as their files are decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Fitting:
    """One way to make `size` by `size` pixels of an image; bilinear, with antialiasing when shrinking.

    `stretch` scales both sides; `crop` scales the shorter side to `shorter` and cuts out the middle; `letterbox` scales
    the longer side to `size` and leaves black bars.
    """

    form: Literal["stretch", "crop", "letterbox"]
    size: int
    shorter: int = 0

    @property
    def word(self) -> str:
        """A name that stands for it, `crop-64-72`."""
        return "-".join(map(str, (self.form, self.size, *([self.shorter] if self.shorter else []))))

    def scaled(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that an image is scaled to, before it is cut or padded."""
        if self.form == "stretch":
            return self.size, self.size
        if self.form == "letterbox":
            longer = max(height, width)
            return max(1, round(self.size * height / longer)), max(1, round(self.size * width / longer))
        # As torchvision's Resize of the shorter side: the longer one is cut off to a whole number.
        shorter = min(height, width)
        return (
            (self.shorter, int(self.shorter * width / height))
            if height == shorter
            else (int(self.shorter * height / width), self.shorter)
        )

    def place(self, height: int, width: int) -> tuple[int, int]:
        """Top and left of the window (`crop`) or of the image in it (`letterbox`), of what is scaled to this."""
        return round(abs(height - self.size) / 2), round(abs(width - self.size) / 2)

    def of_image(self, image: Image) -> Image:
        """The image of `size` by `size` pixels; black where nothing is."""
        from PIL import Image as Images

        height, width = self.scaled(image.height, image.width)
        if image.size != (width, height):
            image = image.resize((width, height), Images.Resampling.BILINEAR)
        top, left = self.place(height, width)
        if self.form == "crop":
            return image.crop((left, top, left + self.size, top + self.size))
        if image.size == (self.size, self.size):
            return image
        whole = Images.new(image.mode, (self.size, self.size))
        whole.paste(image, (left, top))
        return whole
