"""Groups that were found before: kept by the images' content and names, beside the prepared images.

<cache>/<key>/groups.npz   ids, sketches, by, notes
<cache>/<key>/about.json   source, shape
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math

import numpy as np

from striate.data.grouping.groups import Groups
from striate.data.imageset import ImageSet
from striate.errors import StorageError
from striate.system.cache import cache_folder
from striate.system.files import write_atomically

# Goes up whenever the search finds other groups.
_VERSION = 4
# With so many times the time that a hurried search had, it is made again.
MORE_TIME = 1.5
# Fewer images are searched as quickly as found again.
WORTH_IMAGES = 1_000


def recall_groups(images: ImageSet, allowed_s: float = math.inf) -> Groups | None:
    """Return the groups that were found among these images before; None where they were not, or not kept.

    Arguments:
        allowed_s: seconds that a search may take; those found in much less, in a hurry, are not enough.
    """
    folder = cache_folder("prepared") / _key(images)
    with contextlib.suppress(Exception):  # a damaged file can fail in any way
        with np.load(folder / "groups.npz", allow_pickle=False) as kept:
            hurried_s, sketches = float(kept["hurried_s"]), kept["sketches"]
            groups = Groups(kept["ids"], str(kept["by"]), tuple(map(str, kept["notes"])),
                            sketches if len(sketches) else None, hurried=hurried_s > 0)  # fmt: skip
        enough = not groups.hurried or allowed_s < MORE_TIME * hurried_s
        whole = groups.hurried if groups.sketches is None else len(groups.sketches) == len(images)
        if len(groups.ids) == len(images) and enough and whole:
            with contextlib.suppress(OSError):  # a cache that is only read
                (folder / "about.json").touch()
            return groups
    return None


def remember_groups(images: ImageSet, groups: Groups, allowed_s: float = math.inf) -> None:
    """Keep the groups that were found within so many seconds; a cache that cannot be written forgets them, harmlessly.

    Those of a hurry are kept as well: a run that goes on, or the same command, then has the same groups.
    """
    if not groups.hurried and (len(images) < WORTH_IMAGES or groups.sketches is None):
        return
    sketches = np.zeros((0, 1), np.int8) if groups.sketches is None else groups.sketches
    hurried_s = max(1e-3, allowed_s) if groups.hurried else 0.0
    content, folder = io.BytesIO(), cache_folder("prepared") / _key(images)
    notes = np.array(groups.notes, str)
    np.savez(content, ids=groups.ids, by=groups.by, notes=notes, sketches=sketches, hurried_s=hurried_s)
    about = {"source": f"groups of {len(images):,} images", "shape": [len(images), 1, 1, sketches.shape[1]]}
    with contextlib.suppress(StorageError):
        write_atomically(folder / "groups.npz", content.getvalue())
        write_atomically(folder / "about.json", json.dumps(about))


def _key(images: ImageSet) -> str:
    digest = hashlib.blake2b(json.dumps([_VERSION, images.image_shape, list(images.names)]).encode(), digest_size=16)
    for array in (images.hashes, images.labels):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
