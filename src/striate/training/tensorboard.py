"""The metrics of a run as TensorBoard scalars (extra `tensorboard`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from striate.errors import MissingExtraError
from striate.observer import Observer


def require_tensorboard() -> None:
    """Raise a MissingExtraError unless TensorBoard is there."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        raise MissingExtraError('TensorBoard scalars need the extra: pip install "striate[tensorboard]"') from None


class TensorBoardScalars(Observer):
    """Writes each epoch's figures into a run's folder, for TensorBoard.

    Raises:
        MissingExtraError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path):
        require_tensorboard()
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / "tensorboard"))

    def epoch(self, record: dict[str, Any], better: bool) -> None:
        """Write the figures at the epoch's number."""
        for name, value in record.items():
            if isinstance(value, int | float) and name != "epoch":
                kind, _, figure = name.partition("_")
                tag = f"{figure}/{kind}" if kind in ("train", "valid") else f"run/{name}"
                self._writer.add_scalar(tag, value, record["epoch"])
        self._writer.flush()
