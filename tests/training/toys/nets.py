"""Networks as people write them, good and bad; those of courses are retyped in their idiom."""

import threading
from collections import namedtuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint


class ExampleModel(nn.Module):
    """As in the TDT4265 course: view, a feature extractor, an assertion on the shape."""

    def __init__(self, image_channels, num_classes):
        super().__init__()
        num_filters = 4
        self.num_classes = num_classes
        self.feature_extractor = nn.Sequential(
            nn.Conv2d(in_channels=image_channels, out_channels=num_filters, kernel_size=5, stride=1, padding=2),
            nn.MaxPool2d(kernel_size=2, stride=2),
        )
        self.num_output_features = num_filters * 4 * 4
        self.classifier = nn.Sequential(nn.Linear(self.num_output_features, num_classes))

    def forward(self, x):
        batch_size = x.shape[0]
        features = self.feature_extractor(x)
        features = features.view(-1, self.num_output_features)
        out = self.classifier(features)
        expected_shape = (batch_size, self.num_classes)
        assert out.shape == expected_shape, f"Expected output of forward pass to be: {expected_shape}, {out.shape}"
        return out


class LeNet5(nn.Module):
    """As in a PolyU student's model.py: functions and a view."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=3, padding=1)
        self.fc1 = nn.Linear(16 * 2 * 2, 20)
        self.fc2 = nn.Linear(20, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(x.size(0), -1)
        x = F.relu(self.fc1(x))
        return self.fc2(x)


class OnView(nn.Module):
    """View of the images themselves, linear layers alone."""

    def __init__(self, in_channels, num_classes, image_size):
        super().__init__()
        print("building")
        self.fc = nn.Linear(in_channels * image_size**2, num_classes)

    def forward(self, x):
        return self.fc(x.view(x.size(0), -1))


class Lazy(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.body = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten())
        self.head = nn.LazyLinear(num_classes)

    def forward(self, x):
        return self.head(self.body(x))


class LazyUnused(Lazy):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.spare = nn.LazyLinear(3)


class Complex(nn.Module):
    def __init__(self, in_channels, num_classes, image_size):
        super().__init__()
        shape = (in_channels, image_size, image_size // 2 + 1)
        self.weight = nn.Parameter(torch.randn(*shape, dtype=torch.complex64))
        self.head = nn.Linear(in_channels * image_size**2, num_classes)

    def forward(self, x):
        return self.head(torch.fft.irfft2(torch.fft.rfft2(x) * self.weight, s=x.shape[-2:]).flatten(1))


class Checkpointed(nn.Module):
    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.ReLU(inplace=True))
        self.head = nn.Linear(4, num_classes)

    def forward(self, x):
        x -= x.mean()
        return self.head(checkpoint(self.body, x, use_reentrant=False).mean((2, 3)))


class Shared(nn.Module):
    """One layer in two places, and a lock, which cannot be copied."""

    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.first = nn.Conv2d(in_channels, 4, 3, padding=1)
        self.both = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4 * 64, num_classes)
        self.lock = threading.Lock()

    def forward(self, x):
        x = self.both(F.relu(self.both(F.relu(self.first(x)))))
        with self.lock:
            return self.head(x.view(x.size(0), -1))


class Frozen(nn.Module):
    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4, affine=False))
        for parameter in self.body.parameters():
            parameter.requires_grad = False
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, num_classes)

    def forward(self, x):
        return self.head(self.norm(self.body(x).mean((2, 3))))


class AllFrozen(Frozen):
    def __init__(self, in_channels, num_classes):
        super().__init__(in_channels, num_classes)
        self.requires_grad_(False)


class Dropping(OnView):
    def forward(self, x):
        return self.fc(F.dropout(x.reshape(len(x), -1), 0.5))


class Impossible(OnView):
    def forward(self, x):
        return self.fc(F.dropout(x.reshape(len(x), -1), 1.5))


class Spare(OnView):
    def __init__(self, in_channels, num_classes, image_size):
        super().__init__(in_channels, num_classes, image_size)
        self.spare = nn.Linear(2, 2)


class Listed(nn.Module):
    """Layers in a plain list; without a head, none is part of the network."""

    def __init__(self, in_channels, num_classes, image_size, *, head: bool = True):
        super().__init__()
        self.layers = [nn.Flatten(), nn.Linear(in_channels * image_size**2, num_classes)]
        self.head = nn.Linear(num_classes, num_classes) if head else nn.Identity()

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


class Mixing(nn.Module):
    """A reshape that takes pixels of one image for those of another."""

    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(in_channels, 4, 3), nn.Linear(4 * 36, num_classes)

    def forward(self, x):
        return self.fc(self.conv(x).permute(1, 0, 2, 3).reshape(-1, 4 * 36))


class Two(OnView):
    def forward(self, x, y):
        return super().forward(x + y)


class Normed(ExampleModel):
    """Weight norm keeps tensors that cannot be copied."""

    def __init__(self, image_channels, num_classes):
        super().__init__(image_channels, num_classes)
        self.feature_extractor[0] = nn.utils.parametrizations.weight_norm(self.feature_extractor[0])


def scripted(in_channels, num_classes):
    return torch.jit.script(nn.Sequential(nn.Conv2d(in_channels, num_classes, 8), nn.Flatten()))


def plain(in_channels, num_classes):
    return nn.Sequential(nn.Conv2d(in_channels, num_classes, 8), nn.Flatten())


def halved(in_channels, num_classes):
    return plain(in_channels, num_classes).half()


def doubled(in_channels, num_classes):
    return plain(in_channels, num_classes).double()


class DoubledInside(nn.Module):
    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.inner = doubled(in_channels, num_classes)

    def forward(self, x):
        return self.inner(x.double()).float()


class Softmax(OnView):
    def forward(self, x):
        return super().forward(x).softmax(1)


class Norm1d(nn.Module):
    """Batch norm over features: one image is too few."""

    def __init__(self, in_channels, num_classes, image_size):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(in_channels * image_size**2, 4), nn.BatchNorm1d(4), nn.Linear(4, num_classes)
        )

    def forward(self, x):
        return self.layers(x)


class HandedOn(Norm1d):
    def __init__(self, *args, width: int = 3, **kwargs):
        super().__init__(*args, **kwargs)
        self.layers.append(nn.Dropout(0.1 * width))


class Squeezing(nn.Module):
    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, num_classes, 3)

    def forward(self, x):
        return F.adaptive_avg_pool2d(self.conv(x), 1).squeeze()


GoogLeNetOutputs = namedtuple("GoogLeNetOutputs", ["logits", "aux_logits2", "aux_logits1"])


class Outputs(OnView):
    """Outputs of its one logit layer, in the form that `form` names."""

    def __init__(self, in_channels, num_classes, image_size, *, form: str):
        super().__init__(in_channels, num_classes, image_size)
        self.form = form

    def forward(self, x):
        logits = self.fc(x.reshape(len(x), -1))
        return {
            "pair": lambda: (logits, logits),
            "named": lambda: GoogLeNetOutputs(logits, logits, logits),
            "mapping": lambda: {"logits": logits, "hidden": logits},
            "none": lambda: None,
            "one": lambda: logits[:, 0],
            "column": lambda: logits[:, :1],
            "fewer": lambda: logits[:, :2],
            "maps": lambda: logits[:, :, None, None].expand(-1, -1, 4, 4),
            "classes": lambda: logits.argmax(1),
            "mean": lambda: logits.mean(0),
            "nan": lambda: logits * float("nan"),
            "detached": logits.detach,
            "meta": lambda: logits.to("meta"),
            "complex": lambda: torch.complex(logits, logits),
        }[self.form]()


_BUILT = OnView(1, 3, 8)
_LAYER = nn.Linear(64, 3)


def same():
    return _BUILT


def same_layer():
    return nn.Sequential(nn.Flatten(), _LAYER)


def no_network():
    return [nn.Flatten(), nn.Linear(64, 3)]


def a_class():
    return OnView


def squares():
    """A loss of another task."""
    return nn.MSELoss()
