"""The `.striate` file: a zip of `striate.json` and `tensors.safetensors`, both stored uncompressed.

The format alone: a description as plain JSON values and arrays by name, to and from one file. What they describe is
built by the classifier. Reading is strict and runs no code: two members by these names and no other, sizes bounded by
the file's own, JSON and raw tensors only.
"""

from __future__ import annotations

import errno
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from striate.errors import ModelFileError, SourceNotFoundError, brief
from striate.system.archives import DAMAGED
from striate.system.files import nearest_path, replace_atomically
from striate.system.tensor_headers import is_believable
from striate.version import __version__

# Files of format 1 say nothing of how far to trust the model, those of format 2 keep no images.
FORMAT, READ = 3, (1, 2, 3)
# A sentence, a module of the user's own, a model of timm's by its name, what was fitted and not trained by steps.
KINDS = ("net", "module", "timm", "fitted")
DESCRIPTION, TENSORS = "striate.json", "tensors.safetensors"
_MOST_JSON_BYTES = 16 << 20
# A fixed date makes equal models equal files.
_DATE = (1980, 1, 1, 0, 0, 0)


def write_model(path: str | Path, description: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> None:
    """Write a model to `path`, whole or not at all; equal models make equal files.

    Arguments:
        description: plain values with at least `kind` (one of `KINDS`), `classes`, `preprocessing`, `net` and
            `provenance`; the format and Striate's version are put before them.
        tensors: arrays by name.

    Raises:
        ModelFileError: `read_model` would refuse it; nothing is written.
        StorageError: the disk is full or the folder cannot be written to; an older file at `path` is kept.
    """
    from safetensors.numpy import save

    path = Path(os.path.expanduser(path))
    described = {"format": FORMAT, "striate": __version__, **description}
    contiguous = {name: np.ascontiguousarray(value).reshape(value.shape) for name, value in tensors.items()}
    text = json.dumps(described, indent=1, ensure_ascii=False).encode()
    try:
        _check_size(len(text))
        _description(text)
    except ModelFileError as error:
        raise ModelFileError(f"{path} cannot be saved, for it could not be loaded again: {error}") from None

    def write(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo(DESCRIPTION, _DATE), text)
            archive.writestr(zipfile.ZipInfo(TENSORS, _DATE), save(contiguous))

    replace_atomically(path, write)


def _way_out(path: Path) -> str:
    """Return what to do where no model file is."""
    inside, near = path / "model.striate", nearest_path(path)
    if inside.is_file():
        return f"It is the folder of a run: give {inside}"
    if near is not None and near.is_file():
        return f"Did you mean {near}?"
    return "`striate train` writes one as model.striate in its run folder"


def read_model(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the description and the tensors of the model at `path`.

    Raises:
        SourceNotFoundError: no such file.
        ModelFileError: not a model, damaged, or of a version that this Striate does not know; names the file.
    """
    path = Path(os.path.expanduser(path))
    if not path.is_file():
        raise SourceNotFoundError(f"no model file {path}. {_way_out(path)}")
    try:
        text, tensors = _members(path)
        return _description(text), _tensors(tensors)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from None
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # EINVAL: told to seek before the file's start
            raise
        raise ModelFileError(f"{path} is damaged ({brief(error) or 'cut short'}). Copy or train it again") from None


def read_description(path: Path) -> dict[str, Any]:
    """Return the description in the model at `path`, of any version, unchecked; its tensors are not read.

    Raises:
        ModelFileError: it holds none that can be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(DESCRIPTION)
            if info.compress_type != zipfile.ZIP_STORED or info.file_size > _MOST_JSON_BYTES:
                raise ValueError
            description = json.loads(archive.read(info))
    except Exception:  # zipfile raises what it likes
        description = None
    if not isinstance(description, dict):
        raise ModelFileError(f"{path.name} is damaged")
    return description


def _members(path: Path) -> tuple[bytes, bytes]:
    with path.open("rb") as file:
        head = file.read(4)
    if head != b"PK\x03\x04":
        raise ModelFileError(
            f"not a Striate model: it begins with {head!r}. Give a .striate file, as striate train saves it"
        )
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        if sorted(info.filename for info in infos) != sorted((DESCRIPTION, TENSORS)):
            names = ", ".join(repr(info.filename) for info in infos[:4])
            raise ModelFileError(
                f"not a Striate model: it must hold {DESCRIPTION} and {TENSORS}, nothing else; got {names}"
            )
        for info in infos:
            # Stored members cannot be larger than the file they lie in: no bomb to unpack.
            if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 or info.file_size > path.stat().st_size:
                raise ModelFileError(f"member {info.filename} is compressed, encrypted or of a false size")
        _check_size(archive.getinfo(DESCRIPTION).file_size)
        return archive.read(DESCRIPTION), archive.read(TENSORS)


def _check_size(description_bytes: int) -> None:
    if description_bytes > _MOST_JSON_BYTES:
        raise ModelFileError(f"{DESCRIPTION} is larger than {_MOST_JSON_BYTES >> 20} MiB")


def _description(text: bytes) -> dict[str, Any]:
    try:
        description = json.loads(text)
    except (ValueError, RecursionError):
        raise ModelFileError(f"{DESCRIPTION} is not JSON") from None
    if not isinstance(description, dict) or not isinstance(description.get("format"), int):
        raise ModelFileError(f"{DESCRIPTION} does not say its format")
    if description["format"] not in READ:
        raise ModelFileError(
            f"it has format {description['format']}, this Striate reads formats {READ[0]} to {READ[-1]}. "
            "Upgrade Striate"
        )
    if description.get("kind") not in KINDS:
        raise ModelFileError(f"unknown kind of model {description.get('kind')!r}. Upgrade Striate")
    classes = description.get("classes")
    if not (isinstance(classes, list) and classes and all(isinstance(name, str) for name in classes)):
        raise ModelFileError("classes must be a list of names")
    if len(set(classes)) != len(classes):
        raise ModelFileError("two classes have the same name")
    for key, kind in (("net", str), ("preprocessing", dict), ("provenance", dict)):
        if not isinstance(description.get(key), kind):
            raise ModelFileError(f"{DESCRIPTION} has no {key}")
    return description


def _tensors(payload: bytes) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if not is_believable(payload):
        raise ModelFileError(f"{TENSORS} is damaged (its header is absurdly long)")
    try:
        return load(payload)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ModelFileError(f"{TENSORS} is damaged ({brief(error)})") from None
