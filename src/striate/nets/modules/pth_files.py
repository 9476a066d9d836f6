"""Files of weights looked at before they are read: that runs no code, but would take whatever memory they ask for."""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from striate.errors import ModelFileError
from striate.system.archives import DAMAGED
from striate.system.tensor_headers import is_believable

# DenseNet-201's names take 0.2 MB and 40,000 steps.
_MOST_PROGRAM_BYTES, _MOST_STEPS = 2 << 20, 500_000
_PROGRAMS_OF_OLD = 5  # magic number, version, machine, tensors, keys


def check_safetensors(path: Path) -> None:
    """Refuse a .safetensors file whose header is absurdly long.

    Raises:
        ModelFileError: it is.
    """
    with open(path, "rb") as file:
        if not is_believable(file.read(8)):
            raise ModelFileError(
                f"{path} cannot be read as weights: its header is absurdly long, or it is no .safetensors file. "
                "Get it again"
            )


def check_pth(path: Path) -> None:
    """Refuse a .pth that is no plain state_dict by its outside: compressed members, or a description of absurd length.

    Raises:
        ModelFileError: it is none.
    """
    with open(path, "rb") as file:
        zipped = file.read(4) == b"PK\3\4"
    if zipped:
        _check_members(path)
    else:
        _check_steps(path)


def check_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors that say more than the file holds: one value seen a trillion times, or none at all.

    Raises:
        ModelFileError: there is such a one.
    """
    file_bytes = path.stat().st_size
    for name, value in tensors.items():
        plain = value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized
        if not plain or value.numel() * value.element_size() > file_bytes:
            raise ModelFileError(
                f"{path}: {name[:80]} must be a plain tensor no larger than its file; got {value.dtype} of shape "
                f"{tuple(value.shape)}. Save the state_dict again"
            )


def _check_members(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except DAMAGED:
        return  # torch says what is wrong
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED:
            raise ModelFileError(
                f"{path}: its member {member.filename[:80]} is compressed, which torch.save never does. "
                "Save the state_dict again"
            )
        if member.filename.endswith(".pkl") and member.file_size > _MOST_PROGRAM_BYTES:
            raise ModelFileError(_absurd(path))


def _check_steps(path: Path) -> None:
    steps = 0
    with open(path, "rb") as file, suppress(Exception):  # torch says what is wrong
        for _ in range(_PROGRAMS_OF_OLD):
            for _ in pickletools.genops(file):
                steps += 1
                if steps > _MOST_STEPS:
                    break
    if steps > _MOST_STEPS:
        raise ModelFileError(_absurd(path))


def _absurd(path: Path) -> str:
    return f"{path} must hold tensors by name; what it says of them is absurdly long. Save the state_dict alone"
