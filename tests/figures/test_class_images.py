from __future__ import annotations

import io

import numpy as np
from PIL import Image

from cnnjobs.figures.drawing.class_images import class_images
from cnnjobs.figures.drawing.style import png_bytes, svg_text


def test_few_classes_have_rows_and_many_one_image_each() -> None:
    image = np.full((2, 4, 4, 3), 128, np.uint8)
    few = class_images({f"class {number}": image for number in range(3)}, "few")
    many = class_images({f"class {number}": image for number in range(21)}, "many")
    assert (len(few.axes[0].images), len(many.axes[0].images)) == (6, 21)
    assert [text.get_text() for text in few.axes[0].texts] == ["class 0", "class 1", "class 2"]
    with Image.open(io.BytesIO(png_bytes(few))) as drawn:
        assert drawn.size[0] > drawn.size[1]
    assert "class 20" in svg_text(many)
