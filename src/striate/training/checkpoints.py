"""Checkpoints: the whole state of a run in one safetensors file, written aside, synced and renamed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from striate.errors import ModelFileError
from striate.storage import replace_atomically

FORMAT = "striate-checkpoint-1"


def save_checkpoint(
    path: Path, module: torch.nn.Module, optimiser: torch.optim.Optimizer, state: dict[str, Any]
) -> None:
    """Write the weights, the optimiser's tensors and `state` (plain values) to `path`, whole or not at all."""
    tensors = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
    for index, entries in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": value for name, value in entries.items() if value is not None}
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


def load_checkpoint(path: Path, module: torch.nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """Put a checkpoint's tensors into `module` and `optimiser` and return its plain values."""
    state = read_state(path)
    weights: dict[str, torch.Tensor] = {}
    moments: dict[int, dict[str, torch.Tensor]] = {}
    with safe_open(path, "pt") as file:
        for key in file.keys():  # noqa: SIM118 (a safe_open is no mapping)
            kind, _, name = key.partition(".")
            if kind == "module":
                weights[name] = file.get_tensor(key)
            else:
                index, _, entry = name.partition(".")
                moments.setdefault(int(index), {})[entry] = file.get_tensor(key)
    try:
        module.load_state_dict(weights)
        optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
    except (RuntimeError, ValueError, KeyError) as error:
        raise ModelFileError(f"{path} does not belong to this net: {error}") from None
    return state
