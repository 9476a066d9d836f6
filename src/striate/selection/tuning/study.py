"""A study: trials in a database, embedded or shared, that outlives the process that makes it."""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.errors import ArgumentError, MissingExtraError, StorageError
from striate.metrics.by_class import Metric, check_metric
from striate.metrics.groups import SampleSize

if TYPE_CHECKING:
    import optuna

DATABASE = "study.db"
ASKED = "striate"  # the study's attribute that says what is searched, on which images
# A machine that has said nothing for so long is taken for dead, and its trial is made again.
HEARTBEAT_S, GRACE_S = 30, 120
STARTUP_TRIALS = 8  # proposed at random, the starting points included
# Trials are compared at the same eighth of their epochs, where their schedules are alike; from a quarter on.
PARTS, PRUNED_FROM_PART = 8, 2


@dataclass(frozen=True)
class Trial:
    """One trial, as the study keeps it.

    Arguments:
        state: finished, pruned (hopeless, or the time was up), refused (it would have taken too long), failed or lost
            (its process was killed).
        why: it was pruned or failed.
        params: what was proposed, by name.
        net: the sentence as trained.
        recipe: its settings.
        correct, total: validation images of the best epoch; 0 of 0 unless it finished.
        accuracies: validation accuracy, or what the metric is, after each epoch.
        train_accuracy: on the training images, augmented as they are, in the last epoch.
        size: what the validation images are worth where they come in groups; None where each stands alone.
        score: what the study searches the most of, by the best epoch: the accuracy unless the recipe's metric is
            another; None unless it finished.
    """

    number: int
    state: str
    why: str
    params: dict[str, Any]
    net: str
    recipe: dict[str, Any]
    parameters: int
    correct: int
    total: int
    accuracies: tuple[float, ...]
    train_accuracy: float | None
    seconds: float
    score: float | None = None
    size: SampleSize | None = None

    @property
    def metric(self) -> Metric:
        """What the score is."""
        return check_metric(self.recipe.get("metric", "accuracy"))

    @property
    def accuracy(self) -> float | None:
        """The validation accuracy of the best epoch; None unless the trial finished."""
        return self.correct / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the accuracy, which counts groups; None unless the trial finished."""
        return self._size.interval(self.correct / self.total) if self.total else None

    @property
    def counted(self) -> str:
        """What the interval counts, as `SampleSize.counted`."""
        return self._size.counted

    @property
    def _size(self) -> SampleSize:
        return self.size or SampleSize(self.total, self.total, float(self.total))

    @property
    def kind(self) -> str:
        """mlp, conv or swift; net where the net was given."""
        own = {"mlp layers": "mlp", "conv blocks": "conv", "swift size": "swift"}
        return next((kind for name, kind in own.items() if name in self.params), "net")

    @property
    def what(self) -> str:
        """The net in a few words, such as conv 32-32-64 relu."""
        if self.kind == "swift":
            return self.params.get("swift size", "swift")
        word = {"mlp": "fc", "conv": "conv"}.get(self.kind)
        if word is None:
            return self.net if len(self.net) <= 40 else self.net[:39] + "…"
        widths = re.findall(rf"\b{word}\((\d+)", self.net)
        return f"{self.kind} {'-'.join(widths[:-1] if word == 'fc' else widths)} {self.params.get('activation', '')}"

    @property
    def how(self) -> str:
        """The recipe in a few words, such as adam 0.003, batch 128, translate(0.07)."""
        said = [f"{self.recipe.get('optimiser')} {self.recipe.get('learning_rate'):g}"] if self.recipe else []
        said += [f"batch {self.recipe['batch_size']}"] if "batch_size" in self.recipe else []
        return ", ".join([*said, *self.recipe.get("augment", [])])

    def to_json(self) -> dict[str, Any]:
        """Return the trial as plain values."""
        return {
            "trial": self.number, "state": self.state, "why": self.why, "net": self.net, "recipe": self.recipe,
            "parameters": self.parameters, "epochs": len(self.accuracies), "valid_accuracy": self.accuracy,
            "valid_interval": self.interval and list(self.interval), "metric": self.metric, "score": self.score,
            "train_s": self.seconds,
        }  # fmt: skip


def require_optuna() -> None:
    """Raise a MissingExtraError unless Optuna is there."""
    if importlib.util.find_spec("optuna") is None:
        raise MissingExtraError('tuning needs Optuna: pip install "striate[tune]"')


def open_study(folder: Path, storage: str | None, name: str, asked: dict[str, Any]) -> optuna.Study:
    """Return the study `name`, new or gone on with.

    Arguments:
        folder: where the embedded database lies.
        storage: the URL of a database that several machines share; None for the embedded one.
        asked: what is searched, on which images; a study that was started otherwise is refused.

    Raises:
        ArgumentError: the study was made on other images, or searches something else.
        StorageError: the database cannot be opened.
    """
    import optuna
    from sqlalchemy import URL
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = storage or URL.create("sqlite", database=str((folder / DATABASE).resolve())).render_as_string(False)
    try:
        with quiet():
            backend = _storage(url, shared=storage is not None)
            study = optuna.create_study(storage=backend, study_name=name, direction="maximize", load_if_exists=True)
            before = study.user_attrs.get(ASKED)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        advice = "Give a URL such as postgresql://user@host/name and install its driver" if storage else "Delete it"
        raise StorageError(f"cannot open the study's database {_safe(url)}: {reason}. {advice}") from None
    if before is None:
        study.set_user_attr(ASKED, asked)
    else:
        check_same(before, asked, study_place(folder, storage))
    return study


def check_same(before: dict[str, Any], asked: dict[str, Any], where: str) -> None:
    """Raise an ArgumentError that names the differences if a study was started otherwise."""
    if before.get("data") != asked["data"]:
        raise ArgumentError(
            f"{where} was made on other images (or on another split of them): its accuracies are not comparable. "
            "Tune in another --out, or name another --study"
        )
    changed = [f"{key} {before.get(key)!r} → {asked[key]!r}" for key in asked if before.get(key) != asked[key]]
    if changed:
        raise ArgumentError(
            f"{where} searches something else and cannot go on with {'; '.join(changed)}. "
            "Give the same options, or tune in another --out or --study"
        )


def study_place(folder: Path, storage: str | None) -> str:
    """Return what to call a study's place in a message; no password is said."""
    return f"the study in {_safe(storage) if storage else folder}"


def take_up_lost(study: optuna.Study) -> int:
    """Queue again what a killed process left unfinished; return how many trials. For a study of one process."""
    from optuna.trial import TrialState

    lost = study.get_trials(deepcopy=False, states=[TrialState.RUNNING])
    for trial in lost:
        study.tell(trial.number, state=TrialState.FAIL)
        queue_again(study, trial.number)
    return len(lost)


def queue_again(study: optuna.Study, number: int) -> None:
    """Let a trial that was cut off be made again, with what was proposed for it."""
    trial = study.get_trials(deepcopy=False)[number]
    study.enqueue_trial(trial.system_attrs.get("fixed_params", {}) | trial.params)


def read_trials(study: optuna.Study) -> list[Trial]:
    """Return the trials that have ended, by number."""
    from optuna.trial import TrialState

    states = {TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
    found = []
    for frozen in study.get_trials(deepcopy=False, states=list(states)):
        said = frozen.user_attrs
        finished = frozen.state is TrialState.COMPLETE
        found.append(
            Trial(
                frozen.number,
                said.get("state", states[frozen.state]) if "seconds" in said else "lost",
                said.get("why", ""),
                frozen.params,
                said.get("net", ""),
                said.get("recipe", {}),
                said.get("parameters", 0),
                said.get("correct", 0) if finished else 0,
                said.get("total", 0) if finished else 0,
                tuple(said.get("accuracies", ())),
                said.get("train_accuracy"),
                said.get("seconds", 0.0),
                frozen.value if finished else None,
                SampleSize(*said["size"]) if "size" in said else None,
            )
        )
    return found


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """Return the finished trial of the highest score, the earliest of several; None if there is none."""
    finished = [trial for trial in trials if trial.accuracy is not None]
    return max(finished, key=lambda trial: (trial.score, -trial.number), default=None)


def sampler(seed: int, index: int) -> optuna.samplers.BaseSampler:
    """Return the proposer of the trial `index`; by its own seed, so that a resumed study proposes nothing twice."""
    import numpy as np
    import optuna

    own = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
    return optuna.samplers.TPESampler(seed=own, n_startup_trials=STARTUP_TRIALS)


def pruner() -> optuna.pruners.BasePruner:
    """Return what stops a trial: worse at an eighth of its epochs than the median of the others was there."""
    import optuna

    return optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=PRUNED_FROM_PART)


def parts_passed(epoch: int, epochs: int) -> range:
    """Return the eighths of all epochs that are passed with `epoch`, counted from 1.

    >>> [list(parts_passed(epoch, 3)) for epoch in (1, 2, 3)]
    [[1, 2], [3, 4, 5], [6, 7, 8]]
    """
    return range((epoch - 1) * PARTS // epochs + 1, epoch * PARTS // epochs + 1)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna's warnings of experimental features from the user, who did not choose them."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def _storage(url: str, *, shared: bool) -> optuna.storages.RDBStorage:
    from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback

    if not shared:  # one process at a time, which knows that whatever else is running is not
        return RDBStorage(url)
    again = RetryHeartbeatStaleTrialCallback(max_retry=2)
    return RDBStorage(url, heartbeat_interval=HEARTBEAT_S, grace_period=GRACE_S, heartbeat_stale_trial_callback=again)


def _safe(url: str) -> str:
    """Return a database URL without its password."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError as BadUrl

    try:
        return make_url(url).render_as_string(hide_password=True)
    except BadUrl:
        return repr(url)
