"""Files of a data set -> arrays: the IDX files of MNIST, the Python batches of CIFAR-10, folders of images."""

from __future__ import annotations

import gzip
import pickle
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cnnjobs.components.data_places import CIFAR_BATCHES, IDX_FILES, Place, idx_file
from cnnjobs.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Splits = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]

_CIFAR_IMAGE: Final = (3, 32, 32)
_IMAGES_PER_COUNT: Final = 1024


@dataclass(frozen=True, eq=False)
class Decoded:
    """Images (N, H, W, C) uint8 and labels (N,) int64 of both splits; `mean` and `std` as in DataSet."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


def source_files(place: Place) -> list[Path]:
    """Every file that `decode` reads, in order."""
    if place.layout == "idx":
        return [path for name in IDX_FILES if (path := idx_file(place.path, name))]
    if place.layout == "cifar_batches":
        return [place.path / name for name in CIFAR_BATCHES]
    from cnnjobs.components.image_folders import list_images

    return [*list_images(place.path / "train").files, *list_images(place.path / "test").files]


def decode(place: Place, classes: tuple[str, ...]) -> Decoded:
    """Read the whole data set; a folder of images names its own classes. Raises DataError with the file at fault."""
    if place.layout == "idx":
        arrays = (*_idx_splits(place.path, len(classes)), classes)
    elif place.layout == "cifar_batches":
        arrays = (*_cifar_splits(place.path, len(classes)), classes)
    else:
        from cnnjobs.components.image_folders import read_splits

        arrays = read_splits(place.path)
    return Decoded(*arrays, *channel_statistics(arrays[0]))


def channel_statistics(images: NDArray[np.uint8]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel of images (N, H, W, C), of pixel values in [0, 1]."""
    import numpy as np

    counts = np.zeros((images.shape[3], 256), np.int64)
    for start in range(0, len(images), _IMAGES_PER_COUNT):
        for channel, pixels in enumerate(np.moveaxis(images[start : start + _IMAGES_PER_COUNT], 3, 0)):
            counts[channel] += np.bincount(pixels.ravel(), minlength=256)
    values, shares = np.arange(256) / 255, counts / counts.sum(axis=1, keepdims=True)
    means = shares @ values
    deviations = [np.sqrt(share @ (values - mean) ** 2) for share, mean in zip(shares, means, strict=True)]
    return tuple(map(float, means)), tuple(map(float, deviations))


def _idx_splits(folder: Path, num_classes: int) -> Splits:
    train, test = (_idx_split(folder, *names, num_classes) for names in (IDX_FILES[:2], IDX_FILES[2:]))
    (height, width), (test_height, test_width) = train[0].shape[1:3], test[0].shape[1:3]
    if (height, width) != (test_height, test_width):
        found = f"{width}×{height} pixels in training and {test_width}×{test_height} in testing"
        raise DataError(f"{folder}: the images have {found}; fetch the four files again")
    return *train, *test


def _idx_split(
    folder: Path, images_name: str, labels_name: str, num_classes: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    images_path, labels_path = idx_file(folder, images_name), idx_file(folder, labels_name)
    assert images_path, images_name  # place_of has seen both
    assert labels_path, labels_name
    images, labels = read_idx(images_path, 3), read_idx(labels_path, 1).astype("int64")
    if len(images) != len(labels):
        found = f"{images_path.name} holds {len(images)} images, but {labels_path.name} {len(labels)} labels"
        raise DataError(f"{folder}: {found}; fetch both again")
    if not images.size:
        raise DataError(f"{images_path}: holds no image; fetch it again")
    _check_labels(labels_path, labels, num_classes)
    return images[..., None], labels


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The unsigned bytes of an IDX file, plain or packed (http://yann.lecun.com/exdb/mnist/, "file formats")."""
    import numpy as np

    content = _unpacked(path)
    magic, header_bytes = bytes([0, 0, 8, dimensions]), 4 + 4 * dimensions
    if content[:4] != magic:
        raise DataError(
            f"{path}: not an IDX file of bytes in {dimensions} dimension{'s' * (dimensions > 1)}: "
            f"it starts with {content[:4].hex(' ') or 'nothing'}, not {magic.hex(' ')}; fetch it again"
        )
    sizes = [int.from_bytes(content[start : start + 4], "big") for start in range(4, header_bytes, 4)]
    expected = header_bytes + int(np.prod(sizes, dtype=object))
    if len(content) != expected:
        state = "cut short" if len(content) < expected else "too long"
        raise DataError(
            f"{path}: {state}: by its header it holds {expected} bytes, found {len(content)}; fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=header_bytes).reshape(sizes)


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path}: not a whole gzip file of {len(content)} bytes ({error}); fetch it again") from None


def _check_labels(path: Path, labels: NDArray[np.int64], num_classes: int) -> None:
    wrong = (labels < 0) | (labels >= num_classes)
    if wrong.any():
        index = int(wrong.argmax())
        raise DataError(
            f"{path}: label {labels[index]} of image {index}; allowed: 0 to {num_classes - 1}; fetch the file again"
        )


def _cifar_splits(folder: Path, num_classes: int) -> Splits:
    import numpy as np

    batches = [_read_batch(folder / name, num_classes) for name in CIFAR_BATCHES]
    images, labels = zip(*batches[:-1], strict=True)
    return np.concatenate(images), np.concatenate(labels), *batches[-1]


def _read_batch(path: Path, num_classes: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """One batch file: rows of 3072 bytes, planes of red, green and blue (https://www.cs.toronto.edu/~kriz/cifar.html)."""
    import numpy as np

    try:
        with path.open("rb") as file:
            batch = _ArrayUnpickler(file, encoding="bytes").load()
        rows, labels = batch[b"data"], np.asarray(batch[b"labels"], dtype=np.int64)
    except Exception as error:  # a damaged pickle may raise anything
        raise DataError(f"{path}: not a batch of CIFAR-10 ({type(error).__name__}: {error}); fetch it again") from None
    row_bytes = int(np.prod(_CIFAR_IMAGE))
    expected = (len(labels), row_bytes)
    if not isinstance(rows, np.ndarray) or rows.dtype != np.uint8 or rows.shape != expected:
        found = f"{rows.dtype} {rows.shape}" if isinstance(rows, np.ndarray) else type(rows).__name__
        raise DataError(f"{path}: its images are {found}, expected uint8 {expected}; fetch it again")
    _check_labels(path, labels, num_classes)
    images = rows.reshape(-1, *_CIFAR_IMAGE).transpose(0, 2, 3, 1)  # (N, 3, H, W) -> (N, H, W, 3)
    return np.ascontiguousarray(images), labels


class _ArrayUnpickler(pickle.Unpickler):
    """Loads arrays, lists and bytes, and refuses everything else that a pickle could run."""

    def find_class(self, module: str, name: str) -> Any:
        """Only what an array of numbers is made of."""
        import _codecs

        import numpy as np

        allowed = {
            ("multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("_codecs", "encode"): _codecs.encode,
        }
        key = (module.rpartition(".")[2], name)
        if key not in allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no batch needs")
        return allowed[key]
