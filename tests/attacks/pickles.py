"""Pickles that run code, eat memory or never end: in CIFAR's archives and folders, in arrays and in weights."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import struct
import subprocess
import zipfile
from pathlib import Path

import numpy as np
from tests.attacks.attack import ATTACKS, Attack, attack, source
from tests.data import forms

SHELL = "touch RAN; touch ../../RAN"


class Call:
    """Its pickle calls a function."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def _opcodes(module: str, name: str, argument: str) -> bytes:
    """Return a pickle of protocol 0 that calls a function by the opcode INST."""
    return b"(S%s\ni%s\n%s\n." % (repr(argument).encode(), module.encode(), name.encode())


def _nested(depth: int, opener: bytes, closer: bytes) -> bytes:
    return b"\x80\2" + opener * depth + closer * (depth - 1) + b"."


def _shared_dicts(depth: int = 200) -> bytes:
    """Return a pickle of dicts of which each holds the one before twice: 2^200 of them for whoever walks through."""
    made = b"\x80\2}q\0"
    for i in range(depth):
        before = b"h" + bytes([i % 256])
        made += b"0}q" + bytes([(i + 1) % 256]) + b"(K\0" + before + b"K\1" + before + b"u"
    return made + b"."


def _hashed_tuples(depth: int = 200) -> bytes:
    """Return a pickle of a dict whose key is tuples of tuples: hashing it takes 2^200 steps."""
    made = b"\x80\2)q\0"
    for i in range(depth):
        before = b"h" + bytes([i % 256])
        made += b"0" + before + before + b"\x86q" + bytes([(i + 1) % 256])
    return b"\x80\2}" + made[2:] + b"K\1s."


RUNNING = {
    "os-system": pickle.dumps({b"data": Call(os.system, SHELL)}, 2),
    "subprocess": pickle.dumps(Call(subprocess.Popen, SHELL, -1, None, None, None, None, None, True, True), 4),
    "eval": pickle.dumps(Call(eval, "open('RAN', 'w')"), 0),
    "exec": pickle.dumps(Call(exec, "open('RAN', 'w')"), 5),
    "open": pickle.dumps(Call(open, "RAN", "w"), 3),
    "import": pickle.dumps(Call(builtins.__import__, "antigravity"), 2),
    "instance": _opcodes("os", "system", SHELL),
    "numpy-load": pickle.dumps(Call(np.load, "RAN", None, True), 2),
    "getattr": b"cbuiltins\ngetattr\n(cos\nsystem\nS'__call__'\ntR(S'touch RAN'\ntR.",
    "dotted": b"\x80\4\x8c\x08builtins\x8c\x0dexec.__call__\x93\x8c\x11open('RAN', 'w')#\x85R.",
    "state-of-a-stand-in": b"\x80\2cnumpy\ndtype\n}X\5\0\0\0_callcos\nsystem\nsb(X\x09\0\0\0touch RANtR.",
    "extension": b"\x80\2\x82\1.",
    "outside": b"\x80\2X\x09\0\0\0touch RANQ.",
}
EATING = {
    "bytearray": b"\x80\5\x96" + struct.pack("<Q", 3 << 30) + b".",
    "bytes": b"\x80\4\x8e" + struct.pack("<Q", 3 << 30) + b".",
    "frame": b"\x80\4\x95" + struct.pack("<Q", 3 << 30) + b".",
    "memo": b"\x80\2Nr" + struct.pack("<I", 1 << 31) + b".",
    "long": b"\x80\2\x8b" + struct.pack("<i", 1 << 30) + b".",
    "digits": b"I" + b"9" * 2_000_000 + b"\n.",
    "deep-lists": _nested(3_000_000, b"]", b"a"),
    "deep-tuples": b"\x80\2)" + b"\x85" * 3_000_000 + b".",
    "many-lists": b"\x80\2(" + b"]" * 30_000_000 + b"l.",
    "many-dicts": b"\x80\2(" + b"}" * 30_000_000 + b"l.",
    "shared-dicts": _shared_dicts(),
    "hashed-tuples": _hashed_tuples(),
    "array-of-nothing": pickle.dumps({b"data": np.zeros((0, 3072), np.uint8), b"labels": []}, 2),
}


def _cifar_folder(content: bytes):
    return lambda folder: (*source(folder, "cifar/data_batch_1", content)[:1], "cifar", *source(folder, "")[2:])


def _cifar_archive(content: bytes):
    def make(folder: Path) -> tuple[str, ...]:
        forms.write_tar(folder / "cifar-10-python.tar.gz", {"cifar-10-batches-py/data_batch_1": content}, "w:gz")
        return source(folder, "cifar-10-python.tar.gz")

    return make


for name, content in RUNNING.items():
    ATTACKS[f"pickle/{name}"] = Attack(
        f"pickle/{name}", _cifar_folder(content), 1, r"must be a pickle of plain values|damaged"
    )
for name, content in EATING.items():
    ATTACKS[f"pickle/{name}"] = Attack(f"pickle/{name}", _cifar_archive(content), 1, r"data_batch_1|batches")


# Only these run the reading of weights as `predict` does.
def _weights(folder: Path, content: bytes, name: str = "evil.pth") -> tuple[str, ...]:
    (folder / name).write_bytes(content)
    (folder / "a.png").write_bytes(forms.picture(0, 0))
    return ("predict", "squeezenet1_1", "a.png", "--weights", name)


def _torch_zip(program: bytes, storage: bytes = bytes(64), method: int = zipfile.ZIP_STORED, times: int = 1) -> bytes:
    """Return a .pth as torch writes it, with this pickle and one storage."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/byteorder", b"little")
        with archive.open("archive/data/0", "w", force_zip64=True) as file:
            for _ in range(times):
                file.write(storage)
        archive.writestr("archive/version", b"3\n")
    return made.getvalue()


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def _tensor_program(numel: int, size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """Return the pickle of {"weight": tensor} as torch writes it, with this storage, size and stride."""

    def integer(value: int) -> bytes:
        return b"\x8a\x08" + struct.pack("<q", value)

    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(integer, values)) + b"t"

    storage = b"(" + _text("storage") + b"ctorch\nFloatStorage\n" + _text("0") + _text("cpu") + integer(numel) + b"tQ"
    rebuilt = (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + integer(0) + numbers(size) + numbers(stride)
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )  # fmt: skip
    return b"\x80\2}" + _text("features.0.weight") + rebuilt + b"s."


@attack("weights/runs-code", says="nothing but tensors")
def _(folder: Path) -> tuple[str, ...]:
    return _weights(folder, _torch_zip(pickle.dumps({"w": Call(os.system, SHELL)}, 2)))


@attack("weights/runs-code-as-of-old", says="nothing but tensors")
def _(folder: Path) -> tuple[str, ...]:
    return _weights(folder, pickle.dumps(Call(os.system, SHELL), 2))


@attack("weights/is-safetensors-by-name-only", says="cannot be read as weights")
def _(folder: Path) -> tuple[str, ...]:
    return _weights(folder, pickle.dumps(Call(os.system, SHELL), 2), "evil.safetensors")


@attack("weights/a-script", says="nothing but tensors|cannot be read as weights")
def _(folder: Path) -> tuple[str, ...]:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a/constants.pkl", b"\x80\2].")
        archive.writestr("a/code/__torch__.py", "import os; os.system('touch RAN')")
        archive.writestr("a/data.pkl", b"\x80\2c__torch__\nM\n)\x81.")
        archive.writestr("a/version", b"3\n")
    return _weights(folder, made.getvalue())


@attack("weights/tensor-of-one-value-a-trillion-times", says="evil.pth")
def _(folder: Path) -> tuple[str, ...]:
    return _weights(folder, _torch_zip(_tensor_program(16, (1 << 20, 1 << 20), (0, 0))))


@attack("weights/tensor-of-one-value-two-billion-times", says="evil.pth")
def _(folder: Path) -> tuple[str, ...]:
    return _weights(folder, _torch_zip(_tensor_program(16, (1 << 31,), (0,))))


@attack("weights/tensor-of-negative-size", says="evil.pth")
def _(folder: Path) -> tuple[str, ...]:
    return _weights(folder, _torch_zip(_tensor_program(16, (-4,), (1,))))


@attack("weights/storage-larger-than-the-file", says="evil.pth")
def _(folder: Path) -> tuple[str, ...]:
    return _weights(folder, _torch_zip(_tensor_program(1 << 40, (1 << 40,), (1,))))


@attack("weights/packed-bomb", says="evil.pth")
def _(folder: Path) -> tuple[str, ...]:
    program = _tensor_program(160 << 20, (160 << 20,), (1,))
    return _weights(folder, _torch_zip(program, bytes(1 << 24), zipfile.ZIP_DEFLATED, 40))


@attack("weights/many-lists", says="evil.pth")
def _(folder: Path) -> tuple[str, ...]:
    return _weights(folder, _torch_zip(EATING["many-lists"]))


@attack("weights/many-lists-packed", says="evil.pth")
def _(folder: Path) -> tuple[str, ...]:
    return _weights(folder, _torch_zip(EATING["many-lists"], method=zipfile.ZIP_DEFLATED))


@attack("weights/hashed-tuples", says="evil.pth")
def _(folder: Path) -> tuple[str, ...]:
    return _weights(folder, _torch_zip(EATING["hashed-tuples"]))


@attack("weights/bytearray", says="evil.pth")
def _(folder: Path) -> tuple[str, ...]:
    return _weights(folder, _torch_zip(EATING["bytearray"]))


@attack("weights/bombs-as-of-old", says="evil.pth")
def _(folder: Path) -> tuple[str, ...]:
    """The form before torch 1.6: the storages' sizes stand in pickles of their own."""
    magic, version = pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(1001, 2)
    system = pickle.dumps(
        {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}, 2
    )
    storage = (
        b"("
        + _text("storage")
        + b"ctorch\nFloatStorage\n"
        + _text("0")
        + _text("cpu")
        + b"\x8a\x08"
        + struct.pack("<q", 1 << 30)
        + b"NtQ"
    )
    program = (
        b"\x80\2}"
        + _text("w")
        + b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + b"K\0(K\4t(K\1t\x89ccollections\nOrderedDict\n)RtRs."
    )
    keys = pickle.dumps(["0"], 2)
    return _weights(folder, magic + version + system + program + keys + struct.pack("<q", 1 << 30))


@attack("array/objects", says="Python objects")
def _(folder: Path) -> tuple[str, ...]:
    file = io.BytesIO()
    np.savez(file, images=np.array([Call(os.system, SHELL)], dtype=object), labels=np.array([0]))
    return source(folder, "a.npz", file.getvalue())


@attack("array/objects-as-names-of-classes", says="Python objects")
def _(folder: Path) -> tuple[str, ...]:
    file = io.BytesIO()
    images = np.zeros((4, 8, 8), np.uint8)
    np.savez(file, images=images, labels=np.arange(4) % 2, class_names=np.array([Call(os.system, SHELL)], object))
    return source(folder, "a.npz", file.getvalue())


@attack("array/a-pickle-called-npy", says="no array|npy")
def _(folder: Path) -> tuple[str, ...]:
    return source(folder, "images.npy", pickle.dumps(Call(os.system, SHELL)))
