"""Swift: small nets that learn fast, after K. Jordan's CIFAR-10 speed-runs ("94% on CIFAR-10 in 3.29 seconds", 2024).

Whitening filters computed from the training images come first, so that learning starts from decorrelated patches. In a
block the pool stands before the norm; filters start as the identity; the norms' statistics follow the last batches
closely; the head's outputs are scaled down, so that one learning rate serves it and the biases.
"""

from __future__ import annotations

from striate.errors import ArgumentError

WIDTHS = {
    "swift_xs": (24, 48, 96),
    "swift_s": (32, 64, 128),
    "swift_m": (64, 256, 256),
    "swift_l": (96, 320, 384),
}


def swift_xs(classes: int = 10, side: int = 32, width: float = 1.0) -> str:
    """Widths 24, 48, 96 times `width`: for a first answer within seconds."""
    return sentence(scaled("swift_xs", width), classes, side)


def swift_s(classes: int = 10, side: int = 32, width: float = 1.0) -> str:
    """Widths 32, 64, 128 times `width`."""
    return sentence(scaled("swift_s", width), classes, side)


def swift_m(classes: int = 10, side: int = 32, width: float = 1.0) -> str:
    """Widths 64, 256, 256 times `width`: those of the published 94 % on CIFAR-10."""
    return sentence(scaled("swift_m", width), classes, side)


def swift_l(classes: int = 10, side: int = 32, width: float = 1.0) -> str:
    """Widths 96, 320, 384 times `width`; blocks of three convolutions, of which a residual spans the last two.

    Source: so deep is Jordan's net for 96 % on CIFAR-10, of the widths 128, 512, 512.
    """
    return sentence(scaled("swift_l", width), classes, side, deep=True)


def scaled(name: str, width: float) -> tuple[int, ...]:
    """Return the widths of a net times a factor, in multiples of 8.

    Raises:
        ArgumentError: the factor is no positive number.
    """
    if isinstance(width, str | bool) or not 0 < width <= 64:
        raise ArgumentError(f"width of {name} must be a number above 0 and up to 64; got {width!r}")
    return tuple(max(8, round(own * width / 8) * 8) for own in WIDTHS[name])


def sentence(widths: tuple[int, ...], classes: int, side: int, deep: bool = False) -> str:
    """Return the net for images whose shorter side has `side` pixels, from 8 up.

    Each block halves the side, and as many follow as leave 2 or 3 pixels for the last pool. Images that need more
    blocks than there are widths repeat the first; large ones pass a strided convolution before.
    """
    words, left = ["whiten(2) gelu"], side - 1
    if left > 64:
        words.append(f"conv({widths[0]}, 5, stride=4, pad=2, bias=false) bn(momentum=0.4, gain=false) gelu")
        left = -(-left // 4)
    blocks = max(1, left.bit_length() - 2)
    words += [_block(width, deep) for width in ((widths[0],) * blocks + widths)[-blocks:]]
    return " ".join([*words, f'globalmax fc({classes}, bias=false, init="gaussian(0.28)") scale(0.0139)'])


def _block(width: int, deep: bool) -> str:
    conv = f'conv({width}, 3, pad=1, bias=false, init="dirac")'
    norm = "bn(momentum=0.4, eps=1e-12, gain=false)"
    rest = f"residual({conv} {norm} gelu {conv} {norm})" if deep else f"{conv} {norm}"
    return f"{conv} maxpool(2) {norm} gelu {rest} gelu"
