"""The contact sheet: images as they are and as training sees them, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from striate.augmentation.arguments import describe_arguments
from striate.augmentation.batch import step_seed
from striate.augmentation.pipeline import AUGMENTATIONS, make_augmentation
from striate.data.catalog import Catalog
from striate.data.contact_sheet import FAINT, INK, PAPER, write_line
from striate.data.imageset import ImageSet
from striate.data.tensors import to_batch
from striate.pages.pictures import write_pictures
from striate.units import percent

SMALLEST_PX, LARGEST_PX = 96, 256  # the longer side of a picture on the sheet
_GAP_PX, _LINE_PX, _LABEL_PX = 8, 17, 150


@dataclass(frozen=True, eq=False)
class SheetRow:
    """One row of a sheet.

    Arguments:
        title: its label; what follows a line break is faint.
        pictures: uint8 (m, h, w, c), the original first.
        captions: for each picture a text of one or more lines, perhaps empty.
    """

    title: str
    pictures: np.ndarray
    captions: Sequence[str]


def augmented_rows(images: ImageSet, words: Sequence[str], views: int = 8, seed: int = 0) -> list[SheetRow]:
    """Return a row for each image: the original, then `views` views of it as `words` make them in training.

    Each view is an epoch of a run with this seed whose only batch is `images`; words that mix images mix these, and the
    captions say what each one is made of. Without labels every image is a class of its own.

    Raises:
        ArgumentError: a word that cannot be.
    """
    labelled = bool((images.labels >= 0).all())
    names = list(images.classes) if labelled else [str(name) for name in images.names]
    labels = torch.from_numpy(images.labels) if labelled else torch.arange(len(images))
    augment, batch = make_augmentation(words, len(names)), to_batch(images.images)
    columns, captions = [images.images], [[""] * len(images)]
    for epoch in range(views):
        generator = torch.Generator().manual_seed(step_seed(seed, epoch, 0))
        pixels, mixed = augment(batch, labels, generator, indices=torch.arange(len(images)), epoch=epoch, seed=seed)
        columns.append(pixels.permute(0, 2, 3, 1).numpy())
        captions.append([_shares(shares, names) if augment.mixes else "" for shares in mixed.tolist()])
    pictures = np.stack(columns, 1)
    titles = [f"{names[label]}\n{Path(images.names[i]).name}" for i, label in enumerate(labels.tolist())]
    return [
        SheetRow(title if labelled else title.split("\n")[1], pictures[i], [column[i] for column in captions])
        for i, title in enumerate(titles)
    ]


def catalogue_rows(images: ImageSet, views: int = 8, seed: int = 0) -> list[SheetRow]:
    """Return a row for each word there is, with its default arguments, on the first image; the others are mixed in."""
    rows = []
    for word, function in AUGMENTATIONS.items():
        arguments = describe_arguments(function)[1:-1].replace(", ratio", "\nratio").replace(", fill", "\nfill")
        row = augmented_rows(images, [word], views, seed)[0]
        idle = "\nno effect on this image" if (row.pictures == row.pictures[0]).all() else ""
        rows.append(replace(row, title=f"{word}\n{arguments}{idle}"))
    return rows


def draw_sheet(rows: Sequence[SheetRow], heading: str = "") -> Image.Image:
    """Return the rows as one picture; tiny images are enlarged without smoothing, large ones reduced."""
    count, h, w = rows[0].pictures.shape[:3]
    width, height = _shown_size(w, h)
    lines = max(caption.count("\n") + 1 if caption else 0 for row in rows for caption in row.captions)
    step_x = width + _GAP_PX
    step_y = max(height, 4 * _LINE_PX) + lines * _LINE_PX + _GAP_PX
    left, top = _LABEL_PX + 2 * _GAP_PX, _GAP_PX + 2 * _LINE_PX
    sheet = Image.new("RGB", (left + count * step_x, top + len(rows) * step_y), PAPER)
    pen = ImageDraw.Draw(sheet)
    write_line(pen, (_GAP_PX, _GAP_PX // 2), heading, sheet.width - 2 * _GAP_PX, INK)
    for k in range(count):
        write_line(pen, (left + k * step_x, top - _LINE_PX), str(k) if k else "original", width, FAINT)
    for i, row in enumerate(rows):
        y = top + i * step_y
        first, *others = row.title.split("\n")
        write_line(pen, (_GAP_PX, y), first, _LABEL_PX, INK)
        _write_lines(pen, (_GAP_PX, y + _LINE_PX), others, _LABEL_PX)
        for k, (pixels, caption) in enumerate(zip(row.pictures, row.captions, strict=True)):
            x = left + k * step_x
            sheet.paste(_picture(pixels, (width, height)), (x, y))
            _write_lines(pen, (x, y + height), caption.split("\n"), width)
    return sheet


def save_sheet(sheet: Image.Image, path: Path) -> None:
    """Write the sheet; the suffix says the format.

    Raises:
        ArgumentError: a suffix of no known form, or a picture of somebody else's is there.
        StorageError: it cannot be written.
    """
    write_pictures({path: sheet})


def choose_images(catalog: Catalog, count: int, seed: int = 0) -> Catalog:
    """Return at most `count` images, drawn at random, by turns one from each class; none that are kept for the test.

    >>> from striate.data.reading import read
    >>> chosen = choose_images(read("digits"), 12)
    >>> chosen.labels
    array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1])
    """
    allowed = np.flatnonzero(catalog.splits != "test")
    allowed = allowed if len(allowed) else np.arange(len(catalog))
    order = allowed[np.random.default_rng(seed).permutation(len(allowed))]
    labels, turn = catalog.labels[order], np.empty(len(order), int)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        turn[members] = np.arange(len(members))  # the first of its class, the second…
    return catalog.subset(order[np.lexsort((labels, turn))][:count])


def _shares(shares: Sequence[float], names: Sequence[str]) -> str:
    """Return what a mixed image is made of, the most first, at most three: 62 % cat, 38 % dog."""
    order = sorted(range(len(names)), key=lambda k: -shares[k])[:3]
    return "\n".join(f"{percent(shares[k], 0)} {names[k]}" for k in order if shares[k] >= 0.005)


def _shown_size(width: int, height: int) -> tuple[int, int]:
    longer = max(width, height)
    factor = math.ceil(SMALLEST_PX / longer) if longer < SMALLEST_PX else min(1.0, LARGEST_PX / longer)
    return max(1, round(width * factor)), max(1, round(height * factor))


def _picture(pixels: np.ndarray, size: tuple[int, int]) -> Image.Image:
    shown = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., 0]  # of many bands the first three
    picture = Image.fromarray(np.ascontiguousarray(shown))
    larger = size[0] > picture.width
    return picture.resize(size, Image.Resampling.NEAREST if larger else Image.Resampling.BOX)


def _write_lines(pen: ImageDraw.ImageDraw, where: tuple[int, int], lines: Sequence[str], width: int) -> None:
    for j, line in enumerate(lines):
        write_line(pen, (where[0], where[1] + j * _LINE_PX), line, width, FAINT)
