"""Labels, in one place for every reader: what is none, what a class is called, their order, and what looks wrong.

A label becomes the name of a class as it is written, but for numbers: a whole number has one name however it is
written (1, 1.0, 1.000e+00), and a decimal number too.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from decimal import Decimal

import numpy as np

from striate.errors import some

# An exponent needs a sign or a decimal point: 1e3 may be an identifier.
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]+\.?|[0-9]+\.[0-9]+|\.[0-9]+)|[+-]?(?:[0-9]+\.[0-9]*[eE][+-]?|[0-9]+[eE][+-])[0-9]{1,3}"
)
_MEASURED = re.compile(r"([+-]?[0-9]+(?:[.,][0-9]+)?)\s*([a-zA-Z%°µμ]{0,4})")
# How programs write a value that is missing; in a table also what spreadsheets and R write.
_NOTHING = frozenset({"", "nan", "-nan", "<na>", "nat"})
_NOTHING_IN_TABLES = _NOTHING | {"na", "n/a", "#n/a", "null"}
# Words between labels that stand together; "|" and ";" part labels and nothing else.
_SURELY = re.compile(r"\s*[|;]\s*")
_PERHAPS = (re.compile(r"\s*,\s*"), re.compile(r"\s*[+&]\s*"), re.compile(r"\s*/\s*"), re.compile(r"\s+"))
# A list as programs write one: ['cat', 'dog'], ["cat"], {cat,dog}.
_LISTED = re.compile(r"\s*(?:\[.*\]|\{.*\}|\(.*,.*\))\s*", re.DOTALL)
_NEGATIONS = frozenset({"no", "not", "non", "without", "No", "Not", "Non", "Without", "NO", "NOT", "NON"})
# Cyrillic and Greek letters that look like Latin ones; taken for these only within names that have Latin ones too.
_ALIKE = str.maketrans("асеорхуіјѕԁһкмтвнαορκν", "aceopxyijsdhkmtbhaopkv")
_LATIN = frozenset("abcdefghijklmnopqrstuvwxyz")
_JOINED = re.compile(r"[\s_,+&/-]+")
_SHOWN = 3
# More numbers than this, with a fraction or nearly one an image, are hardly classes.
_MANY_NUMBERS = 10


def is_missing(text: str, *, in_table: bool = False) -> bool:
    """Whether a text stands for no label: empty, or how programs write a missing value.

    >>> is_missing("NaN"), is_missing("none"), is_missing("N/A", in_table=True)
    (True, False, True)
    """
    return text.strip().casefold() in (_NOTHING_IN_TABLES if in_table else _NOTHING)


def class_name(label: Hashable) -> str | None:
    """Return the class name of a label of any type; None for a missing one (None, not-a-number, nothing).

    >>> class_name(3.0), class_name("cat"), class_name(float("nan")), class_name("nan")
    ('3', 'cat', None, None)
    """
    if label is None or label != label:
        return None
    if isinstance(label, bytes):
        label = label.decode("utf-8", "replace")
    if isinstance(label, float | np.floating) and float(label).is_integer():
        return str(int(label))
    name = str(label)
    return None if is_missing(name) else name


def number_of(name: str) -> Decimal | None:
    """Return the number that a class name is, or None.

    >>> number_of("007") == number_of("7.0"), number_of("1e3"), number_of("7 mm")
    (True, None, None)
    """
    return Decimal(name) if _NUMBER.fullmatch(name) else None


def class_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct names sorted: by number if all are numbers, else by character.

    >>> class_order(["10", "9", "9"]), class_order(["b10", "b9"]), class_order(["0.5", "-1", "10"])
    (('9', '10'), ('b10', 'b9'), ('-1', '0.5', '10'))
    """
    distinct = set(names)
    numbers = {name: number for name in distinct if (number := number_of(name)) is not None}
    if len(numbers) == len(distinct):
        return tuple(sorted(distinct, key=lambda name: (numbers[name], name)))
    return tuple(sorted(distinct))


def spellings(names: Iterable[str]) -> dict[str, str]:
    """Return {name: class} of the distinct names that are called otherwise: numbers that are written in several ways.

    A whole number has no decimal point; zeros in front stay, unless it is also written without.

    >>> spellings(["1.0", "2.0", "cat", "007"]), spellings(["1", "01", "0.50", "0.5"])
    ({'1.0': '1', '2.0': '2'}, {'0.50': '0.5', '01': '1'})
    """
    written: dict[Decimal, dict[str, str]] = defaultdict(dict)
    for name in sorted(set(names)):
        if (number := number_of(name)) is not None:
            written[number][name] = _shortened(name, number)
    found: dict[str, str] = {}
    for ways in written.values():
        chosen = min(ways.values(), key=lambda way: (len(way), way))
        found |= {name: chosen for name in ways if name != chosen}
    return dict(sorted(found.items()))


def _shortened(name: str, number: Decimal) -> str:
    if number != number.to_integral_value():
        return name
    if not number:
        return name if name.isdecimal() else "0"
    if "e" in name.casefold():
        return f"{number:.0f}"
    return name.removeprefix("+").partition(".")[0]


def encode(names: Sequence[str | None], classes: Sequence[str] | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return (labels int64 (n,), classes): each name's place in `classes`, −1 where it is None.

    Arguments:
        names: (n,) class names, None where there is no label.
        classes: the classes in order; by default the names themselves in `class_order`, numbers by `spellings`.
    """
    distinct = dict.fromkeys(name for name in names if name is not None)
    called = {} if classes is not None else spellings(distinct)
    order = class_order(called.get(name, name) for name in distinct) if classes is None else tuple(classes)
    place: dict[str | None, int] = {name: i for i, name in enumerate(order)}
    place |= {name: place[chosen] for name, chosen in called.items()}
    place[None] = -1
    return np.fromiter((place[name] for name in names), np.int64, len(names)), order


def naming_notes(names: Iterable[str | None]) -> tuple[str, ...]:
    """Say which labels are called otherwise than they are written, for the names that were given to `encode`."""
    called = spellings({name for name in names if name is not None})
    if not called:
        return ()
    distinct = {name for name in names if name is not None}
    ways: dict[str, list[str]] = defaultdict(list)
    for name, chosen in called.items():
        ways[chosen].append(name)
    shared = {chosen: written for chosen, written in ways.items() if len(written) > 1 or chosen in distinct}
    if shared:
        chosen, written = next(iter(shared.items()))
        listed = " and ".join(dict.fromkeys([*([chosen] if chosen in distinct else []), *written]))
        more = f", and {len(shared) - 1:,} more such" if len(shared) > 1 else ""
        return (f"labels {listed} are one number and are taken as one class, {chosen}{more}",)
    listed = some([f"{name} as {chosen}" for name, chosen in called.items()], _SHOWN)
    return (f"labels that are whole numbers are taken as classes without a decimal point: {listed}",)


def same_but_for_spelling(names: Iterable[str]) -> list[tuple[tuple[str, ...], str]]:
    """Return the names that only spelling tells apart, and in what: case, blanks, or Unicode form.

    >>> same_but_for_spelling(["Cat", "cat", "T-shirt", "t shirt", "A", "A-"])
    [(('Cat', 'cat'), 'case'), (('T-shirt', 't shirt'), 'case and blanks, hyphens or underscores')]
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(set(names)):
        groups[levelled(name)].append(name)
    return [(tuple(group), _difference(group)) for group in groups.values() if len(group) > 1]


def levelled(name: str) -> str:
    """Return what is left of a name without case, blanks and Unicode form; a number is its value.

    >>> levelled("T-Shirt ") == levelled("t_shirt"), levelled("007") == levelled("7.0"), levelled("A-") == levelled("A")
    (True, True, False)
    """
    if (number := number_of(name.strip())) is not None:
        return f"{number.normalize():f}"
    return _closed(_seen(unicodedata.normalize("NFKC", name).casefold()))


def _seen(name: str) -> str:
    """Return a name as the eye takes it: without characters of no width, letters that look like Latin ones as these."""
    visible = "".join(c for c in name if unicodedata.category(c) != "Cf")
    return visible.translate(_ALIKE) if any(c in _LATIN for c in visible) else visible


def _closed(name: str) -> str:
    """Return a name without blanks, and without hyphens and underscores that stand beside a letter within it."""
    name = re.sub(r"(?<=[^\W\d_])[-_\s]+(?=\w)|(?<=\d)[-_\s]+(?=[^\W\d_])", "", name.strip())
    return re.sub(r"\s+", " ", name)


def _difference(group: Sequence[str]) -> str:
    """Say in what the names of a group differ: each way of levelling that makes two of them equal has a part in it."""
    steps = {
        "Unicode form": lambda name: unicodedata.normalize("NFKC", name),
        "case": str.casefold,
        "characters that cannot be seen or look alike": _seen,
        "blanks, hyphens or underscores": _closed,
    }
    parts, names = [], set(group)
    for what in steps:
        without = set(names)
        for step in (step for other, step in steps.items() if other != what):
            without = {step(name) for name in without}
        if len(without) > 1:
            parts.append(what)
    return " and ".join(parts) or "blanks"


def judge_labels(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Say what looks wrong with the labels of a source, with examples and what they are taken for.

    Arguments:
        counts: {class: images}.
    """
    present = {name: count for name, count in counts.items() if count}
    return (*_spelling(present), *_several(present), *_measurements(present), *_placeholders(present))


def _spelling(counts: Mapping[str, int]) -> tuple[str, ...]:
    twins = same_but_for_spelling(counts)
    if not twins:
        return ()
    differ = ", ".join(f"{' and '.join(map(repr_of, names))} differ only in {what}" for names, what in twins[:_SHOWN])
    more = f" and {len(twins) - _SHOWN:,} more" if len(twins) > _SHOWN else ""
    return (f"{differ}{more}: each is taken as a class of its own. If they are one, give them one name",)


def repr_of(name: str) -> str:
    """Return a name as it is, in quotes with its escapes where the eye would not see what it is made of."""
    plain = name == name.strip() and "  " not in name and name == unicodedata.normalize("NFC", name)
    plain = plain and _seen(name.casefold()) == name.casefold()
    return name if plain and name.isprintable() else ascii(name)


def _several(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Say whether labels are sets of labels: lists, parted by | or ;, or made of words that are combined anew."""
    listed = [name for name in counts if _LISTED.fullmatch(name)]
    if listed and len(listed) > 0.5 * len(counts):
        return (_several_note(sorted(listed, key=len, reverse=True), len(counts)),)
    for part in (_SURELY, *_PERHAPS):
        sets = {name: frozenset(filter(None, part.split(name.strip()))) for name in counts}
        several = [name for name in counts if len(sets[name]) > 1 and number_of(name.replace(",", ".")) is None]
        if several and (part is _SURELY or _combined(several, sets)):
            return (_several_note(several, len(counts)),)
    joined = [
        name for name in counts if len(words := [w for w in _JOINED.split(name) if w]) > 1 and counts.keys() >= {*words}
    ]
    return (_several_note(joined, len(counts)),) if joined else ()


def _combined(several: Sequence[str], sets: Mapping[str, frozenset[str]]) -> bool:
    """Whether enough labels hold another label whole, or are made only of words that other labels are made of."""
    uses = Counter(word for words in sets.values() for word in words)
    again = [name for name in several if all(uses[word] > 1 for word in sets[name])]
    if len(again) > 2 and len(again) > 0.7 * len(several) and len(several) > 0.5 * len(sets):
        return True
    holders: dict[str, list[frozenset[str]]] = defaultdict(list)
    for words in sets.values():
        for word in words:
            holders[word].append(words)
    tied: set[frozenset[str]] = set()
    for words in sets.values():
        rarest = min(words, key=lambda word: uses[word], default="")
        if wider := [other for other in holders[rarest] if words < other and _adds_a_label(words, other, uses)]:
            tied.update([words, *wider])
    return len(tied) > 1 and len(tied) >= 0.3 * len(sets)


def _adds_a_label(words: frozenset[str], wider: frozenset[str], uses: Mapping[str, int]) -> bool:
    """Whether what `wider` has more is another label, and not an adjective or a no: "no mask" is one label."""
    more = wider - words
    return not more & _NEGATIONS and (len(words) > 1 or all(uses[word] > 1 for word in more))


def _several_note(several: Sequence[str], total: int) -> str:
    return (
        f"{len(several):,} of {total:,} labels look like several labels in one, such as "
        f"{some([repr(name) for name in several[:_SHOWN]])}: each combination is taken as one class. "
        "Striate learns one class an image; choose one label for each"
    )


def _measurements(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Say whether the labels are measurements: many numbers with a fraction, or a new one for each image."""
    kinds, total = len(counts), sum(counts.values())
    found = [parts for name in counts if (parts := _measured(name))]
    if kinds < 3 or len(found) < 0.9 * kinds or len({unit for _, unit in found}) != 1:
        return ()
    nearly_all_differ = 2 * kinds > total
    if any(re.search("[.,eE]", value) for value, _ in found):
        doubtful = kinds > _MANY_NUMBERS or nearly_all_differ
    else:
        doubtful = kinds > _MANY_NUMBERS and nearly_all_differ
    if not doubtful:
        return ()
    return (
        f"the labels look like measurements, {kinds:,} numbers for {total:,} images, such as "
        f"{', '.join(list(counts)[:_SHOWN])}: each number is taken as a class of its own, and which lie near "
        "each other is not learnt. Put them into a few ranges and give those names",
    )


def _measured(name: str) -> tuple[str, str] | None:
    """Return (number, unit) of a name that is a number with a unit or none, else None."""
    if number_of(name.strip()) is not None:
        return name, ""
    match = _MEASURED.fullmatch(name.strip())
    return (match[1], match[2]) if match else None


def _placeholders(counts: Mapping[str, int]) -> tuple[str, ...]:
    named = [
        name
        for name in counts
        if name.strip().casefold() in {"none", "null", "na", "n/a", "?", "-", "unlabeled", "unlabelled"}
    ]
    if not named:
        return ()
    return (
        f"{some([repr(name) for name in named])} is taken as a class. If it means that there is no label, leave it out",
    )
