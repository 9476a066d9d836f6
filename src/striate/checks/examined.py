"""What every check looks at: the catalog, its images, what belongs together, and how each image looks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from striate.checks.look import Appearance
from striate.data.catalog import Catalog
from striate.data.imageset import ImageSet

# The splits of a source that judge: no image of them is left out, whatever is found on it.
JUDGING = ("test", "valid")


@dataclass(frozen=True, eq=False)
class Examined:
    """A source that was read, prepared, grouped and looked at.

    Arguments:
        catalog: what the source holds.
        images: those that can be read, at one size, with their groups.
        appearance: what they are and how they look.
    """

    catalog: Catalog
    images: ImageSet
    appearance: Appearance

    @cached_property
    def groups(self) -> np.ndarray:
        """int64 (n,), equal for images that belong together."""
        return np.arange(len(self.images)) if self.images.groups is None else self.images.groups

    @cached_property
    def alone(self) -> np.ndarray:
        """int64 (m,), the first image of each group: as good as independent of each other."""
        return np.sort(np.unique(self.groups, return_index=True)[1])

    @cached_property
    def labels(self) -> np.ndarray:
        """int64 (n,); −1 where there is none."""
        return self.images.labels

    @property
    def teaches(self) -> np.ndarray:
        """bool (n,), which images the source itself does not keep for judging."""
        return ~np.isin(self.images.splits, JUDGING)

    def class_of(self, position: int) -> str:
        """Return the class of an image, "" of one without."""
        label = int(self.labels[position])
        return self.images.classes[label] if label >= 0 else ""
