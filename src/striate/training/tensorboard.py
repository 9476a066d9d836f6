"""The metrics of a run as TensorBoard scalars (extra `tensorboard`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from striate.errors import MissingExtraError
from striate.observer import Observer, StepReport


class TensorBoardScalars(Observer):
    """Passes everything on to another observer and writes each epoch's figures for TensorBoard."""

    def __init__(self, folder: Path, inner: Observer):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingExtraError("TensorBoard scalars need the extra: pip install 'striate[tensorboard]'") from None
        self.inner = inner
        self.note, self.warn, self.step, self.prepare = inner.note, inner.warn, inner.step, inner.prepare
        self._writer = SummaryWriter(str(folder / "tensorboard"))

    def step(self, report: StepReport) -> None:
        """Pass the step on."""
        self.inner.step(report)

    def epoch(self, record: dict[str, Any], better: bool) -> None:
        """Write the figures at the epoch's number and pass them on."""
        for name, value in record.items():
            if value is not None and name != "epoch":
                kind, _, figure = name.partition("_")
                tag = f"{figure}/{kind}" if kind in ("train", "valid") else f"run/{name}"
                self._writer.add_scalar(tag, value, record["epoch"])
        self._writer.flush()
        self.inner.epoch(record, better)
