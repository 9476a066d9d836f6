"""DenseNet-121 (Huang et al. 2016): every layer sees all layers before it, and adds 32 channels."""

from __future__ import annotations

import re

DEPTHS = (6, 12, 24, 16)
GROWTH = 32


def densenet121(classes: int = 1000) -> str:
    """Return DenseNet-121; 224×224 images."""
    layer = f"bn relu conv({4 * GROWTH}, 1, bias=false) bn relu conv({GROWTH}, 3, pad=1, bias=false)"
    channels, blocks = 64, []
    for i, depth in enumerate(DEPTHS, 1):
        blocks.append(f"denseblock{i}: [concat( | {layer})]*{depth}")
        channels += depth * GROWTH
        if i < len(DEPTHS):
            channels //= 2
            blocks.append(f"transition{i}: [bn relu conv({channels}, 1, bias=false) avgpool(2)]")
    return f"""
        conv0: conv(64, 7, stride=2, pad=3, bias=false) norm0: bn relu maxpool(3, 2, pad=1)
        {" ".join(blocks)}
        norm5: bn relu globalavg classifier: fc({classes})
    """


def published_key(name: str) -> str:
    """Return torchvision's name for a parameter, such as "features.denseblock1.denselayer2.conv1.weight"."""
    if found := re.fullmatch(r"(denseblock\d)\.(\d+)\.0\.branch1\.(\d)\.(\w+)", name):
        layer = {"0": "norm1", "2": "conv1", "3": "norm2", "5": "conv2"}[found[3]]
        return f"features.{found[1]}.denselayer{int(found[2]) + 1}.{layer}.{found[4]}"
    if found := re.fullmatch(r"(transition\d)\.(\d)\.(\w+)", name):
        return f"features.{found[1]}.{ {'0': 'norm', '2': 'conv'}[found[2]] }.{found[3]}"
    return name if name.startswith("classifier") else f"features.{name}"
