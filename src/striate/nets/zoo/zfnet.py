"""ZFNet (Zeiler and Fergus 2013): AlexNet with smaller first windows, found by looking at what its layers see."""

from __future__ import annotations


def zfnet(classes: int = 1000) -> str:
    """Return ZFNet; 224×224 images, 110, 55, 26 and 13 pixels inside, as in the paper's figure 3."""
    return f"""
        conv(96, 7, stride=2, pad=1) relu maxpool(3, 2, ceil=true) lrn
        conv(256, 5, stride=2) relu maxpool(3, 2, ceil=true) lrn
        conv(384, 3, pad=1) relu
        conv(384, 3, pad=1) relu
        conv(256, 3, pad=1) relu maxpool(3, 2)
        [fc(4096) relu dropout]*2 fc({classes})
    """
