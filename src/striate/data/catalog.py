"""The catalog: what a source holds, before anything is decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from striate.data.contact_sheet import choose_rows, contact_sheet
from striate.data.decoding.windows import PixelWindow
from striate.data.ledger import Ledger
from striate.errors import ArgumentError, unknown
from striate.notebook.tables import html_table

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class Catalog:
    """What was found in a source: a name, a label and a way to the pixels for each image.

    Arguments:
        source: what the user gave, for messages.
        format: the reader's name: folders, table, cifar, idx, npz, npy, arrays or a built-in set's name.
        names: (n,) names, unique within the source (a path relative to it, or `train/00042`).
        images: (n,) ways to the pixels: paths, places in an archive (`Stored`), pages of a file (`Page`), or arrays
            (one array (n, h, w, c) if all have one size, uint8 unless their values need a window).
        labels: int64 (n,), an index into `classes`; −1 where the source gives no label.
        classes: the class names, sorted, the same for all splits.
        splits: (n,) "train", "valid", "test" as the source itself says, "" where it does not.
        ledger: what became of every file.
        columns: {name: (n,) cells} of a table, all of its columns.
        notes: what a user must be told about how it was read.
        doubts: why it is hardly fit for training as it is, with the way out; the first one stops a training.
        raw: (n,) arrays as they came, where `images` are copies of them brought to uint8; None where they are not.
        window: the scale by which they were brought to it.
        together: (n,) keys, equal for images that are one group whatever else is said, as pages of one file; "" stands
            alone; empty where all do.
    """

    source: str
    format: str
    names: Sequence[str]
    images: Sequence[Path] | Sequence[Any] | np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    splits: np.ndarray
    ledger: Ledger = field(default_factory=Ledger)
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    raw: Sequence[np.ndarray] | np.ndarray | None = None
    window: PixelWindow | None = None
    together: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"<Catalog of {len(self):,} images from {self.source}, {len(self.classes)} classes>"

    def _repr_html_(self) -> str:
        counts = self.counts()
        rows = [(name, *(of[name] for of in counts.values())) for name in self.classes]
        headings = ("class", *(split or "images" for split in counts))
        caption = f"{len(self):,} images from {self.source} ({self.format}), {len(self.classes):,} classes"
        told = [self.ledger.summary()] if len(self.ledger) else []
        return html_table(caption, headings, rows, [*told, *self.notes, *self.doubts])

    @property
    def labelled(self) -> bool:
        """Whether every image has a label."""
        return bool(len(self)) and bool((self.labels >= 0).all())

    def subset(self, rows: np.ndarray) -> Catalog:
        """Return the images at `rows` (int (m,)) with the same classes and ledger."""
        images = _at(self.images, rows)
        names = [self.names[i] for i in rows]
        columns = {column: [cells[i] for i in rows] for column, cells in self.columns.items()}
        own = {"labels": self.labels[rows], "splits": self.splits[rows], "columns": columns}
        own["raw"] = None if self.raw is None else _at(self.raw, rows)
        own["together"] = [self.together[i] for i in rows] if self.together else ()
        return replace(self, names=names, images=images, **own)

    @property
    def train(self) -> Catalog:
        """The images that the source itself trains on; an ArgumentError where it does not say."""
        return self.own("train")

    @property
    def valid(self) -> Catalog:
        """The images that the source itself validates on; an ArgumentError where it does not say."""
        return self.own("valid")

    @property
    def test(self) -> Catalog:
        """The images that the source itself holds back for the test; an ArgumentError where it does not say."""
        return self.own("test")

    def own(self, split: str) -> Catalog:
        """Return the images that the source itself puts into `split`: train, valid or test.

        Raises:
            ArgumentError: there are none.
        """
        rows = np.flatnonzero(self.splits == split)
        if not len(rows):
            if split not in SPLITS:
                raise ArgumentError(unknown("split", split, SPLITS))
            present = ", ".join(name for name in SPLITS if name in self.splits) or "none of its own"
            raise ArgumentError(f"{self.source} has no {split} split; it has {present}")
        return self.subset(rows)

    def check(self, *arguments: Any, **options: Any) -> Any:
        """Return what is wrong with the images, a `Checkup`: `striate.check` of this catalog, with its arguments."""
        # The one call upwards, where users look for it: by name, for nothing here depends on what checks are.
        return import_module("striate.checks.check").check(self, *arguments, **options)

    def show(self, n: int = 24, seed: int = 0) -> Image.Image:
        """Return a contact sheet of `n` images, drawn at random, by turns one from each class, with their labels.

        A notebook shows it; elsewhere `.show()` opens it and `.save("sheet.png")` keeps it.

        >>> from striate.data.reading import read
        >>> read("digits").show(10).mode
        'RGB'
        """
        rows = choose_rows(self.labels, n, seed)
        words = [(self.classes[i] if (i := int(self.labels[row])) >= 0 else "", str(self.names[row])) for row in rows]
        return contact_sheet(
            [self.images[row] for row in rows], words, f"{len(rows):,} of {len(self):,}: {self.source}"
        )

    def class_counts(self) -> dict[str, int]:
        """Return {class: images}, of all splits together."""
        found = np.bincount(self.labels[self.labels >= 0], minlength=len(self.classes))
        return dict(zip(self.classes, found.tolist(), strict=True))

    def counts(self) -> dict[str, dict[str, int]]:
        """Return {split: {class: images}}; the split is "" where the source says none."""
        table = {}
        for split in dict.fromkeys(self.splits.tolist()):
            found = np.bincount(self.labels[(self.splits == split) & (self.labels >= 0)], minlength=len(self.classes))
            table[split] = dict(zip(self.classes, found.tolist(), strict=True))
        return table


def _at(images: Sequence[Any] | np.ndarray, rows: np.ndarray) -> Any:
    return images[rows] if isinstance(images, np.ndarray) else [images[i] for i in rows]
