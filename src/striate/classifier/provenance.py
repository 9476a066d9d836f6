"""What a model was made from and how: plain values, kept in its file for people, lists and comparisons."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any, get_args, get_origin, get_type_hints

from striate.data.imageset import ImageSet
from striate.data.splitting import Splits
from striate.metrics.by_class import uneven_line
from striate.version import __version__


@dataclass(frozen=True)
class Provenance:
    """What is known of how a model came about; None where it does not apply.

    Arguments:
        data: source, format, images and fingerprint of what it was made from.
        splits: how many images trained, chose and judged, by split.
        recipe: the settings of a net that was trained by steps; of those `precision` as it was measured.
        versions: of Striate and what it computes with.
        seed: of what was fitted at once.
        epoch: the best one; 0 is the start from given weights.
        train_s, fit_s: seconds of training, and of fitting or of all rungs of a ladder.
        fitted: the baseline; `features` whose features it sees, `features_knew` how many of the training
            images the net that makes them had learned from before, `candidates` among which it was chosen.
        weights: what is said of published ones.
        chosen: the rung of a `ladder`; `verdict` whether a net is worth it, `budget_s` the seconds that there were,
            `refit_s` those in which it was fitted again, to training and validation images together.
        tuning: the study and the trial.
        valid_…: of the images that chose, and where some belong together the interval that counts their groups; test_…:
            of those that judged once, likewise; near_copies how many of them leak from its own training images.
        uneven: of `valid` and `test` images of which one class is three times as frequent as another: balanced accuracy
            and macro F1, which belong beside accuracy there.
        promises: what its validation images promise and what that was worth on the test images, see `PromiseCheck`.
        more: what another version of Striate knows, kept as it is.
    """

    data: Mapping[str, Any] | None = None
    splits: Mapping[str, int] | None = None
    recipe: Mapping[str, Any] | None = None
    precision: str | None = None
    versions: Mapping[str, str] | None = None
    seed: int | None = None
    epoch: int | None = None
    train_s: float | None = None
    valid_accuracy: float | None = None
    valid_interval: Sequence[float] | None = None
    fitted: str | None = None
    features: str | None = None
    features_knew: int | None = None
    candidates: Sequence[Mapping[str, Any]] | None = None
    weights: Sequence[str] | None = None
    ladder: Sequence[Mapping[str, Any]] | None = None
    chosen: str | None = None
    verdict: str | None = None
    budget_s: float | None = None
    fit_s: float | None = None
    refit_s: float | None = None
    tuning: Mapping[str, Any] | None = None
    test_accuracy: float | None = None
    test_correct: int | None = None
    test_total: int | None = None
    test_balanced_accuracy: float | None = None
    test_macro_f1: float | None = None
    test_accuracy_without_views: float | None = None
    test_groups: int | None = None
    test_interval: Sequence[float] | None = None
    near_copies: Mapping[str, Any] | None = None
    uneven: Mapping[str, Any] | None = None
    promises: Mapping[str, Any] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain values; what does not apply is left out."""
        known = {name: getattr(self, name) for name in _KINDS}
        return {name: value for name, value in known.items() if value is not None} | dict(self.more)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Provenance:
        """Return what a file keeps; a value of another kind than it should be is kept in `more`, and not relied on."""
        known = {name: kept[name] for name, kind in _KINDS.items() if name in kept and _is_a(kept[name], kind)}
        return cls(**known, more={name: value for name, value in kept.items() if name not in known})

    def uneven_line(self, name: str) -> str:
        """Return what belongs beside the accuracy on `valid` or `test` images; empty where classes are even."""
        return uneven_line((self.uneven or {}).get(name))

    def about(self, described: Mapping[str, Any], splits: Splits[ImageSet]) -> Provenance:
        """Return the same with what every model says: the data, how they were split, what computed.

        Arguments:
            described: plain values of the data, from `Dataset.described`.
            splits: the images that trained, chose and judged.
        """
        return replace(
            self,
            data={key: described[key] for key in ("source", "format", "images", "data", "groups") if key in described},
            splits={"train": len(splits.train), "valid": len(splits.valid), "test": len(splits.test)},
            versions={
                "striate": __version__,
                "python": platform.python_version(),
                **{name: version(name) for name in ("torch", "numpy", "scikit-learn")},
            },
        )


def _is_a(value: Any, kind: Any) -> bool:
    plain = {float: (int, float), Sequence: list, Mapping: dict}.get(get_origin(kind) or kind, kind)
    return isinstance(value, plain) and not isinstance(value, bool)


# The fields that are known, each with the type of its values.
_KINDS = {name: get_args(hint)[0] for name, hint in get_type_hints(Provenance).items() if name != "more"}
