"""Makes the bundled data set `fashion_mnist_mini`.

It holds the first 600 training and 100 test images of each class of Fashion-MNIST, in their original order.

    python tools/make_fashion_mnist_mini.py [FOLDER with the four original files *-ubyte.gz]

The default folder is that of Debian's package `dataset-fashion-mnist`.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
MINI_FOLDER = Path(__file__).parent.parent / "cnnjobs" / "data" / "fashion_mnist_mini"
IMAGES_PER_CLASS = {"train": 600, "t10k": 100}
HEADER_BYTES = {"images-idx3": 16, "labels-idx1": 8}


def main(source: Path) -> None:
    """Write the four files and say how large they are together."""
    import numpy as np

    for split, per_class in IMAGES_PER_CLASS.items():
        contents = {kind: _read(source, split, kind) for kind in HEADER_BYTES}
        labels = np.frombuffer(contents["labels-idx1"], np.uint8, offset=HEADER_BYTES["labels-idx1"])
        chosen = np.sort(np.concatenate([np.flatnonzero(labels == label)[:per_class] for label in range(10)]))
        for kind, content in contents.items():
            items = np.frombuffer(content, np.uint8, offset=HEADER_BYTES[kind]).reshape(len(labels), -1)
            # Bytes 4 to 8 of an IDX header hold the number of items; the type and the sizes around it stay.
            header = content[:4] + len(chosen).to_bytes(4, "big") + content[8 : HEADER_BYTES[kind]]
            packed = gzip.compress(header + items[chosen].tobytes(), compresslevel=9, mtime=0)
            (MINI_FOLDER / f"{split}-{kind}-ubyte.gz").write_bytes(packed)
    print(sum(file.stat().st_size for file in MINI_FOLDER.glob("*.gz")), "bytes in", MINI_FOLDER)


def _read(source: Path, split: str, kind: str) -> bytes:
    return gzip.decompress((source / f"{split}-{kind}-ubyte.gz").read_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEBIAN_FOLDER)
