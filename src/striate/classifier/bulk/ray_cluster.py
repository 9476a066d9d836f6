"""Predicting on several machines: Ray Data's pool of actors decodes and predicts, this process writes.

Ray starts lost actors again and gives their batches to others; the answers come back here in order, and what is
written and how it is gone on with is the same as on one machine.
"""

from __future__ import annotations

import os
import pickle
import re
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from striate.classifier.bulk.answers import Answer
from striate.classifier.bulk.batch_predictor import BatchPredictor, answers_of_columns, columns_of_answers
from striate.classifier.classifier import Classifier
from striate.data.lineup import Lineup
from striate.errors import ArgumentError, MissingExtraError, StriateError

# Images to a task: small enough to lose little with a machine, large enough to be worth sending.
_TASK_IMAGES = 256
LOCAL = "local"
_ADDRESS = re.compile(r"auto|local|ray://\S+|[\w.-]+:\d+|\[[0-9a-fA-F:]+\]:\d+")


def import_ray() -> Any:
    """Return ray, with its data library.

    Raises:
        MissingExtraError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray  # pyright: ignore[reportMissingImports]
        import ray.data  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingExtraError('--ray needs Ray: pip install "striate[ray]"') from error
    return ray


def check_address(address: str) -> str:
    """Return the address of a cluster.

    Raises:
        ArgumentError: it is none: perhaps an image that came after --ray.
    """
    if not _ADDRESS.fullmatch(address):
        raise ArgumentError(
            f"--ray must be followed by the address of a cluster, as 10.0.0.1:6379 or auto, or by nothing for this "
            f"machine; got {address!r}. Put --ray last"
        )
    return address


class RayStream:
    """Gives the answers to the images of a lineup, as `predict_lineup` wants them; a context manager.

    Arguments:
        model: is sent to every machine.
        lineup: of files that every machine can open by the same path, in a folder that they share.
        address: of the cluster, `auto` for the one that this machine belongs to, `local` to use this machine alone.
        sure, sets: a wanted precision and a wanted coverage, as for `Classifier.predict`.

    Raises:
        MissingExtraError: Ray is not installed.
        ArgumentError: no such cluster, or images that are no files.
    """

    def __init__(
        self, model: Classifier, lineup: Lineup, address: str, sure: float | None = None, sets: float | None = None
    ):
        if lineup.arrays is not None:
            raise ArgumentError(
                f"--ray must have images in files; {lineup.source} holds arrays, which are in memory here already. "
                "Leave out --ray"
            )
        self._ray = import_ray()
        self._model, self._lineup, self._address = model, lineup, check_address(address)
        self._asked = {"sure": sure, "sets": sets}
        self._own = False

    def __enter__(self) -> RayStream:
        if not self._ray.is_initialized():
            place: dict[str, Any] = {"include_dashboard": False} if self._address == LOCAL else {}
            try:
                self._ray.init(
                    None if self._address == LOCAL else self._address, log_to_driver=False, logging_level="ERROR",
                    **place,
                )  # fmt: skip
            except (ConnectionError, RuntimeError, ValueError, OSError) as error:
                first = (str(error) or type(error).__name__).splitlines()[0]
                raise ArgumentError(
                    f"--ray must lead to a running cluster; {self._address} does not: {first}. Start one with ray "
                    "start --head, or leave out the address to use this machine alone"
                ) from None
            self._own = True
        context = self._ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.preserve_order = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._own:
            self._ray.shutdown()

    def __call__(self, rows: Sequence[int]) -> Generator[list[Answer]]:
        """Yield the answers to the images at `rows`, in their order."""
        if not len(rows):
            return
        dataset = self._ray.data.from_arrow(
            [self._table(rows[start : start + _TASK_IMAGES]) for start in range(0, len(rows), _TASK_IMAGES)]
        )
        tasks = -(-len(rows) // _TASK_IMAGES)
        found = self._ray.cluster_resources()
        gpus = int(found.get("GPU", 0))
        answered = dataset.map_batches(
            _Worker, fn_constructor_args=[_file_of(self._model), os.getcwd()], fn_constructor_kwargs=self._asked,
            batch_size=_TASK_IMAGES, batch_format="numpy", num_cpus=1, num_gpus=1 if gpus else 0,
            concurrency=(1, max(1, min(gpus or int(found.get("CPU", 1)), tasks))),
        )  # fmt: skip
        try:
            for batch in answered.iter_batches(batch_size=None, batch_format="numpy"):
                yield answers_of_columns(batch, self._model.classes)
        except self._ray.exceptions.RayError as error:
            first = (str(error) or type(error).__name__).strip().splitlines()[-1]
            raise StriateError(
                f"the cluster cannot go on: {first}. The same command goes on from what is done"
            ) from error

    def _table(self, rows: Sequence[int]) -> Any:
        """Return names and ways to the pixels as columns. A way may be a place in an archive, so it goes pickled."""
        import pyarrow as pa

        names = [os.fsencode(self._lineup.names[row]) for row in rows]
        refused, found = self._lineup.refused, self._lineup.ways
        ways = [pickle.dumps(_Refused(refused[row]) if row in refused else found[row]) for row in rows]
        return pa.table({"name": pa.array(names, pa.binary()), "way": pa.array(ways, pa.binary())})


class _Refused(str):
    """Why an image cannot be read, as is known before it is sent."""


class _Worker(BatchPredictor):
    """What an actor runs: answers to ways that this package itself has pickled."""

    def __init__(self, model: bytes, folder: str, **asked: Any):
        super().__init__(model, **asked)
        if os.path.isdir(folder):  # what is relative here is there too
            os.chdir(folder)

    def __call__(self, batch: Any) -> dict[str, Any]:
        names = [os.fsdecode(name) for name in batch["name"]]
        ways = [pickle.loads(way) for way in batch["way"]]  # noqa: S301 - from RayStream, through Ray, which pickles too
        refused = {i: str(way) for i, way in enumerate(ways) if isinstance(way, _Refused)}
        lineup = Lineup("a batch", names, ways, refused)
        columns = columns_of_answers(self.answers(lineup), len(self.model.classes))
        # Names that are no UTF-8 cannot travel as text.
        columns["image"] = np.array([os.fsencode(name) for name in columns["image"]], object)
        return columns


def _file_of(model: Classifier) -> bytes:
    """Return a model as the bytes of its file: machines of a cluster may share no folder but that of the images."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.striate"
        model.save(path)
        return path.read_bytes()
