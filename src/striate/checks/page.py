"""The page of a check: what was found, with pictures, in one file that works offline and stays under 5 MB."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from striate.checks.checkup import Checkup
from striate.checks.finding import Finding, Mark
from striate.checks.findings_csv import write_findings
from striate.data.decoding.decode import decode
from striate.data.decoding.paging import file_and_page
from striate.data.imageset import ImageSet
from striate.errors import DecodingError
from striate.pages.page import render_page
from striate.pages.thumbnails import Thumbnail, thumbnail
from striate.system.files import write_atomically

PAGE, TABLE = "check.html", "findings.csv"
# So many pictures a finding, and so many bytes of pictures in all.
MOST_PICTURES, MOST_BYTES = 48, 3_500_000
MOST_LISTED, MOST_CLASSES, MOST_SIZES = 60, 60, 8
# Their pictures are shown in the shape that they have, not in that of training.
_IN_SHAPE = ("odd-aspect", "tiny")


@dataclass(frozen=True)
class Shown:
    """An image in the page; without a picture where it cannot be read."""

    picture: Thumbnail | None
    mark: Mark
    label: str


@dataclass(frozen=True)
class Section:
    """A finding in the page, with its pictures in groups, and how many images are not shown."""

    finding: Finding
    groups: tuple[tuple[Shown, ...], ...]
    listed: tuple[Mark, ...]
    hidden: int


def checkup_files(out: Path) -> tuple[Path, Path]:
    """Return where the page and the table go: into a folder, or beside each other as PAGE.html and PAGE.csv."""
    if out.suffix.lower() in (".html", ".htm"):
        return out, out.with_suffix(".csv")
    return out / PAGE, out / TABLE


def write_checkup(checkup: Checkup, out: Path, typed: str = "") -> tuple[Path, Path]:
    """Write the page and the table of findings of a check, and return where they are.

    Arguments:
        out: a folder, in which they are called check.html and findings.csv; or the page itself, with a name that ends
            in .html, beside which the table lies under the same name with .csv.
        typed: the source with the options by which it was read, as a shell takes them; without it the source alone.

    Raises:
        StorageError: the disk is full or the folder not writable.
    """
    page, table = checkup_files(out)
    page.parent.mkdir(parents=True, exist_ok=True)
    write_findings(checkup, table)
    write_atomically(page, check_page(checkup, table, typed).encode("utf-8", "replace"))
    return page, table


def check_page(checkup: Checkup, table: Path = Path(TABLE), typed: str = "") -> str:
    """Return the page of a check as HTML.

    Arguments:
        table: where the table of findings lies, as a command names it.
        typed: as for `write_checkup`.
    """
    pictures, labels = _Pictures(checkup), _labels(checkup)
    sections = [_section(one, pictures, labels) for one in checkup.findings]
    return render_page(
        "striate.checks", "check.html", checkup=checkup, sections=sections, table=table.name,
        command=f"striate train {typed or shlex.quote(checkup.source)} --without {shlex.quote(str(table))}",
        classes=_classes(checkup),
        sizes=checkup.files.get("sizes", [])[:MOST_SIZES], more_sizes=max(0, len(checkup.files.get("sizes", [])) -
        MOST_SIZES), left_out=len(checkup.left_out), wanted=_wanted(checkup, pictures),
        more_classes=max(0, len(checkup.catalog.classes) - MOST_CLASSES),
    )  # fmt: skip


class _Pictures:
    """Makes pictures of images by their names, until the page has as many bytes of them as it may."""

    def __init__(self, checkup: Checkup):
        self.left_bytes = MOST_BYTES
        self._catalog, self._images = checkup.catalog, checkup.images
        names = () if checkup.images is None else checkup.images.names
        self._place = {name: i for i, name in enumerate(names)}
        self._source = {name: i for i, name in enumerate(checkup.catalog.names)}

    def of(self, name: str, in_shape: bool = False) -> Thumbnail | None:
        """Return the picture of an image; None where it cannot be read, or there is no room."""
        i = self._place.get(name)
        if i is None or self._images is None:
            return None
        return self.kept(lambda: self._whole(name) if in_shape else None, self._images, i)

    def kept(self, whole: Callable[[], np.ndarray | None], images: ImageSet, i: int) -> Thumbnail | None:
        """Return the picture of the image at position `i` of a set, while there is room."""
        if self.left_bytes <= 0:
            return None
        pixels = whole()
        made = thumbnail(np.asarray(images.pixels[images.rows[i]]) if pixels is None else pixels)
        self.left_bytes -= len(made.uri)
        return made

    def _whole(self, name: str) -> np.ndarray | None:
        way = self._catalog.images[self._source[name]]
        try:
            file, page = file_and_page(way)
            return decode(file, page=page).pixels
        except DecodingError:  # gone meanwhile, or of more than 8 bits
            return None


def _section(finding: Finding, pictures: _Pictures, labels: Mapping[str, str]) -> Section:
    """Return a finding with its first pictures; groups are shown whole, as long as there is room."""
    shown, count = [], 0
    for group in _grouped(finding.marks):
        if count and count + len(group) > MOST_PICTURES:
            break
        row = [Shown(pictures.of(mark.image, finding.kind in _IN_SHAPE), mark, labels.get(mark.image, "")) for mark
               in group[:MOST_PICTURES]]  # fmt: skip
        row = [one for one in row if one.picture]
        if row:
            shown.append(tuple(row))
            count += len(row)
    listed = () if count else finding.marks[:MOST_LISTED]
    return Section(finding, tuple(shown), listed, len(finding.marks) - count - len(listed))


def _grouped(marks: Sequence[Mark]) -> list[list[Mark]]:
    """Return marks in their groups; what is in no group each by itself."""
    found: dict[Any, list[Mark]] = {}
    for i, mark in enumerate(marks):
        found.setdefault(mark.group or ("alone", i), []).append(mark)
    return list(found.values())


def _labels(checkup: Checkup) -> dict[str, str]:
    """Return {name: class} of the images of the catalog that have one."""
    catalog = checkup.catalog
    return {
        str(name): catalog.classes[int(label)]
        for name, label in zip(catalog.names, catalog.labels, strict=True)
        if label >= 0
    }


def _classes(checkup: Checkup) -> list[dict[str, Any]]:
    """Return how many images each class has, in each split and independent of each other."""
    images = checkup.images
    if images is None:
        return []
    groups = np.arange(len(images)) if images.groups is None else images.groups
    rows = []
    for label, name in enumerate(images.classes[:MOST_CLASSES]):
        own = images.labels == label
        splits = {split: int((images.splits[own] == split).sum()) for split in ("train", "valid", "test")}
        rows.append({"class": name, "images": int(own.sum()), "independent": len(np.unique(groups[own])), **splits})
    return rows


def _wanted(checkup: Checkup, pictures: _Pictures) -> list[tuple[Thumbnail, Any]]:
    if checkup.pool is None:
        return []
    place = {str(name): i for i, name in enumerate(checkup.pool.names)}
    shown = []
    for one in checkup.wanted[:MOST_PICTURES]:
        if picture := pictures.kept(lambda: None, checkup.pool, place[one.image]):
            shown.append((picture, one))
    return shown
