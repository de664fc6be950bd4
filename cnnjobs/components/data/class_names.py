"""Names of the classes of published data sets, in the order of their labels."""

from __future__ import annotations

import string
from typing import Final

CIFAR10: Final = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
# The fine labels.
CIFAR100: Final = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
    "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock",
    "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest",
    "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion", "lizard",
    "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid",
    "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine", "possum",
    "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper",
    "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone",
    "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf",
    "woman", "worm",
)  # fmt: skip
DIGITS: Final = tuple(string.digits)
FASHION_MNIST: Final = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
# The letters of the syllables that each class of cursive Kuzushiji stands for.
KMNIST: Final = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
STL10: Final = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")

# Cohen et al. 2017, table II: small letters that look like their capitals share a class with them.
_MERGED: Final = (*string.digits, *string.ascii_uppercase, *"abdefghnqrt")
EMNIST: Final = {
    "balanced": _MERGED,
    "bymerge": _MERGED,
    "byclass": (*string.digits, *string.ascii_uppercase, *string.ascii_lowercase),
    "letters": tuple(string.ascii_lowercase),
    "digits": DIGITS,
    "mnist": DIGITS,
}
_PUBLISHED: Final = {
    "cifar10": CIFAR10,
    "cifar100": CIFAR100,
    "fashion_mnist": FASHION_MNIST,
    "fashion_mnist_mini": FASHION_MNIST,
    "kmnist": KMNIST,
    "mnist": DIGITS,
    "stl10": STL10,
    "svhn": DIGITS,
}


def classes_of(name: str, split: str) -> tuple[str, ...]:
    """The classes of a published data set, `split` being that of EMNIST; a folder of images names its own."""
    return EMNIST[split] if name == "emnist" else _PUBLISHED.get(name, ())
