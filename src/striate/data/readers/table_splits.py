"""A table's column of splits: told by its name and its cells; what only looks like one is said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from striate.data.readers.split_names import split_of, splits_among
from striate.errors import some
from striate.units import say_count

_NAMES = frozenset({
    "split", "splits", "set", "subset", "partition", "fold", "usage", "phase", "dataset", "data_set", "data_split",
    "dataset_split", "split_name", "set_name", "set_type", "dataset_type", "data_type", "datatype", "train_test",
    "train_val_test", "traintest", "train_or_test", "partition_name", "subset_name", "folds", "kfold", "k_fold",
    "fold_id", "cv_fold",
})  # fmt: skip
_FLAG = re.compile(
    r"(?:is|in|for|use_for|used_for)_?(train|valid|val|dev|test|hold_?out|eval)(?:ing|ation|id|uation)?"
    r"(?:_(?:img|image|set|data|split|flag))?"
)
_YES, _NO = frozenset({"1", "true", "yes", "t", "y", "1.0"}), frozenset({"0", "false", "no", "f", "n", "0.0"})
_MOST_FOLDS, _LOOKED_AT = 20, 100


@dataclass(frozen=True)
class SplitColumn:
    """Which column says the split, what its cells mean, and what to tell.

    Arguments:
        place: of the column; None where there is none.
        meanings: {cell: split}; a cell that is not in it, and not empty, is of no split.
        notes: what a user must be told.
    """

    place: int | None = None
    meanings: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def of(self, cell: str) -> str | None:
        """Return the split of a cell, "" for an empty one; None where the row belongs to no split."""
        return self.meanings.get(cell, None if cell and self.place is not None else "")


def find_split_column(
    columns: Sequence[str], rows: Sequence[tuple[int, list[str]]], taken: Collection[int | None]
) -> SplitColumn:
    """Return the column of splits of a table.

    A column that is called so (split, set, Usage…) is honoured where its cells mean train and another split, or all
    of them mean splits; rows with other words in it are in no split. Columns that are called otherwise are only told.

    Arguments:
        columns: the columns' names.
        rows: (line, cells) of each row.
        taken: the places of the columns of images and labels.
    """
    notes: list[str] = []
    chosen: SplitColumn | None = None
    for place, column in enumerate(columns):
        if place in taken:
            continue
        name = re.sub(r"[\s_-]+", "_", column.casefold()).strip("_")
        named = name in _NAMES or bool(_FLAG.fullmatch(name))
        cells = _cells(rows, place, named or bool(split_of(name)))
        meanings = _flag(name, cells) or splits_among(cells)
        whole = bool(meanings) and meanings.keys() >= cells.keys()
        several = "train" in meanings.values() and len(set(meanings.values())) > 1
        if named and chosen is None and (whole or several):
            chosen = SplitColumn(place, meanings)
            notes += _honoured(column, cells, meanings)
        elif whole and several:
            notes.append(
                _ignored(column, cells, "it is not called so" if not named else "another column is taken for it")
            )
        elif not named and split_of(name) and len(cells) > 1 and {*map(str.casefold, cells)} <= _YES | _NO:
            notes.append(_ignored(column, cells, "it may be of another kind"))  # a train, or a test of blood
        elif named and 1 < len(cells) <= _MOST_FOLDS:
            notes.append(_ignored(column, cells, "its cells do not say train, valid or test"))
    return SplitColumn(chosen.place, chosen.meanings, tuple(notes)) if chosen else SplitColumn(notes=tuple(notes))


def splits_in_paths(names: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return {name: split} where the path of every file lies in a folder of a split, train among them, and what to say.

    >>> splits_in_paths(["train/a.png", "test/b.png"])[0], splits_in_paths(["train/a.png", "more/b.png"])
    ({'train/a.png': 'train', 'test/b.png': 'test'}, ({}, ()))
    """
    meant: dict[str, str] = {}
    found: dict[str, str] = {}
    for name in names:
        folders = re.split(r"[\\/]", name)[:-1]
        folder = next(
            (one for one in folders if (meant[one] if one in meant else meant.setdefault(one, split_of(one)))), ""
        )
        if not folder:
            return {}, ()
        found[name] = folder
    used = {folder: meant[folder] for folder in found.values()}
    if "train" not in used.values() or len(set(used.values())) < 2:
        return {}, ()
    listed = some([f"{folder} as {split}" for folder, split in used.items()])
    return {name: meant[folder] for name, folder in found.items()}, (
        f"folders in the paths split the images: {listed}",
    )


def _cells(rows: Sequence[tuple[int, list[str]]], place: int, named: bool) -> Counter[str]:
    """Return how often each cell stands in a column, empty ones aside; none where its first rows say no split."""
    if not named and not splits_among(cells[place] for _, cells in rows[:_LOOKED_AT] if place < len(cells)):
        return Counter()
    return Counter(cells[place] for _, cells in rows if place < len(cells) and cells[place])


def _flag(name: str, cells: Mapping[str, int]) -> dict[str, str]:
    """Return {cell: split} of a column such as is_train or is_valid whose cells are yes and no, else {}."""
    match = _FLAG.fullmatch(name)
    folded = {cell: cell.casefold() for cell in cells}
    if not match or not cells or not set(folded.values()) <= _YES | _NO:
        return {}
    kind = split_of(match[1].replace("_", ""))
    return {cell: kind if word in _YES else "test" if kind == "train" else "train" for cell, word in folded.items()}


def _honoured(column: str, cells: Mapping[str, int], meanings: Mapping[str, str]) -> list[str]:
    """Say how the cells were taken, unless they say it themselves, and which rows are in no split."""
    notes = []
    if odd := {cell: split for cell, split in meanings.items() if cell.strip().casefold() != split}:
        notes.append(
            f"column {column} splits the images: {some([f'{cell} as {split}' for cell, split in odd.items()])}"
        )
    if lost := {cell: count for cell, count in cells.items() if cell not in meanings}:
        listed = some([f"{cell} ({count:,})" for cell, count in lost.items()])
        are = say_count(sum(lost.values()), "row is", "rows are")
        notes.append(f"{are} in no split, since column {column} says {listed}: set aside")
    return notes


def _ignored(column: str, cells: Mapping[str, int], why: str) -> str:
    listed = some([f"{cell} ({count:,})" for cell, count in cells.items()])
    return (
        f"column {column} looks like a split ({listed}) and is not taken as one: {why}. To have it honoured, call it "
        "split and its cells train, valid or test"
    )
