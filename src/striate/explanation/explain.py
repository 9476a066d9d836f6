"""From a model and an image to an explanation: maps are made, tried against random ones, and only then shown."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from striate.classifier.blocks import Images
from striate.classifier.classifier import Classifier
from striate.classifier.heads.fitted import FittedModule
from striate.classifier.inputs import as_inputs
from striate.classifier.prediction import Prediction, image_name, is_one_image
from striate.data.catalog import Catalog
from striate.data.ledger import Entry
from striate.errors import ArgumentError, unknown
from striate.explanation.change import find_changes
from striate.explanation.explanation import ExplainedMap, Explanation
from striate.explanation.gradcam import LayerMap, joined_map, layer_maps, layer_weights
from striate.explanation.gradients import Attribution, integrate
from striate.explanation.index import ImageIndex, kept_index, read_index
from striate.explanation.likeness import likenesses
from striate.explanation.made_of import is_linear, template, tree_map
from striate.explanation.occlusion import Occlusion, occlude
from striate.explanation.page import write_explanations
from striate.explanation.shuffling import Learned, compare_with_shuffled, stands_on_pixels
from striate.explanation.similar import find_similar, find_voters
from striate.explanation.subject import Subject, make_subject
from striate.explanation.trial import answers_by_maps, judge_maps, judge_rivals, rivals_of
from striate.explanation.verdict import judge, no_ground
from striate.observer import Progress, silent
from striate.units import percent

_STAGES = ("the answer", "Grad-CAM", "integrated gradients", "occlusion", "random maps", "shuffled weights",
           "what would change it")  # fmt: skip
_VIEWS = {
    "mirror": "the image and its mirror image",
    "mirror-shift": "the image, its mirror image and shifted copies",
    "turns": "the image turned by none, one, two and three quarters",
}
_HOW = {
    "grad-cam": "What the maps of its layers say for it by their gradients, weighted by how they agree with occlusion "
    "and shared among the pixels that hiding changes: {layers}.",
    "occlusion": "What the answer loses when a patch is hidden, patch by patch, shared among the pixels that hiding "
    "changes.",
    "integrated-gradients": "Each pixel's part in the difference to the hidden image, smoothed; {steps} steps, and the "
    "parts miss that difference by {missed}.",
    "template": "The template of the class, less the mean of the others, times the image: all that a linear model "
    "does; the parts miss the difference to the hidden image by {missed}.",
    "trees": "The pixels that the trees asked for, by how much each question changed their answer.",
}
_TITLES = {"grad-cam": "Grad-CAM", "occlusion": "Occlusion", "integrated-gradients": "Integrated gradients",
           "template": "Template × image", "trees": "What the trees asked"}  # fmt: skip


def explain(
    model: Classifier,
    image: Any,
    about: str | None = None,
    out: str | Path | None = None,
    progress: Progress = silent,
    examples: str | Path | Catalog | None = None,
) -> Explanation:
    """Return what a model sees of one image: maps with verdicts, what it is like, what would change the answer.

    Arguments:
        image: whatever `Classifier.predict` takes as one image.
        about: the class to explain; None for the model's answer.
        out: where to write the page; None writes none.
        progress: told how far it is.
        examples: a source or catalog in which to look for similar images; None for those that the model keeps.

    Raises:
        ArgumentError: not one image, no such class, or no example that can be read.
        DecodingError: the image cannot be read.
        StorageError: the page cannot be written.
    """
    given = as_inputs(image)
    if not is_one_image(given):
        raise ArgumentError("explain takes one image; give several one after the other")
    pixels = model.block(cast("Images", [given]), 0, 1)[0]
    index = kept_index(model) if examples is None else read_index(model, examples, progress=progress)
    said = explain_pixels(model, pixels, image_name(image), about, progress, index)
    if out is not None:
        write_explanations([said], out)
    return said


def explain_pixels(
    model: Classifier,
    pixels: np.ndarray,
    name: str = "",
    about: str | None = None,
    progress: Progress = silent,
    index: ImageIndex | None = None,
) -> Explanation:
    """Return the explanation of an image that is already as the model's net is given it.

    Arguments:
        pixels: uint8 (h, w, c).
        name: of the image.
        about, progress: as for `explain`.
        index: in which to look for similar ones, from `kept_index` or `read_index`; None looks for none.

    Raises:
        ArgumentError: no such class, or a model without classes.
    """
    told = _Stages(name, progress)
    told()
    subject = make_subject(model, pixels, _target(model, about))
    prediction = _prediction(subject, name)
    tried = _nothing() if (pixels == pixels[0, 0]).all() else _tried(subject, told)
    explanation = Explanation(
        name, pixels, prediction, model.classes[subject.target], model.trust.temperature != 1.0,
        model.trust.scores is not None, _VIEWS.get(model.views, ""), tried.ground, tried.learned, tried.maps,
        tried.layers, tried.missing, tried.runner_up, template(subject) if is_linear(subject) else None,
        find_similar(subject, index), find_voters(subject), find_changes(subject),
    )  # fmt: skip
    told()
    return explanation


@dataclass(frozen=True, eq=False)
class _Tried:
    """What trials found; the fields are those of `Explanation`."""

    ground: str
    learned: Learned
    maps: tuple[ExplainedMap, ...] = ()
    layers: tuple[ExplainedMap, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    runner_up: ExplainedMap | None = None


def _nothing() -> _Tried:
    """Return what is said of an image of one colour, of which no trial can find anything."""
    learned = Learned(0.0, ())
    return _Tried(no_ground(learned, 0.0, True, False), learned)


def _tried(subject: Subject, told: _Stages) -> _Tried:
    """Return the maps with their verdicts, and why none can tell anything where that is so."""
    model, occlusion = subject.model, occlude(subject)
    made, layers, cam, missing = _make_maps(subject, occlusion, told)
    told()
    runner = _runner_up(subject)
    second = None if runner is None else subject.on_pixels(occlusion.of(runner))
    rows = [one.values for one in (*made, *layers)]
    stacked = np.stack([*rows, *([] if second is None else [second]), *rivals_of(subject)])
    logits = answers_by_maps(subject, stacked)
    own, other, rival = np.split(logits, [len(rows), len(rows) + (runner is not None)])
    told()
    learned = compare_with_shuffled(subject)
    ground = no_ground(learned, subject.whole - subject.gone, False, stands_on_pixels(model))
    found = _judged(subject, made, layers, cam, (own, rival), ground)
    told()
    seconds = None
    if runner is not None and second is not None:
        asked = subject.about(runner)
        weak = ground or ("" if asked.whole > asked.gone else "the class is as probable with the image hidden")
        verdict = judge(second, judge_maps(asked, other)[0], judge_rivals(asked, rival), weak)
        title, cls = "Occlusion, for the second class", model.classes[runner]
        seconds = ExplainedMap("occlusion", title, cls, _HOW["occlusion"], second, verdict)
    return _Tried(ground, learned, found[: len(made)], found[len(made) :], missing, seconds)


def explain_catalog(
    model: Classifier,
    catalog: Catalog,
    about: str | None = None,
    progress: Progress = silent,
    index: ImageIndex | None = None,
) -> tuple[list[Explanation], list[Entry]]:
    """Return an explanation of each readable image, and the ledger's lines of the others.

    Arguments:
        about, progress, index: as for `explain_pixels`.

    Raises:
        ArgumentError: no such class.
        DataError: none of the images can be read.
    """
    _target(model, about)  # before anything is read
    images = model.prepare(catalog, progress, keep=False)
    said, told = [], progress
    for i in range(len(images)):
        began = time.perf_counter()
        said.append(explain_pixels(model, model.block(images, i, i + 1)[0], images.names[i], about, told, index))
        if told is progress and said[-1].maps:  # one without maps was not tried, and took no time
            told = _paced(progress, len(images), time.perf_counter() - began)
    skipped = [e for e in images.ledger if e.status == "skipped" and not e.detail.startswith("set aside")]
    return said, skipped


def _paced(progress: Progress, images: int, seconds: float) -> Progress:
    """Return a progress function that also says how many images there are, and how long one took."""
    pace = f"{images} images, about {max(1, round(seconds))} s each"

    def told(what: str, done: int, total: int) -> None:
        progress(f"{pace}: {what}", done, total)

    return told


class _Stages:
    """Tells which stage of an explanation begins."""

    def __init__(self, name: str, progress: Progress):
        self.what, self.progress, self.done = f"explaining {name}".strip(), progress, 0

    def __call__(self) -> None:
        self.progress(self.what, self.done, len(_STAGES))
        self.done = min(self.done + 1, len(_STAGES))


def _target(model: Classifier, about: str | None) -> int | None:
    if about is None:
        return None
    if about not in model.classes:
        raise ArgumentError(unknown("class", about, model.classes))
    return model.classes.index(about)


def _prediction(subject: Subject, name: str) -> Prediction:
    said = subject.model.predict(subject.pixels[None])
    assert isinstance(said, list)
    return replace(said[0], image=name)


def _runner_up(subject: Subject) -> int | None:
    """Return the most probable class beside the one that is asked about; None where there is no other."""
    order = [int(i) for i in np.argsort(-subject.logits, kind="stable") if i != subject.target]
    return order[0] if order else None


@dataclass(frozen=True, eq=False)
class _Made:
    """A map before its verdict: how it was made, and by which share attributions miss what they should add up to."""

    kind: str
    values: np.ndarray
    how: str
    incomplete: float | None = None


@dataclass(frozen=True, eq=False)
class _Cam:
    """The layers' maps joined, before they are shared among pixels, and what each counts."""

    values: np.ndarray
    weights: dict[str, float]


def _make_maps(
    subject: Subject, occlusion: Occlusion, told: _Stages
) -> tuple[list[_Made], list[LayerMap], _Cam | None, tuple[tuple[str, str], ...]]:
    """Return the maps of all kinds, those of layers, how these were joined, and (kind, why) of what cannot be."""
    hiding = occlusion.of(subject.target)
    made = [_Made("occlusion", subject.on_pixels(hiding), _HOW["occlusion"])]
    cam: _Cam | None = None
    missing: list[tuple[str, str]] = []
    told()
    found = integrate(subject)
    layers = layer_maps(subject) if found is not None else []
    if layers:
        weights = layer_weights(layers, subject.on_pixels(hiding))
        names = ", ".join(f"layer {one.name} × {weights[one.layer]:.2f}" for one in layers if one.layer in weights)
        how = _HOW["grad-cam"].format(layers=names or "its layers")
        cam = _Cam(joined_map(layers, weights, subject.size), weights)
        made.append(_Made("grad-cam", subject.on_pixels(cam.values), how))
        layers = [replace(one, values=subject.on_pixels(one.values)) for one in layers]
    else:
        missing.append(("grad-cam", _no_cam(subject, found)))
    told()
    if found is not None:
        kind = "template" if is_linear(subject) else "integrated-gradients"
        missed = percent(found.error, 1) if found.difference else "nothing"
        how = _HOW[kind].format(steps=found.steps, missed=missed)
        made.append(_Made(kind, found.pixels if kind == "template" else found.smoothed, how, found.error))
    else:
        missing.append(("integrated-gradients", f"{_kind_of(subject)} has no gradient: its answer changes in steps"))
    if (asked := tree_map(subject)) is not None:
        made.append(_Made("trees", asked, _HOW["trees"]))
    made.sort(key=lambda one: list(_TITLES).index(one.kind))
    return made, layers if len(layers) > 1 else [], cam, tuple(missing)


def _no_cam(subject: Subject, found: Attribution | None) -> str:
    if found is None:
        return f"{_kind_of(subject)} has no gradient, by which places would be weighed"
    if is_linear(subject):
        return "a linear model has no layers whose maps could be weighed; its template says all"
    return "no part of the net gives a map of the image that has a gradient"


def _kind_of(subject: Subject) -> str:
    module = subject.model.module
    words = {"trees": "a model of trees", "neighbours": "a vote of neighbours", "constant": "a constant answer"}
    head = module.head.word if isinstance(module, FittedModule) else ""
    return words.get(head, "this model")


def _judged(
    subject: Subject,
    made: list[_Made],
    layers: list[LayerMap],
    cam: _Cam | None,
    logits: tuple[np.ndarray, np.ndarray],
    ground: str,
) -> tuple[ExplainedMap, ...]:
    """Return the maps and those of single layers with their verdicts.

    Arguments:
        layers, cam: the maps of single layers, and how they were joined.
        logits: of these maps, and of their rivals, see `answers_by_maps`.
    """
    trials, rivals = judge_maps(subject, logits[0]), judge_rivals(subject, logits[1])
    kinds = {one.kind: one.values for one in made}
    joined, weights = (cam.values, cam.weights) if cam else (None, {})
    alike = likenesses(subject, joined, weights, kinds.get("integrated-gradients"))
    about, found = subject.model.classes[subject.target], []
    for one, trial in zip(made, trials[: len(made)], strict=True):
        verdict = judge(one.values, trial, rivals, ground, alike.get(one.kind), one.incomplete)
        found.append(ExplainedMap(one.kind, _TITLES[one.kind], about, one.how, one.values, verdict))
    for layer, trial in zip(layers, trials[len(made) :], strict=True):
        title = f"Layer {layer.name}"
        verdict = judge(layer.values, trial, rivals, ground)
        found.append(ExplainedMap(f"grad-cam:{layer.layer}", title, about, "", layer.values, verdict))
    return tuple(found)
