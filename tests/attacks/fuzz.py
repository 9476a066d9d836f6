# ruff: noqa: E501
"""Damaged and hostile input by the thousand: whatever a file or sentence holds, what is refused is refused in words.

    python -m tests.attacks.fuzz --minutes 60              all targets in turns, an hour in all
    python -m tests.attacks.fuzz --minutes 1 npz table     some of them

Each target is given mutants of valid inputs. An error that is no `StriateError`, five seconds of work or four gigabytes of
memory are a finding: it is printed with its input's number, from which the same mutant is made again. `test_fuzz.py` gives each target a moment.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from striate.errors import StriateError

SLOW_S, MOST_BYTES = 5.0, 4 << 30
EDGES = (b"\0", b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0" * 8, b"\r", b"\n", b"\\", b'"', b"{", b"[", b"]*\xc2\xb2",
         b"-1", b"1e999", b"nan", b"null", b"true", b"[]", b"{}", b"99999999999999999999", "é".encode(), b"\xed\xb3\xa9", b"(",
         b")", b"#", b";", b"|", b":", b"*", b"=", "٣".encode(), b"0x", b"1_0", b"'", b",", b"\t")  # fmt: skip


@dataclass(frozen=True)
class Target:
    """What is fed: valid inputs, and what reads one in an empty folder of its own."""

    seeds: tuple[bytes, ...]
    read: Callable[[bytes, Path], object]
    mutate: Callable[[bytes, random.Random], bytes]


def mutated(raw: bytes, chance: random.Random) -> bytes:
    """Return `raw` with some of its bytes changed, put in, taken out or moved."""
    made = bytearray(raw)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at, size = chance.randrange(len(made) + 1), chance.choice((1, 2, 4, 16, 200))
        match chance.randrange(7):
            case 0 if made:
                made[at % len(made)] ^= 1 << chance.randrange(8)
            case 1:
                made[at : at + chance.choice((0, size))] = chance.choice(EDGES)
            case 2:
                del made[at : at + size]
            case 3:
                made[at:at] = made[at : at + size]
            case 4:
                other = chance.randrange(len(made) + 1)
                made[at : at + size] = made[other : other + size]
            case 5:
                made[at : at + size] = chance.randbytes(size)
            case 6 if chance.random() < 0.3:
                del made[at:]
    return bytes(made)


def mutated_zip(raw: bytes, chance: random.Random) -> bytes:
    """Return a zip with mutated bytes, or one that is whole with a mutated member: past its checksums."""
    if chance.random() < 0.4:
        return mutated(raw, chance)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(made, "w") as new, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name twice
        chosen = chance.randrange(len(old.infolist()))
        for i, info in enumerate(old.infolist()):
            content = old.read(info)
            new.writestr(info.filename, mutated(content, chance) if i == chosen else content)
    return made.getvalue()


def run(name: str, number: int, folder: Path) -> BaseException | None:
    """Feed mutant `number` to a target; return what it should not have raised."""
    target, chance = TARGETS[name](), random.Random(f"{name} {number}")
    raw = target.mutate(chance.choice(target.seeds), chance)
    here = folder / "input"
    here.mkdir()
    start = time.process_time()  # other programs may be busy
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.read(raw, here)
    except StriateError as error:
        text = str(error)
        if not text or len(text) > 4000 or len(text.splitlines()) > 30:
            return AssertionError(f"a message of {len(text)} letters: {text[:300]!r}")
    except Exception as error:  # that is what is looked for
        return error
    finally:
        shutil.rmtree(here)
    if time.process_time() - start > SLOW_S:
        return AssertionError(f"took {time.process_time() - start:.0f} s")
    return None


def findings(name: str, seconds: float, first: int = 0) -> Iterator[tuple[int, BaseException | None]]:
    """Feed mutants from number `first` on for so many seconds; yield each number and its finding, if it is one."""
    TARGETS[name]()  # its valid inputs take their time
    end, number = time.monotonic() + seconds, first
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            yield number, run(name, number, Path(folder))
            number += 1


def _target(seeds: Callable[[], tuple[bytes, ...]], mutate: Callable = mutated) -> Callable:
    """Make a target of the function that reads; its valid inputs are made once, when they are wanted."""

    def made(read: Callable[[bytes, Path], object]) -> Callable[[], Target]:
        kept: list[Target] = []

        def target() -> Target:
            if not kept:
                kept.append(Target(seeds(), read, mutate))
            return kept[0]

        TARGETS[read.__name__] = target
        return target

    return made


TARGETS: dict[str, Callable[[], Target]] = {}


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _texts(*texts: str) -> Callable[[], tuple[bytes, ...]]:
    return lambda: tuple(text.encode() for text in texts)


def _saved_models() -> tuple[bytes, ...]:
    import numpy as np

    from striate.data.reading import read
    from striate.selection.fit import run_one

    source = read("digits").subset(np.arange(120))
    models = [run_one(source, net, **more).classifier for net, more in (
        ("conv(2, 3) bn relu fc(classes)", {"epochs": 1}), ("neighbours", {}), ("tree", {}), ("logistic", {}),
    )]  # fmt: skip
    with _folder() as folder:
        for i, model in enumerate(models):
            model.save(folder / f"{i}")
        return tuple((folder / f"{i}").read_bytes() for i in range(len(models)))


@_target(_saved_models, mutated_zip)
def model(raw: bytes, folder: Path) -> object:
    from striate.classifier.classifier import Classifier
    from striate.runs.listing import find_runs

    (folder / "model.striate").write_bytes(raw)
    find_runs(folder)
    return Classifier.load(folder / "model.striate")


def _npz_files() -> tuple[bytes, ...]:
    import numpy as np

    made, images = [], np.arange(4 * 6 * 5, dtype=np.uint8).reshape(4, 6, 5)
    for arrays in (
        {"images": images, "labels": np.array([0, 1, 0, 1])},
        {"x_train": images.astype(np.float32), "y_train": np.eye(4), "x_test": images * 2.0, "y_test": np.eye(4)},
        {"X": images.astype(np.int16), "y": np.array(["a", "b", "a", "b"]), "class_names": np.array(["a", "b"])},
    ):
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)
        made.append(file.getvalue())
    return tuple(made)


@_target(_npz_files, mutated_zip)
def npz(raw: bytes, folder: Path) -> object:
    return _read(folder, "a.npz", raw)


def _npy_files() -> tuple[bytes, ...]:
    import numpy as np

    made = []
    for array in (np.zeros((3, 4, 4), np.uint8), np.zeros((2, 4, 4, 3), np.float64), np.zeros((3, 4), ">i2")):
        file = io.BytesIO()
        np.save(file, array)
        made.append(file.getvalue())
    return tuple(made)


@_target(_npy_files)
def npy(raw: bytes, folder: Path) -> object:
    return _read(folder, "x.npy", raw)


@_target(lambda: (
    b"\0\0\x08\3\0\0\0\2\0\0\0\3\0\0\0\3" + bytes(18), b"\0\0\x08\1\0\0\0\2\1\2", b"\0\0\x0d\3\0\0\0\1\0\0\0\2\0\0\0\2" + bytes(16),
))  # fmt: skip
def idx(raw: bytes, folder: Path) -> object:
    labels = b"\0\0\x08\1\0\0\0\2\1\2"
    (folder / "train-images-idx3-ubyte").write_bytes(raw)
    (folder / "train-labels-idx1-ubyte").write_bytes(labels)
    return _read(folder, "train-images-idx3-ubyte", raw)


def _cifar_batches() -> tuple[bytes, ...]:
    import pickle

    import numpy as np

    pixels = np.zeros((3, 3072), np.uint8)
    return (
        pickle.dumps({b"data": pixels, b"labels": [0, 1, 2], b"filenames": [b"a", b"b", b"c"]}, protocol=2),
        pickle.dumps({"data": pixels, "labels": [0, 1, 2], "batch_label": "x"}, protocol=4),
    )


@_target(_cifar_batches)
def cifar(raw: bytes, folder: Path) -> object:
    (folder / "data_batch_1").write_bytes(raw)
    return _read(folder, None, b"")


@_target(_texts("name,label\na.png,cat\nb.png,dog\n", "image;split;class\n'a.png';train;1\n'b.png';test;2\n",
                "a.png\tcat\nb.png\tdog\n", "\ufeffid,breed\na,x\nb,y\n", "file;label\na.png;0,5\nb.png;1,0\n",
                "path,label,is_test\ntrain/a.png,x,0\ntest/b.png,y,1\n", "#Image CLASS-ID\n# x\na 1\nb 2\n",
                "2\ncat dog\na.png 1 -1\nb.png -1 1\n", "image,cat,dog\na,1,-1\nb,-1,1\n", "0,1\na.png,x\nb.png,y\n"))  # fmt: skip
def table(raw: bytes, folder: Path) -> object:
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(_png())
    return _read(folder, "t.csv", raw)


@_target(_texts(
    "label," + ",".join(f"pixel{i}" for i in range(64)) + "\n" + "\n".join("1," + ",".join("7" * 64) for _ in range(3)),
    "label;" + ";".join(f"p{i}" for i in range(16)) + "\n" + "\n".join("1;" + ";".join(["0,5"] * 16) for _ in range(3)),
    "emotion,pixels,Usage\n" + "\n".join(f"{i},{' '.join(['9'] * 64)},Training" for i in range(3)),
    'label,image\n1,"' + str([[1, 2, 3, 4]] * 4) + '"\n2,"' + str([[5, 2, 3, 4]] * 4) + '"\n',
    "\n".join("3," + ",".join("12345678" * 8) for _ in range(4)),
))  # fmt: skip
def pixel_table(raw: bytes, folder: Path) -> object:
    return _prepared(folder, "t.csv", raw)


@_target(_texts(
    '{"a.png": "cat", "b.png": "dog"}', '{"cat": ["a.png"], "dog": ["b.png"]}', '[["a.png", 0], ["b.png", 1]]',
    '{"train": {"a.png": "x"}, "test": {"b.png": "y"}}', '{"file": ["a.png", "b.png"], "label": [1, 2]}',
    '{"data": [{"image": "a.png", "label": 1}, {"image": "b.png", "label": [2]}], "info": {"a": 1}}',
    '{"file": {"0": "a.png", "1": "b.png"}, "label": {"0": null, "1": 2.5}}', '{"a.png": {"label": {"x": 1}}}',
))  # fmt: skip
def mapping(raw: bytes, folder: Path) -> object:
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(_png())
    return _read(folder, "a.json", raw)


def _deep_images() -> tuple[bytes, ...]:
    import numpy as np
    import tifffile

    made = []
    for kind, shape in (("u1", (12, 10, 3)), ("<f4", (12, 10)), (">u2", (3, 10, 12)), ("<f8", (1, 12, 10, 5))):
        file = io.BytesIO()
        np.save(file, np.zeros(shape, kind))
        made.append(file.getvalue())
    for kind, shape, more in (
        (np.uint8, (12, 14, 5), {}), (np.float32, (12, 14, 6), {"compression": "zlib"}),
        (np.uint16, (3, 10, 9), {"ome": True, "metadata": {"axes": "CYX"}}), (np.uint16, (10, 9, 4), {"photometric": "rgb"}),
        (np.uint16, (3, 10, 9), {"imagej": True, "metadata": {"axes": "CYX"}}),
    ):  # fmt: skip
        file = io.BytesIO()
        tifffile.imwrite(file, np.ones(shape, kind), **more)
        made.append(file.getvalue())
    return tuple(made)


@_target(_deep_images)
def deep_image(raw: bytes, folder: Path) -> object:
    from striate.data.decoding.decode import count_pages, decode, probe, read_values

    (folder / "a.tif").write_bytes(raw)
    count_pages(folder / "a.tif")
    probe(folder / "a.tif")
    read_values(folder / "a.tif")
    return decode(folder / "a.tif")


@_target(lambda: tuple(map(_png, ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "JPEG2000", "PPM", "AVIF"))))
def image(raw: bytes, folder: Path) -> object:
    from striate.data.decoding.decode import decode

    (folder / "a.png").write_bytes(raw)
    return decode(folder / "a.png")


@_target(_texts('epochs = 3\noptimiser = "adam"\nlearning_rate = 1e-3\naugment = ["flip", "translate(2)"]\n',
                'net = "conv(8, 3) relu fc(classes)"\nschedule = "cosine"\nbatch_size = 32\ndropout = 0.5\n'))  # fmt: skip
def recipe(raw: bytes, folder: Path) -> object:
    from striate.training.recipe import load_recipe

    (folder / "r.toml").write_bytes(raw)
    return load_recipe(folder / "r.toml")


@_target(_texts("[conv(8, 3, pad=1) bn relu conv(8, 3, pad=1) relu maxpool(2)]*3 fc(10)",
                "stem: conv(6, 5, pad=2) tanh  # c\nresidual(conv(6, 3, pad=1) ; conv(6, 1)) relu aux(fc(3) ; 0.3) fc(classes)",
                "concat(conv(4, 1) | maxpool(3, 1, pad=1)) gate(gap fc(8) sigmoid) dropout(0.5) fc(3)", "swift_m(width=0.5)",
                "resnet20", "lenet"))  # fmt: skip
def sentence(raw: bytes, folder: Path) -> object:
    from striate.nets import resolve

    net = resolve(raw.decode("utf-8", "surrogateescape"), classes=10, channels=3, side=32)
    return str(net), net.output_shape((3, 32, 32))


@_target(
    _texts("flip translate(2)", 'erase(0.5, 4) mixup(0.2) translate(2, fill="edge")', "randaugment(2, 9) colour(0.4)")
)
def augmentation(raw: bytes, folder: Path) -> object:
    from striate.augmentation import make_augmentation

    return make_augmentation([raw.decode("utf-8", "surrogateescape")], 10)


@_target(_texts('neighbours(k=5, metric="l1")', "forest(trees=10)", "svm", "logistic(l2=0.1)"))
def baseline(raw: bytes, folder: Path) -> object:
    from striate.baselines.registry import read_baseline

    return read_baseline(raw.decode("utf-8", "surrogateescape"))


@_target(_texts("30s", "1h30m", "80:10:10", "0.5", "7"))
def units(raw: bytes, folder: Path) -> object:
    from striate.data.ratios import as_shares
    from striate.units import parse_duration

    text = raw.decode("utf-8", "surrogateescape")
    try:
        parse_duration(text)
    finally:
        as_shares(text)


def _entry() -> tuple[bytes, ...]:
    """Return one prepared entry: each of its files, the name before a line's end."""
    with _folder() as folder:
        source = _pictures(folder / "images")
        _prepare(source, folder / "cache")
        return tuple(
            f"{path.name if not path.name.startswith('seen') else 'seen'}\n".encode() + path.read_bytes()
            for path in sorted((folder / "cache" / "prepared").glob("*/*"))
        )


@_target(_entry, lambda raw, chance: raw[: raw.index(b"\n") + 1] + mutated(raw[raw.index(b"\n") + 1 :], chance))
def prepared(raw: bytes, folder: Path) -> object:
    from striate.data.preparing.cache import clear, entries

    name, _, content = raw.partition(b"\n")
    _prepare(_pictures(folder / "images"), folder / "cache")
    for path in (folder / "cache" / "prepared").glob(f"*/{name.decode()}*"):
        path.write_bytes(content)
    entries(folder / "cache" / "prepared")
    images = _prepare(folder / "images", folder / "cache")
    clear(folder / "cache" / "prepared")
    return images


def _checkpoints() -> tuple[bytes, ...]:
    import numpy as np

    from striate.data.reading import read
    from striate.selection.fit import run_one

    with _folder() as folder:
        source = read("digits").subset(np.arange(120))
        run_one(source, "fc(4) relu fc(classes)", epochs=1, precision="float32", out=folder / "run")
        return ((folder / "run" / "checkpoint.safetensors").read_bytes(),)


@_target(_checkpoints)
def checkpoint(raw: bytes, folder: Path) -> object:
    from striate.training.engine.checkpoints import CHECKPOINT, Checkpoints, where

    (folder / CHECKPOINT).write_bytes(raw)
    where(folder)
    return Checkpoints(folder, lambda weights, state: None).load()


RUN_FILES = ("run.json", "ladder.json", "recipe.toml", "net.txt", "result.json", "metrics.jsonl")
_RUNS: dict[str, dict[str, bytes]] = {}


def _run_files() -> tuple[bytes, ...]:
    from striate.selection.fit import run

    with _folder() as folder:
        source = _pictures(folder / "images")
        run(source, budget="2s", out=folder / "ladder")
        run(source, "fc(4) relu fc(classes)", epochs=1, precision="float32", out=folder / "net")
        for kind in ("ladder", "net"):
            _RUNS[kind] = {
                name: (folder / kind / name).read_bytes() for name in RUN_FILES if (folder / kind / name).exists()
            }
    return tuple(
        f"{kind} {name}\n".encode() + content for kind, files in _RUNS.items() for name, content in files.items()
    )


@_target(_run_files, lambda raw, chance: raw[: raw.index(b"\n") + 1] + mutated(raw[raw.index(b"\n") + 1 :], chance))
def runs(raw: bytes, folder: Path) -> object:
    from striate.runs.folder import RunFolder
    from striate.runs.listing import find_runs, sort_runs
    from striate.runs.session import asked_before
    from striate.selection.ladder.ladder import is_ladder
    from striate.selection.ladder.memory import Memory
    from striate.training.recipe import load_recipe

    head, _, content = raw.partition(b"\n")
    kind, name = head.decode().split()
    for each, whole in _RUNS[kind].items():
        (folder / each).write_bytes(content if each == name else whole)
    sort_runs(find_runs(folder), "test")
    there = RunFolder(folder)
    there.asked_source()
    asked_before(there)
    is_ladder(there)
    load_recipe(there.recipe)
    return Memory(there, True) if kind == "ladder" else there.check_same(there.description())


def _annotations() -> tuple[bytes, ...]:
    import json

    from tests.data import forms

    names = ("a.png", "b.png")
    tasks = [forms.task(name, kind) for name, kind in zip(names, ("cat", "dog"), strict=True)]
    return (
        json.dumps(forms.coco({name: [i] for i, name in enumerate(names)})).encode(),
        json.dumps(tasks).encode(),
        json.dumps(
            [{"image": f"/data/upload/{name}", "choice": "x", "id": i} for i, name in enumerate(names)]
        ).encode(),
        b"".join(json.dumps({"file_name": name, "label": "x"}).encode() + b"\n" for name in names),
    )


@_target(_annotations)
def annotations(raw: bytes, folder: Path) -> object:
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(_png())
    return _read(folder, "a.json", raw)


def _archives(form: str) -> Callable[[], tuple[bytes, ...]]:
    def made() -> tuple[bytes, ...]:
        from tests.data import forms

        files = forms.class_folders()
        link = {"l": forms.special("cat/l.png", b"2", "0.png")}
        with _folder() as folder:
            if form == "zip":
                paths = [forms.write_zip(folder / "a", files), forms.write_zip(folder / "b", files, zipfile.ZIP_STORED)]
            else:
                paths = [
                    forms.write_tar(folder / "a", {**files, **link}), forms.write_tar(folder / "b", files, "w:gz"),
                    forms.write_tar(folder / "c", forms.samples(4)), forms.write_tar(folder / "d", files, "w:xz"),
                    forms.write_tar(folder / "e", forms.samples(4, label=lambda k: {"json": b'{"label": "%d"}' % k})),
                    forms.write_tar(folder / "f", forms.samples(4, label=lambda k: {"txt": b"dog" if k else b"cat"})),
                ]  # fmt: skip
            return tuple(path.read_bytes() for path in paths)

    return made


@_target(_archives("zip"))
def archive(raw: bytes, folder: Path) -> object:
    return _prepared(folder, "a.zip", raw)


@_target(_archives("tar"))
def tar(raw: bytes, folder: Path) -> object:
    return _prepared(folder, "a.tar.gz" if raw[:2] == b"\x1f\x8b" else "a.tar", raw)


def _parquets() -> tuple[bytes, ...]:
    from tests.data import forms

    with _folder() as folder:
        rows = forms.hub_rows()
        flat = [{"image": row["image"]["bytes"], "label": str(row["label"])} for row in rows]
        split = [{**row, "split": "train", "fine_label": 1, "coarse_label": 2} for row in rows]
        paths = [forms.write_parquet(folder / "a", rows, ("cat", "dog")), forms.write_parquet(folder / "b", flat),
                 forms.write_parquet(folder / "c", split)]  # fmt: skip
        return tuple(path.read_bytes() for path in paths)


@_target(_parquets)
def parquet(raw: bytes, folder: Path) -> object:
    return _prepared(folder, "a.parquet", raw)


def _weight_files() -> tuple[bytes, ...]:
    import torch
    from safetensors.torch import save

    tensors = {"conv1.weight": torch.zeros(2, 1, 3, 3), "conv1.bias": torch.zeros(2)}
    made = [b"safetensors\n" + save(tensors, {"input": "8"})]
    for zipped in (True, False):
        file = io.BytesIO()
        torch.save(tensors, file, _use_new_zipfile_serialization=zipped)
        made.append(b"pth\n" + file.getvalue())
    return tuple(made)


@_target(_weight_files, lambda raw, chance: raw[: raw.index(b"\n") + 1] + mutated(raw[raw.index(b"\n") + 1 :], chance))
def weights(raw: bytes, folder: Path) -> object:
    from striate.nets.modules.weights import read_weights

    ending, _, content = raw.partition(b"\n")
    (folder / f"w.{ending.decode()}").write_bytes(content)
    return read_weights(folder / f"w.{ending.decode()}")


@_target(
    _texts("image,kind,severity,leave_out\na.png,blank,note,yes\n'=b.png,dark,note,no\n", "image;leave_out\na;x\n")
)
def findings_table(raw: bytes, folder: Path) -> object:
    from striate.data.without import read_without

    (folder / "findings.csv").write_bytes(raw)
    return read_without(folder / "findings.csv")


def _prepared(folder: Path, name: str, raw: bytes) -> object:
    """Read a source and decode its images."""
    from striate.data.preparing.prepare import prepare
    from striate.data.reading import read

    (folder / name).write_bytes(raw)
    with mock.patch.dict(os.environ, STRIATE_CACHE=str(folder / "cache")):
        return prepare(read(folder / name))


def _read(folder: Path, name: str | None, raw: bytes) -> object:
    from striate.data.reading import read

    path = folder if name is None else folder / name
    if name:
        path.write_bytes(raw)
    catalog = read(path)
    return len(catalog), catalog.classes, catalog.ledger.summary()


def _png(kind: str = "PNG") -> bytes:
    import numpy as np
    from PIL import Image

    made = io.BytesIO()
    pixels = (np.arange(8 * 9 * 3) * 37 % 256).astype(np.uint8).reshape(8, 9, 3)
    Image.fromarray(pixels).save(made, kind)
    return made.getvalue()


def _pictures(folder: Path) -> Path:
    import numpy as np
    from PIL import Image

    for c in range(2):
        (folder / f"c{c}").mkdir(parents=True)
        for i in range(4):
            pixels = np.random.default_rng(10 * c + i).integers(0, 100 + 150 * c, (6, 6, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"c{c}" / f"{i}.png")
    return folder


def _prepare(source: Path, cache: Path) -> object:
    from striate.data.preparing.prepare import prepare
    from striate.data.reading import read

    with mock.patch.dict(os.environ, STRIATE_CACHE=str(cache)):
        return prepare(read(source))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="all of them if none is named")
    parser.add_argument("--minutes", type=float, default=10, help="in all")
    parser.add_argument("--first", type=int, default=0, help="the number of the first mutant")
    asked = parser.parse_args()
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MOST_BYTES,) * 2)
    names, found, kinds = asked.targets or list(TARGETS), 0, set()
    for name in names:
        total = 0
        for number, finding in findings(name, 60 * asked.minutes / len(names), asked.first):
            total += 1
            if finding is None:
                continue
            found += 1
            place = traceback.extract_tb(finding.__traceback__)[-1:] or [None]
            kind = name, type(finding), str(place[0])
            if kind not in kinds:
                kinds.add(kind)
                print(f"{name} {number}:", file=sys.stderr)
                traceback.print_exception(finding)
        print(f"{name}: {total:,} inputs", flush=True)
    sys.exit(f"{found:,} findings of {len(kinds)} kinds" if found else 0)


if __name__ == "__main__":
    main()
