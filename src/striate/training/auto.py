"""The net that `--net auto` trains: plain blocks, as many as the image size carries."""

from __future__ import annotations

from striate.nets import Net, parse

WIDTHS = (32, 64, 128, 192, 256, 256)


def auto_net(input_shape: tuple[int, int, int], classes: int) -> Net:
    """Return a VGG-like net for images (c, h, w): halved until the shorter side is below 6 pixels.

    Large images pass a strided convolution and a pool first, so that a step costs about the same at any size.
    """
    side = min(input_shape[1:])
    words = []
    if side >= 96:
        words.append("conv(16, 5, stride=2, pad=2) bn relu maxpool(2)")
        side //= 4
    for width in WIDTHS:
        words.append(f"conv({width}, 3, pad=1) bn relu conv({width}, 3, pad=1) bn relu")
        if side < 6:
            break
        words.append("maxpool(2)")
        side //= 2
    return parse(" ".join([*words, "globalavg dropout(0.2) fc(classes)"]), classes=classes)
