"""The `.striate` file: a zip of `striate.json` and `tensors.safetensors`, both stored uncompressed.

Reading is strict and runs no code: two members by these names and no other, sizes bounded by the file's own, JSON and
raw tensors only, every shape checked against the net or the head that is described.
"""

from __future__ import annotations

import errno
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from striate.classifier.classifier import Classifier
from striate.classifier.heads.fitted import Fitted, FittedModule, describe, put_weights, rebuild
from striate.classifier.preprocessing import Preprocessing
from striate.classifier.views import check_views
from striate.errors import ModelFileError, SourceNotFoundError, StriateError
from striate.nets import Net, NetModule, parse
from striate.nets.modules.own import AnyNet, OwnModule, build
from striate.system.files import replace_atomically

FORMAT = 1
KINDS = {Net: "net", OwnModule: "module", Fitted: "fitted"}
DESCRIPTION, TENSORS = "striate.json", "tensors.safetensors"
_MOST_JSON_BYTES = 64 << 20
# A fixed date makes equal models equal files.
_DATE = (1980, 1, 1, 0, 0, 0)


def save_classifier(model: Classifier, path: str | Path) -> None:
    """Write `model` to `path`, whole or not at all; equal models make equal files.

    Raises:
        StorageError: the disk is full or the folder cannot be written to; an older file at `path` is kept.
    """
    from safetensors.numpy import save

    from striate.version import __version__

    description = {
        "format": FORMAT,
        "striate": __version__,
        "kind": KINDS[type(model.net)],
        "classes": list(model.classes),
        "preprocessing": model.preprocessing.to_json(),
        "net": str(model.net),
        "views": model.views,
        "provenance": model.provenance,
    }
    if isinstance(model.module, FittedModule):
        description["fitted"] = describe(model.module)
    weights = {f"weights.{name}": value.detach().cpu().numpy() for name, value in model.module.state_dict().items()}
    tensors = weights | {
        "preprocessing.mean": model.preprocessing.mean,
        "preprocessing.std": model.preprocessing.std,
        "trained_on": model.trained_on,
    }
    contiguous = {name: np.ascontiguousarray(value).reshape(value.shape) for name, value in tensors.items()}
    text = json.dumps(description, indent=1, ensure_ascii=False).encode()

    def write(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo(DESCRIPTION, _DATE), text)
            archive.writestr(zipfile.ZipInfo(TENSORS, _DATE), save(contiguous))

    replace_atomically(Path(path), write)


def load_classifier(path: str | Path, module: torch.nn.Module | None = None) -> Classifier:
    """Return the classifier saved at `path`; `module` takes the weights where the file says that it is the user's own.

    Raises:
        SourceNotFoundError: no such file.
        ModelFileError: not a model, damaged, or of a version that this Striate does not know; names the file.
    """
    path = Path(path)
    if not path.is_file():
        raise SourceNotFoundError(
            f"no model file {path}. `striate train` writes one as model.striate in its run folder"
        )
    try:
        text, tensors = _members(path)
        return _build(_description(text), _tensors(tensors), module)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # EINVAL: told to seek before the file's start
            raise
        raise ModelFileError(f"{path} is damaged ({str(error) or 'cut short'}). Copy or train it again") from None
    except StriateError as error:
        raise ModelFileError(f"{path}: {error}") from None


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
        if archive.getinfo(DESCRIPTION).file_size > _MOST_JSON_BYTES:
            raise ModelFileError(f"{DESCRIPTION} is larger than {_MOST_JSON_BYTES >> 20} MiB")
        return archive.read(DESCRIPTION), archive.read(TENSORS)


def _description(text: bytes) -> dict[str, Any]:
    try:
        description = json.loads(text)
    except (ValueError, RecursionError):
        raise ModelFileError(f"{DESCRIPTION} is not JSON") from None
    if not isinstance(description, dict) or not isinstance(description.get("format"), int):
        raise ModelFileError(f"{DESCRIPTION} does not say its format")
    if description["format"] != FORMAT:
        raise ModelFileError(
            f"it has format {description['format']}, this Striate reads format {FORMAT}. Upgrade Striate"
        )
    if description.get("kind") not in KINDS.values():
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

    try:
        return load(payload)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ModelFileError(f"{TENSORS} is damaged ({error})") from None


def _build(description: dict[str, Any], tensors: dict[str, np.ndarray], module: torch.nn.Module | None) -> Classifier:
    for name in ("preprocessing.mean", "preprocessing.std", "trained_on"):
        if name not in tensors:
            raise ModelFileError(f"{TENSORS} has no {name}")
    preprocessing = Preprocessing.from_parts(
        description["preprocessing"], tensors.pop("preprocessing.mean"), tensors.pop("preprocessing.std")
    )
    trained_on = tensors.pop("trained_on")
    views = check_views(description.get("views", "none"))  # files of before there were views have none
    classes = tuple(description["classes"])
    weights = {name.removeprefix("weights."): torch.from_numpy(value.copy()) for name, value in tensors.items()}
    if description["kind"] == "fitted":
        built = rebuild(description.get("fitted"), weights, preprocessing.input_shape, len(classes))
        net = Fitted(description["net"], built.body.net if isinstance(built.body, NetModule) else None)
    else:
        net = _net(description, module)
        built = _build_net(net, weights, preprocessing.input_shape, len(classes))
    built.to(memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]
    return Classifier(classes, preprocessing, net, built, description["provenance"], trained_on, views)


def _build_net(
    net: AnyNet, weights: dict[str, torch.Tensor], input_shape: tuple[int, int, int], classes: int
) -> torch.nn.Module:
    if isinstance(net, Net):
        # Before anything is allocated: a short sentence can describe a net of any size.
        needed = net.table(input_shape).parameters
        stored = sum(value.numel() for value in weights.values())
        if needed > stored:
            raise ModelFileError(f"the net has {needed:,} parameters, the file holds {stored:,} numbers")
    outputs = net.output_shape(input_shape)
    if outputs != (classes,):
        raise ModelFileError(f"the net's output {outputs} does not match {classes} classes")
    return put_weights(build(net, input_shape, seed=0), weights)


def _net(description: dict[str, Any], module: torch.nn.Module | None) -> AnyNet:
    if description["kind"] == "net":
        return parse(description["net"])
    if module is None:
        raise ModelFileError(
            f"it holds the weights of a module of your own, {description['net']}, and runs no code to build it. "
            "Build it and give it: Classifier.load(path, module)"
        )
    return OwnModule(module)
