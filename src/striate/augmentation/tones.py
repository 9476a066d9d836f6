"""Operations on tones that RandAugment needs beside ours: posterize, solarize, autocontrast, equalize, sharpen."""

from __future__ import annotations

import torch

from striate.augmentation.batch import channels_first, channels_last, per_image, to_pixels


def posterize(batch: torch.Tensor, bits: torch.Tensor) -> torch.Tensor:
    """Keep the highest `bits` (int (n,), 1 to 8) of each pixel."""
    return batch & per_image(256 - 2 ** (8 - bits)).to(torch.uint8)


def solarize(batch: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
    """Invert the pixels from `threshold` (int (n,), 1 to 256) on."""
    return batch ^ ((batch > per_image(threshold - 1).to(torch.uint8)).to(torch.uint8) * 255)


def autocontrast(batch: torch.Tensor) -> torch.Tensor:
    """Stretch each channel of each image to 0…255; a plain one stays."""
    low, high = batch.amin((2, 3), keepdim=True).float(), batch.amax((2, 3), keepdim=True).float()
    scale = torch.where(high > low, 255 / (high - low).clamp(min=1), 1)
    low = torch.where(high > low, low, 0)
    return batch.float().sub_(low).mul_(scale).to(torch.uint8)


def equalize(batch: torch.Tensor) -> torch.Tensor:
    """Spread each channel's histogram evenly, as Pillow's `ImageOps.equalize`."""
    pixels = channels_last(batch)
    n, h, w, c = pixels.shape
    offset = torch.arange(n * c, device=batch.device).view(n, 1, 1, c) * 256
    index = pixels.long() + offset
    counts = torch.bincount(index.flatten(), minlength=n * c * 256).view(n * c, 256)
    last = counts.gather(1, (counts > 0).long().mul(torch.arange(256, device=batch.device)).argmax(1, keepdim=True))
    step = (h * w - last) // 255
    below = counts.cumsum(1) - counts
    spread = ((step // 2 + below) // step.clamp(min=1)).clamp(max=255)
    table = torch.where(step > 0, spread, torch.arange(256, device=batch.device)).to(torch.uint8)
    return channels_first(table.flatten().take(index))


def sharpen(batch: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Move each pixel away from the smoothed image by `factor` (n,), as Pillow's `ImageEnhance.Sharpness`.

    The border of one pixel stays.
    """
    _, _, h, w = batch.shape
    if min(h, w) < 3:
        return batch
    pixels = batch.float()
    rows = pixels[:, :, :-2] + pixels[:, :, 1:-1] + pixels[:, :, 2:]
    inner = pixels[:, :, 1:-1, 1:-1]
    smooth = (rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * inner) / 13
    result = batch.clone(memory_format=torch.channels_last)
    result[:, :, 1:-1, 1:-1] = to_pixels(smooth + (inner - smooth) * per_image(factor))
    return result
