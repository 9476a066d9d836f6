"""The front door: what is asked for decides between the ladder, one net, a baseline, and going on with a run.

None means not named, everywhere: who names no net, no features and nothing of a recipe gets the ladder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from striate.baselines.fit import SHARED, fit_task, read_task
from striate.classifier.classifier import Classifier
from striate.classifier.features import Features, net_features
from striate.classifier.pretrained import load_model
from striate.data.dataset import DataOptions
from striate.data.without import read_without
from striate.errors import ArgumentError
from striate.notebook.progress import default_observer
from striate.observer import Progress, silent
from striate.runs.folder import RunFolder
from striate.runs.session import RunOptions, RunResult, asked_before, found_again
from striate.selection.ladder.ladder import climb_ladder, is_ladder
from striate.system.devices import choose_device
from striate.system.processes import process_count
from striate.training.options import NetLike, RecipeLike, read_training_options
from striate.training.recipe import Recipe, load_recipe
from striate.training.train import train_net
from striate.training.transfer import load_start
from striate.units import parse_duration


@dataclass(frozen=True, eq=False)
class Asked:
    """What is to be fitted, as far as the user says; None is what he leaves to us.

    Arguments:
        net: a name, a sentence such as "conv(32, 3) relu fc(classes)", a Net, a model of timm's as in "timm/levit_192",
            or a torch.nn.Module (a copy of it is trained); "swift" is the swift net that suits the images and the
            budget; a baseline's name, perhaps with options: "neighbours(k=5)"; "auto" is not named.
        recipe: a published name, a TOML file, settings, or a Recipe; "auto" is not named.
        budget: seconds, or "5m": for the ladder; for one net as many epochs as fit into it, by measurement.
        weights: what to start from: "imagenet" or a file for a zoo net or a model of timm's, or a .striate file; its
            preprocessing is used, and it gets a new head where its classes are others; "none" is not named. For the
            ladder: those of its pre-trained rungs.
        features: fit a baseline, or the best of several, to these instead of to pixels: the name of a net with
            published weights (`weights` says which), a .striate file, or `Features`.
        settings: of the recipe, to change one by one, such as epochs=3; `seed`, `metric` (what is best on the
            validation images) and `balance` (of uneven classes) are everybody's, the ladder's too.
    """

    net: str | NetLike | None = None
    recipe: RecipeLike | None = None
    budget: str | float | None = None
    weights: str | Path | None = None
    features: str | Path | Features | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        for name in ("net", "recipe"):
            if isinstance(getattr(self, name), str) and getattr(self, name) == "auto":
                object.__setattr__(self, name, None)
        if self.weights == "none" and self.features is None:
            object.__setattr__(self, "weights", None)

    @property
    def for_one_net(self) -> list[str]:
        """What is asked that only one net, trained alone, can obey."""
        told = sorted(name for name in self.settings if name not in SHARED)
        return told + ["recipe"] * (self.recipe is not None)

    @property
    def shared(self) -> Recipe:
        """The settings that are everybody's, checked; the others are not set."""
        return Recipe().replace(**{name: value for name, value in self.settings.items() if name in SHARED})

    @property
    def climbs(self) -> bool:
        """Whether the ladder is asked for: nothing is that names a model or decides how one is trained."""
        own = self.weights is not None and Path(self.weights).suffix == ".striate"  # a model to go on from
        return self.net is None and self.features is None and not own and not self.for_one_net

    @property
    def nothing(self) -> bool:
        """Whether nothing is asked but to go on."""
        return self.climbs and self.budget is None and self.weights is None


def fit_model(source: Any, asked: Asked, data: DataOptions | None = None, run: RunOptions | None = None) -> RunResult:
    """Return the best classifier that what is asked for leads to, and how it did.

    The ladder, unless a net or a baseline is named, or anything is asked that only one of them can obey.

    Arguments:
        source: a catalog, or anything that `striate.read` takes.
        data: how it is read, brought to one size and split.
        run: where the run goes and what it computes on.

    Raises:
        DataError: no labels, fewer than two classes, nothing readable.
        ArgumentError: a setting that cannot be, or that what is fitted cannot obey; a folder that holds another run.
        TrainingError: the loss is not finite; a resume that does not match.
    """
    data, run = data or DataOptions(), run or RunOptions()
    there = RunFolder(run.out) if run.out is not None else None
    if there and run.resume and there.exists and (asked.nothing or (asked.climbs and is_ladder(there))):
        _refuse_changes(there, asked, data)
        return resume_run(run, source)
    if asked.climbs and not run.tensorboard and process_count() == 1 and not (there and there.exists):
        return climb_ladder(source, asked.budget, asked.weights, data, run, **_shared(asked.shared))
    if asked.net is None and asked.features is None and asked.weights is None:
        many = process_count()
        why = [*asked.for_one_net, *["tensorboard"] * run.tensorboard, *[f"{many} processes"] * (many > 1)]
        if why:
            run.observer.note(f"{why[0]} is for one net: it is trained alone, without the ladder")
    return fit_one(source, asked, data, run)


def fit_one(source: Any, asked: Asked, data: DataOptions, run: RunOptions) -> RunResult:
    """Train the net that is named, or the swift net that suits; fit the baseline, or the best on given features."""
    features = asked.features
    if isinstance(features, str | Path):
        features = load_features(features, asked.weights, run.device, run.observer.prepare)
    weights = asked.weights if asked.features is None else None
    shared = asked.shared  # a wrong one should cost nobody the time of reading images
    decides = {"recipe": asked.recipe, "budget": asked.budget, "weights": weights, **asked.settings}
    if task := read_task(asked.net, features, decides):
        return fit_task(source, task, data, run, shared.seed)
    start = None if weights is None else load_start(asked.net, weights, run.observer.prepare)
    options = read_training_options(asked.net, asked.recipe, asked.settings, asked.budget, start)
    named = isinstance(asked.net, str) or (weights and asked.net is not None)
    told: dict[str, Any] = {"net": str(asked.net) if named else None}
    told |= {"weights": found_again(weights)} if weights else {}
    return train_net(source, options, data, run, told)


def resume_run(run: RunOptions, source: Any = None) -> RunResult:
    """Go on with the run in the folder `run.out`, one net's or the ladder's, as it was started.

    Arguments:
        source: what the run was started from, where it has moved; None looks where it was.

    Raises:
        SourceNotFoundError: there is no run.
        ArgumentError: it was fitted at once, or what the run's options ask is not for it.
    """
    assert run.out is not None
    folder, run = RunFolder(run.out), replace(run, resume=True)
    before = folder.description()
    if "fitted" in before:
        raise ArgumentError(f"{before['fitted']} in {run.out} was fitted at once: there is nothing to resume")
    source, data, asked = asked_before(folder, source)
    if is_ladder(folder):
        if run.tensorboard:
            raise ArgumentError(f"tensorboard cannot be given to the ladder in {run.out}. Leave it out")
        with folder.understood():
            budget, weights = asked["budget"], asked["weights"]
        return climb_ladder(source, budget, weights, data, run, **_shared(load_recipe(folder.recipe)))
    net = asked.get("net") if asked.get("weights") else folder.sentence()
    return fit_one(source, Asked(net, folder.recipe, weights=asked.get("weights")), data, run)


def _shared(recipe: Recipe) -> dict[str, Any]:
    return {name: getattr(recipe, name) for name in SHARED}


def resume(out: str | Path, source: Any = None, **options: Any) -> RunResult:
    """Go on with the run in the folder `out` as it was started; `resume_run`, with `RunOptions` by their names."""
    return resume_run(RunOptions(out, **options), source)


def _refuse_changes(folder: RunFolder, asked: Asked, data: DataOptions) -> None:
    """Refuse what a run that is gone on with would silently ignore; the same as before may be said again."""
    _, before, told = asked_before(folder, source="")
    budget, own = asked.budget, load_recipe(folder.recipe)
    changed = {
        "size": data.size not in (None, before.size),
        "fit": data.fit not in (None, before.fit),
        "groups": data.groups not in (None, before.groups or "auto"),
        "without": data.without is not None and read_without(data.without) != read_without(before.without),
        "split": data.ratios is not None and data.shares() != before.shares(),
        **{name: value != getattr(own, name) for name, value in asked.settings.items() if name in SHARED},
        "budget": budget is not None and parse_duration(budget) != told.get("budget"),
        "weights": asked.weights is not None and found_again(asked.weights) != told.get("weights"),
    }
    if names := [name for name, differs in changed.items() if differs]:
        raise ArgumentError(
            f"{', '.join(names)} cannot change with resume: the run in {folder.path} has its own. Leave it out, or "
            "start another run"
        )


def load_features(
    model: str | Path, weights: str | Path | None = None, device: Any = None, progress: Progress = silent
) -> Features:
    """Return the features that a saved model makes, or a named net with published weights.

    Raises:
        SourceNotFoundError, ModelFileError, ArgumentError: no such model, or one without features.
    """
    name = str(model) if not Path(model).is_file() else Path(model).name
    return net_features(load_model(model, weights, progress=progress).to(choose_device(device)), name)


def fit(source: Any, net: str | NetLike | None = None, **options: Any) -> Classifier:
    """Return the best classifier that a budget of time allows, five minutes unless `budget` says another.

    Arguments:
        source: a catalog, or anything that `striate.read` takes.
        net: trains or fits this one alone; None climbs the ladder.
        options: those of `Asked`, `DataOptions` and `RunOptions` by their names; others are settings of the recipe.

    >>> import striate
    >>> model = striate.fit("xo", budget="4s")
    >>> model.provenance.verdict != ""
    True
    """
    return run(source, net, **options).classifier


def train(
    source: Any, net: str | NetLike | None = None, recipe: RecipeLike | None = None, **options: Any
) -> Classifier:
    """Train one net, or fit one baseline, and return the classifier; `fit` says what the options are.

    Arguments:
        net: None is the swift net that suits.

    >>> import striate
    >>> data = striate.read("digits")
    >>> model = striate.train(data, net="fc(32) relu fc(classes)", epochs=2)
    >>> model.predict(data.images[0]).label in model.classes
    True
    """
    return run_one(source, net, recipe, **options).classifier


def run(source: Any, net: str | NetLike | None = None, recipe: RecipeLike | None = None, **options: Any) -> RunResult:
    """Return what `fit` ends with: the classifier, its figures, its folder."""
    return fit_model(source, *_sorted(net, recipe, options))


def run_one(
    source: Any, net: str | NetLike | None = None, recipe: RecipeLike | None = None, **options: Any
) -> RunResult:
    """Return what `train` ends with: the classifier, its figures, its folder."""
    return fit_one(source, *_sorted(net, recipe, options))


def _sorted(
    net: str | NetLike | None, recipe: RecipeLike | None, options: dict[str, Any]
) -> tuple[Asked, DataOptions, RunOptions]:
    """Return options that were given by name where they belong; what is nobody's is a setting of the recipe."""
    settings = dict(options)  # None is a value of some: dropout=None is none
    asked, data, run = (
        {one.name: settings.pop(one.name) for one in fields(kind) if one.name in settings}
        for kind in (Asked, DataOptions, RunOptions)
    )
    run.setdefault("observer", default_observer())
    return (
        Asked(net, recipe, **_named(asked), settings=settings),
        DataOptions(**_named(data)),
        RunOptions(**_named(run)),
    )


def _named(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
