"""WebDataset: tars in which `key.jpg` lies beside `key.cls` or `key.json`, in one shard or many."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from striate.data.catalog import Catalog
from striate.data.decoding.stored import Stored
from striate.data.labels import encode
from striate.data.ledger import Entry, Ledger
from striate.data.readers.assembling import displayable, unique
from striate.data.readers.folders import IMAGE_TYPES
from striate.data.readers.records import label_of, load_json
from striate.data.readers.shards import Shard, find_shards, told_of_others
from striate.data.readers.tars import first_members, is_compressed, is_tar, list_tar, uncompressed_head
from striate.errors import DataError, DecodingError
from striate.observer import Progress, silent

_TAR_NAMES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_LOOKED_AT = 16
_LONGEST_LABEL, _LONGEST_JSON = 4096, 16 << 20
_WORDS = ("cls", "label", "class", "target", "index", "lbl", "category", "y")
_CLASS, _JSON = tuple(f".{word}{ending}" for ending in ("", ".txt") for word in _WORDS), ".json"
# A caption, or a label where the same few stand beside all images.
_TEXT, _LONGEST_WORD, _CAPTION = ".txt", 60, "set aside as no image and no class: a caption"
# What some put before the ending of the image that is the sample's own: key.input.png.
_OWN = (".image", ".img", ".input", ".rgb", ".original")


def split_key(name: str) -> tuple[str, str]:
    """Return (key, extension) of a member: its file's name is cut at the first full stop.

    >>> split_key("a.b/0001.seg.png")
    ('a.b/0001', '.seg.png')
    """
    folder, slash, file = name.rpartition("/")
    base, dot, extension = file.partition(".")
    return folder + slash + base, (dot + extension).lower()


def _is_image(extension: str) -> bool:
    """Return whether a member is an image of its key: `.jpg`, `.input.png`."""
    if extension in IMAGE_TYPES:
        return True
    before, dot, last = extension.rpartition(".")
    return before in _OWN and dot + last in IMAGE_TYPES


def is_webdataset(members: Iterable[tuple[str, bytes]]) -> bool:
    """Return whether the first members (name, content) of a tar are images, each with its class in a file beside it."""
    images, labels = set(), set()
    for name, content in members:
        key, extension = split_key(name)
        if _is_image(extension):
            images.add(key)
        elif (
            extension in _CLASS
            or (extension == _TEXT and "/" not in key and _is_short(content))
            or (extension == _JSON and _label_in_json(content))
        ):
            labels.add(key)
    return bool(images & labels)


def is_shard(path: Path) -> bool:
    """Return whether a file is a tar of this form, by its name and a look at its first members."""
    if not path.name.lower().endswith(_TAR_NAMES) or not path.is_file():
        return False
    with open(path, "rb") as file:
        head = file.read(512)
    try:
        return is_tar(uncompressed_head(path) if is_compressed(head) else head) and is_webdataset(
            first_members(path, _LOOKED_AT)
        )
    except DataError:
        return False


def _label_in_json(content: bytes) -> str | None:
    try:
        return label_of(load_json("the label", content))
    except DataError:
        return None


@dataclass
class _Gathered:
    rows: list[tuple[str, Stored, str, str | None]] = field(default_factory=list)  # (name, way, split, class)
    entries: list[Entry] = field(default_factory=list)
    texts: list[tuple[int, str, str]] = field(default_factory=list)  # (row, text, member): of rows without a class


def read_webdataset(path: Path, *, progress: Progress = silent) -> Catalog:
    """Read the shards of a WebDataset.

    Arguments:
        path: a shard, or a folder with shards, whose names may tell splits (`train-000000.tar`, `val/0000.tar`).
        progress: told how many members were listed.

    Returns:
        A catalog whose names are those of the members, below the shard's where there are several. `.cls` and `.json`
        members have lines in the ledger of their own.

    Raises:
        DataError: a shard is damaged, or there are no images.
    """
    shards = find_shards(path, is_shard)
    gathered = _Gathered(entries=told_of_others(path, shards))
    for shard in shards:
        contents = list_tar(shard.path, progress)
        prefix = f"{shard.name}/" if path.is_dir() else ""
        gathered.entries += [Entry(prefix + e.name, e.status, e.detail) for e in contents.entries]
        _gather(contents.files, shard, prefix, gathered)
    if not gathered.rows:
        raise DataError(f"{path} must hold images, key.jpg beside key.cls or key.json; it holds none")
    _take_texts(gathered)
    rows = gathered.rows
    if any(row[3] is not None for row in rows):
        gathered.entries += [_skipped(row[0], "no label") for row in rows if row[3] is None]
        rows = [row for row in rows if row[3] is not None]
    labels, classes = encode([row[3] for row in rows])
    names = unique([row[0] for row in rows])
    ledger = Ledger([*(Entry(name, "used") for name in names), *gathered.entries])
    splits = np.array([row[2] for row in rows], dtype="U5")
    return Catalog(str(path), "webdataset", names, [row[1] for row in rows], labels, classes, splits, ledger)


def _gather(files: Mapping[str, Stored], shard: Shard, prefix: str, gathered: _Gathered) -> None:
    """Bring the members of one shard together by their keys."""
    samples: dict[str, dict[str, str]] = {}
    for name in files:
        key, extension = split_key(name)
        samples.setdefault(key, {})[extension] = name
    for members in samples.values():
        images = [extension for extension in members if _is_image(extension)]
        if not images:
            gathered.entries += [_skipped(prefix + name, "no image of this key") for name in members.values()]
            continue
        used = prefix + displayable(members[images[0]])
        label, source, why = _label(files, members)
        for extension, name in members.items():
            if extension == images[0]:
                continue
            shown = prefix + displayable(name)
            if extension == source:
                status = "skipped" if why else "used"
                gathered.entries.append(Entry(shown, status, why or "the class of the image of this key"))
            elif extension in images:
                gathered.entries.append(_skipped(shown, "a second image of this key"))
            elif extension == _TEXT and not source:
                gathered.texts.append((len(gathered.rows), _text(files[name]), shown))
            else:
                gathered.entries.append(_skipped(shown, f"set aside as no image and no class: {extension}"))
        if why:
            gathered.entries.append(_skipped(used, why))
        else:
            gathered.rows.append((used, files[members[images[0]]], shard.split, label))


def _take_texts(gathered: _Gathered) -> None:
    """Take texts beside the images for their classes, where no other file says one and they are few and short."""
    texts = [text for _, text, _ in gathered.texts]
    told = any(label is not None for *_, label in gathered.rows)
    few = len(set(texts)) <= max(2, len(texts) // 3) and all(len(text) <= _LONGEST_WORD for text in texts)
    taken = bool(texts) and few and not told
    for row, text, shown in gathered.texts:
        if taken:
            gathered.rows[row] = (*gathered.rows[row][:3], text or None)
        status, detail = ("used", "the class of the image of this key") if taken else ("skipped", _CAPTION)
        gathered.entries.append(Entry(shown, status, detail))


def _is_short(content: bytes) -> bool:
    return len(content) <= _LONGEST_WORD and b"\n" not in content.strip()


def _text(way: Stored) -> str:
    try:
        raw = way.read()
    except (DecodingError, OSError):  # damaged: then it says nothing
        return ""
    return raw[:_LONGEST_LABEL].decode("utf-8", "replace").strip()


def _skipped(name: str, why: str) -> Entry:
    return Entry(displayable(name), "skipped", why)


def _label(files: Mapping[str, Stored], members: Mapping[str, str]) -> tuple[str | None, str, str]:
    """Return (class or None, extension of the member that tells it, why it cannot be read)."""
    for extension in (*_CLASS, _JSON):
        if extension not in members:
            continue
        try:
            raw = files[members[extension]].read()
        except (DecodingError, OSError) as error:
            return None, extension, f"its label cannot be read: {error}"
        if len(raw) > (_LONGEST_JSON if extension == _JSON else _LONGEST_LABEL):
            return None, extension, f"its label is absurdly long: {len(raw):,} bytes"
        if extension != _JSON:
            return raw.decode("utf-8", "replace").strip() or None, extension, ""
        try:
            record: Any = load_json(os.path.basename(members[extension]), raw)
        except DataError as error:
            return None, extension, f"its label cannot be read: {error}"
        return label_of(record), extension, ""
    return None, "", ""
