"""The image set: decoded images of one size, in memory or memory-mapped, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from striate.data.contact_sheet import choose_rows, contact_sheet
from striate.data.decoding.pixels import Fit
from striate.data.decoding.windows import PixelWindow
from striate.data.ledger import Ledger
from striate.notebook.tables import html_table


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one size with their labels; a subset shares the pixels of the whole.

    Arguments:
        pixels: uint8 (N, h, w, c), c 1, 3 or a number of bands, perhaps memory-mapped; shared between subsets.
        rows: int64 (n,), which of `pixels` belong to this set, in order.
        labels: int64 (n,), an index into `classes`; −1 where there is none.
        classes: the class names.
        names: (n,) names as in the catalog.
        hashes: uint64 (n,), a digest of each image's pixels as decoded, before resizing: equal images, equal digests.
            Of a JPEG file of a megapixel and more, which may not be decoded whole, of its bytes without its tags.
        splits: (n,) "train", "valid", "test" as the source itself says, "" where it does not.
        ledger: what became of every file of the source.
        notes: what a user should be told about the preparing.
        groups: int64 (n,), equal for images that belong together and stay on one side of every split; None: each
            stands alone.
        window: which values became 0 and 255, where the originals have more than 8 bits; None where they have 8.
        fit: how images of other sizes come to this one.
        sketches: int8 (n, d), by which near copies are known again; None where nobody looked.
    """

    pixels: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    names: Sequence[str]
    hashes: np.ndarray
    splits: np.ndarray
    ledger: Ledger = field(default_factory=Ledger)
    notes: tuple[str, ...] = ()
    groups: np.ndarray | None = None
    sketches: np.ndarray | None = None
    window: PixelWindow | None = None
    fit: Fit = "crop"

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        h, w, c = self.image_shape
        return f"<ImageSet of {len(self):,} images {h}×{w}×{c}, {len(self.classes)} classes>"

    def _repr_html_(self) -> str:
        h, w, c = self.image_shape
        found = np.bincount(self.labels[self.labels >= 0], minlength=len(self.classes)).tolist()
        caption = f"{len(self):,} images {h}×{w}×{c}, {len(self.classes):,} classes"
        return html_table(caption, ("class", "images"), zip(self.classes, found, strict=True), self.notes)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(h, w, c) of every image."""
        _, h, w, c = self.pixels.shape
        return h, w, c

    @property
    def images(self) -> np.ndarray:
        """uint8 (n, h, w, c): a view where the rows are neighbours, else a copy."""
        if len(self.rows) and np.array_equal(self.rows, np.arange(self.rows[0], self.rows[0] + len(self.rows))):
            return self.pixels[self.rows[0] : self.rows[0] + len(self.rows)]
        return self.pixels[self.rows]

    def show(self, n: int = 24, seed: int = 0) -> Image.Image:
        """Return a contact sheet of `n` images as they were prepared; see `Catalog.show`."""
        rows = choose_rows(self.labels, n, seed)
        words = [(self.classes[i] if (i := int(self.labels[row])) >= 0 else "", str(self.names[row])) for row in rows]
        return contact_sheet([self.pixels[self.rows[row]] for row in rows], words, f"{len(rows):,} of {len(self):,}")

    def subset(self, indices: np.ndarray) -> ImageSet:
        """Return the images at `indices` (int (m,), positions in this set); no pixels are copied."""
        return replace(
            self,
            rows=self.rows[indices],
            labels=self.labels[indices],
            names=[self.names[i] for i in indices],
            hashes=self.hashes[indices],
            splits=self.splits[indices],
            groups=None if self.groups is None else self.groups[indices],
            sketches=None if self.sketches is None else self.sketches[indices],
        )
