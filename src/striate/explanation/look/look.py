"""`look`: everything that can be seen inside a model, as one value."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from striate.classifier.classifier import Classifier
from striate.classifier.heads.fitted import FittedModule
from striate.errors import ArgumentError, some, unknown
from striate.explanation.look.activity import Activity, LayerActivity, measure_activity
from striate.explanation.look.answers import MOST_UNITS, UnitAnswers, unit_answers
from striate.explanation.look.ascent import STEPS, Ascent, RaiseTarget, raise_targets
from striate.explanation.look.pictures import Gallery
from striate.explanation.look.places import LayerPlace, find_layer, is_activation, layer_shapes, layers_of, net_of
from striate.explanation.look.remembered import head_galleries
from striate.explanation.look.seen import SeenImages, gather_images
from striate.explanation.look.weights import weight_galleries
from striate.notebook.tables import html_table
from striate.observer import Progress, silent
from striate.units import percent, say_count

# Images for the classes are made without being asked for where that takes seconds.
_QUICK_PX, _QUICK_CLASSES = 64 * 64, 12
_MOST_TARGETS = 100
# Heads that hand no gradient back.
_WITHOUT_GRADIENT = ("neighbours", "trees", "constant")


@dataclass(frozen=True)
class LookOptions:
    """What is to be looked at.

    Arguments:
        layers: the paths of layers whose units are shown by the images that they answer to most; none: three of them.
        units: "PATH:NUMBER", units to show so, and to make an image for that raises them.
        classes: names of classes to make an image for that raises them; None: all of them where that is quick.
        images: how many images are looked at, at most.
        steps: of gradient ascent, for each image that is made.
        seed: of the choice of images, and of the noise from which images are made.
        reading: options of `striate.read` for the source.
        name: what the model is called; "" takes what was given for it.
    """

    layers: Sequence[str] = ()
    units: Sequence[str] = ()
    classes: Sequence[str] | None = None
    images: int = 512
    steps: int = STEPS
    seed: int = 0
    reading: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True, eq=False)
class Look:
    """What was seen inside a model.

    Arguments:
        name: of the model, for people.
        net: what it is.
        galleries: filters, templates or what it remembers, as pictures.
        layers: what each layer did over the images; none where there were no images, or there are no layers.
        answers: units with the images that they answer to most.
        ascents: images made to raise units or classes.
        images: how many were looked at; `origin` where they are from.
        notes: what must be known to read it.
    """

    name: str
    net: str
    galleries: tuple[Gallery, ...]
    layers: tuple[LayerActivity, ...]
    answers: tuple[UnitAnswers, ...]
    ascents: tuple[Ascent, ...]
    images: int
    origin: str
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<Look into {self.name}: {self.sentence}>"

    def _repr_html_(self) -> str:
        rows = [(one.path, one.layer, one.mean, one.std, len(one.silent or ()), one.units) for one in self.layers]
        headings = ("part", "layer", "mean", "spread", "never above 0", "units")
        return html_table(f"{self.name}: {self.sentence}", headings, rows, [*self.notes, "save(path) writes the page."])

    @property
    def sentence(self) -> str:
        """What was found, in one line."""
        shown = "; ".join(f"{one.title[0].lower()}{one.title[1:]}" for one in self.galleries)
        if not self.layers:
            return shown or "nothing in it can be drawn"
        silent_units = sum(len(one.silent) for one in self.layers if one.silent is not None and one.dead)
        all_units = sum(one.units for one in self.layers if one.silent is not None and one.dead)
        count = len(self.layers)
        told = f"{count} layer{'s' * (count > 1)} over {self.images:,} images"
        if all_units:
            told += f"; {silent_units:,} of {all_units:,} ReLU units are dead on them"
        elif any(one.silent is not None for one in self.layers):
            quiet = sum(len(one.silent or ()) for one in self.layers)
            units = say_count(quiet, "unit", "units") if quiet else "no unit"
            told += f"; {units} behind {self._one_sided} {'is' if quiet < 2 else 'are'} at 0 or below on all of them"
        elif shown:
            told = f"{shown}; {told}"
        saturated = [one for one in self.layers if one.saturated is not None]
        if saturated:
            worst = max(saturated, key=lambda one: one.saturated or 0)
            told += f"; at most {percent(worst.saturated or 0, 0)} of a layer's values are saturated ({worst.path})"
        return told

    @property
    def _one_sided(self) -> str:
        return " and ".join(dict.fromkeys(one.layer.split("(")[0] for one in self.layers if one.silent is not None))

    def lines(self) -> list[str]:
        """Return what was found in a few lines, for a terminal."""
        said = [f"{self.name}: {self.sentence}"]
        worst = sorted((one for one in self.layers if one.silent), key=lambda one: -(one.silent_share or 0))[:3]
        said += [
            f"  {one.path} {one.layer}: {len(one.silent or ()):,} of {one.units:,} units never above 0" for one in worst
        ]
        raised = [one for one in self.ascents if one.raised is not None]
        if raised:
            above = sum(bool(one.raised) for one in raised)
            said.append(
                f"  {above} of {len(raised)} images made for units or classes raise them above every real image"
            )
        return said + [f"  {note}" for note in self.notes]

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as plain values; pictures are in the page."""
        return {
            "model": self.name, "net": self.net, "images": self.images, "origin": self.origin,
            "pictures": [
                {"key": one.key, "title": one.title, "shown": len(one.pictures), "total": one.total}
                for one in self.galleries
            ],
            "layers": [one.to_json() for one in self.layers], "units": [one.to_json() for one in self.answers],
            "raised": [one.to_json() for one in self.ascents], "notes": list(self.notes),
        }  # fmt: skip

    def save(self, path: str | Path) -> None:
        """Write the page: one HTML file that needs nothing else.

        Raises:
            StorageError: the disk is full or the folder not writable.
        """
        from striate.explanation.look.page import look_page
        from striate.system.files import write_atomically

        write_atomically(path, look_page(self).encode("utf-8", "replace"))

    def save_pictures(self, folder: str | Path) -> list[Path]:
        """Write each kind of picture as a PNG into a folder, and return their paths.

        Raises:
            StorageError: the disk is full or the folder not writable.
        """
        from striate.explanation.look.page import write_look_pictures

        return write_look_pictures(self, Path(folder))


def look(model: Classifier | str | Path, source: Any = None, progress: Progress = silent, **options: Any) -> Look:
    """Look inside a model: its first filters or templates, what its units answer to, which of them are dead.

    Arguments:
        model: a classifier, a `.striate` file or the name of a net with published weights.
        source: images to look at it with, as `striate.read` takes them; None: those that the model keeps, or the
            built-in set that it was made from.
        options: those of `LookOptions`.

    Raises:
        SourceNotFoundError, ModelFileError, DataError: no such model or source.
        ArgumentError: a layer, unit or class that there is not; an option that cannot be.

    >>> import striate
    >>> model = striate.train("digits", net="conv(4, 3) relu maxpool(2) fc(classes)", epochs=1)
    >>> found = striate.look(model, "digits", images=40)
    >>> [one.key for one in found.galleries], found.images, [one.path for one in found.layers]
    (['first-layer'], 40, ['0', '1', '2', '3'])
    """
    if spare := options.keys() - {one.name for one in fields(LookOptions)}:
        raise ArgumentError(unknown("option", min(spare), [one.name for one in fields(LookOptions)]))
    asked = LookOptions(**options)
    name = asked.name or (str(model) if isinstance(model, str | Path) else "a model")
    model = _loaded(model, progress)
    _check(asked)
    layers, units, chosen = _asked_units(model, asked)
    targets = _asked_classes(model, asked)
    seen = gather_images(model, source, asked.images, asked.seed, dict(asked.reading), progress)
    wanted = list({one.path: one for one in (*layers, *(place for place, _ in units))}.values())
    activity = measure_activity(model, seen.pixels, wanted, progress=progress) if len(seen) else None
    galleries, notes = weight_galleries(model)
    kept, told = head_galleries(model, seen.pixels if len(seen) else None)
    answers = unit_answers(model, activity, layers, units, seen) if activity else ()
    ascents = raise_targets(
        model, [*_unit_targets(units, activity, len(seen)), *_class_targets(model, targets, activity, len(seen))],
        asked.steps, asked.seed, progress,
    )  # fmt: skip
    said = [*_weights_told(model), *told, *notes, *_seen_told(model, seen, source), *seen.notes]
    said += _choices_told(model, asked, chosen, targets) + _activity_told(activity)
    return Look(
        name, str(model.net), (*kept, *galleries), activity.layers if activity else (), tuple(answers), tuple(ascents),
        len(seen), seen.origin, tuple(said),
    )  # fmt: skip


def _loaded(model: Classifier | str | Path, progress: Progress) -> Classifier:
    if isinstance(model, Classifier):
        return model
    from striate.classifier.pretrained import load_model

    return load_model(model, progress=progress)


def _check(asked: LookOptions) -> None:
    for name in ("layers", "units", "classes"):
        if isinstance(getattr(asked, name), str):
            raise ArgumentError(
                f"{name} must be a list of texts; got {getattr(asked, name)!r}. Write [{getattr(asked, name)!r}]"
            )
    for name, low, high in (("images", 1, 1_000_000), ("steps", 1, 100_000), ("seed", 0, 2**31)):
        value = getattr(asked, name)
        if not isinstance(value, int) or not low <= value <= high:
            raise ArgumentError(f"{name} must be a whole number from {low} to {high:,}; got {value!r}")


Units = list[tuple[LayerPlace, list[int]]]


def _asked_units(model: Classifier, asked: LookOptions) -> tuple[list[LayerPlace], Units, bool]:
    """Return layers and units to show by what they answer to, and whether the layers were chosen for the user.

    Raises:
        ArgumentError: no such layer, or no such unit of it.
    """
    shapes = layer_shapes(model)
    found: dict[str, tuple[LayerPlace, list[int]]] = {}
    for text in asked.units:
        path, colon, number = str(text).rpartition(":")
        if not colon or not number.isdecimal():
            raise ArgumentError(f"a unit must be PATH:NUMBER, such as 0:5; got {text!r}")
        place = find_layer(model, path)
        count = shapes.get(place.path, (0,))[0]
        if int(number) >= count:
            raise ArgumentError(f"{place.path} ({place.layer}) has units 0 to {count - 1}; got {number}")
        found.setdefault(place.path, (place, []))[1].append(int(number))
    layers = [find_layer(model, path) for path in dict.fromkeys(asked.layers)]
    if layers or found:
        return layers, list(found.values()), False
    maps = [one for one in layers_of(model) if is_activation(one) and len(shapes.get(one.path, ())) == 3]
    maps = maps or [one for one in layers_of(model) if len(shapes.get(one.path, ())) == 3 and one.path in shapes]
    maps = maps or [one for one in layers_of(model) if is_activation(one)]
    places = sorted({0, len(maps) // 2, len(maps) - 1}) if maps else []
    return [maps[i] for i in places], [], bool(places)


def _asked_classes(model: Classifier, asked: LookOptions) -> list[int]:
    """Return the classes for which an image is to be made.

    Raises:
        ArgumentError: there is no such class; or no gradient comes back from the model's answers.
    """
    head = model.module.head.word if isinstance(model.module, FittedModule) else ""
    if asked.classes is None:
        h, w = model.preprocessing.size
        quick = h * w <= _QUICK_PX and len(model.classes) <= _QUICK_CLASSES and net_of(model) is not None
        return [*range(len(model.classes))] if quick and not head and not asked.units else []
    places = [_class_number(model, name) for name in asked.classes]
    if asked.classes and head in _WITHOUT_GRADIENT:
        raise ArgumentError(f"no image can be made that raises a class of {model.net}: no gradient comes back from it")
    if len(asked.classes) > _MOST_TARGETS:
        raise ArgumentError(f"at most {_MOST_TARGETS} classes can be asked for at once; got {len(asked.classes):,}")
    return list(dict.fromkeys(places))


def _class_number(model: Classifier, name: str) -> int:
    """Return the number of a class, by its name or by one of the names of which it is made, as "tabby cat"."""
    if name in model.classes:
        return model.classes.index(name)
    found = [i for i, own in enumerate(model.classes) if name in own.split(", ")]
    if len(found) == 1:
        return found[0]
    near = difflib.get_close_matches(name, model.classes, 3, 0.4)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
    raise ArgumentError(f"no class is called {name[:80]!r}{hint} The classes: {some(model.classes, 20)}")


def _unit_targets(units: Units, activity: Activity | None, images: int) -> list[RaiseTarget]:
    peaks = activity.peaks if activity else {}
    return [
        RaiseTarget(
            f"{place.path}:{number}", place, number,
            float(peaks[place.path].values[0, number]) if place.path in peaks else None, images,
        )
        for place, numbers in units for number in dict.fromkeys(numbers)
    ]  # fmt: skip


def _class_targets(model: Classifier, classes: list[int], activity: Activity | None, images: int) -> list[RaiseTarget]:
    most = activity.logits.amax(0).tolist() if activity else [None] * len(model.classes)
    return [RaiseTarget(model.classes[i], None, i, most[i], images) for i in classes]


def _weights_told(model: Classifier) -> list[str]:
    """Return the warning that a model has not learned anything, as far as its provenance says."""
    told = model.provenance
    random = any("first weights" in one for one in told.weights or ())
    if random or not (told.data or told.weights or told.fitted or told.recipe or told.ladder):
        return [
            "Nothing says that it was trained: as far as is known its weights are random, and what is drawn is chance."
        ]
    return []


def _seen_told(model: Classifier, seen: SeenImages, source: Any) -> list[str]:
    if not len(seen):
        return [
            "It was looked at without images, as the model keeps none: name a SOURCE to see what its units answer to."
        ]
    if source is not None and (seen.labels < 0).all():
        return ["None of the images has a label that the model knows."]
    return []


def _choices_told(model: Classifier, asked: LookOptions, chosen: bool, classes: list[int]) -> list[str]:
    said = []
    if chosen:
        said.append(
            f"Of a few layers the first {MOST_UNITS} units that are awake are shown; --layer PATH and "
            "--unit PATH:NUMBER name others."
        )
    if not classes and asked.classes is None and not asked.units and net_of(model) is not None:
        said.append(
            "No images were made that raise a class or a unit, which takes a while here: name some with "
            "--class NAME or --unit PATH:NUMBER."
        )
    return said


def _activity_told(activity: Activity | None) -> list[str]:
    if activity is None:
        return []
    paths = activity.not_finite
    return [f"Values that are not finite came from {', '.join(paths[:5])}."] if paths else []
