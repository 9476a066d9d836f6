# ruff: noqa: E501
"""Documents that say absurd things: models, weights, JSON, tables, Parquet, recipes and sentences."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.attacks.attack import ATTACKS, Attack, source
from tests.data import forms

DESCRIPTION = {
    "format": 3, "striate": "0", "kind": "net", "classes": ["a", "b"], "net": "fc(2)", "input": [1, 8, 8],
    "preprocessing": {"size": [8, 8], "channels": 1, "fit": "crop"}, "provenance": {},
}  # fmt: skip


def safetensors(header: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    """Return a .safetensors file of this header, which may say another length of it."""
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def model(description: bytes, tensors: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a .striate file of two members, whatever they hold."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        archive.writestr("striate.json", description)
        archive.writestr("tensors.safetensors", tensors)
    return made.getvalue()


def _entry(kind: str = "F32", shape: tuple[int, ...] = (1,), offsets: tuple[int, int] = (0, 4)) -> bytes:
    return json.dumps({"w": {"dtype": kind, "shape": shape, "data_offsets": offsets}}).encode()


HEADERS = {
    "longer-than-the-file": safetensors(b"{}", length=1 << 40),
    "as-long-as-can-be": safetensors(b"{}", length=2**64 - 1),
    "no-json": safetensors(b"{" * 1000),
    "deep": safetensors(b"[" * 1_000_000),
    "deep-shape": safetensors(b'{"w":{"dtype":"F32","shape":' + b"[" * 100_000 + b"]" * 100_000 + b',"data_offsets":[0,4]}}', bytes(4)),
    "beyond-the-end": safetensors(_entry(shape=(1 << 40,), offsets=(0, 1 << 42)), bytes(4)),
    "shape-that-overflows": safetensors(_entry(shape=(1 << 32, 1 << 32), offsets=(0, 0))),
    "negative": safetensors(b'{"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', bytes(4)),
    "backwards": safetensors(_entry(offsets=(4, 0)), bytes(4)),
    "overlapping": safetensors(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
    "a-hole": safetensors(_entry(offsets=(4, 8)), bytes(8)),
    "of-an-unknown-type": safetensors(_entry("F7"), bytes(4)),
    "twice-a-name": safetensors(b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
    "many-tensors": safetensors(b"{" + b",".join(b'"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}' % i for i in range(700_000)) + b"}"),
    "many-dimensions": safetensors(_entry(shape=(1,) * 100_000), bytes(4)),
    "no-text": safetensors(b'{"\xff\xfe":1}'),
}  # fmt: skip


def _predict(folder: Path, content: bytes) -> tuple[str, ...]:
    (folder / "m.striate").write_bytes(content)
    (folder / "a.png").write_bytes(forms.picture(0, 0))
    return ("predict", "m.striate", "a.png")


def _model_attack(name: str, content: Callable[[], bytes], says: str = "m.striate") -> None:
    ATTACKS[name] = Attack(name, lambda folder: _predict(folder, content()), 1, says)


for name, raw in HEADERS.items():
    _model_attack(f"model/header-{name}", lambda raw=raw: model(json.dumps(DESCRIPTION).encode(), raw))

    def make(folder: Path, raw=raw) -> tuple[str, ...]:
        (folder / "w.safetensors").write_bytes(raw)
        (folder / "a.png").write_bytes(forms.picture(0, 0))
        return ("predict", "squeezenet1_1", "a.png", "--weights", "w.safetensors")

    ATTACKS[f"weights/header-{name}"] = Attack(f"weights/header-{name}", make, 1, "w.safetensors")


def described(**changes: object) -> bytes:
    """Return a model whose description says something else."""
    return model(json.dumps(DESCRIPTION | changes).encode(), safetensors(b"{}"))


MODELS: dict[str, Callable[[], bytes]] = {
    "json-of-lists": lambda: model(b"[" + b"[]," * 20_000_000 + b"[]]", safetensors(b"{}")),
    "json-deep": lambda: model(b"[" * 10_000_000, safetensors(b"{}")),
    "json-of-digits": lambda: model(b'{"format":' + b"9" * 3_000_000 + b"}", safetensors(b"{}")),
    "json-bomb": lambda: model(b" " * (600 << 20), safetensors(b"{}"), zipfile.ZIP_DEFLATED),
    "tensors-bomb": lambda: model(json.dumps(DESCRIPTION).encode(), bytes(600 << 20), zipfile.ZIP_DEFLATED),
    "net-of-absurd-size": lambda: described(net="fc(1000000000) fc(2)"),
    "net-repeated": lambda: described(net="[[[[conv(3, 1)]*999]*999]*999]*999 fc(2)"),
    "net-deep": lambda: described(net="[" * 50_000 + "relu" + "]" * 50_000),
    "net-of-code": lambda: described(net="__import__('os').system('touch RAN') fc(2)"),
    "net-of-other-code": lambda: described(kind="timm", net="__import__('os').system('touch RAN')"),
    "module-of-code": lambda: described(kind="module", net="os.system"),
    "fitted-of-code": lambda: described(kind="fitted", net="os.system('touch RAN')"),
    "size-absurd": lambda: described(preprocessing={"size": [2**31, 2**31], "channels": 3, "fit": "crop"}),
    "channels-absurd": lambda: described(preprocessing={"size": [8, 8], "channels": 10**9, "fit": "crop"}),
    "numbers-that-are-none": lambda: model(b'{"format": 3, "kind": NaN, "classes": [1e999]}', safetensors(b"{}")),
}
for name, content in MODELS.items():
    _model_attack(f"model/{name}", content)

PICTURES = {f"{i}.png": forms.picture(i % 2, i) for i in range(16)}


def _annotated(name: str, text: bytes) -> Callable[[Path], tuple[str, ...]]:
    def make(folder: Path) -> tuple[str, ...]:
        forms.write_files(folder, PICTURES)
        return source(folder, name, text)

    return make


COCO = json.dumps(forms.coco({name: [i % 2] for i, name in enumerate(PICTURES)})).encode()
DOCUMENTS = {
    "coco-deep.json": b'{"images": [], "annotations": ' + b"[" * 500_000,
    "coco-of-lists.json": b'{"images": [' + b"[]," * 5_000_000 + b'[]], "annotations": [], "categories": []}',
    "coco-of-digits.json": COCO.replace(b'"id": 10,', b'"id": ' + b"9" * 100_000 + b","),
    "coco-outside.json": COCO.replace(b'"0.png"', b'"../../../../../../../../etc/passwd"').replace(b'"1.png"', b'"/etc/passwd"'),
    "labelstudio-deep.json": b'[{"annotations": ' + b"[" * 500_000,
    "labelstudio-address.json": json.dumps([forms.task("http://127.0.0.1:9/a.png", "cat") for _ in range(4)]).encode(),
    "lines.jsonl": b'{"file_name": "0.png", "label": "a"}\n' + b'{"file_name": ' + b"[" * 200_000 + b"\n",
    "one-cell.csv": b'image,label\n"' + b"a" * 20_000_000,
    "many-columns.csv": b"image,label" + b",x" * 1_000_000 + b"\n0.png,a\n1.png,b\n",
    "many-quotes.csv": b"image,label\n" + b'"' * 2_000_000 + b"\n",
    "zero-bytes.csv": b"image,label\n\0\0\0.png,a\n",
    "outside.csv": b"image,label\n../../../../../../../../etc/passwd,a\n/etc/passwd,b\n",
    "devices.csv": b"image,label\n/dev/zero,a\n/dev/stdin,b\n",
    "no-parquet.parquet": b"PAR1" + struct.pack("<I", 2**31 - 1) + b"PAR1",
}  # fmt: skip
for name, text in DOCUMENTS.items():
    ATTACKS[f"document/{name}"] = Attack(f"document/{name}", _annotated(name, text), 1, name.split(".")[0])
for name in ("coco-outside.json", "many-columns.csv"):
    ATTACKS[f"document/{name}"] = Attack(f"document/{name}", _annotated(name, DOCUMENTS[name]), 0, "")


RECIPES = {
    "deep": b"augment = " + b"[" * 100_000,
    "digits": b"epochs = " + b"9" * 1_000_000,
    "keys": b".".join([b"a"] * 50_000) + b" = 1",
    "long": b"optimiser = '" + b"x" * 10_000_000 + b"'",
    "code": b"augment = [\"__import__('os').system('touch RAN')\"]",
    "net": b"net = '" + b"[" * 5000 + b"relu" + b"]*9" * 5000 + b"'",
    "threads": b"batch_size = 1000000000000",
}
for name, text in RECIPES.items():

    def make(folder: Path, text=text) -> tuple[str, ...]:
        (folder / "r.toml").write_bytes(text)
        return ("train", "digits", "--net", "fc(classes)", "--recipe", "r.toml", "--out", "run")

    # What the command line names is trained, whatever the recipe says of a net.
    ATTACKS[f"recipe/{name}"] = Attack(f"recipe/{name}", make, 0 if name == "net" else 1, "")

SENTENCES = {
    "repeats": "[[[[[fc(10)]*99]*99]*99]*99]*99", "deep": "[" * 2000 + "relu" + "]" * 2000, "wide": "conv(999999999, 3) fc(10)",
    "code": "conv(__import__('os').system('touch RAN'), 3)", "power": "fc(9**9**9**9)", "parentheses": "fc(" + "(" * 5000,
    "names": "residual(" * 500 + "relu" + ")" * 500,
}  # fmt: skip
for name, text in SENTENCES.items():
    ATTACKS[f"sentence/{name}"] = Attack(
        f"sentence/{name}", lambda folder, text=text: ("net", text, "--input", "3x32x32"), 1, ""
    )
