"""ResNet (He et al. 2015): residual blocks, basic or bottleneck, for ImageNet and for CIFAR."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence


def basic(filters: int, stride: int, shortcut: str) -> str:
    """Return two 3×3 convolutions and a shortcut."""
    return f"""residual(conv({filters}, 3, stride={stride}, pad=1, bias=false) bn relu
                        conv({filters}, 3, pad=1, bias=false) bn ; {shortcut}) relu"""


def bottleneck(filters: int, stride: int, shortcut: str) -> str:
    """Return 1×1, 3×3 and 1×1 with four times the filters, the stride on the 3×3 as torchvision has it ("v1.5")."""
    return f"""residual(conv({filters}, 1, bias=false) bn relu
                        conv({filters}, 3, stride={stride}, pad=1, bias=false) bn relu
                        conv({4 * filters}, 1, bias=false) bn ; {shortcut}) relu"""


def _write(block: Callable[[int, int, str], str], depths: Sequence[int], classes: int) -> str:
    """Return an ImageNet ResNet with `depths` blocks in its four stages; 224×224 images."""
    widen = 4 if block is bottleneck else 1
    stages = []
    for i, depth in enumerate(depths):
        filters, stride = 64 * 2**i, 1 if i == 0 else 2
        project = f"conv({widen * filters}, 1, stride={stride}, bias=false) bn"
        first = block(filters, stride, project if stride * widen > 1 else "")
        stages.append(f"layer{i + 1}: [{first} [{block(filters, 1, '')}]*{depth - 1}]")
    return f"""
        conv1: conv(64, 7, stride=2, pad=3, bias=false) bn1: bn relu maxpool(3, 2, pad=1)
        {" ".join(stages)}
        globalavg fc: fc({classes})
    """


def resnet18(classes: int = 1000) -> str:
    """Return ResNet-18."""
    return _write(basic, (2, 2, 2, 2), classes)


def resnet34(classes: int = 1000) -> str:
    """Return ResNet-34."""
    return _write(basic, (3, 4, 6, 3), classes)


def resnet50(classes: int = 1000) -> str:
    """Return ResNet-50."""
    return _write(bottleneck, (3, 4, 6, 3), classes)


def resnet101(classes: int = 1000) -> str:
    """Return ResNet-101."""
    return _write(bottleneck, (3, 4, 23, 3), classes)


def resnet152(classes: int = 1000) -> str:
    """Return ResNet-152."""
    return _write(bottleneck, (3, 8, 36, 3), classes)


def published_key(name: str) -> str:
    """Return torchvision's name for a parameter, such as "layer2.1.bn1.weight"."""
    found = re.fullmatch(r"(layer\d)\.([\d.]+)\.(body|shortcut)\.(\d)\.(\w+)", name)
    if not found:
        return name
    stage, where, side, item, kind = found[1], found[2].split("."), found[3], int(found[4]), found[5]
    block = {1: 0, 2: 1, 3: int(where[1]) + 1 if len(where) == 3 else 0}[len(where)]
    layer = f"{('conv', 'bn')[item % 3]}{item // 3 + 1}" if side == "body" else f"downsample.{item}"
    return f"{stage}.{block}.{layer}.{kind}"
