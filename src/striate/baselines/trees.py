"""Trees: one decision tree, a random forest, boosted trees; scikit-learn grows them, `Trees` holds them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from striate.baselines.examples import Examples
from striate.classifier.heads.trees import Trees

# What each does within about a minute on two cores: numbers (images × features); images × √features for the forest,
# whose splits look at √features each.
TREE_NUMBERS, BOOSTED_NUMBERS, FOREST_WORK = 20_000_000, 15_000_000, 400_000
MOST_ROUNDS, ROUNDS_WORK = 100, 1_280_000  # of boosting; rounds × features × classes
TREE_FEATURES = 256  # that a split of the single tree looks at, drawn anew for each
DEEPEST = 30
BINS = 63  # steps that boosted trees see of a feature
PATIENCE = 15  # rounds of boosting without a lower loss on the validation images, after which it ends
FEW_NUMBERS = 1_000_000
_STEP = 10  # trees between two words on how far it is


def tree(examples: Examples, *, leaf: int = 0) -> Trees:
    """One decision tree.

    Arguments:
        leaf: the fewest images in a leaf; 0 chooses among 1, 5, 20 and 50 by the validation images.
    """
    from sklearn.tree import DecisionTreeClassifier

    examples = examples.within(TREE_NUMBERS, "tree")
    best, least = None, np.inf
    sizes = [leaf] if leaf else [1, 5, 20, 50] if examples.can_choose else [5]
    for i, size in enumerate(sizes):
        examples.observer.prepare("growing trees", i, len(sizes))
        grown = DecisionTreeClassifier(
            max_depth=DEEPEST,
            min_samples_leaf=size,
            max_features=min(TREE_FEATURES, examples.features.shape[1]),
            random_state=examples.seed,
            class_weight=examples.class_weight,
        )
        grown.fit(examples.features, examples.labels)
        held = examples.valid_features, examples.valid_labels, examples.valid_counts
        wrong = 1 - grown.score(*held) if len(sizes) > 1 else 0
        if wrong < least:
            best, least = grown, wrong
    assert best is not None
    if len(sizes) > 1:
        examples.observer.note(f"tree: at least {best.min_samples_leaf} images a leaf, chosen on the validation images")
    return from_trees([best.tree_])


def forest(examples: Examples, *, trees: int = 200, leaf: int = 0) -> Trees:
    """A random forest.

    Arguments:
        trees: how many.
        leaf: the fewest images in a leaf; 0 takes 1, or more where many images would make the file large.
    """
    from sklearn.ensemble import RandomForestClassifier

    examples = examples.at_most(int(FOREST_WORK / examples.features.shape[1] ** 0.5), "forest")
    grown = RandomForestClassifier(
        max_depth=DEEPEST,
        min_samples_leaf=leaf or max(1, len(examples) // 10_000),
        random_state=examples.seed,
        n_jobs=torch.get_num_threads(),
        class_weight=examples.class_weight,
        warm_start=True,
    )
    for count in _steps(trees):
        grown.set_params(n_estimators=count).fit(examples.features, examples.labels)
        examples.observer.prepare("growing trees", count, trees)
    return from_trees([one.tree_ for one in grown.estimators_])


def boosted(examples: Examples, *, rounds: int = 0, rate: float = 0.1) -> Trees:
    """Boosted trees on histograms; as many rounds as do best on the validation images.

    Arguments:
        rounds: at most, each a tree for every class (for two classes, one); 0 takes 100, fewer where there are many
            features and classes.
        rate: the share of each tree that counts.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    # A round grows a tree a class: many classes need fewer images.
    examples = examples.within(BOOSTED_NUMBERS // max(1, examples.classes // 10), "boosted")
    rounds = rounds or min(MOST_ROUNDS, max(10, ROUNDS_WORK // (examples.features.shape[1] * examples.classes)))
    # Each split looks at some of the features, each in few steps: as good here, and several times faster.
    share = min(1.0, 4 * examples.features.shape[1] ** -0.5)
    settings: Any = {"learning_rate": rate, "early_stopping": False, "max_features": share, "max_bins": BINS,
                     "class_weight": examples.class_weight}  # fmt: skip
    grown = HistGradientBoostingClassifier(**settings, random_state=examples.seed, warm_start=True)
    losses: list[float] = []
    # Threads that share little work wait for each other longer than they work.
    with threadpool_limits(1 if examples.features.size < FEW_NUMBERS else None), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes with few images: they are all that there are
        for count in _steps(rounds):
            grown.set_params(max_iter=count).fit(examples.features, examples.labels)
            examples.observer.prepare("boosting", count, rounds)
            losses = _losses(grown, examples)
            if np.argmin([*losses, np.inf]) < len(losses) - PATIENCE:
                break
    best = int(np.argmin(losses)) + 1 if losses else rounds
    if losses:
        examples.observer.note(f"boosted: {best} of {len(losses)} rounds, chosen on the validation images")
    return from_boosted(grown, best)


def _steps(count: int) -> Sequence[int]:
    return [*range(_STEP, count, _STEP), count]


def _losses(grown: Any, examples: Examples) -> list[float]:
    """Return the loss on the validation images after each round, nothing if there are none."""
    if not examples.can_choose:
        return []
    return [examples.valid_loss(p) for p in grown.staged_predict_proba(examples.valid_features)]


def from_trees(grown: Sequence[Any]) -> Trees:
    """Return the head of scikit-learn's `tree_` objects, whose predictions are averaged."""
    nodes = [
        {
            "feature": np.where(one.children_left < 0, 0, one.feature),
            "threshold": np.where(one.children_left < 0, 0.0, one.threshold),
            "left": one.children_left,
            "right": one.children_right,
            "value": one.value[:, 0] / one.value[:, 0].sum(1, keepdims=True) / len(grown),
        }
        for one in grown
    ]
    return _joined(nodes, np.zeros(nodes[0]["value"].shape[1]), "shares")


def from_boosted(grown: Any, rounds: int) -> Trees:
    """Return the head of the first `rounds` rounds of a HistGradientBoostingClassifier."""
    nodes = []
    for predictors in grown._predictors[:rounds]:  # nothing public holds the trees; a test compares the predictions
        for one in (predictor.nodes for predictor in predictors):
            leaf = one["is_leaf"].astype(bool)
            nodes.append(
                {
                    "feature": np.where(leaf, 0, one["feature_idx"]),
                    "threshold": np.where(leaf, 0.0, one["num_threshold"]),
                    "left": np.where(leaf, -1, one["left"].astype(np.int64)),
                    "right": np.where(leaf, -1, one["right"].astype(np.int64)),
                    "value": np.where(leaf, one["value"], 0.0)[:, None],
                }
            )
    return _joined(nodes, np.ravel(grown._baseline_prediction), "scores")


def _joined(trees: Sequence[dict[str, np.ndarray]], bias: np.ndarray, combine: str) -> Trees:
    """Return the head of trees whose leaves have −1 for children, their nodes one after another."""
    sizes = [len(one["feature"]) for one in trees]
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    own = np.arange(sum(sizes))
    shift = np.repeat(first, sizes)
    arrays = {name: np.concatenate([one[name] for one in trees]) for name in trees[0]}
    for side in ("left", "right"):
        arrays[side] = np.where(arrays[side] < 0, own, arrays[side] + shift)
    arrays["threshold"] = round_down(arrays["threshold"])
    whole = {name: torch.from_numpy(arrays[name].astype(np.int32)) for name in ("feature", "left", "right")}
    real = {name: torch.from_numpy(arrays[name].astype(np.float32)) for name in ("threshold", "value")}
    roots = torch.from_numpy(first.astype(np.int32))
    return Trees(roots=roots, bias=torch.from_numpy(bias.astype(np.float32)), combine=combine, **whole, **real)


def round_down(thresholds: np.ndarray) -> np.ndarray:
    """Return the largest float32 not above each float64: every float32 stays on its side of the threshold.

    >>> x, threshold = np.float32(0.1), np.float64(0.1)  # the float32 is a little above
    >>> bool(x <= threshold), bool(x <= round_down(np.array([threshold]))[0])
    (False, False)
    """
    limit = np.finfo(np.float32).max
    nearest = np.clip(thresholds, -limit, limit).astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest).astype(np.float32)
