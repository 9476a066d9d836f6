"""Filters made by hand: a small matrix slides over a picture, through the same convolution as in a net."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from striate.errors import ArgumentError, DecodingError, SourceNotFoundError, unknown
from striate.observer import Progress, silent
from striate.units import percent

Show = Literal["clip", "shift", "abs"]
LARGEST_SIDE = 31
LARGEST_WEIGHT = 1e6
MOST_LETTERS = 50_000
# So many pixels go through the net at once: a picture of any size takes little memory.
_AT_ONCE_PX = 1 << 21

_SOBEL_X = ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))
_SOBEL_Y = ((-1, -2, -1), (0, 0, 0), (1, 2, 1))
# Each name with its matrices: of two, the answers are the legs of a right triangle, and its long side is what is shown.
NAMED_KERNELS: dict[str, tuple[Any, ...]] = {
    "identity": (((1,),),),
    "blur": (((1 / 9,) * 3,) * 3,),
    "gauss": (tuple(tuple(a * b / 256 for b in (1, 4, 6, 4, 1)) for a in (1, 4, 6, 4, 1)),),
    "sharpen": (((0, -1, 0), (-1, 5, -1), (0, -1, 0)),),
    "outline": (((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),),
    "emboss": (((-2, -1, 0), (-1, 1, 1), (0, 1, 2)),),
    "sobel": (_SOBEL_X, _SOBEL_Y),
    "sobel-x": (_SOBEL_X,),
    "sobel-y": (_SOBEL_Y,),
}


@dataclass(frozen=True, eq=False)
class Kernel:
    """A filter of one or two matrices.

    Arguments:
        name: what it is called; empty of one that was typed.
        matrices: float64 (h, w) each, all of one size; of two, √(a² + b²) of their answers is shown.
    """

    name: str
    matrices: tuple[np.ndarray, ...]

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) in pixels."""
        h, w = self.matrices[0].shape
        return h, w

    @property
    def sum(self) -> float:
        """The sum of its weights: what a flat area of brightness 1 becomes."""
        return float(self.matrices[0].sum())

    def __str__(self) -> str:
        h, w = self.size
        return f"{self.name or 'kernel'} {h}×{w}"


@dataclass(frozen=True, eq=False)
class Filtered:
    """A filtered picture, and what the filter made of its values.

    Arguments:
        pixels: uint8 (h, w, c).
        kernel: the filter.
        show: how values became pixels.
        low, high: the smallest and the largest value before that.
        below, above: the share of the values, in [0, 1], that were cut off at 0 and at 255.
        repairs: what had to be done to the picture before.
    """

    pixels: np.ndarray
    kernel: Kernel
    show: Show
    low: float
    high: float
    below: float
    above: float
    repairs: tuple[str, ...] = ()

    def _repr_png_(self) -> bytes:
        from striate.pages.pictures import encoded

        return encoded(self.pixels)

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be known to read the picture: what became of values that no pixel can have."""
        said = [f"the picture: {repair}" for repair in self.repairs]
        if len(self.kernel.matrices) > 1:
            said.append("shown is the strength of both directions together, the root of the sum of their squares")
        elif not np.isclose(self.kernel.sum, 1):
            zero = "mid-gray" if self.show == "shift" else "black"
            flat = zero if abs(self.kernel.sum) < 1e-9 else f"{self.kernel.sum:.4g} times as bright"
            said.append(f"the kernel's weights sum to {self.kernel.sum:.4g}, not to 1: flat areas become {flat}")
        values = f"values run from {self.low:.0f} to {self.high:.0f}"
        cut = f"{percent(self.below, 1)} are cut off at 0 and {percent(self.above, 1)} at 255"
        if self.show == "shift":
            said.append(f"{values}; 128 is added, so that 0 is mid-gray, and {cut}")
        elif self.show == "abs" and self.low < 0:
            said.append(f"{values}; signs are dropped, and {percent(self.above, 1)} are cut off at 255")
        elif self.below + self.above > 0:
            hint = "; --show shift draws 0 as mid-gray, --show abs drops signs" if self.below > 0.05 else ""
            said.append(f"{values}; {cut}{hint}")
        return tuple(said)


def read_kernel(kernel: str | Sequence[Any] | np.ndarray | Kernel) -> Kernel:
    """Return the filter that a name or a matrix means.

    Arguments:
        kernel: a name of `NAMED_KERNELS`; "[[0, -1, 0], [-1, 5, -1], [0, -1, 0]]", with fractions such as 1/9; or
            numbers (h, w).

    Raises:
        ArgumentError: no such name; not a matrix of finite numbers of 1×1 to 31×31.

    >>> read_kernel("[[1/9, 1/9, 1/9]]").size
    (1, 3)
    """
    if isinstance(kernel, Kernel):
        return kernel
    if not isinstance(kernel, str):
        return Kernel("", (_checked(kernel, kernel),))
    word = kernel.strip()
    if not word.startswith(("[", "(")):
        if word.lower() not in NAMED_KERNELS:
            raise ArgumentError(f'{unknown("filter", word[:80], NAMED_KERNELS)}; or type a matrix: "[[0, 1], [1, 0]]"')
        return Kernel(word.lower(), tuple(np.array(one, float) for one in NAMED_KERNELS[word.lower()]))
    return Kernel("", (_checked(_parsed(word), word),))


def filter_image(
    image: Any, kernel: str | Sequence[Any] | np.ndarray | Kernel, show: str = "clip", progress: Progress = silent
) -> Filtered:
    """Return a picture filtered: at each pixel the sum of the pixels around it, each times its weight.

    Each colour is filtered by itself. The kernel is laid on as it is written, as nets do (cross-correlation: it is not
    turned by 180° first). Beyond its edges the picture goes on with its last pixels, so that no frame appears.

    Arguments:
        image: a path, bytes, a PIL image, or uint8 (h, w) or (h, w, c); 16 bits are scaled to 8, transparency is laid
            over white.
        kernel: as `read_kernel` takes it.
        show: how values become pixels: "clip" cuts off what is below 0 and above 255, "shift" adds 128 first, so that
            0 is mid-gray, "abs" drops signs first.

    Raises:
        ArgumentError: no such kernel, or way to show.
        DecodingError: the image cannot be read.

    >>> flat = np.full((4, 5, 3), 90, np.uint8)
    >>> filter_image(flat, "blur").pixels.max(), filter_image(flat, "outline").pixels.max()
    (np.uint8(90), np.uint8(0))
    """
    chosen = read_kernel(kernel)
    if show not in get_args(Show):
        raise ArgumentError(unknown("way to show values", str(show), get_args(Show)))
    pixels, repairs = _decoded(image)
    strips = [_Strip(part, show) for part in _answers(pixels, chosen, progress)]  # pyright: ignore[reportArgumentType]
    total = pixels.size
    return Filtered(
        np.concatenate([one.pixels for one in strips]), chosen, show,  # pyright: ignore[reportArgumentType]
        min(one.low for one in strips), max(one.high for one in strips),
        sum(one.below for one in strips) / total, sum(one.above for one in strips) / total, repairs,
    )  # fmt: skip


def save_filtered(
    image: str | Path,
    kernel: str | Sequence[Any] | np.ndarray | Kernel,
    out: str | Path | None = None,
    show: str = "clip",
    progress: Progress = silent,
) -> tuple[Filtered, Path]:
    """Filter the picture in a file, write the result, and return it with its place; arguments as `filter_image`.

    Arguments:
        out: a name that ends in .png, .jpg or .webp; None: the picture's and the filter's name, in this folder, where
            there is no such file yet.

    Raises:
        ArgumentError: as `filter_image`; the result would overwrite the picture; a suffix of no known format.
        SourceNotFoundError: there is no such picture.
        DecodingError: it cannot be read, or has bands that no picture format has.
        StorageError: the result cannot be written.
    """
    from striate.pages.pictures import check_picture_file, write_pictures

    source, chosen = Path(image), read_kernel(kernel)
    path = Path(f"{source.stem}-{chosen.name or 'filtered'}.png") if out is None else Path(out)
    if not source.exists():
        raise SourceNotFoundError(f"no image {source}. Check the path")
    if path.exists() and (os.path.samefile(path, source) or out is None):
        what = "is the image itself" if os.path.samefile(path, source) else "is there already"
        raise ArgumentError(f"{path} {what}, which is not overwritten. Name another file with --out")
    check_picture_file(path)
    try:
        filtered = filter_image(source, chosen, show, progress)
        if filtered.pixels.shape[2] not in (1, 3):
            raise DecodingError(f"{filtered.pixels.shape[2]} bands, of which no picture can be made; 1 or 3 are wanted")
    except DecodingError as error:
        raise DecodingError(f"{source}: {error}") from None
    write_pictures({path: filtered.pixels})
    return filtered, path


def _decoded(image: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return uint8 (h, w, c) of a picture of any depth, by itself: the range that its values use becomes 0…255."""
    from striate.classifier.inputs import as_inputs
    from striate.data.decoding.alone import decode_alone

    decoded = decode_alone(as_inputs(image))
    return decoded.pixels, decoded.repairs


class _Strip:
    """A strip of rows brought to pixels, with the range of its values and how many were cut off."""

    def __init__(self, values: np.ndarray, show: Show):
        self.low, self.high = float(values.min()), float(values.max())
        values = np.abs(values) if show == "abs" else values + 128 if show == "shift" else values
        rounded = np.rint(values)
        self.below, self.above = int((rounded < 0).sum()), int((rounded > 255).sum())
        self.pixels = rounded.clip(0, 255).astype(np.uint8)


def _answers(pixels: np.ndarray, kernel: Kernel, progress: Progress):
    """Yield what the filter makes of uint8 (h, w, c), strip by strip, as float32 (rows, w, c)."""
    height, width, channels = pixels.shape
    (h, w), rows = kernel.size, max(1, _AT_ONCE_PX // width)
    # An even side has no middle: its window lies half a pixel to the top left, as TensorFlow pads.
    up, left = (h - 1) // 2, (w - 1) // 2
    around = ((up, h - 1 - up), (left, w - 1 - left), (0, 0))
    padded = np.pad(pixels, around, "edge")
    for start in range(0, height, rows):
        part = padded[start : min(start + rows, height) + h - 1]
        answers = [_convolved(part, matrix, channels) for matrix in kernel.matrices]
        yield answers[0] if len(answers) == 1 else np.hypot(*answers)
        progress("filtering rows", min(start + rows, height), height)


def _convolved(pixels: np.ndarray, matrix: np.ndarray, channels: int) -> np.ndarray:
    """Return one matrix over each channel, by the convolution that nets are made of."""
    import torch

    from striate.nets import make_module, parse

    h, w = matrix.shape
    batch = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32))[None]
    net = make_module(parse(f"conv({channels}, ({h}, {w}), groups={channels}, bias=false)"), tuple(batch.shape[1:]))
    with torch.inference_mode():
        weight = torch.from_numpy(matrix.astype(np.float32)).expand(channels, 1, h, w)
        net.layer("0").weight.copy_(weight)  # pyright: ignore[reportCallIssue, reportArgumentType]
        return net(batch)[0].permute(1, 2, 0).numpy()


def _parsed(text: str) -> Any:
    """Return nested lists of numbers from JSON with fractions; nothing is evaluated."""
    if len(text) > MOST_LETTERS:
        raise ArgumentError(f"a kernel must be typed in at most {MOST_LETTERS:,} letters; got {len(text):,}")
    rows = text.replace("(", "[").replace(")", "]")
    words = "".join(" , " if c == "," else f" {c} " if c in "[]" else c for c in rows).split()
    plain = [word if word in "[],," else json.dumps(_number(word)) for word in words]
    try:
        return json.loads("".join(plain))
    except (ValueError, RecursionError):
        raise ArgumentError(f"{_WANTED}; got {text[:60]!r}. The brackets or commas do not fit") from None


def _number(word: str) -> float:
    over, stroke, under = word.partition("/")
    try:
        value = float(over) / (float(under) if stroke else 1.0)
    except (ValueError, ZeroDivisionError):
        raise ArgumentError(f"{_WANTED}; got {word[:40]!r} among them") from None
    if not np.isfinite(value):
        raise ArgumentError(f"{_WANTED}; got {word[:40]!r} among them")
    return value


_WANTED = 'a kernel must be rows of numbers, such as "[[0, -1, 0], [-1, 5, -1], [0, -1, 0]]"'


def _checked(numbers: Any, given: Any) -> np.ndarray:
    try:
        matrix = np.asarray(numbers, float)
    except (TypeError, ValueError):
        raise ArgumentError(f"{_WANTED}, all rows of one length; got {str(given)[:60]}") from None
    if matrix.ndim != 2 or not matrix.size or max(matrix.shape) > LARGEST_SIDE:
        got = "×".join(map(str, matrix.shape)) or "one number"
        raise ArgumentError(f"{_WANTED}, 1×1 to {LARGEST_SIDE}×{LARGEST_SIDE}; got {got}")
    if not (np.isfinite(matrix).all() and np.abs(matrix).max() <= LARGEST_WEIGHT):
        raise ArgumentError(f"a kernel's weights must be finite and at most {LARGEST_WEIGHT:g}; got {str(given)[:60]}")
    return matrix
