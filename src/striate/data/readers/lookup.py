"""Files of a table that are named otherwise on this disk: another machine's paths, a folder too many, another case."""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from striate.data.readers.layout import is_image_name
from striate.data.readers.listing import MOST_FOLDERS, Listing, folders_holding
from striate.errors import DataError, some
from striate.observer import Progress, silent

# So large a share of the names must be lost before folders below are searched for them.
_SEARCH_FROM = 0.25
_COMPARED = 2000
_UPLOADED = re.compile(r".*/upload/(?:.*/)?(?:[0-9a-f]{8}-)?([^/]+)")
_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")

_END, _CASE, _BELOW = "by the end of their path", "without regard to case", "in folders below"


@dataclass(frozen=True)
class Found:
    """Where the files of a table lie.

    Arguments:
        files: {name: path} of those that were found.
        doubts: {name: why} of those that could be one file or another.
        notes: what was not found as it is named, and how it was, for the ledger.
    """

    files: dict[str, Path]
    doubts: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def is_address(name: str) -> bool:
    """Whether a name is an address of the web (or of a bucket) and no path.

    >>> is_address("https://example.org/a.png"), is_address("file:///a.png"), is_address("C:/a.png")
    (True, False, False)
    """
    return _ADDRESS.match(name) is not None and not name.lower().startswith("file:")


def choose_folder(path: Path, names: Sequence[str], images: Path | None) -> Path:
    """Return the folder that a table's names are relative to, looking below its own where they are not beside it.

    Raises:
        DataError: `images` is no folder, or several folders fit.
    """
    if images is not None:
        if not images.is_dir():
            raise DataError(f"--images must be a folder; got {images}")
        return images
    sample = [name for name in names[:: max(1, len(names) // 10)] if name]
    listing = Listing(path.parent)
    if any(listing.find(name) for name in sample):
        return path.parent
    holding = folders_holding(path.parent, sample)
    if len(holding) > 1:
        candidates = ", ".join(str(folder) for folder in holding[:4])
        raise DataError(f"{path}: its images may lie in any of {candidates}. Choose with --images DIR")
    return holding[0] if holding else path.parent


def find_files(
    names: Iterable[str], folder: Path, *, given: bool, top: Path | None = None, progress: Progress = silent
) -> Found:
    """Find the file of each name in `folder`: as it stands, else by ever shorter ends of its path, also without case.

    Files that are still lost are searched in the folders below by their names alone. What could be one of two files,
    or is the file of another name already, is a doubt, never a guess.

    Arguments:
        names: as the table writes them.
        folder: what they are relative to.
        given: whether the user said so; else a path is shortened only where nothing is found as it stands, and to no
            less than a folder and a name.
        top: where the folders below are; by default `folder`.
        progress: told how many names were looked up.
    """
    listing, files, lost = Listing(folder), {}, []
    distinct = [name for name in dict.fromkeys(names) if name]
    for i, name in enumerate(distinct):
        if i % 4096 == 0:
            progress("looking up files", i, len(distinct))
        file = listing.find(name)
        if file is None:
            lost.append(name)
        else:
            files[name] = file
    if not lost:
        return Found(files)
    search = _Search(folder, listing)
    any_end = given or not files
    loose = {
        name: search.shortened(name, given=given, any_end=any_end)
        or [(path, _END) for path, _ in search.shortened(_before_upload(name), given=True, any_end=True)]
        for name in lost
    }
    if len(lost) - sum(map(bool, loose.values())) > _SEARCH_FROM * len(distinct):
        index = _index(top or folder)
        for name in lost:
            if not loose[name] and (given or len(path_parts(name)) == 1):
                loose[name] = [(path, _BELOW) for path in index.get(_key(path_parts(name)[-1:]), [])]
    return _settled(files, loose, top or folder)


def path_parts(name: str) -> list[str]:
    r"""Return the folders and the file of a path of any system, or of an address.

    >>> path_parts(r"C:\pics\a.png"), path_parts("https://example.org/p/a%20b.png?size=2")
    (['pics', 'a.png'], ['example.org', 'p', 'a b.png'])
    """
    if address := _ADDRESS.match(name):
        name = unquote(re.split(r"[?#]", name[address.end() :])[0])
    parts = [part for part in re.split(r"[\\/]", name) if part not in ("", ".", "..", "~")]
    return parts[1:] if parts and re.fullmatch(r"[A-Za-z]:", parts[0]) else parts


def _before_upload(name: str) -> str:
    """Return the name of a file as it was uploaded to Label Studio, /data/upload/1/0a1b2c3d-a.png; "" of others."""
    uploaded = _UPLOADED.fullmatch(name)
    return uploaded[1] if uploaded else ""


def what_is_missing(path: Path, names: Sequence[str], found: Found, folder: Path, *, given: bool) -> str:
    """Return what is missing, what is nearly there, and the way out."""
    lost = [name for name in dict.fromkeys(names) if name and name not in found.files]
    doubts = [f"{name}: {found.doubts[name]}" for name in lost if name in found.doubts]
    said = f"{path} names {len(names):,} images; {len(lost):,} {'is' if len(lost) == 1 else 'are'} not in {folder}: "
    said += ", ".join(some([name], 1) for name in lost[:3]) + ("…. " if len(lost) > 3 else ". ")
    if doubts:
        return said + f"{some(doubts[:1])}. Give the names with their folders, and with --images what holds those"
    near = _nearly_there(lost, folder, given=given)
    if given:
        return said + (near or "Nothing there is like them. Give the folder that holds them")
    return said + (near if "--images" in near else f"{near + '. ' if near else ''}Say where they are with --images DIR")


def _nearly_there(names: Sequence[str], folder: Path, *, given: bool) -> str:
    """Return a sentence on what lies in `folder` that is nearly the first of `names`; empty if nothing."""
    if is_address(names[0]):
        return "They are addresses: download them first"
    wanted = path_parts(names[0])[-1:]
    if not wanted:
        return ""
    index = _index(folder)
    if same := index.get(_key(wanted), []):
        homes = sorted({os.fspath(path.parent) for path in same})[:3]
        have = "has" if len(homes) == 1 else "have"
        return f"{' and '.join(homes)} {have} {wanted[0]}" + ("" if given else f": give --images {homes[0]}")
    stem = _key([os.path.splitext(wanted[0])[0]])
    keys = {key: path for key, paths in index.items() for path in paths[:1]}
    if stem in keys:
        other = keys[stem].relative_to(folder)
        return f"{other} is nearly {names[0]}: take the endings off the names, and files of any ending are found"
    near = []
    if not near:
        found = difflib.get_close_matches(_key(wanted), list(keys)[:_COMPARED], 1, 0.85)
        near = [keys[key] for key in found]
    return f"{near[0].relative_to(folder)} is nearly {names[0]}" if near else ""


class _Search:
    """Looks for names below one folder, by the ends of their paths and without regard to case."""

    def __init__(self, base: Path, listing: Listing):
        self._base, self._listing = base, listing
        self._entries: dict[str, tuple[dict[str, list[str]], dict[str, list[str]]]] = {}

    def shortened(self, name: str, *, given: bool, any_end: bool) -> list[tuple[Path, str]]:
        """Return (path, how it was found) of the files that the longest end of a name leads to."""
        parts = path_parts(name)
        for i in range(len(parts) if any_end else min(1, len(parts))):
            if i and not given and len(parts) - i < 2 and parts[i - 1] != self._base.resolve().name:
                break
            if (i or _ADDRESS.match(name)) and (file := self._listing.find("/".join(parts[i:]))):
                return [(file, _END)]
            if os.path.isabs(name) and not i:
                continue
            if found := self._folded(os.fspath(self._base), parts[i:]):
                return [(path, _END if i else _CASE) for path in found]
        return []

    def _folded(self, folder: str, parts: Sequence[str]) -> list[Path]:
        folders, files = self._list(folder)
        key = _key(parts[:1])
        if len(parts) == 1:
            return [Path(folder, name) for name in files.get(key, [])]
        below = folders.get(key, [])
        below = [parts[0]] if parts[0] in below else below
        return [path for name in below for path in self._folded(os.path.join(folder, name), parts[1:])]

    def _list(self, folder: str) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        if folder not in self._entries:
            folders, files = defaultdict(list), defaultdict(list)
            try:
                with os.scandir(folder) as entries:
                    for entry in sorted(entries, key=lambda entry: entry.name):
                        if entry.is_dir():
                            folders[_key([entry.name])].append(entry.name)
                        else:
                            for key in _keys(entry.name):
                                files[key].append(entry.name)
            except OSError:
                pass
            self._entries[folder] = folders, files
        return self._entries[folder]


def _key(last: Sequence[str]) -> str:
    """Return a name as names are compared: composed as Unicode has it, without case."""
    return unicodedata.normalize("NFC", last[0]).casefold() if last else ""


def _keys(name: str) -> Iterator[str]:
    """Yield the keys that a file is found by: its name, and of an image its name without extension."""
    yield _key([name])
    if is_image_name(name):
        yield _key([os.path.splitext(name)[0]])


def _index(top: Path) -> dict[str, list[Path]]:
    """Return {key: files} of everything below a folder, hidden folders aside."""
    index: dict[str, list[Path]] = defaultdict(list)
    for i, (folder, below, names) in enumerate(os.walk(top)):
        below[:] = sorted(name for name in below if not name.startswith("."))
        if i >= MOST_FOLDERS:
            break
        for name in sorted(names):
            for key in _keys(name):
                index[key].append(Path(folder, name))
    return index


def _settled(files: dict[str, Path], loose: dict[str, list[tuple[Path, str]]], top: Path) -> Found:
    """Return what was found for certain: one file for a name, and one name for a file."""
    exact = {os.path.realpath(file) for file in files.values()}
    named: dict[Path, list[str]] = defaultdict(list)
    for name, ways in loose.items():
        for path, _ in ways:
            named[path].append(name)
    doubts, counts, below, first = {}, defaultdict(int), set(), {}
    for name, ways in loose.items():
        if not ways:
            continue
        path, how = ways[0]
        if len(ways) > 1:
            doubts[name] = f"several files fit: {' or '.join(_below(one, top) for one, _ in ways[:3])}"
        elif os.path.realpath(path) in exact:
            doubts[name] = f"the only file that fits is another row's: {_below(path, top)}"
        elif len(named[path]) > 1:
            doubts[name] = f"several rows fit one file: {' and '.join(named[path][:3])} lead to {_below(path, top)}"
        else:
            files[name] = path
            counts[how] += 1
            first.setdefault(how, f"{name} as {_below(path, top)}")
            below |= {_below(path.parent, top)} if how == _BELOW else set()
    notes = [f"{count:,} found {how}, {first[how]}" for how, count in counts.items() if how != _BELOW]
    if below:
        listed = sorted(below)
        notes.append(f"{counts[_BELOW]:,} found {_BELOW}, {', '.join(listed[:5])}{'…' if len(listed) > 5 else ''}")
    return Found(files, doubts, tuple(notes))


def _below(path: Path, top: Path) -> str:
    return os.path.relpath(path, top)
