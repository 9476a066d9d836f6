"""LeNet-5 (LeCun et al. 1998), with plain average pools and a plain output layer in place of radial basis units."""

from __future__ import annotations


def lenet(classes: int = 10) -> str:
    """Return LeNet-5 as a sentence; 28×28 images."""
    return f"""
        conv(6, 5, pad=2) tanh avgpool(2)
        conv(16, 5) tanh avgpool(2)
        fc(120) tanh fc(84) tanh fc({classes})
    """
