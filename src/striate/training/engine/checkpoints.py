"""Checkpoints: the whole state of a run in one safetensors file, written aside, synced and renamed.

checkpoint.safetensors  the whole state, to resume from
metrics.jsonl           one line an epoch
health.json             how the net did, layer by layer, when it was last looked at
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from striate.errors import ModelFileError, brief
from striate.system.files import replace_atomically, write_atomically
from striate.training.engine.state import State, Weights
from striate.units import say_count

FORMAT = "striate-checkpoint-1"
CHECKPOINT, METRICS, HEALTH = "checkpoint.safetensors", "metrics.jsonl", "health.json"
# A checkpoint follows the last one after a second, or after fifty times what it costs: at most 2 % of the time.
SHORTEST_S, COST_FACTOR = 1.0, 50


class Checkpoints:
    """The `Storage` of a training loop in a folder.

    Arguments:
        folder: of the run.
        save_model: writes a model of the best weights so far.
    """

    def __init__(self, folder: Path, save_model: Callable[[Weights, State], None]):
        self._folder, self._save_model = folder, save_model
        self._next_save = time.monotonic() + SHORTEST_S

    def load(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """Return the state and the tensors of the last checkpoint; both empty if there is none."""
        self._next_save = time.monotonic() + SHORTEST_S
        path = self._folder / CHECKPOINT
        return (read_state(path), read_checkpoint(path)) if path.exists() else ({}, {})

    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return time.monotonic() >= self._next_save

    def save(self, tensors: Mapping[str, torch.Tensor], state: State, best: Weights | None) -> None:
        """Write the better model, where there is a new one, then metrics and checkpoint.

        In this order a kill between two of them costs nothing: the resumed run makes the same files again.
        """
        start = time.monotonic()
        if best is not None:
            self._save_model(best, state)
        lines = [json.dumps(record) + "\n" for record in state.history]
        write_atomically(self._folder / METRICS, "".join(lines))
        if state.health:
            write_atomically(self._folder / HEALTH, json.dumps(state.health, indent=1) + "\n")
        save_checkpoint(self._folder / CHECKPOINT, tensors, asdict(state))
        end = time.monotonic()
        self._next_save = end + max(SHORTEST_S, COST_FACTOR * (end - start))

    def clear(self) -> None:
        """Remove what was written; the model stays until there is a better one."""
        for name in (CHECKPOINT, METRICS, HEALTH):
            (self._folder / name).unlink(missing_ok=True)


class ReadOnlyCheckpoints(Checkpoints):
    """The same for the processes that only read: the first one writes."""

    def due(self) -> bool:
        """Whether it is time for a checkpoint: never."""
        return False

    def save(self, tensors: Mapping[str, torch.Tensor], state: State, best: Weights | None) -> None:
        """Leave it to the first process."""

    def clear(self) -> None:
        """Leave it to the first process."""


def begun(folder: Path) -> bool:
    """Whether there is a checkpoint in the folder."""
    return (folder / CHECKPOINT).exists()


def where(folder: Path) -> str:
    """Return where the last checkpoint in the folder stands."""
    if not begun(folder):
        return "the start: it had written no checkpoint yet"
    state = State(**read_state(folder / CHECKPOINT))
    epochs, steps = say_count(state.epoch, "epoch", "epochs"), say_count(state.step, "step", "steps")
    return f"{CHECKPOINT}: {epochs} and {steps} done"


def save_checkpoint(path: Path, tensors: Mapping[str, torch.Tensor], state: dict[str, Any]) -> None:
    """Write `tensors` and `state` (plain values) to `path`, whole or not at all."""
    # Contiguous copies: safetensors keeps no memory format and refuses shared memory.
    copies = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    metadata = {"format": FORMAT, "state": json.dumps(state)}
    replace_atomically(path, lambda temporary: save_file(copies, temporary, metadata))


def read_state(path: Path) -> dict[str, Any]:
    """Return the plain values of a checkpoint.

    Raises:
        ModelFileError: the file is damaged or no checkpoint of ours.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise ValueError(f"format {metadata.get('format')!r}")
        state = json.loads(metadata["state"])
        _check_state(state)
        return state
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(
            f"{path} is not a checkpoint of this version of Striate ({brief(error)}). Start another run"
        ) from None


def _check_state(state: dict[str, Any]) -> None:
    """Raise a TypeError or ValueError unless these can be the values of a `State`."""
    there = State(**state)
    for name, usual in asdict(State()).items():
        value = getattr(there, name)
        kinds = (dict, type(None)) if name == "best" else (int, float) if isinstance(usual, float) else (type(usual),)
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise ValueError(f"{name} is {str(value)[:40]!r}")
    if not all(isinstance(record, dict) for record in there.history) or min(there.epoch, there.step) < 0:
        raise ValueError("its history is none")


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a checkpoint, on the CPU; copies, as Windows replaces no file that is mapped.

    Raises:
        ModelFileError: the file is damaged.
    """
    try:
        return {name: tensor.clone() for name, tensor in load_file(path).items()}
    except (SafetensorError, OSError) as error:
        raise ModelFileError(f"{path} is damaged ({brief(error)}). Start another run") from None
