"""ConvNeXt-Tiny (Liu et al. 2022): a ResNet with what the transformers taught."""

from __future__ import annotations

import re

DEPTHS, FILTERS = (3, 3, 9, 3), (96, 192, 384, 768)
DROPPED = 0.1


def _block(filters: int, dropped: float) -> str:
    """Return 7×7 on each channel by itself, then 1×1 to four times the channels and back."""
    return f"""residual(depthwise(7, pad=3) ln conv({4 * filters}, 1) gelu conv({filters}, 1)
                        layerscale(1e-6) droppath({dropped:.4f}))"""


def convnext_tiny(classes: int = 1000) -> str:
    """Return ConvNeXt-Tiny; 224×224 images. Whole blocks are dropped in training, later ones more often, up to 10 %."""
    stages, number = [], 0
    for i, (depth, filters) in enumerate(zip(DEPTHS, FILTERS, strict=True), 1):
        if i > 1:
            stages.append(f"down{i}: [ln conv({filters}, 2, stride=2)]")
        chances = [DROPPED * (number + j) / (sum(DEPTHS) - 1) for j in range(depth)]
        stages.append(f"stage{i}: [{' '.join(_block(filters, p) for p in chances)}]")
        number += depth
    return f"""
        stem: [conv(96, 4, stride=4) ln]
        {" ".join(stages)}
        globalavg classifier: [ln flatten fc({classes})]
    """


def published_key(name: str) -> str:
    """Return torchvision's name for a parameter, such as "features.1.0.block.2.weight"."""
    if found := re.fullmatch(r"stage(\d)\.(\d)\.body\.(\d)\.(\w+)", name):
        block, item = f"features.{2 * int(found[1]) - 1}.{found[2]}", int(found[3])
        if item == 5:
            return f"{block}.layer_scale"
        return f"{block}.block.{ {0: 0, 1: 2, 2: 3, 4: 5}[item] }.{found[4]}"
    if found := re.fullmatch(r"down(\d)\.(\d)\.(\w+)", name):
        return f"features.{2 * int(found[1]) - 2}.{found[2]}.{found[3]}"
    return name.replace("stem.", "features.0.")
