"""Checkpoints: the whole state of a run in one safetensors file, written aside, synced and renamed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from striate.errors import ModelFileError
from striate.system.files import replace_atomically

FORMAT = "striate-checkpoint-1"


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
        return json.loads(metadata["state"])
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ModelFileError(f"{path} is not a checkpoint of this version of Striate ({error})") from None


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a checkpoint, on the CPU.

    Raises:
        ModelFileError: the file is damaged.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelFileError(f"{path} is damaged ({error})") from None
