"""SqueezeNet 1.1 (Iandola et al. 2016): AlexNet's accuracy with a fiftieth of its parameters."""

from __future__ import annotations

import re

PLACES = {2: 3, 3: 4, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11, 9: 12}


def fire(number: int, squeeze: int, expand: int) -> str:
    """Return a fire module: 1×1 to few channels, then 1×1 beside 3×3."""
    wide = f"conv({expand}, 1) relu | conv({expand}, 3, pad=1) relu"
    return f"fire{number}: [conv({squeeze}, 1) relu concat({wide})]"


def squeezenet1_1(classes: int = 1000) -> str:
    """Return SqueezeNet 1.1; 224×224 images."""
    return f"""
        conv1: conv(64, 3, stride=2) relu maxpool(3, 2, ceil=true)
        {fire(2, 16, 64)} {fire(3, 16, 64)} maxpool(3, 2, ceil=true)
        {fire(4, 32, 128)} {fire(5, 32, 128)} maxpool(3, 2, ceil=true)
        {fire(6, 48, 192)} {fire(7, 48, 192)} {fire(8, 64, 256)} {fire(9, 64, 256)}
        classifier: [dropout conv({classes}, 1) relu globalavg flatten]
    """


def published_key(name: str) -> str:
    """Return torchvision's name for a parameter, such as "features.3.expand1x1.weight"."""
    if found := re.fullmatch(r"fire(\d)\.(?:0|2\.branch(\d)\.0)\.(\w+)", name):
        layer = {None: "squeeze", "0": "expand1x1", "1": "expand3x3"}[found[2]]
        return f"features.{PLACES[int(found[1])]}.{layer}.{found[3]}"
    return name.replace("conv1.", "features.0.")
