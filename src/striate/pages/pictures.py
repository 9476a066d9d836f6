"""Pictures on disk: in the form that their name says, marked as ours, and never over a picture that is not ours."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from striate.errors import ArgumentError
from striate.system.files import write_atomically

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WebP"}
# EXIF's tag of the program that made a picture, and what stands there.
_SOFTWARE, _MARK = 305, "Striate"


def check_picture_file(path: Path) -> None:
    """Raise an ArgumentError unless the name says a form of `FORMATS`, and no picture of somebody else's is there."""
    if path.suffix.lower() not in FORMATS:
        raise ArgumentError(f"a picture's name must end in {', '.join(FORMATS)}; got {path}. Try {path.stem}.png")
    if path.is_file() and not _is_ours(path):
        raise ArgumentError(f"{path} is not of Striate's making, which is not overwritten. Name another file")


def write_pictures(pictures: Mapping[Path, np.ndarray | Image.Image]) -> list[Path]:
    """Write pictures, uint8 (h, w), (h, w, 1) or (h, w, 3), and return where; all or, where one is refused, none.

    Raises:
        ArgumentError: see `check_picture_file`.
        StorageError: the disk is full or the folder not writable.
    """
    for path in pictures:
        check_picture_file(path)
    for path, picture in pictures.items():
        write_atomically(path, encoded(picture, FORMATS[path.suffix.lower()]))
    return list(pictures)


def encoded(picture: np.ndarray | Image.Image, form: str = "PNG") -> bytes:
    """Return a picture's file, marked as ours."""
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(np.ascontiguousarray(picture[..., 0] if picture.shape[2:] == (1,) else picture))
    exif, content = Image.Exif(), io.BytesIO()
    exif[_SOFTWARE] = _MARK
    picture.save(content, form, exif=exif)
    return content.getvalue()


def _is_ours(path: Path) -> bool:
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as picture:
            return picture.getexif().get(_SOFTWARE) == _MARK
    except Exception:  # whatever it is, it is not ours
        return False
