"""MobileNetV2 (Sandler et al. 2018): wide inside, narrow between; ReLU6; any width."""

from __future__ import annotations

import re

from striate.nets.layers import spell

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def rounded(channels: float) -> int:
    """Return the nearest multiple of 8 that is not more than a tenth too small."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near if near >= 0.9 * channels else near + 8


def _block(channels: int, widen: int, filters: int, stride: int, pad: str) -> str:
    """Return 1×1 to `widen` times the channels, 3×3 on each by itself, 1×1 back; a residual where the shape stays."""
    expand = f"conv({channels * widen}, 1, bias=false) bn relu6" if widen > 1 else ""
    body = f"""{expand} depthwise(3, stride={stride}, pad={pad}, bias=false) bn relu6
               conv({filters}, 1, bias=false) bn"""
    return f"residual({body})" if stride == 1 and channels == filters else f"[{body}]"


def mobilenet_v2(classes: int = 1000, width: float = 1.0, pad: int | str = 1) -> str:
    """Return MobileNetV2; 224×224 images.

    Arguments:
        classes: the number of classes.
        width: every layer's channels are multiplied by it, and rounded to eights.
        pad: of the 3×3 windows: 1 as torchvision has it, or "same" as TensorFlow has it.
    """
    channels, blocks = rounded(32 * width), []
    stem, padding = channels, spell(pad)
    for widen, base, depth, stride in STAGES:
        for i in range(depth):
            filters = rounded(base * width)
            made = _block(channels, widen, filters, stride if i == 0 else 1, padding)
            blocks.append(f"block{len(blocks) + 1}: {made}")
            channels = filters
    return f"""
        stem: [conv({stem}, 3, stride=2, pad={padding}, bias=false) bn relu6]
        {" ".join(blocks)}
        last: [conv({rounded(1280 * max(1.0, width))}, 1, bias=false) bn relu6]
        globalavg classifier: [dropout(0.2) fc({classes})]
    """


def published_key(name: str) -> str:
    """Return torchvision's name for a parameter, such as "features.2.conv.1.0.weight"."""
    if found := re.fullmatch(r"block(\d+)\.(?:body\.)?(\d)\.(\w+)", name):
        number, (unit, item) = int(found[1]), divmod(int(found[2]), 3)
        last = unit == (1 if number == 1 else 2)
        return f"features.{number}.conv.{unit + item if last else f'{unit}.{item}'}.{found[3]}"
    return name.replace("stem.", "features.0.").replace("last.", "features.18.")
