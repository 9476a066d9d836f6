"""EfficientNet-Lite (Google 2020): MobileNetV2's blocks, wider and deeper together, no squeeze-excite; ReLU6."""

from __future__ import annotations

import math
import re

from striate.nets.zoo.mobilenet import rounded

# How much the channels are widened, the filters, the repeats, the window and the stride.
STAGES = (
    (1, 16, 1, 3, 1),
    (6, 24, 2, 3, 2),
    (6, 40, 2, 5, 2),
    (6, 80, 3, 3, 2),
    (6, 112, 3, 5, 1),
    (6, 192, 4, 5, 2),
    (6, 320, 1, 3, 1),
)
# Width, depth, dropout. Stem and head are never scaled, nor are the repeats of the first and the last stage.
SCALES = {
    "lite0": (1.0, 1.0, 0.2),
    "lite1": (1.0, 1.1, 0.2),
    "lite2": (1.1, 1.2, 0.3),
    "lite3": (1.2, 1.4, 0.3),
    "lite4": (1.4, 1.8, 0.3),
}
_BN = "bn(eps=0.001)"


def _block(channels: int, widen: int, filters: int, window: int, stride: int) -> str:
    """Return 1×1 to `widen` times the channels, a window on each by itself, 1×1 back; a residual if the shape stays."""
    expand = f"conv({channels * widen}, 1, bias=false) {_BN} relu6" if widen > 1 else ""
    body = f"""{expand} depthwise({window}, stride={stride}, pad="same", bias=false) {_BN} relu6
               conv({filters}, 1, bias=false) {_BN}"""
    return f"residual({body})" if stride == 1 and channels == filters else f"[{body}]"


def _lite(scale: str, classes: int) -> str:
    width, depth, dropout = SCALES[scale]
    channels, blocks = 32, []
    for number, (widen, base, repeats, window, stride) in enumerate(STAGES):
        filters = rounded(base * width)
        ends = number in (0, len(STAGES) - 1)
        for i in range(repeats if ends else math.ceil(repeats * depth)):
            blocks.append(f"block{len(blocks)}: {_block(channels, widen, filters, window, stride if i == 0 else 1)}")
            channels = filters
    return f"""
        stem: [conv(32, 3, stride=2, pad="same", bias=false) {_BN} relu6]
        {" ".join(blocks)}
        last: [conv(1280, 1, bias=false) {_BN} relu6]
        globalavg classifier: [dropout({dropout}) fc({classes})]
    """


def efficientnet_lite0(classes: int = 1000) -> str:
    """Return EfficientNet-Lite0; 224×224 images."""
    return _lite("lite0", classes)


def efficientnet_lite1(classes: int = 1000) -> str:
    """Return EfficientNet-Lite1; 240×240 images."""
    return _lite("lite1", classes)


def efficientnet_lite2(classes: int = 1000) -> str:
    """Return EfficientNet-Lite2; 260×260 images."""
    return _lite("lite2", classes)


def efficientnet_lite3(classes: int = 1000) -> str:
    """Return EfficientNet-Lite3; 280×280 images."""
    return _lite("lite3", classes)


def efficientnet_lite4(classes: int = 1000) -> str:
    """Return EfficientNet-Lite4; 300×300 images."""
    return _lite("lite4", classes)


def published_key(name: str) -> str:
    """Return efficientnet_pytorch's name for a parameter, such as "_blocks.2._expand_conv.weight"."""
    if found := re.fullmatch(r"block(\d+)\.(?:body\.)?(\d)\.(\w+)", name):
        # The first block does not widen: it begins where others have come to their third layer.
        place = int(found[2]) + (0 if int(found[1]) else 3)
        part = {
            0: "_expand_conv", 1: "_bn0", 3: "_depthwise_conv", 4: "_bn1", 6: "_project_conv", 7: "_bn2"
        }[place]  # fmt: skip
        return f"_blocks.{found[1]}.{part}.{found[3]}"
    named = {"stem.0": "_conv_stem", "stem.1": "_bn0", "last.0": "_conv_head", "last.1": "_bn1", "classifier.1": "_fc"}
    place, _, kind = name.rpartition(".")
    return f"{named[place]}.{kind}"
