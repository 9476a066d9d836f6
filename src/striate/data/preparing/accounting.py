"""From what preparing made to an image set: which images are left, and what the ledger says of each."""

from __future__ import annotations

import numpy as np

from striate.data.catalog import Catalog
from striate.data.decoding.decode import WAYS
from striate.data.imageset import ImageSet
from striate.data.ledger import Entry, Ledger
from striate.data.preparing.cache import Prepared


def image_set_of(catalog: Catalog, made: Prepared) -> ImageSet:
    """Return what was made of a catalog's images as a set, with what became of each in its ledger."""
    kept = np.setdiff1d(np.arange(len(catalog)), np.array(list(made.skipped), np.int64))
    return ImageSet(
        pixels=made.pixels,
        rows=np.arange(len(kept)),
        labels=np.asarray(catalog.labels, np.int64)[kept],
        classes=catalog.classes,
        names=[str(catalog.names[i]) for i in kept] if made.skipped else catalog.names,
        hashes=made.hashes,
        splits=catalog.splits[kept],
        ledger=_ledger(catalog, made),
        notes=made.notes,
        window=made.window,
        fit=made.fit,
    )


def _ledger(catalog: Catalog, made: Prepared) -> Ledger:
    """Return the catalog's ledger with what became of the images; what a reader had repaired stays said."""
    if not (made.skipped or made.repaired or isinstance(catalog.images[0], WAYS)):
        return catalog.ledger  # arrays have no files to account for
    before = {entry.name: entry for entry in catalog.ledger}
    revised = []
    for i, name in enumerate(catalog.names):
        entry = before.get(name, Entry(name, "used"))
        if i in made.skipped:
            entry = Entry(name, "skipped", made.skipped[i])
        elif i in made.repaired:
            how = [entry.detail] if entry.status == "repaired" else []
            entry = Entry(name, "repaired", "; ".join([*how, made.repaired[i]]))
        if i in made.skipped or i in made.repaired or name not in before:
            revised.append(entry)
    return catalog.ledger.revised(revised) if revised else catalog.ledger
