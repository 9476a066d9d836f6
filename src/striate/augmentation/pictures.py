"""Pictures to mix into training images: of no thing, but as rich in edges, waves and colours as photographs are.

They are drawn from formulas, so that nothing is downloaded and the same pictures come out everywhere.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from striate.augmentation.batch import channels_first

# A pool of so many pictures of each kind, drawn at one side and cut to the size of the batch.
OF_A_KIND, SIDE_PX = 64, 96
MOST_PICTURES, MOST_BYTES = 1024, 16 << 20
JULIA_STEPS, DISCS = 40, 120


@functools.lru_cache(maxsize=16)
def mixing_pictures(channels: int, height: int, width: int, device: str) -> torch.Tensor:
    """Return pictures to mix in, uint8 (m, c, h, w), channels-last in memory; always the same, and not to be changed.

    A quarter each: Julia sets, waves that cross, discs that hide each other, and noise with a photograph's spectrum.
    Squares are cut from them at random places, of about a third to all of the side, and brought to the size.

    Source: Hendrycks 2022, "PixMix: Dreamlike Pictures Comprehensively Improve Safety Measures" mixes in fractals and
    feature visualisations; that discs and noise teach, too, is in Baradad 2021, "Learning to See by Looking at Noise".
    """
    rng, drawn = np.random.default_rng(1), _drawn()
    count = min(MOST_PICTURES, max(64, MOST_BYTES // (channels * height * width)))
    pictures = torch.stack([_cut(drawn[rng.integers(len(drawn))] / 255, rng, (height, width)) for _ in range(count)])
    if channels != 3:  # gray takes the red plane, bands the three again and again
        pictures = pictures[:, [k % 3 for k in range(channels)]]
    pixels = (pictures * 255).round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    return channels_first(pixels.to(device))


@functools.cache
def _drawn() -> torch.Tensor:
    """Return all that is drawn, uint8 (m, 3, s, s)."""
    rng = np.random.default_rng(0)
    drawn = np.concatenate([draw(rng) for draw in (_julia_sets, _waves, _discs, _spectral_noise)])
    return torch.from_numpy(np.round(255 * drawn).astype(np.uint8))


def _cut(picture: torch.Tensor, rng: np.random.Generator, size: tuple[int, int]) -> torch.Tensor:
    """Return a square of a picture (3, s, s) at `size`, turned by a quarter or mirrored, perhaps inverted."""
    side = int(rng.integers(SIDE_PX // 3, SIDE_PX + 1))
    top, left = rng.integers(0, SIDE_PX - side + 1, 2)
    part = torch.rot90(picture[:, top : top + side, left : left + side], int(rng.integers(4)), (1, 2))
    part = 1 - part if rng.random() < 0.5 else part
    smaller = side > max(size)
    return F.interpolate(part[None], size, mode="bilinear", align_corners=False, antialias=smaller)[0].clamp(0, 1)


def _coloured(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return float32 (m, 3, s, s) in 0…1: values (m, s, s) in 0…1 on a palette of cosines, each picture its own.

    Source: Quilez 1999, "Palettes": ½ + ½ cos(2π (frequency × value + phase)).
    """
    shape = len(values), 3, 1, 1
    phase, often = rng.random(shape, np.float32), rng.uniform(0.4, 1.6, shape).astype(np.float32)
    return 0.5 + 0.5 * np.cos(2 * math.pi * (often * values[:, None].astype(np.float32) + phase))


def _grid() -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of the pixels, float32 (1, s, s) from −1 to 1."""
    axis = np.linspace(-1, 1, SIDE_PX, dtype=np.float32)
    return axis[None, None, :], axis[None, :, None]


def _julia_sets(rng: np.random.Generator) -> np.ndarray:
    """Return escape times of z → z² + c, smoothed, c near the edge of the Mandelbrot set's main cardioid."""
    turn = rng.uniform(0, 2 * math.pi, (OF_A_KIND, 1, 1))
    edge = (0.5 * np.exp(1j * turn) - 0.25 * np.exp(2j * turn)) * rng.uniform(1.0, 1.15, turn.shape)
    x, y = _grid()
    z = (1.4 * rng.uniform(0.4, 1, turn.shape) * (x + 1j * y)).astype(np.complex64)
    c, time = edge.astype(np.complex64), np.full(z.shape, JULIA_STEPS, np.float32)
    for step in range(JULIA_STEPS):
        z = z * z + c
        size = np.abs(z)
        gone = (size > 4) & (time == JULIA_STEPS)
        time[gone] = step + 1 - np.log2(np.log(size[gone]) / math.log(4))
        z[size > 4] = 4  # so that it stays finite; its time is known
    return _coloured(np.sqrt(np.clip(time, 0, None) / JULIA_STEPS), rng)


def _waves(rng: np.random.Generator) -> np.ndarray:
    """Return sums of three plane waves; every other picture has them hard, as stripes and checks."""
    x, y = _grid()
    total = np.zeros((OF_A_KIND, SIDE_PX, SIDE_PX), np.float32)
    for _ in range(3):
        turn, phase = rng.uniform(0, 2 * math.pi, (2, OF_A_KIND, 1, 1))
        often = np.exp(rng.uniform(math.log(1), math.log(16), (OF_A_KIND, 1, 1)))
        wave = np.sin(math.pi * often * (np.cos(turn) * x + np.sin(turn) * y) + phase)
        wave[::2] = np.sign(wave[::2])
        total += rng.uniform(0, 1, (OF_A_KIND, 1, 1)) * wave
    return _coloured(total / 4 + 0.5, rng)


def _discs(rng: np.random.Generator) -> np.ndarray:
    """Return discs of plain colours that fall on each other like leaves, radii by a power law."""
    x, y = _grid()
    pictures = np.broadcast_to(rng.random((OF_A_KIND, 3, 1, 1), np.float32), (OF_A_KIND, 3, SIDE_PX, SIDE_PX)).copy()
    for _ in range(DISCS):
        across, down = rng.uniform(-1, 1, (2, OF_A_KIND, 1, 1)).astype(np.float32)
        radius = 0.04 / np.sqrt(rng.uniform(0.005, 1, (OF_A_KIND, 1, 1)))
        inside = (x - across) ** 2 + (y - down) ** 2 < radius**2
        pictures = np.where(inside[:, None], rng.random((OF_A_KIND, 3, 1, 1), np.float32), pictures)
    return pictures


def _spectral_noise(rng: np.random.Generator) -> np.ndarray:
    """Return noise whose amplitude falls with the frequency to a power from ½ to 2; photographs have about 1."""
    down, across = np.fft.fftfreq(SIDE_PX)[:, None], np.fft.rfftfreq(SIDE_PX)[None]
    frequency = np.hypot(down, across)
    frequency[0, 0] = np.inf
    power = rng.uniform(0.5, 2, (OF_A_KIND, 1, 1, 1))
    spectrum = np.fft.rfft2(rng.standard_normal((OF_A_KIND, 3, SIDE_PX, SIDE_PX))) * frequency**-power
    noise = np.fft.irfft2(spectrum, (SIDE_PX, SIDE_PX))
    low, high = np.quantile(noise, [0.02, 0.98], axis=(2, 3), keepdims=True)
    return np.clip((noise - low) / (high - low), 0, 1).astype(np.float32)
