"""What was measured on this machine, kept so that the same command decides the same again.

A noisy moment could otherwise make the same command choose another precision or another number of epochs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
from typing import Any

import torch

from striate.errors import StorageError
from striate.system.cache import cache_folder
from striate.system.files import write_atomically


def recall(key: str) -> dict[str, float] | None:
    """Return what was measured on this machine under `key`, None if nothing was."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        return {
            name: float(value)
            for name, value in json.loads(cache_folder("measurements.json").read_text("utf-8"))[key].items()
        }
    return None


def remember(key: str, measured: dict[str, float]) -> None:
    """Keep a measurement for this machine; where nothing can be written, nothing is kept."""
    kept = {}
    with contextlib.suppress(OSError, ValueError):
        kept = json.loads(cache_folder("measurements.json").read_text("utf-8"))
    with contextlib.suppress(StorageError):
        write_atomically(cache_folder("measurements.json"), json.dumps({**dict(kept), key: measured}, indent=0))


def measurement_key(device: torch.device, *told: Any) -> str:
    """Return the name of a measurement: what was measured, with what, on which machine and how many threads."""
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.node()} {platform.processor()}"
    everything = [*told, device.type, where, torch.get_num_threads(), torch.__version__]
    return hashlib.blake2b(repr(everything).encode(), digest_size=16).hexdigest()
