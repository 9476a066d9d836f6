"""A tree of folders that hold images, and what each of them is taken for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from striate.data.readers.split_names import split_of


@dataclass
class Branch:
    """A folder that holds images: how many directly, and the folders below it that hold some."""

    direct: int = 0
    below: dict[str, Branch] = field(default_factory=dict)

    def inside(self) -> int:
        """Return how many images the folder and those below it hold."""
        return self.direct + sum(node.inside() for node in self.below.values())


@dataclass(frozen=True)
class Role:
    """What the images of one folder are: their split ("" for none), their class (None for none), or why set aside."""

    split: str = ""
    label: str | None = None
    why: str = ""


@dataclass
class Arrangement:
    """The role of each folder that holds images directly, what to tell about it, and what speaks against training.

    Arguments:
        roles: {folder relative to the source, "" for itself: its role}.
        notes: what a user must be told.
        doubts: why this is hardly what was meant, with what to give instead; the first one is enough.
    """

    roles: dict[str, Role] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def unwrapped(prefix: str, node: Branch) -> tuple[str, Branch]:
    """Go down through folders that only wrap one other, such as an archive's own top folder; return where that ends."""
    while not node.direct and len(node.below) == 1:
        ((name, child),) = node.below.items()
        if child.direct or not child.below or split_of(name):
            break
        prefix, node = f"{prefix}{name}/", child
    return prefix, node


def shared_names(sets: Iterable[Iterable[str]], total: int) -> list[str]:
    """Return the names, sorted, that more than half of `total` sets, and at least two, hold."""
    counts = Counter(name for names in sets for name in set(names))
    return sorted(name for name, count in counts.items() if count > 1 and 2 * count > total)
