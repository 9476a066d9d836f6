"""Data sets in several files of one form: which there are, which are missing, and the split that a name tells."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from striate.data.ledger import Entry
from striate.data.readers.assembling import displayable
from striate.data.readers.folders import IMAGE_TYPES
from striate.data.readers.split_names import split_of

_OF = re.compile(r"(.*?)(\d+)-of-(\d+)(.*)", re.DOTALL)
_MOST_FOLDERS, _MOST_MISSING, _LOOKED_AT = 1000, 100, 16


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of a set: its path, its name relative to the source, and its split, "" where the name tells none."""

    path: Path
    name: str
    split: str


def split_in_name(name: str) -> str:
    """Return the split that a path's parts tell, the file's own name first.

    >>> split_in_name("data/train-00000-of-00002.parquet"), split_in_name("test/0000.tar"), split_in_name("cats.tar")
    ('train', 'test', '')
    """
    for part in reversed(name.split("/")):
        for word in re.split(r"[^A-Za-z]+", part):
            if split := split_of(word):
                return split
    return ""


def find_shards(path: Path, is_shard: Callable[[Path], bool]) -> list[Shard]:
    """Return the files of a set, in order of their names: `path` itself, or those below it, hidden folders left out.

    Arguments:
        path: a file, or a folder.
        is_shard: whether a file is of the form, by a look at its name or content.
    """
    if not path.is_dir():
        return [Shard(path, displayable(path.name), split_in_name(path.name))]
    found = []
    for i, (folder, below, files) in enumerate(os.walk(path)):
        below[:] = sorted(name for name in below if not name.startswith("."))
        if i >= _MOST_FOLDERS:
            break
        for name in sorted(files):
            file = Path(folder, name)
            if not name.startswith(".") and is_shard(file):
                relative = file.relative_to(path).as_posix()
                found.append(Shard(file, displayable(relative), split_in_name(relative)))
    return sorted(found, key=lambda shard: shard.name)


def holds_shards(path: Path, is_shard: Callable[[Path], bool]) -> bool:
    """Return whether a folder holds shards and no images, as far as a quick look tells.

    Looked at is the folder, and those of splits below it, or called data, or the only one.
    """
    level = [path]
    for _ in range(3):
        below: list[Path] = []
        for folder in level[:_LOOKED_AT]:
            files, folders = _listed(folder)
            kinds = {os.path.splitext(name)[1].lower() for name in files}
            if kinds & IMAGE_TYPES:
                return False
            if any(is_shard(folder / name) for name in files[:_LOOKED_AT]):
                return True
            told = [name for name in folders if split_of(name) or name.casefold() in ("data", "default")]
            below += [folder / name for name in (told or (folders if len(folders) == 1 else []))]
        level = below
    return False


def _listed(folder: Path) -> tuple[list[str], list[str]]:
    try:
        with os.scandir(folder) as entries:
            listed = sorted((e.name, e.is_dir(follow_symlinks=False)) for e in entries if not e.name.startswith("."))
    except OSError:
        return [], []
    return [name for name, is_dir in listed if not is_dir], [name for name, is_dir in listed if is_dir]


def told_of_others(path: Path, shards: Sequence[Shard]) -> list[Entry]:
    """Return ledger lines for shards that are missing, and for those beside a single one, which are not read.

    Their names tell how many there are: `train-00000-of-00002`.
    """
    entries = []
    families: dict[tuple[str, int, int, str], set[int]] = {}
    for shard in shards:
        if found := _OF.fullmatch(shard.name):
            key = (found[1], len(found[2]), int(found[3][:9]), found[4])
            families.setdefault(key, set()).add(int(found[2][:9]))
    for (start, digits, count, end), present in families.items():
        missing = [i for i in range(min(count, _MOST_MISSING)) if i not in present]
        for i in missing:
            name = f"{start}{i:0{digits}}-of-{count:0{digits}}{end}"
            if not path.is_dir() and (path.parent / name).exists():
                entries.append(Entry(name, "skipped", "set aside as another shard: give the folder to read all"))
            elif path.is_dir():
                entries.append(Entry(name, "skipped", "a shard that its siblings count and that is not there"))
            else:
                entries.append(Entry(name, "skipped", "set aside as another shard, which is not here"))
    return entries
