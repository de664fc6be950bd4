"""The files of published data sets as their makers give them out: URLs and hashes are those of torchvision 0.29."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cnnjobs.components.files.places import IDX_FILES


@dataclass(frozen=True)
class Original:
    """A published file: where it lies below a data folder while it is packed, and where it is to be had, in turn.

    `hash` is `md5:...` or `sha256:...`, whole or its beginning, or empty where none is published.
    """

    path: str
    urls: tuple[str, ...]
    hash: str
    megabytes: float | None

    @property
    def file(self) -> str:
        """The file's name."""
        return self.path.rpartition("/")[2]

    def described(self) -> str:
        """`170.5 MB, MD5 c58f30108f718f92721af3b95e74349a`, as far as it is known."""
        kind, _, digest = self.hash.partition(":")
        parts = [in_megabytes(self.megabytes)] if self.megabytes is not None else []
        parts += [f"{HASH_NAMES[kind]} {digest}" + ("..." if len(digest) < HASH_DIGITS[kind] else "")] if digest else []
        return ", ".join(parts) or "its hash is not published"


def in_megabytes(size: float) -> str:
    """`170.5 MB`, `28 kB`."""
    return f"{size:.1f} MB" if size >= 1 else f"{1000 * size:.0f} kB"


HASH_NAMES: Final = {"md5": "MD5", "sha256": "SHA-256"}
HASH_DIGITS: Final = {"md5": 32, "sha256": 64}


def _idx(folder: str, mirrors: tuple[str, ...], *files: tuple[str, float]) -> tuple[Original, ...]:
    """The four packed IDX files of MNIST and its kin, each with MD5 and size in MB."""
    return tuple(
        Original(f"{folder}/raw/{name}.gz", tuple(f"{mirror}{name}.gz" for mirror in mirrors), f"md5:{md5}", megabytes)
        for name, (md5, megabytes) in zip(IDX_FILES, files, strict=True)
    )


SOURCES: Final[dict[str, tuple[Original, ...]]] = {
    "cifar10": (
        Original(
            "cifar-10-python.tar.gz",
            ("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
            "md5:c58f30108f718f92721af3b95e74349a",
            170.5,
        ),
    ),
    "cifar100": (
        Original(
            "cifar-100-python.tar.gz",
            ("https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",),
            "md5:eb9058c3a382ffc7106e4002c42a8d85",
            169.0,
        ),
    ),
    "emnist": (
        Original(
            "EMNIST/raw/gzip.zip",
            ("https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",),
            "md5:58c8d27c78d21e728a6bc7b3cc06412e",
            561.8,
        ),
    ),
    "fashion_mnist": _idx(
        "FashionMNIST",
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        ("8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26.4),
        ("25c81989df183df01b3e8a0aad5dffbe", 0.03),
        ("bef4ecab320f06d8554ea6380940ec79", 4.4),
        ("bb300cfdad3c16e7a12a480ee83cd310", 0.005),
    ),
    "kmnist": _idx(
        "KMNIST",
        ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
        ("bdb82020997e1d708af4cf47b453dcf7", 18.2),
        ("e144d726b3acfaa3e44228e80efcd344", 0.03),
        ("5c965bf0a639b31b8f53240b1b52f4d7", 3.0),
        ("7320c461ea6c1c855c0b718fb2a4b134", 0.005),
    ),
    "mnist": _idx(
        "MNIST",
        ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
        ("f68b3c2dcbeaaa9fbdd348bbdeb94873", 9.9),
        ("d53e105ee54ea40749a09fcbcd1e9432", 0.03),
        ("9fb629c4189551a2d022fa330f9573f3", 1.6),
        ("ec29112dd5afa0611ce80d1b7f02629c", 0.005),
    ),
    "stl10": (
        Original(
            "stl10_binary.tar.gz",
            ("http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",),
            "md5:91f7769df0f17e558f3565bffb0c7dfb",
            2640.4,
        ),
    ),
    "svhn": tuple(
        Original(f"{name}_32x32.mat", (f"http://ufldl.stanford.edu/housenumbers/{name}_32x32.mat",), hash, megabytes)
        for name, hash, megabytes in (
            ("train", "md5:e26dedcc434d2e4c54c9b2d4a06d8373", 182.0),
            ("test", "md5:eb5a983be6a315427106f1b164d9cef3", 64.3),
        )
    ),
}
