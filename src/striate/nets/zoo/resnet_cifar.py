"""The small ResNets (He et al. 2015, section 4.2): stages of 16, 32 and 64 filters, shortcuts without parameters."""

from __future__ import annotations

from striate.nets.zoo.resnet import basic


def _write(depth: int, classes: int) -> str:
    """Return a ResNet of 6n + 2 layers with "option A" shortcuts: every second pixel, zeros for the new channels."""
    n = (depth - 2) // 6
    same, wider = (lambda k: f"[{basic(k, 1, '')}]"), (lambda k: basic(k, 2, f"subsample(2, {k})"))
    return f"""
        conv(16, 3, pad=1, bias=false) bn relu
        {same(16)}*{n}
        {wider(32)} {same(32)}*{n - 1}
        {wider(64)} {same(64)}*{n - 1}
        globalavg fc({classes})
    """


def resnet20(classes: int = 10) -> str:
    """Return ResNet-20; 32×32 images."""
    return _write(20, classes)


def resnet32(classes: int = 10) -> str:
    """Return ResNet-32; 32×32 images."""
    return _write(32, classes)


def resnet44(classes: int = 10) -> str:
    """Return ResNet-44; 32×32 images."""
    return _write(44, classes)


def resnet56(classes: int = 10) -> str:
    """Return ResNet-56; 32×32 images."""
    return _write(56, classes)


def resnet110(classes: int = 10) -> str:
    """Return ResNet-110; 32×32 images."""
    return _write(110, classes)
