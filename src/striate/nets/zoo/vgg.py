"""VGG (Simonyan and Zisserman 2014): 3×3 convolutions in five stages, with batch normalisation or without."""

from __future__ import annotations

from collections.abc import Sequence

FILTERS = (64, 128, 256, 512, 512)


def _write(depths: Sequence[int], classes: int, norm: str = "") -> str:
    """Return a VGG with `depths` convolutions in each stage."""
    stages = (f"conv({k}, 3, pad=1) {norm} relu " * n + "maxpool(2)" for k, n in zip(FILTERS, depths, strict=True))
    return f"""
        features: [{" ".join(stages)}]
        classifier: [fc(4096) relu dropout fc(4096) relu dropout fc({classes})]
    """


def vgg11(classes: int = 1000) -> str:
    """Return VGG-11 (configuration A)."""
    return _write((1, 1, 2, 2, 2), classes)


def vgg13(classes: int = 1000) -> str:
    """Return VGG-13 (configuration B)."""
    return _write((2, 2, 2, 2, 2), classes)


def vgg16(classes: int = 1000) -> str:
    """Return VGG-16 (configuration D)."""
    return _write((2, 2, 3, 3, 3), classes)


def vgg19(classes: int = 1000) -> str:
    """Return VGG-19 (configuration E)."""
    return _write((2, 2, 4, 4, 4), classes)


def vgg11_bn(classes: int = 1000) -> str:
    """Return VGG-11 with batch normalisation."""
    return _write((1, 1, 2, 2, 2), classes, "bn")


def vgg13_bn(classes: int = 1000) -> str:
    """Return VGG-13 with batch normalisation."""
    return _write((2, 2, 2, 2, 2), classes, "bn")


def vgg16_bn(classes: int = 1000) -> str:
    """Return VGG-16 with batch normalisation."""
    return _write((2, 2, 3, 3, 3), classes, "bn")


def vgg19_bn(classes: int = 1000) -> str:
    """Return VGG-19 with batch normalisation."""
    return _write((2, 2, 4, 4, 4), classes, "bn")


def published_key(name: str) -> str:
    """Return torchvision's name for a parameter: the same."""
    return name
