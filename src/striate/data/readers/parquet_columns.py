"""Which columns of a Parquet file hold the images, the classes and their names: by metadata, by type, by name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from striate.errors import ArgumentError, DataError, unknown

_IMAGE_NAMES = ("image", "img", "images", "picture", "photo", "jpg", "png", "bytes", "image_bytes", "content")
_LABEL_NAMES = ("label", "labels", "class", "class_name", "target", "category", "y", "cls")
# Of CIFAR-100's two kinds of classes its hundred are taken, as from its own files.
_FINE, _COARSE = ("fine_label", "fine_labels"), ("coarse_label", "coarse_labels")
_PATH_NAMES = (*_IMAGE_NAMES, "file_name", "filename", "path", "image_path", "url", "image_url")


@dataclass(frozen=True)
class ParquetColumns:
    """Which columns hold what: images as bytes or else as paths, labels and the names of their classes.

    `chosen` says whether the user named the column of labels.
    """

    bytes_: str | None
    paths: str | None
    label: str | None
    names: tuple[str, ...] | None
    others: tuple[str, ...]
    chosen: bool = False


def choose_parquet_columns(
    path: Path, schema: Any, image_column: str | None, label_column: str | None
) -> ParquetColumns:
    """Return which columns of a file are used.

    Arguments:
        path: the file, for messages.
        schema: pyarrow's.
        image_column, label_column: what the user named.

    Raises:
        ArgumentError: there is no such column.
        DataError: none holds images, or several hold classes.
    """
    features, names = _features(schema), list(schema.names)
    for wanted, option in ((image_column, "--image-column"), (label_column, "--label-column")):
        if wanted and wanted not in names:
            raise ArgumentError(f"{path}: {unknown('column', wanted, names[:20])}. Give another {option}")
    image = image_column or _image_column(schema, features)
    if image is None:
        listed = ", ".join(f"{name} ({schema.field(name).type})"[:60] for name in names[:10])
        raise DataError(
            f"{path} must have a column of images, as bytes or as paths; its columns are {listed}. "
            "Name it with --image-column"
        )
    bytes_, paths = _kinds(path, schema, image)
    label = label_column or _label_column(path, schema, features, image)
    given = features.get(label or "", {}).get("names")
    classes = tuple(map(str, given)) if isinstance(given, list) and given else None
    others = tuple(name for name in names if name != image and _is_plain(schema.field(name).type))
    others = tuple(name for name in others if name != label)
    return ParquetColumns(bytes_, paths, label, classes, others, chosen=label_column is not None)


def _features(schema: Any) -> Mapping[str, Any]:
    """Return what Hugging Face's metadata says of the columns."""
    raw = (schema.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(raw)["info"]["features"] if raw else {}
    except (ValueError, KeyError, TypeError, RecursionError):
        features = {}
    return {k: v for k, v in features.items() if isinstance(v, dict)} if isinstance(features, dict) else {}


def _is_struct(kind: Any) -> bool:
    return hasattr(kind, "num_fields") and kind.num_fields > 0 and str(kind).startswith("struct")


def _is_bytes(kind: Any) -> bool:
    return str(kind) in ("binary", "large_binary", "binary_view") or str(kind).startswith("fixed_size_binary")


def _is_text(kind: Any) -> bool:
    return str(kind) in ("string", "large_string", "string_view")


def _is_plain(kind: Any) -> bool:
    text = str(kind)
    return _is_text(kind) or text.startswith(("int", "uint", "bool", "float", "double", "dictionary"))


def _fields(kind: Any) -> dict[str, Any]:
    return {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)} if _is_struct(kind) else {}


def _image_column(schema: Any, features: Mapping[str, Any]) -> str | None:
    said = [name for name, feature in features.items() if feature.get("_type") == "Image" and name in schema.names]
    fields = {name: _fields(schema.field(name).type) for name in schema.names}
    structs = [name for name in schema.names if _is_bytes(fields[name].get("bytes"))]
    structs = structs or [name for name in schema.names if {*fields[name]} == {"bytes", "path"}]  # of paths alone
    raw = [name for name in schema.names if _is_bytes(schema.field(name).type)]
    texts = [name for name in schema.names if _is_text(schema.field(name).type)]
    named = [name for name in texts if name.casefold() in _PATH_NAMES]
    for candidates in (said, structs, raw, named):
        if candidates:
            return min(candidates, key=lambda name: _rank(name, _IMAGE_NAMES))
    return None


def _rank(name: str, names: Sequence[str]) -> int:
    folded = name.casefold()
    return names.index(folded) if folded in names else len(names)


def _kinds(path: Path, schema: Any, image: str) -> tuple[str | None, str | None]:
    """Return (column of bytes or None, column of paths or None) of the column of images."""
    kind = schema.field(image).type
    fields = _fields(kind)
    if _is_bytes(fields.get("bytes")):
        return f"{image}.bytes", f"{image}.path" if _is_text(fields.get("path")) else None
    if _is_text(fields.get("path")):
        return None, f"{image}.path"
    if _is_bytes(kind):
        return image, None
    if _is_text(kind):
        return None, image
    raise DataError(f"{path}: the images in {image} must be bytes, paths, or a struct of both; got {str(kind)[:120]}")


def _label_column(path: Path, schema: Any, features: Mapping[str, Any], image: str) -> str | None:
    said = [n for n, feature in features.items() if feature.get("_type") == "ClassLabel" and n in schema.names]
    plain = [name for name in schema.names if name != image and _is_usable(schema.field(name).type)]
    named = [name for name in plain if name.casefold() in _LABEL_NAMES]
    if fine := _finest(said or [name for name in plain if name.casefold() in _FINE + _COARSE]):
        return fine
    if len(said) > 1 and not any(name.casefold() in _LABEL_NAMES for name in said):
        raise DataError(
            f"{path} has {len(said)} columns of classes: {', '.join(said[:10])}. Choose with --label-column"
        )
    candidates = said or named
    return min(candidates, key=lambda name: _rank(name, _LABEL_NAMES)) if candidates else None


def _finest(names: Sequence[str]) -> str | None:
    """Return the fine one of columns that are of fine and coarse classes and nothing else; None of others."""
    folded = {name.casefold(): name for name in names}
    fine = [name for key, name in folded.items() if key in _FINE]
    return fine[0] if len(fine) == 1 and folded.keys() <= {*_FINE, *_COARSE} else None


def _is_usable(kind: Any) -> bool:
    return _is_plain(kind) or str(kind).startswith(("list", "large_list"))
