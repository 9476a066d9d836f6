"""Planted faults: a copy of a data set in which it is known what is wrong, to see what is found.

    python -m tests.planting SOURCE DEST --seed 0

SOURCE holds a folder for each class, or train/ and test/ with such folders; DEST gets train/<class>/ and test/<class>/
(a fifth of each class where the source has no splits) and planted.csv, a row for each fault: fault, file, of (the
original of a copy), label, true_label. Copies have originals of their own: none has two. A quarter of them lies in the
folder of another class, half in the other split. Names of copies tell nothing, file and folder names are as the source
has them.
"""

from __future__ import annotations

import argparse
import csv
import io
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}
Change = Callable[[Image.Image, np.random.Generator], Image.Image]


@dataclass(frozen=True)
class Fault:
    """What was planted: `exact`, a kind of near copy, `wrong-label`, `blank` or `cut`; paths relative to DEST."""

    fault: str
    file: str
    of: str
    label: str
    true_label: str


def _jpeg(quality: int) -> Change:
    def change(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        buffer = io.BytesIO()
        image.convert("RGB" if image.mode != "L" else "L").save(buffer, "JPEG", quality=quality)
        return Image.open(io.BytesIO(buffer.getvalue())).convert(image.mode)

    return change


def _scaled(factor: float) -> Change:
    def change(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        size = (round(image.width * factor), round(image.height * factor))
        return image.resize(size, Image.Resampling.BICUBIC)

    return change


def _cut(left: float, top: float, right: float, bottom: float) -> Change:
    """Cut shares of the sides away; what is left keeps its pixels."""

    def change(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        w, h = image.size
        box = (round(left * w), round(top * h), w - round(right * w), h - round(bottom * h))
        return image.crop(box)

    return change


def _noise(std: float) -> Change:
    def change(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        values = np.asarray(image, np.float32)
        return Image.fromarray(np.clip(values + rng.normal(0, std, values.shape), 0, 255).round().astype(np.uint8))

    return change


def _tone(function: Callable[[np.ndarray], np.ndarray]) -> Change:
    def change(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        values = function(np.asarray(image, np.float32) / 255)
        return Image.fromarray((np.clip(values, 0, 1) * 255).round().astype(np.uint8))

    return change


def _rotated(degrees: float) -> Change:
    def change(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        w, h = image.size
        # Enlarged until no empty corner is left.
        angle = np.deg2rad(abs(degrees))
        grow = np.cos(angle) + np.sin(angle) * max(w / h, h / w)
        turned = image.rotate(degrees, Image.Resampling.BICUBIC)
        half_w, half_h = w / 2 / grow, h / 2 / grow
        box = (w / 2 - half_w, h / 2 - half_h, w / 2 + half_w, h / 2 + half_h)
        return turned.resize((w, h), Image.Resampling.BICUBIC, box=box)

    return change


def _turned(how: Image.Transpose) -> Change:
    return lambda image, rng: image.transpose(how)


def _framed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    framed, (w, h) = image.copy(), image.size
    colour: int | tuple[int, ...] = 255 if image.mode == "L" else (255, 255, 255)
    ImageDraw.Draw(framed).rectangle((0, 0, w - 1, h - 1), outline=colour, width=max(1, round(min(w, h) / 16)))
    return framed


def _marked(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Write a band with letters over the lower right, half transparent."""
    w, h = image.size
    mark = image.copy()
    colour: int | tuple[int, ...] = 255 if image.mode == "L" else (255, 255, 255)
    ImageDraw.Draw(mark).text((w * 0.45, h * 0.7), "© me", fill=colour, font_size=max(6, h * 0.2))
    return Image.blend(image, mark, 0.6)


def _both(*changes: Change) -> Change:
    def change(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        for one in changes:
            image = one(image, rng)
        return image

    return change


MIRROR = _turned(Image.Transpose.FLIP_LEFT_RIGHT)
# What the checks promise to find.
NEAR: Mapping[str, Change] = {
    "jpeg": _jpeg(55),
    "enlarged": _scaled(1.25),
    "mirror": MIRROR,
    "brighter": _tone(lambda v: v * 1.2),
    "cropped": _cut(1 / 16, 1 / 16, 1 / 16, 1 / 16),
    "cropped-area": _cut(0, 0, 1 / 32, 1 / 32),
    "noise": _noise(6),
}
# Others that people make; what is found of them is told, not promised.
OTHER: Mapping[str, Change] = {
    "turned-90": _turned(Image.Transpose.ROTATE_90),
    "turned-180": _turned(Image.Transpose.ROTATE_180),
    "upside-down": _turned(Image.Transpose.FLIP_TOP_BOTTOM),
    "rotated-5": _rotated(5),
    "rotated-10": _rotated(-10),
    "halved": _scaled(0.5),
    "cropped-tenth": _cut(0.1, 0.1, 0.1, 0.1),
    "cut-left": _cut(0.125, 0, 0, 0),
    "cut-corner": _cut(0, 0, 0.1, 0.1),
    "contrast": _tone(lambda v: (v - 0.5) * 0.6 + 0.5),
    "gamma": _tone(lambda v: v**1.6),
    "darker": _tone(lambda v: v * 0.6),
    "gray": lambda image, rng: image.convert("L").convert(image.mode),
    "cast": _tone(lambda v: v * np.array([1.15, 1.0, 0.8], np.float32) if v.ndim == 3 else v * 0.9),
    "blur": lambda image, rng: image.filter(ImageFilter.GaussianBlur(min(image.size) / 40)),
    "sharpened": lambda image, rng: ImageEnhance.Sharpness(image).enhance(2.5),
    "framed": _framed,
    "marked": _marked,
    "jpeg-20": _jpeg(20),
    "mirror-cropped-jpeg": _both(MIRROR, _cut(1 / 16, 1 / 16, 1 / 16, 1 / 16), _jpeg(55)),
    "brighter-noise-enlarged": _both(_tone(lambda v: v * 1.2), _noise(6), _scaled(1.25)),
}


def classes_in(folder: Path) -> list[tuple[str, Path]]:
    """Return (class/file, path) of all images in class folders, sorted."""
    return [
        (f"{one.name}/{file.name}", file)
        for one in sorted(p for p in folder.iterdir() if p.is_dir())
        for file in sorted(one.iterdir())
        if file.suffix.lower() in ENDINGS
    ]


def originals(source: Path, rng: np.random.Generator) -> list[tuple[str, Path]]:
    """Return (split/class/file, path) of all images; a fifth is test where the source has no splits."""
    own = [split for split in ("train", "valid", "test") if (source / split).is_dir()]
    if own:
        return [(f"{split}/{name}", path) for split in own for name, path in classes_in(source / split)]
    files = classes_in(source)
    test = rng.random(len(files)) < 0.2
    return [(f"{'test' if held else 'train'}/{name}", path) for held, (name, path) in zip(test, files, strict=True)]


def plant(source: Path, dest: Path, seed: int = 0, each: int = 24, changes: Mapping[str, Change] = NEAR) -> list[Fault]:
    """Write DEST, the source with faults, and return them.

    Arguments:
        each: how many copies of each kind, exact ones among them, how many blanks and how many files cut short.
        changes: the kinds of near copies.
    """
    rng = np.random.default_rng(seed)
    files = originals(source, rng)
    for name, path in files:
        (dest / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, dest / name)
    wrong = round(0.05 * len(files))
    needed = each * (len(changes) + 2) + wrong
    if needed > len(files):
        raise SystemExit(f"{len(files)} images are too few for {needed} faults. Give --each a smaller number")
    order = [files[i] for i in rng.permutation(len(files))[:needed]]
    classes = sorted({name.split("/")[1] for name, _ in files})
    faults: list[Fault] = []
    for i, kind in enumerate(("exact", *changes)):
        some = order[each * i : each * (i + 1)]
        faults += [_copy(dest, one, kind, changes, rng, classes) for one in some]
    faults += [_cut_short(dest, name) for name, _ in order[each * (len(changes) + 1) : needed - wrong]]
    faults += [_mislabel(dest, name, rng, classes) for name, _ in order[needed - wrong :]]
    faults += [_blank(dest, files, rng) for _ in range(each)]
    with (dest / "planted.csv").open("w", newline="") as file:
        csv.writer(file).writerows([[f.name for f in fields(Fault)], *map(astuple, faults)])
    return faults


def _copy(
    dest: Path,
    original: tuple[str, Path],
    kind: str,
    changes: Mapping[str, Change],
    rng: np.random.Generator,
    classes: Sequence[str],
) -> Fault:
    """Write a copy of one original: exact or changed, perhaps into the other split, perhaps with another label."""
    name, path = original
    split, label, _ = name.split("/")
    into = {"train": "test", "test": "train"}.get(split, "test") if rng.random() < 0.5 or kind == "exact" else split
    given = label if rng.random() < 0.75 else _another(label, rng, classes)
    ending = ".jpg" if kind.startswith("jpeg") else path.suffix
    file = dest / into / given / f"{rng.integers(1 << 40):010x}{ending}"
    file.parent.mkdir(parents=True, exist_ok=True)
    if kind == "exact":
        shutil.copyfile(path, file)
    else:
        with Image.open(path) as image:
            _save(changes[kind](image if image.mode in ("L", "RGB") else image.convert("RGB"), rng), file, kind)
    return Fault(kind, str(file.relative_to(dest)), name, given, label)


def _save(image: Image.Image, file: Path, kind: str) -> None:
    quality = int(kind.partition("-")[2] or 55) if kind.startswith("jpeg") else 92
    image.save(file, **({"quality": quality} if file.suffix.lower() in (".jpg", ".jpeg") else {}))


def _another(label: str, rng: np.random.Generator, classes: Sequence[str]) -> str:
    others = [one for one in classes if one != label]
    return others[rng.integers(len(others))] if others else label


def _cut_short(dest: Path, name: str) -> Fault:
    content = (dest / name).read_bytes()
    (dest / name).write_bytes(content[: len(content) * 2 // 3])
    label = name.split("/")[1]
    return Fault("cut", name, "", label, label)


def _mislabel(dest: Path, name: str, rng: np.random.Generator, classes: Sequence[str]) -> Fault:
    split, label, file = name.split("/")
    given = _another(label, rng, classes)
    moved = f"{split}/{given}/{rng.integers(1 << 40):010x}{Path(file).suffix}"
    (dest / moved).parent.mkdir(parents=True, exist_ok=True)
    (dest / name).rename(dest / moved)
    return Fault("wrong-label", moved, "", given, label)


def _blank(dest: Path, files: Sequence[tuple[str, Path]], rng: np.random.Generator) -> Fault:
    """Write an image of one colour, as large as another and beside it."""
    name, path = files[rng.integers(len(files))]
    with Image.open(path) as image:
        size, mode = image.size, "L" if image.mode == "L" else "RGB"
    colour = tuple(rng.integers(0, 256, 3).tolist())
    file = (dest / name).parent / f"{rng.integers(1 << 40):010x}{path.suffix}"
    Image.new(mode, size, colour[0] if mode == "L" else colour).save(file)
    return Fault("blank", str(file.relative_to(dest)), "", file.parent.name, "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("dest", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--each", type=int, default=24, help="how many of each kind")
    parser.add_argument("--other", action="store_true", help="other kinds of near copies instead")
    options = parser.parse_args()
    if options.dest.exists() and any(options.dest.iterdir()):
        raise SystemExit(f"{options.dest} must be a new folder; it holds files")
    faults = plant(options.source, options.dest, options.seed, options.each, OTHER if options.other else NEAR)
    for kind in dict.fromkeys(one.fault for one in faults):
        print(f"{sum(one.fault == kind for one in faults):6,} {kind}")


if __name__ == "__main__":
    main()
