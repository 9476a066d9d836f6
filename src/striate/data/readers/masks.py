"""Masks beside the images that they belong to, as segmentation sets have them: they are no images of a class."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MASK = "set aside as a mask, no image"
_MASKS = frozenset({
    "mask", "masks", "groundtruth", "groundtruths", "gt", "gts", "segmentation", "segmentations", "seg", "segs",
    "label", "labels", "annotation", "annotations", "maskpng", "binarymask", "binarymasks", "lesionmask",
})  # fmt: skip
_PICTURES = frozenset({
    "image", "images", "img", "imgs", "picture", "pictures", "pic", "pics", "photo", "photos", "original", "originals",
    "orig", "raw", "rgb", "input", "inputs", "frame", "frames", "scan", "scans",
})  # fmt: skip
# What stands behind the name of an image in the name of its mask, before the file's ending: cat (1)_mask_2.png.
_SUFFIX = re.compile(
    r"[ ._-]+(?:mask|masks|seg|segs|segmentation|segmented|gt|groundtruth|ground_truth|matte|trimap|lesion)"
    r"(?:[ ._-]?\d{1,3})?\.[A-Za-z]{3,4}$",
    re.IGNORECASE | re.MULTILINE,
)


def mask_folders(names: Iterable[str]) -> list[str]:
    """Return those of the folders beside each other that hold the masks of another one's images.

    Only where each of them is called as images or as masks are.

    >>> mask_folders(["images", "masks"]), mask_folders(["cat", "masks"]), mask_folders(["masks"])
    (['masks'], [], [])
    """
    names = list(names)
    plain = {name: re.sub(r"[\W_]+", "", name).casefold() for name in names}
    masks = [name for name in names if plain[name] in _MASKS]
    pictures = [name for name in names if plain[name] in _PICTURES]
    return masks if pictures and len(masks) + len(pictures) == len(names) else []


def mask_files(files: Sequence[str]) -> dict[str, str]:
    """Return {mask: its image} of the files whose name is that of an image beside them and a word for masks.

    Arguments:
        files: paths relative to the source.

    >>> mask_files(["cat/1.png", "cat/1_mask.png", "cat/1_mask_1.png", "cat/gas_mask.png"])
    {'cat/1_mask.png': 'cat/1.png', 'cat/1_mask_1.png': 'cat/1.png'}
    """
    text = "\n".join(files)  # one search, not one for each of many files
    if not _SUFFIX.search(text):
        return {}
    images: dict[str, str] = {}
    for file in files:
        images.setdefault(file.rpartition(".")[0], file)
    found = {}
    for file in files:
        end = _SUFFIX.search(file)
        if end and "\n" not in file and (image := images.get(file[: end.start()])):
            found[file] = image
    return found
