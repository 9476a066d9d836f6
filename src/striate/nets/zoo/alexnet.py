"""AlexNet: the net of 2012 (Krizhevsky et al.), and torchvision's, the single column of 2014."""

from __future__ import annotations


def alexnet(classes: int = 1000) -> str:
    """Return the net of 2012, its two halves as groups; 227×227 images (the paper says 224, which does not fit)."""
    return f"""
        conv(96, 11, stride=4) relu lrn maxpool(3, 2)
        conv(256, 5, pad=2, groups=2) relu lrn maxpool(3, 2)
        conv(384, 3, pad=1) relu
        conv(384, 3, pad=1, groups=2) relu
        conv(256, 3, pad=1, groups=2) relu maxpool(3, 2)
        [fc(4096) relu dropout]*2 fc({classes})
    """


def alexnet_torchvision(classes: int = 1000) -> str:
    """Return torchvision's AlexNet; 224×224 images."""
    return f"""
        features: [
            conv(64, 11, stride=4, pad=2) relu maxpool(3, 2)
            conv(192, 5, pad=2) relu maxpool(3, 2)
            conv(384, 3, pad=1) relu
            conv(256, 3, pad=1) relu
            conv(256, 3, pad=1) relu maxpool(3, 2)
        ]
        classifier: [dropout fc(4096) relu dropout fc(4096) relu fc({classes})]
    """


def published_key(name: str) -> str:
    """Return torchvision's name for a parameter: the same."""
    return name
