"""What an attack is: what makes its files, the command that meets them, and how that must end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.data import forms

# The quickest training that reads every image.
TRAIN = ("train", "--net", "majority", "--out", "run")
CHECK = ("check", "--out", "found")


@dataclass(frozen=True)
class Attack:
    """One attack.

    Arguments:
        name: `kind/what`.
        make: makes its files in the folder in which the command runs, and returns the command's arguments.
        code: the exit code that it must have.
        says: what it must print, in any case, on one of its streams or in its ledger.
    """

    name: str
    make: Callable[[Path], tuple[str, ...]]
    code: int
    says: str


ATTACKS: dict[str, Attack] = {}


def attack(name: str, code: int = 1, says: str = "") -> Callable:
    """Make an attack of the function that makes its files."""

    def made(make: Callable[[Path], tuple[str, ...]]) -> Callable[[Path], tuple[str, ...]]:
        assert name not in ATTACKS
        ATTACKS[name] = Attack(name, make, code, says)
        return make

    return made


def among_images(folder: Path, name: str, content: bytes) -> tuple[str, ...]:
    """Write a picture among others that are sound; they must be trained on without it."""
    forms.write_files(folder / "pictures", {**forms.class_folders(n=8), f"cat/{name}": content})
    return (TRAIN[0], "pictures", *TRAIN[1:])


def source(folder: Path, name: str, content: bytes | None = None) -> tuple[str, ...]:
    """Return the command that trains on a source, after writing it where content is given."""
    if content is not None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return (TRAIN[0], name, *TRAIN[1:])
