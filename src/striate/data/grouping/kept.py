"""Groups that were found before: kept by the images' content and names, beside the prepared images.

<cache>/<key>/groups.npz   ids, sketches, by, notes
<cache>/<key>/about.json   source, shape
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json

import numpy as np

from striate.data.grouping.groups import Groups
from striate.data.imageset import ImageSet
from striate.errors import StorageError
from striate.system.cache import cache_folder
from striate.system.files import write_atomically

# Goes up whenever the search finds other groups.
_VERSION = 2
# Fewer images are searched as quickly as found again.
WORTH_IMAGES = 1_000


def recall_groups(images: ImageSet) -> Groups | None:
    """Return the groups that were found among these images before; None where they were not, or not kept."""
    folder = cache_folder("prepared") / _key(images)
    with contextlib.suppress(Exception):  # a damaged file can fail in any way
        with np.load(folder / "groups.npz", allow_pickle=False) as kept:
            groups = Groups(kept["ids"], str(kept["by"]), tuple(map(str, kept["notes"])), kept["sketches"])
        if len(groups.ids) == len(images) and groups.sketches is not None and len(groups.sketches) == len(images):
            with contextlib.suppress(OSError):  # a cache that is only read
                (folder / "about.json").touch()
            return groups
    return None


def remember_groups(images: ImageSet, groups: Groups) -> None:
    """Keep the groups that were found; a cache that cannot be written forgets them, harmlessly."""
    if len(images) < WORTH_IMAGES or groups.sketches is None:
        return
    content, folder = io.BytesIO(), cache_folder("prepared") / _key(images)
    np.savez(content, ids=groups.ids, by=groups.by, notes=np.array(groups.notes, str), sketches=groups.sketches)
    about = {"source": f"groups of {len(images):,} images", "shape": [len(images), 1, 1, groups.sketches.shape[1]]}
    with contextlib.suppress(StorageError):
        write_atomically(folder / "groups.npz", content.getvalue())
        write_atomically(folder / "about.json", json.dumps(about))


def _key(images: ImageSet) -> str:
    digest = hashlib.blake2b(json.dumps([_VERSION, images.image_shape, list(images.names)]).encode(), digest_size=16)
    for array in (images.hashes, images.labels):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
