"""What every run does, whatever it trains or fits: its folder, threads, memory, processes, verdict and files.

with open_session(run) as session:
    session.describe(dataset, run, recipe, net, asked)   # on a resume: session.folder.check_same
    with session.stopping() as stop: …               # the work itself
    return session.finish(model, dataset.splits, train_s)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from striate.classifier.classifier import Classifier
from striate.classifier.promises import PromiseCheck, with_check
from striate.classifier.samples import Samples
from striate.data.catalog import Catalog
from striate.data.dataset import DataOptions, Dataset
from striate.data.grouping.known import MOST_KEPT
from striate.data.imageset import ImageSet
from striate.data.splitting import Splits, groups_learned
from striate.errors import ArgumentError
from striate.metrics.evaluation import Evaluation
from striate.observer import Observer
from striate.runs.calibrating import calibrate
from striate.runs.folder import RunFolder
from striate.runs.report import leave_report
from striate.runs.sampling import keep_samples
from striate.system.cache import HOMELESS, is_homeless
from striate.system.devices import choose_device, fitting_threads, kept_memory
from striate.system.machine import describe_machine
from striate.system.processes import ALONE, Processes, is_first, joined, own_device, process_count
from striate.system.signals import stop_signals


@dataclass(frozen=True, eq=False)
class RunOptions:
    """Where a run goes and what it computes on.

    Arguments:
        out: its folder; without one nothing is written.
        resume: go on with the run in `out`; start there if there is none yet.
        device: what to compute on; by default a GPU if there is one.
        tensorboard: also write TensorBoard scalars into `out`.
        observer: hears about the progress.
        began: when the command began, by `time.perf_counter`: a budget counts from there; None is now.
        command: as it was typed, for the report; None where the run is started from Python.
        samples: whether the model keeps a few of its images, to check copies of it by and to explain by.
    """

    out: str | Path | None = None
    resume: bool = False
    device: str | torch.device | None = None
    tensorboard: bool = False
    observer: Observer = field(default_factory=Observer)
    began: float | None = None
    command: str | None = None
    samples: bool = True


@dataclass(frozen=True, eq=False)
class RunResult:
    """What a run ends with.

    Arguments:
        classifier: the best model, its figures in the provenance.
        valid, test: how it did on the validation and the test images; None where there are none.
        train_s: seconds in the training loop, validation after each epoch included; or in fitting.
        run: the run folder, None if the run was kept in memory.
    """

    classifier: Classifier
    valid: Evaluation | None
    test: Evaluation | None
    train_s: float
    run: Path | None

    def _repr_html_(self) -> str:
        return self.classifier._repr_html_()

    @property
    def model(self) -> Path | None:
        """Where the model is saved."""
        return self.run and RunFolder(self.run).model

    @property
    def promises(self) -> Mapping[str, Any] | None:
        """What the model promises, and what that was worth on the test images; None of a run of several processes."""
        return self.classifier.provenance.promises

    @property
    def report(self) -> Path | None:
        """Where its report is; None where there is none."""
        page = self.run and RunFolder(self.run).report
        return page if page and page.exists() else None


@dataclass(frozen=True, eq=False)
class Session:
    """A run under way.

    Arguments:
        folder: the run's, held against other processes; None keeps all in memory.
        resumed: whether the folder holds a run that is gone on with.
        device: this process's own.
        processes: those that work together; the first one writes and talks.
        observer: hears about the progress; silent in all processes but the first.
        command: as it was typed, None where the run is started from Python.
        samples: whether the model keeps a few of its images.
    """

    folder: RunFolder | None
    resumed: bool
    device: torch.device
    processes: Processes
    observer: Observer
    command: str | None = None
    samples: bool = True

    def describe(
        self, dataset: Dataset, run: Mapping[str, Any], recipe: str, net: str, asked: Mapping[str, Any]
    ) -> None:
        """Write what was asked, and what became of every file.

        Arguments:
            run: what the data are and how it is computed, to be compared on resume.
            recipe, net: the contents of recipe.toml and net.txt.
            asked: what the user asked for beside the data's options, to start the run alike.
        """
        if self.folder is None or not self.processes.first:
            return
        dataset.images.ledger.write_csv(self.folder.path / "ledger.csv")
        told = {
            "asked": dict(asked),
            "prepared": list(dataset.images.image_shape[:2]),
            "samples": self.samples,
            "command": self.command,
            "machine": describe_machine(str(self.device), torch.get_num_threads()),
        }
        self.folder.describe({**run, **told}, recipe, net)

    @contextmanager
    def stopping(self) -> Iterator[Callable[[], bool]]:
        """Yield what says whether a stop was asked for; a run without a folder is ended by Ctrl-C at once."""
        with stop_signals(self.observer.note) if self.folder else nullcontext(lambda: False) as stop:
            yield stop

    def finish(
        self,
        model: Classifier,
        splits: Splits[ImageSet],
        train_s: float,
        valid: Evaluation | None = None,
        *,
        calibrating: ImageSet | None = None,
        before: Classifier | None = None,
        catalog: Catalog | None = None,
    ) -> RunResult:
        """Calibrate the model that was chosen, judge it, for the first and only time on the test images, and save it.

        Arguments:
            valid: how it did on what it was chosen by; None judges it on the validation images.
            calibrating: images that have not trained it, to calibrate by; None takes the validation images.
            before: where these have trained it in the end, the model as it was before; see `calibrate`.
            catalog: where the images come from; the report looks at what its table says of them.
        """
        path = self.folder.path if self.folder else None
        model = replace(model, preprocessing=replace(model.preprocessing, window=splits.train.window))
        if not self.processes.first:
            return RunResult(model, valid, None, train_s, path)
        unseen = splits.valid if calibrating is None else calibrating
        calibrated = calibrate(model, splits.train, unseen, self.observer, before)
        model, promises = calibrated.model, calibrated.told
        if valid is None and len(splits.valid):
            made = calibrated.outputs if unseen is splits.valid else ()
            valid = model.judge(splits.valid, splits.valid.labels, progress=self.observer.prepare, outputs=made)
        check = PromiseCheck(model.trust, model.classes)
        test = judge_images(model, splits.test, self.observer, groups_learned(splits), check)
        # What chose is nothing new to judge by, learned from or not, and what was left out neither.
        seen = np.unique(np.concatenate([model.trained_on, splits.valid.hashes, splits.left_out]))
        samples = keep_samples(calibrated, splits.train, splits.valid) if self.samples else Samples()
        model = replace(model, sketches=_kept_sketches(splits), trained_on=seen, samples=samples)
        told = with_check(promises, check.result(splits.test.groups))
        figures: dict[str, Any] = (test_figures(test) if test else {}) | {"promises": told}
        if valid and valid.groups < valid.total:
            figures["valid_interval"] = list(valid.interval)
        # Equal runs have equal models: how long calibrating took is told beside.
        kept = {name: value for name, value in told.items() if name != "seconds"}
        model = replace(model, provenance=replace(model.provenance, **figures | {"promises": kept}))
        if self.folder:
            model.save(self.folder.model)
            self.folder.write_result(
                {
                    "valid_accuracy": valid and valid.accuracy,
                    "test_accuracy": test and test.accuracy,
                    "train_s": round(train_s, 3),
                    "promises": told,
                }
            )
            leave_report(self.folder, model, splits, valid, test, self.observer, catalog)
        return RunResult(model, valid, test, train_s, path)


@contextmanager
def open_session(run: RunOptions, *, alone: str = "", doing: str = "training") -> Iterator[Session]:
    """Open a run: as many threads as there are CPUs, kept memory, joined processes, a folder that nobody else uses.

    Arguments:
        alone: what is fitted by one process only, for the message; empty where several may work together.
        doing: what another process is told that is kept out of the folder.

    Raises:
        ArgumentError: the folder holds another run, there is none to resume in, a device that is not there, several
            processes where one must do.
    """
    if alone and process_count() > 1:
        raise ArgumentError(f"{alone} is fitted by one process; got {process_count()}. Start it without torchrun")
    device, observer = own_device(choose_device(run.device)), run.observer if is_first() else Observer()
    if is_homeless():
        observer.note(HOMELESS)
    with ExitStack() as stack:
        stack.enter_context(fitting_threads(observer.note))
        stack.enter_context(kept_memory())
        processes = ALONE if alone else stack.enter_context(joined(device))
        folder = _folder(run, observer) if processes.first else RunFolder(run.out) if run.out else None
        resumed = processes.from_first(folder is not None and folder.exists)
        if folder and processes.first:
            stack.enter_context(folder.held(doing))
        # A run that was begun without keeps none, whatever it is gone on with by.
        samples = run.samples and not (resumed and folder and folder.description().get("samples") is False)
        yield Session(folder, resumed, device, processes, observer, run.command, samples)


def _folder(run: RunOptions, observer: Observer) -> RunFolder | None:
    if run.out is None:
        if run.resume:
            raise ArgumentError("resume needs the folder of the run: give out")
        if run.tensorboard:
            raise ArgumentError("tensorboard needs a folder for its scalars: give out")
        return None
    folder = RunFolder(run.out)
    if folder.exists and not run.resume:
        raise ArgumentError(
            f"{folder.path} already holds a run. Add --resume to go on with it, or choose another --out"
        )
    if run.resume and not folder.exists:
        observer.note(f"no run in {folder.path} yet: starting one")
    return folder


def judge_images(
    model: Classifier,
    images: ImageSet,
    observer: Observer,
    learned: np.ndarray | None = None,
    check: PromiseCheck | None = None,
) -> Evaluation | None:
    """Return how the model does on prepared images, None if there are none.

    Arguments:
        learned: groups that it has learned from or was chosen by; images of these are counted apart. None where no
            group can be on two sides.
        check: is shown what the model says of each.
    """
    if not len(images):
        return None
    near = None
    if learned is not None and images.groups is not None:
        near = np.isin(images.groups, learned)
    return model.judge(images, images.labels, progress=observer.prepare, near=near, watch=check)


def _kept_sketches(splits: Splits[ImageSet]) -> np.ndarray:
    """Return the sketches of the images that a model has seen, of the smallest hashes where they are too many."""
    train, valid = splits.train, splits.valid
    if train.sketches is None or valid.sketches is None:
        return np.zeros((0, 0), np.int8)
    first = np.argsort(np.concatenate([train.hashes, valid.hashes]), kind="stable")[:MOST_KEPT]
    return np.concatenate([train.sketches, valid.sketches])[first]


def test_figures(test: Evaluation) -> dict[str, Any]:
    """Return what a model keeps of how it did on the test images."""
    figures = {
        "test_accuracy": test.accuracy, "test_correct": test.correct, "test_total": test.total,
        "test_balanced_accuracy": test.balanced_accuracy, "test_macro_f1": test.macro_f1,
    }  # fmt: skip
    if test.groups < test.total:
        figures |= {"test_groups": test.groups, "test_interval": list(test.interval)}
    if test.near_copies:
        figures["near_copies"] = test.near_copies_json()
    return figures | ({"test_accuracy_without_views": test.alone.accuracy} if test.alone else {})


def asked_before(folder: RunFolder, source: Any = None) -> tuple[Any, DataOptions, dict[str, Any]]:
    """Return the source, the data's options and what else was asked of the run in a folder, to start it alike.

    Arguments:
        source: where the source has moved; None takes the run's own.

    Raises:
        ArgumentError: it was started from data in memory, and no source is given.
    """
    with folder.understood():
        asked = dict(folder.description()["asked"])
        options, own = DataOptions.from_json(asked), asked["source"]
    source = own if source is None else source
    if source is None:
        raise ArgumentError(
            f"the run in {folder.path} was started from data in memory; resume it in Python with that data"
        )
    return source, options, {name: value for name, value in asked.items() if name not in ("source", *options.to_json())}


def found_again(source: Any) -> str | None:
    """Return a source as it can be found again from another folder, None if it lives in memory."""
    if not isinstance(source, str | Path):
        return None
    return str(Path(source).resolve()) if Path(source).exists() else str(source)
