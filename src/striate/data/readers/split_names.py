"""Names that mean train, valid or test: of folders, of array keys and of a table's cells, as people spell them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

_WORDS = {
    "train": ("training", "train", "trn", "learning"),
    "valid": (
        "validation", "validating", "validate", "valid", "val", "development", "devel", "dev", "evaluation", "eval",
    ),
    "test": ("testing", "test", "tst", "holdout", "hold-out", "heldout", "held-out"),
}  # fmt: skip
_KINDS = {word.replace("-", ""): kind for kind, words in _WORDS.items() for word in words}
# What may stand around the word without another meaning: train_images, my-test-set, TRAIN 2, val2017.
_BESIDE = (
    "(?:the|my|our|new|final|all|full|raw|original|resized|cropped|small|mini|data ?sets?|data|sets?|splits?"
    "|subsets?|parts?|folders?|dir|folds?|images?|imgs?|pictures?|pics?|photos?|files?|samples?|examples?|cases?"
    "|jpe?gs?|pngs?|\\d++(?:x\\d++)?(?:px)?)"
)
# Possessive repeats: a name of a hundred digits is answered at once.
_NAMED = re.compile(f"(?:{_BESIDE} ?)*+({'|'.join(sorted(_KINDS, key=len, reverse=True))})(?: ?{_BESIDE})*+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def _spaced(name: str) -> str:
    """Return a name with one blank between its words: "TrainSet" is "Train Set"; "hold-out" is one word."""
    words = re.sub(r"[\W_]+", " ", _HUMP.sub(" ", name.strip())).strip()
    return re.sub(r"\b(hold|held) (out)\b", r"\1\2", words, flags=re.I)


def _plain(name: str) -> str:
    return _spaced(name).casefold()


def split_of(word: str) -> str:
    """Return "train", "valid" or "test" for a name people give to that split, else "".

    >>> split_of("Validation"), split_of("train_images"), split_of("dev"), split_of("dogs"), split_of("train station")
    ('valid', 'train', 'valid', '', '')
    """
    match = _NAMED.fullmatch(_plain(word))
    return _KINDS[match[1]] if match else ""


def splits_among(names: Iterable[str]) -> dict[str, str]:
    """Return {name: split} of those among names that stand together and mean splits.

    Names with another word in them (`seg_train`, `seg_test`) are splits where several have the same other words and one
    of them is train. A public test set is a validation set where there is a private one.

    >>> splits_among(["seg_train", "seg_test", "seg_pred"])
    {'seg_train': 'train', 'seg_test': 'test'}
    >>> splits_among(["train_station", "test_tube"]), splits_among(["Training", "PublicTest", "PrivateTest"])
    ({}, {'Training': 'train', 'PublicTest': 'valid', 'PrivateTest': 'test'})
    """
    names = list(dict.fromkeys(names))
    found = {name: split for name in names if (split := split_of(name))}
    families = {
        rest: family
        for rest, family in _families(name for name in names if name not in found).items()
        if "train" in family.values() and len(set(family.values())) > 1
    }
    if len(families) == 1:
        found |= next(iter(families.values()))
    found |= _contest(names)
    return {name: found[name] for name in names if name in found}


def classes_with_splits(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return {name: (class, split)} where every name is made of a class and a split, for two classes or more; else {}.

    >>> classes_with_splits(["cats_train", "cats_test", "dogs_train", "dogs_test"])["dogs_test"]
    ('dogs', 'test')
    """
    names = list(names)
    families = _families(names)
    whole = sum(map(len, families.values())) == len(names) and len(families) > 1
    if not whole or not all(
        "train" in family.values() and len(set(family.values())) > 1 for family in families.values()
    ):
        return {}
    return {name: (rest, split) for rest, family in families.items() for name, split in family.items()}


def _families(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return {the other words: {name: split}} of the names of several words, exactly one of them a split's."""
    families: dict[str, dict[str, str]] = defaultdict(dict)
    spelt: dict[str, str] = {}
    for name in names:
        words = _spaced(name).split(" ")
        places = [i for i, word in enumerate(words) if word.casefold() in _KINDS]
        if len(places) == 1 and len(words) > 1:
            rest = " ".join(words[: places[0]] + words[places[0] + 1 :])
            rest = spelt.setdefault(rest.casefold(), rest)
            families[rest][name] = _KINDS[words[places[0]].casefold()]
    return families


def _contest(names: Iterable[str]) -> dict[str, str]:
    """Return the splits of a contest's words, PublicTest and PrivateTest; without "test" only beside train."""
    taught = any(split_of(name) == "train" for name in names)
    found: dict[str, str] = {}
    for name in names:
        word = _plain(name).replace(" ", "")
        if word in ("publictest", "privatetest") or (taught and word in ("public", "private")):
            found[name] = "valid" if word.startswith("public") else "test"
    if not taught or "test" not in found.values():
        found = dict.fromkeys(found, "test")
    return found


def called_as_splits(labels: Iterable[str | None]) -> list[str]:
    """Return the names of classes, sorted, if all of them mean splits, and several; else none.

    >>> called_as_splits(["train", "test", None]), called_as_splits(["train", "car"]), called_as_splits(["test"])
    (['test', 'train'], [], [])
    """
    names = sorted({label for label in labels if label is not None})
    kinds = {split_of(name) for name in names}
    return names if "" not in kinds and len(kinds) > 1 else []
