"""Images that a training does without, as a table of findings says: `--without findings.csv`.

Only what trains is left out. Images that choose and judge stay, whatever the table says of them: a figure that was made
better by leaving out what a model finds hard says nothing. Those that choose are barred from teaching too, should the
best of a ladder be fitted to them in the end. Names are no proof that a table is of these images, `0001.png` is in many
sets: what it says of their labels, splits and pixels must be so here.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from striate.data.catalog import Catalog
from striate.data.imageset import ImageSet
from striate.data.splitting import Splits, label_conflicts, shared_notes
from striate.errors import DataError, SourceNotFoundError, some
from striate.system.cells import from_cell

# What is left out: a table, or names, or {name: why}.
WithoutLike = str | Path | Sequence[str] | Mapping[str, str]
_YES, _NO = ("yes", "y", "true", "1", "x"), ("no", "n", "false", "0")
_NAMED = 5
# What a table may say of an image beside its name, as findings.csv does.
_KNOWN = ("pixels", "label", "split")


class Listed(dict[str, str]):
    """{name: why} of a table, and what else stands there.

    Arguments:
        known: {name: {column: cell}} of all its images, left out or not, with the cells of `_KNOWN` that are not empty.
        kept: the images that stay by a no, though another line of theirs says yes.
    """

    def __init__(self, listed: Mapping[str, str], known: Mapping[str, Mapping[str, str]], kept: frozenset[str]):
        super().__init__(listed)
        self.known, self.kept = known, kept


def read_without(without: WithoutLike | None) -> dict[str, str]:
    """Return {name: why} of the images to leave out, of a table as `Listed`.

    Arguments:
        without: a table (CSV, with commas, semicolons or tabs) with a column `image`, of which `leave_out` says yes or
            no of each line, or nothing (all yes where there is no such column), and `kind` says why; an image with a
            no in any line stays; or names; or {name: why}.

    Raises:
        SourceNotFoundError: there is no such file.
        DataError: it is no such table; it says neither yes nor no of a line.
    """
    if without is None:
        return {}
    if isinstance(without, Listed):
        return without
    if isinstance(without, Mapping):
        return {str(name): str(why) for name, why in without.items()}
    if isinstance(without, str | Path):
        return _from_table(Path(without))
    return {str(name): "named" for name in without}


def _from_table(path: Path) -> Listed:
    try:
        text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    except FileNotFoundError:
        raise SourceNotFoundError(f"{path}: no such file. --without takes the findings.csv of a check") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = [str(name).strip().casefold() for name in rows.fieldnames or ()]
    rows.fieldnames = columns
    if "image" not in columns:
        raise DataError(f"{path} must have a column called image; it has {some(columns) or 'none'}. {_FORM}")
    found, stay, known = dict[str, str](), set[str](), dict[str, dict[str, str]]()
    try:
        for row in rows:
            name = from_cell((row["image"] or "").strip("\r\n"))
            if not name:
                continue
            said = _said(row.get("leave_out", _YES[0]), path, rows.line_num)
            if said in _YES:
                found.setdefault(name, row.get("kind") or "named")  # the first line is of the gravest finding
            elif said:
                stay.add(name)
            cells = {column: from_cell(row.get(column) or "") for column in _KNOWN}
            known.setdefault(name, {}).update({column: cell for column, cell in cells.items() if cell})
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}, cannot be read as a table: {error}. {_FORM}") from None
    kept = frozenset(stay & found.keys())
    return Listed({name: why for name, why in found.items() if name not in kept}, known, kept)


_FORM = "Give the findings.csv of a check, or a table of names with this heading"


def _said(cell: str | None, path: Path, line: int) -> str:
    """Return one of `_YES` or `_NO`, or "" of an empty cell."""
    said = (cell or "").strip().casefold()
    if said not in (*_YES, *_NO, ""):
        raise DataError(f"{path}, line {line}: leave_out must be yes or no; got {cell!r}")
    return said


def fingerprints(catalog: Catalog, images: ImageSet | None) -> dict[str, dict[str, str]]:
    """Return {name: {column: cell}}: by what a table knows its images again, without what is not known of them.

    Pixels are told by the digest that equal images share; where a window decides what they are, by none.
    """
    of = zip(catalog.names, catalog.labels.tolist(), catalog.splits.tolist(), strict=True)
    found = {str(name): {"label": catalog.classes[i] if i >= 0 else "", "split": split} for name, i, split in of}
    if images is not None and images.window is None:
        for name, digest in zip(images.names, images.hashes.tolist(), strict=True):
            found[str(name)]["pixels"] = f"x{digest:016x}"
    return {name: {column: cell for column, cell in own.items() if cell} for name, own in found.items()}


def _check_known(listed: Listed, catalog: Catalog, images: ImageSet) -> None:
    """Raise a DataError where a table says of images what is not so of those of the source that are called so."""
    ours = fingerprints(catalog, images)
    both = [name for name in listed.known if name in ours]
    differ = [name for name in both if _difference(listed.known[name], ours[name])]
    if not differ:
        return
    first = differ[0]
    raise DataError(
        f"the table to leave out images by does not fit {catalog.source}: {len(differ):,} of {len(both):,} images of "
        f"the same name are others, or were changed since: {first} {_difference(listed.known[first], ours[first])}. "
        "Check this source again and give that table; to go by names alone take the columns "
        f"{some(_KNOWN)} out of this one"
    )


def _difference(told: Mapping[str, str], own: Mapping[str, str]) -> str:
    """Return how an image differs from what a table says of it; "" where it does not, or nothing is known."""
    for column in _KNOWN:
        theirs, ours = told.get(column, ""), own.get(column, "")
        if theirs and ours and not _same(theirs, ours):
            if column == "pixels":
                return "has other pixels"
            return f"has {column} {theirs!r} in the table and {ours!r} here"
    return ""


def _same(one: str, other: str) -> bool:
    """Return whether two cells are the same, however a spreadsheet wrote them: 007 as 7, true as TRUE.

    >>> _same("007", "7"), _same("true", "TRUE"), _same("7a", "7")
    (True, True, False)
    """
    if one.strip().casefold() == other.strip().casefold():
        return True
    try:
        return float(one) == float(other)
    except ValueError:
        return False


def leave_out(
    splits: Splits[ImageSet], without: Mapping[str, str], catalog: Catalog, images: ImageSet
) -> Splits[ImageSet]:
    """Return the splits without some training images; their notes begin with what must be said about it.

    Arguments:
        without: {name: why}; names as the catalog has them.
        images: all that can be read of the catalog.

    Raises:
        DataError: names that the source does not have; a table whose labels, splits or pixels are of other images.
    """
    stay = without.kept if isinstance(without, Listed) else frozenset[str]()
    if isinstance(without, Listed):
        _check_known(without, catalog, images)
    if not without and not stay:
        return splits
    known = {*map(str, catalog.names), *(entry.name for entry in images.ledger)}
    if strange := [name for name in without if name not in known]:
        have = f"its images are called like {some(map(str, catalog.names), 1).split(' and ')[0]}"
        raise DataError(
            f"{len(strange):,} of the {len(without):,} images to leave out are not in {catalog.source}: "
            f"{some(strange, _NAMED)}; {have}. Give the table of a check of this source"
        )
    listed = {part: _listed(getattr(splits, part), without) for part in ("train", "valid", "test")}
    gone = np.isin(np.arange(len(splits.train)), listed["train"])
    train = splits.train.subset(np.flatnonzero(~gone))
    kinds = Counter(without[str(splits.train.names[i])] for i in listed["train"])
    notes = [f"left out of training, as the table says: {int(gone.sum()):,}{_counted(kinds)}"]
    kept = {"validation": len(listed["valid"]), "test": len(listed["test"])}
    if any(kept.values()):
        named = " and ".join(f"{count:,} {what}" for what, count in kept.items() if count)
        notes.append(f"listed there too, and kept: {named}. What judges is not chosen by what is hard")
    if stay:
        notes.append(f"kept, as one line of theirs says no and another yes: {some(sorted(stay), _NAMED)}")
    barred = splits.valid.rows[listed["valid"]]
    # Images that judge are new to a model that has not learned from their twins.
    hashes = np.setdiff1d(splits.train.hashes[gone], np.concatenate([train.hashes, splits.test.hashes]))
    after = replace(splits, train=train, left_out=hashes, barred=barred)
    before, now = _of_twins(splits), _of_twins(after)
    told = [note for note in splits.notes if note not in before]
    return replace(after, notes=(*notes, *told, *now))


def _of_twins(splits: Splits[ImageSet]) -> tuple[str, ...]:
    """Return what the notes of splits say of identical images."""
    parts = splits.train, splits.valid, splits.test
    order = np.argsort(np.concatenate([part.rows for part in parts]))
    hashes, labels, names = (
        np.concatenate([getattr(part, name) for part in parts])[order] for name in ("hashes", "labels", "names")
    )
    conflicts = label_conflicts(hashes, labels, np.arange(len(order)), splits.train.classes, names.tolist())
    return (*conflicts, *shared_notes(*(part.hashes for part in parts)))


def _listed(part: ImageSet, without: Iterable[str]) -> list[int]:
    names = set(without)
    return [i for i, name in enumerate(part.names) if str(name) in names]


def _counted(kinds: Counter[str]) -> str:
    return f": {some([f'{kind} ({count:,})' for kind, count in kinds.most_common()], 6)}" if kinds else ""
