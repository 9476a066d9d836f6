"""Bringing images of any size to the model's own, inside the graph, bit by bit as Pillow does it.

ONNX's own Resize cannot cut a box of fractions of pixels, and each runtime rounds it in its own way. Resampling is
linear, though: along one axis it is the product with a matrix of weights that follows from the sizes alone. The graph
computes these weights, in whole numbers of 2⁻²² as Pillow has them, and multiplies: along the width and along the
height, in the order that this Pillow takes, rounded to whole grey values after each.

Images of a megapixel and more become the mean of blocks of pixels first, as `fit_pixels` does with those of files.

Source: Pillow's src/libImaging/Resample.c, `precompute_coeffs`, `normalize_coeffs_8bpc` and `ImagingResample`, and
Reduce.c, `ImagingReduceNxN`; `Image.resize` of its Python, with `reducing_gap`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from onnx import TensorProto

from striate.classifier.preprocessing import Preprocessing
from striate.data.decoding.fitted import GAP
from striate.data.decoding.pixels import LARGE_PX, shrinks_tall_first
from striate.shipping.onnx.builder import GraphBuilder

# Weights are whole numbers of 1 / _ONE. They are multiplied in three bytes of each, as products of bytes are exact and
# quick, and a photograph stays as small as it is.
_ONE, _BYTE, _BYTES = 1 << 22, 1 << 8, 3


@dataclass(frozen=True)
class AxisFit:
    """How one axis of an image is fitted, as names of float64 scalars.

    Arguments:
        length: of the image, in pixels.
        start, stop: the part of it that is seen, in pixels.
        count: how many pixels that part becomes.
        offset: the place of the first of them.
        full: how many pixels the result has; those beyond `count` are black.
    """

    length: str
    start: str
    stop: str
    count: str
    offset: str
    full: int


def emit_fit(b: GraphBuilder, images: str, preprocessing: Preprocessing) -> str:
    """Add what `fit_pixels` and `to_channels` do; return whole numbers as float32 (n, c, h, w).

    Arguments:
        images: the name of uint8 (n, any height, any width, c).
    """
    planes = b.op("Transpose", images, perm=[0, 3, 1, 2])
    sizes = b.op("Shape", images, start=1, end=3)
    height, width = preprocessing.size

    def resized() -> str:
        axes = _axes(b, sizes, preprocessing)
        blocks = [_block(b, axis) for axis in axes]
        area = b.op("Mul", axes[0].length, axes[1].length)
        large = b.op("Not", b.op("Less", area, b.constant(LARGE_PX, np.float64)))
        some = b.op("Greater", b.op("Max", *blocks), b.constant(1, np.float64))
        return b.choose(
            b.op("And", large, some),
            lambda: _resampled(b, *_reduced(b, planes, axes, blocks)),
            lambda: _resampled(b, planes, *axes),
        )

    if preprocessing.resize is None:
        same = b.op("Equal", sizes, b.ints(height, width))
        same = b.op("Equal", b.reduce("Sum", b.cast(same, TensorProto.INT64), 0), b.constant(2, np.int64))
        fitted = b.choose(same, lambda: b.cast(planes), resized)
    else:
        fitted = resized()
    return _channels(b, fitted, preprocessing.channels)


def _resampled(b: GraphBuilder, planes: str, rows: AxisFit, columns: AxisFit) -> str:
    """Return maps uint8 (n, c, h, w) resampled along both axes, as float32."""
    across, down = _weights(b, columns), _weights(b, rows)

    def width_first() -> str:
        return b.cast(_products(b, _products(b, planes, across, across=True), down, across=False))

    def height_first() -> str:
        return b.cast(_products(b, _products(b, planes, down, across=False), across, across=True))

    if not shrinks_tall_first():
        return width_first()
    # What a pass takes away of each axis decides; found by trying, and held by a test.
    less = [b.op("Sub", axis.length, axis.count) for axis in (rows, columns)]
    shrinks = b.op("Greater", less[0], b.constant(0, np.float64))
    more = b.op("Greater", less[0], b.op("Mul", b.constant(2, np.float64), less[1]))
    return b.choose(b.op("And", shrinks, more), height_first, width_first)


def _block(b: GraphBuilder, axis: AxisFit) -> str:
    """Return of how many pixels along an axis the mean is taken first, a float64 scalar."""
    seen = b.op("Div", b.op("Sub", axis.stop, axis.start), axis.count)
    return b.op("Max", b.constant(1, np.float64), b.op("Floor", b.op("Div", seen, b.constant(GAP, np.float64))))


def _reduced(
    b: GraphBuilder, planes: str, axes: tuple[AxisFit, AxisFit], blocks: list[str]
) -> tuple[str, AxisFit, AxisFit]:
    """Return the means of blocks of pixels, uint8 (n, c, h, w), and how these are fitted; the last may be smaller."""
    zero, half = b.constant(0, np.float64), b.constant(0.5, np.float64)
    firsts, lasts, fits, counts, shapes = [], [], [], [], []
    for axis, block in zip(axes, blocks, strict=True):
        # What is seen, and what the resampling reaches beyond.
        reach = b.op("Mul", half, b.op("Div", b.op("Sub", axis.stop, axis.start), axis.count))
        first = b.op("Max", zero, b.op("Floor", b.op("Sub", axis.start, reach)))
        last = b.op("Min", axis.length, b.op("Ceil", b.op("Add", axis.stop, reach)))
        length = b.op("Sub", last, first)
        number = b.op("Ceil", b.op("Div", length, block))
        start, stop = (b.op("Div", b.op("Sub", end, first), block) for end in (axis.start, axis.stop))
        fits.append(replace(axis, length=number, start=start, stop=stop))
        places = b.op("Mul", b.op("Range", zero, number, b.constant(1, np.float64)), block)
        counts.append(b.op("Min", block, b.op("Sub", length, places)))
        whole = [b.op("Unsqueeze", b.cast(one, TensorProto.INT64), b.ints(0)) for one in (first, last, number, block)]
        firsts.append(whole[0])
        lasts.append(whole[1])
        shapes += whole[2:]
        shapes.append(b.op("Sub", b.op("Mul", whole[2], whole[3]), b.op("Sub", whole[1], whole[0])))
    row_number, row_block, row_spare, column_number, column_block, column_spare = shapes
    cut = b.op("Slice", planes, b.op("Concat", *firsts, axis=0), b.op("Concat", *lasts, axis=0), b.ints(2, 3))
    pads = b.op("Concat", b.ints(0, 0, 0, 0, 0, 0), row_spare, column_spare, axis=0)
    padded = b.op("Pad", cut, pads, b.constant(0, np.uint8))
    parted = b.op("Concat", b.ints(0, 0), row_number, row_block, column_number, column_block, axis=0)
    sums = b.reduce("Sum", b.op("Reshape", b.cast(padded, TensorProto.INT32), parted), 3, 5)
    return _means(b, sums, counts), *_pair(fits)


def _means(b: GraphBuilder, sums: str, counts: list[str]) -> str:
    """Return sums of blocks by the number of their pixels, uint8, rounded as Pillow does: in whole numbers of 2⁻²⁴."""
    sides = [b.op("Unsqueeze", count, b.ints(axis)) for count, axis in zip(counts, (1, 0), strict=True)]
    pixels = b.op("Mul", *sides)
    share = b.op("Div", b.constant(2.0**32), b.cast(b.op("Mul", pixels, b.constant(256, np.float64))))
    multiplier = b.cast(b.op("Floor", share), TensorProto.INT64)
    half = b.op("Div", b.cast(pixels, TensorProto.INT64), b.constant(2, np.int64))
    total = b.op("Mul", b.op("Add", b.cast(sums, TensorProto.INT64), half), multiplier)
    return b.cast(b.op("Div", total, b.constant(1 << 24, np.int64)), TensorProto.UINT8)


def _axes(b: GraphBuilder, sizes: str, preprocessing: Preprocessing) -> tuple[AxisFit, AxisFit]:
    """Return how height and width are fitted: `fit_pixels`, in the graph."""
    double = b.cast(sizes, TensorProto.DOUBLE)
    lengths = [b.op("Squeeze", b.slice(double, 0, i, i + 1), b.ints(0)) for i in range(2)]
    zero = b.constant(0, np.float64)
    wanted, fit = preprocessing.size, preprocessing.fit
    sides = [b.constant(side, np.float64) for side in wanted]
    if fit == "stretch":
        return _pair(AxisFit(lengths[i], zero, lengths[i], sides[i], zero, wanted[i]) for i in range(2))
    if fit == "pad":
        scale = b.op("Min", *(b.op("Div", sides[i], lengths[i]) for i in range(2)))
        fits = []
        for i in range(2):
            inner = b.op("Max", b.constant(1, np.float64), b.op("Round", b.op("Mul", lengths[i], scale)))
            spare = b.op("Round", b.op("Div", b.op("Sub", sides[i], inner), b.constant(2, np.float64)))
            fits.append(AxisFit(lengths[i], zero, lengths[i], inner, spare, wanted[i]))
        return _pair(fits)
    if preprocessing.resize is not None:
        scale = b.op("Div", b.op("Min", *lengths), b.constant(preprocessing.resize, np.float64))
    else:
        scale = b.op("Min", *(b.op("Div", lengths[i], sides[i]) for i in range(2)))
    fits, two = [], b.constant(2, np.float64)
    for i in range(2):
        cut = b.op("Mul", sides[i], scale)
        start = b.op("Max", zero, b.op("Div", b.op("Sub", lengths[i], cut), two))
        stop = b.op("Min", lengths[i], b.op("Div", b.op("Add", lengths[i], cut), two))
        fits.append(AxisFit(lengths[i], start, stop, sides[i], zero, wanted[i]))
    return _pair(fits)


def _pair(fits) -> tuple[AxisFit, AxisFit]:
    first, second = fits
    return first, second


def _weights(b: GraphBuilder, axis: AxisFit) -> str:
    """Return the weights of each pixel in each of the result's, highest byte first, uint8 (3 · full, length)."""
    one, half = b.constant(1, np.float64), b.constant(0.5, np.float64)
    # Pillow takes the box as float32.
    start, stop = b.cast(axis.start), b.cast(axis.stop)
    seen = b.cast(b.op("Sub", stop, start), TensorProto.DOUBLE)
    scale = b.op("Div", seen, axis.count)
    reach = b.op("Max", one, scale)
    place = b.op("Sub", b.constant(np.arange(axis.full)[:, None], np.float64), axis.offset)
    centre = b.op("Add", b.op("Mul", b.op("Add", place, half), scale), b.cast(start, TensorProto.DOUBLE))
    pixels = b.op("Add", b.op("Range", b.constant(0, np.float64), axis.length, one), half)
    away = b.op("Div", b.op("Abs", b.op("Sub", pixels, centre)), reach)
    triangle = b.op("Max", b.constant(0, np.float64), b.op("Sub", one, away))
    # Where nothing is in reach, in the black bars, the sum is 0 as well.
    total = b.op("Max", b.constant(1e-300, np.float64), b.reduce("Sum", triangle, 1, keep=True))
    inside = b.op("And", b.op("Greater", place, b.constant(-0.5, np.float64)),
                  b.op("Less", place, b.op("Sub", axis.count, half)))  # fmt: skip
    share = b.op("Mul", b.op("Div", triangle, total), b.cast(inside, TensorProto.DOUBLE))
    whole = b.op("Floor", b.op("Add", b.op("Mul", share, b.constant(_ONE, np.float64)), half))
    parts = []
    for place in reversed(range(_BYTES)):
        unit = b.constant(float(_BYTE**place), np.float64)
        byte = b.op("Floor", b.op("Div", whole, unit))
        whole = b.op("Sub", whole, b.op("Mul", byte, unit))
        parts.append(byte)
    return b.cast(b.op("Concat", *parts, axis=0), TensorProto.UINT8)


def _products(b: GraphBuilder, planes: str, weights: str, *, across: bool) -> str:
    """Return maps uint8 (n, c, h, w) resampled along their width or height."""
    if across:
        products = b.op("MatMulInteger", planes, b.op("Transpose", weights, perm=[1, 0]))
    else:
        products = b.op("MatMulInteger", weights, planes)
    parts = b.ops("Split", products, outputs=_BYTES, axis=3 if across else 2, num_outputs=_BYTES)
    total = b.constant(_ONE // 2, np.int32)
    for place, part in zip(reversed(range(_BYTES)), parts, strict=True):
        total = b.op("Add", total, b.op("Mul", part, b.constant(_BYTE**place, np.int32)))
    return b.cast(b.op("Div", total, b.constant(_ONE, np.int32)), TensorProto.UINT8)


def _channels(b: GraphBuilder, planes: str, channels: int) -> str:
    """Return planes with the model's number of channels: gray is repeated, colour becomes luma as in Pillow."""
    if channels not in (1, 3):
        return planes
    colour = b.op("Expand", planes, b.ints(1, 3, 1, 1))
    if channels == 3:
        return colour
    parts = b.op("Mul", b.cast(colour, TensorProto.INT32), b.constant([[[19595]], [[38470]], [[7471]]], np.int32))
    total = b.op("Add", b.reduce("Sum", parts, 1, keep=True), b.constant(1 << 15, np.int32))
    return b.cast(b.op("Div", total, b.constant(1 << 16, np.int32)))
