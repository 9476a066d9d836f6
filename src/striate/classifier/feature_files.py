"""Features on disk, for programs of the user's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from striate.data.imageset import ImageSet
from striate.errors import ArgumentError
from striate.system.cells import table_text
from striate.system.files import replace_atomically


def check_output(path: Path) -> None:
    """Raise an ArgumentError unless features can be written in the form that the path's suffix names."""
    if path.suffix not in (".npz", ".csv"):
        raise ArgumentError(f"the output must be an .npz or .csv file; got {path}. Name it features.npz, say")


def write_features(path: Path, features: np.ndarray, images: ImageSet, made_by: str) -> None:
    """Write features with the labels and names of their images, whole or not at all.

    Arguments:
        path: .npz: features, labels, classes, names, splits, made_by; .csv: name, label, split, then a column each.
        features: float32 (n, d).
        images: the n images.
        made_by: what a reader should know of their origin.

    Raises:
        ArgumentError: another suffix.
        StorageError: it cannot be written.
    """
    check_output(path)

    def write(temporary: Path) -> None:
        if path.suffix == ".csv":
            return _write_csv(temporary, features, images)
        with temporary.open("wb") as file:
            np.savez(
                file, features=features, labels=images.labels, classes=np.array(images.classes, str),
                names=np.array(images.names, str), splits=np.array(images.splits, str), made_by=np.array(made_by),
            )  # fmt: skip

    replace_atomically(path, write)


def _write_csv(path: Path, features: np.ndarray, images: ImageSet) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(table_text([["name", "label", "split", *(f"f{i}" for i in range(features.shape[1]))]]))
        for name, label, split, row in zip(images.names, images.labels, images.splits, features, strict=True):
            told = [name, images.classes[label] if label >= 0 else "", split]
            file.write(table_text([[*told, *(f"{x:.7g}" for x in row)]]))
