"""Small data sets in the forms that other tools write, drawn; what tells the classes apart is easy to learn."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def picture(kind: int, seed: int, side: int = 12) -> bytes:
    """Return the PNG of noise (side × side) that is brighter for a higher kind."""
    values = np.random.default_rng(1000 * kind + seed).normal(60 + 90 * kind, 12, (side, side, 3))
    buffer = io.BytesIO()
    Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def class_folders(
    classes: tuple[str, ...] = ("cat", "dog"), n: int = 3, top: str = "", start: int = 0
) -> dict[str, bytes]:
    """Return {name: content} of class folders."""
    return {f"{top}{name}/{i}.png": picture(k, i + start) for k, name in enumerate(classes) for i in range(n)}


def write_files(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def write_zip(path: Path, files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: Mapping[str, bytes | tarfile.TarInfo], mode: str = "w") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """Return a member that is no file: a link, a device, a pipe."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def samples(n: int = 4, start: int = 0, label=lambda kind: {"cls": str(kind).encode()}) -> dict[str, bytes]:
    """Return the members of a WebDataset's shard."""
    found = {}
    for i in range(start, start + n):
        found[f"{i:06d}.png"] = picture(i % 2, i)
        found |= {f"{i:06d}.{extension}": content for extension, content in label(i % 2).items()}
    return found


def coco(files: Mapping[str, list[int]], names: tuple[str, ...] = ("cat", "dog")) -> dict:
    """Return COCO's JSON of {file: categories}."""
    images = [{"id": 10 + i, "file_name": name, "width": 12, "height": 12} for i, name in enumerate(files)]
    pairs = [(10 + i, k) for i, kinds in enumerate(files.values()) for k in kinds]
    annotations = [{"id": j, "image_id": i, "category_id": k, "bbox": [0, 0, 5, 5]} for j, (i, k) in enumerate(pairs)]
    categories = [{"id": k, "name": name, "supercategory": "animal"} for k, name in enumerate(names)]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


def task(image: str, *choices: str, cancelled: bool = False) -> dict:
    """Return a task of Label Studio as exported in full."""
    result = [{"from_name": "choice", "type": "choices", "value": {"choices": list(choices)}}]
    return {"id": 1, "data": {"image": image}, "annotations": [{"result": result, "was_cancelled": cancelled}]}


def write_json(path: Path, value) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")
    return path


def write_parquet(
    path: Path, rows: list[dict], names: tuple[str, ...] = (), group: int = 3, images: str = "image"
) -> Path:
    """Write rows as Hugging Face's `datasets` does, the classes named in the schema's metadata."""
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.Table.from_pylist(rows)
    features: dict = {images: {"_type": "Image"}}
    if names:
        features["label"] = {"names": list(names), "_type": "ClassLabel"}
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table, path, row_group_size=group)
    return path


def hub_rows(n: int = 7, start: int = 0) -> list[dict]:
    """Return rows of {image: {bytes, path}, label}."""
    return [
        {"image": {"bytes": picture(i % 2, i), "path": f"{i}.png"}, "label": i % 2} for i in range(start, start + n)
    ]
