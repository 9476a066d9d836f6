"""Planted faults in files: what `check` finds of copies, blanks and files cut short, and what else it reports.

    python -m bench copies --cifar10 CIFAR10_FOLDERS --trashnet TRASHNET --data-dir DATA --seeds 3
    python -m bench copies --trashnet TRASHNET --other --sheet sheets/

Each seed plants faults (tests/planting.py: --other plants the kinds that are not promised) and searches. Published sets
hold copies of their own, so a pair that was not planted is no false one by itself. Those of equal pixels, and those
that planted ones tie together, are true; the others are `to_judge` by eye: --sheet draws up to 96 of each set and seed,
a PNG each, and --false SET=WRONG/SEEN ... says what was seen; alone, it is written into the record that is there. From
that comes `false_share` of all reported pairs, with the upper end of its 95 % interval. --data-dir adds the digits and
Fashion-MNIST as they are, where alike is not the same: nobody can tell of a plain shirt by eye. Blanks and files cut
short are found by what `check` looks at, which is not timed here.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from scipy.stats import beta
from tests.planting import NEAR, OTHER, Fault, plant

import striate
from bench.record import write
from bench.table import RECORDS, write_page
from striate.checks.copies import Copies, find_copies_in
from striate.checks.ledgers import find_unreadable
from striate.checks.look import look_at_images
from striate.checks.pictures import is_blank
from striate.data.catalog import Catalog
from striate.data.grouping.chains import tied_together
from striate.data.imageset import ImageSet

_PX, _ACROSS, _DRAWN = 96, 8, 96


def searched(source: Path) -> tuple[Catalog, ImageSet, Copies, dict[str, Any]]:
    catalog = striate.read(source)
    images = striate.prepare(catalog)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    copies = find_copies_in(images, catalog)
    seconds = {"wall_s": round(time.perf_counter() - wall_s, 1), "cpu_s": round(time.process_time() - cpu_s, 1)}
    sizes = [len(group) for group in copies.groups]
    found = {
        "images": len(images),
        "pairs": len(copies.pairs),
        "groups": copies.count,
        "largest": max(sizes, default=1),
    }
    found["grouped_share"] = sum(sizes) / len(images)
    return catalog, images, copies, {**found, **seconds}


def judged(images: ImageSet, copies: Copies, faults: list[Fault]) -> dict[str, Any]:
    """Return the share found of each kind of copy, and how many pairs were not planted."""
    place = {name: i for i, name in enumerate(images.names)}
    true = {(min(i, j), max(i, j)): f.fault for f in faults if f.of for i, j in [(place[f.of], place[f.file])]}
    found, planted = set(map(tuple, copies.pairs.tolist())), defaultdict(list)
    for pair, fault in true.items():
        planted[fault].append(pair in found)
    kinds = {fault: sum(hits) / len(hits) for fault, hits in planted.items()}
    near = [hit for fault, hits in planted.items() if fault != "exact" for hit in hits]
    return {"found": kinds, "near_found": sum(near) / len(near), "near": len(near), "unplanted": len(found - set(true))}


def to_judge(copies: Copies, faults: list[Fault]) -> list[tuple[int, int]]:
    """Return the pairs that are neither equal nor planted, nor tied together by equal and planted ones."""
    place = {name: i for i, name in enumerate(copies.names)}
    known = copies.pairs[copies.exact]
    planted = np.array([(place[f.of], place[f.file]) for f in faults if f.of], np.int64).reshape(-1, 2)
    first, second = np.concatenate([known, planted]).T
    true = tied_together(len(copies.names), first, second)
    return [(i, j) for i, j in copies.pairs.tolist() if true[i] != true[j]]


def single(catalog: Catalog, images: ImageSet, faults: list[Fault]) -> dict[str, Any]:
    """Return the share of blanks and of files cut short that are found, and how many others are told as such."""
    blank = is_blank(look_at_images(catalog, images))
    told = {
        "blank": {name for name, is_one in zip(images.names, blank, strict=True) if is_one},
        "cut": {name for one in find_unreadable(images.ledger) for name in one.images if one.kind == "unreadable"},
    }
    found: dict[str, Any] = {}
    for kind, names in told.items():
        planted = {fault.file for fault in faults if fault.fault == kind}
        found[kind] = len(planted & names) / len(planted)
        found[f"{kind}_unplanted"] = len(names - planted)
    return found


def false_share(pairs: int, judging: int, seen: str | None) -> dict[str, Any]:
    """Return the share of all reported pairs that are false, by those that were looked at, and its upper limit."""
    if judging and seen is None:
        return {}
    wrong, of = map(int, (seen or "0/0").split("/"))
    if not judging or not of:
        return {"false_share": 0.0, "false_share_at_most": 0.0} if not judging else {}
    upper = 1.0 if wrong == of else float(beta.ppf(0.975, wrong + 1, of - wrong))
    upper = upper if of < judging else wrong / of  # all of them were looked at
    shares = {"false_share": wrong / of * judging / pairs, "false_share_at_most": upper * judging / pairs}
    return {"seen_false": f"{wrong} of {of}", **shares}


def judge_record(name: str, false: list[str]) -> None:
    """Write what was seen on the sheets of a run into its record."""
    path = RECORDS / f"{name}.json"
    record = json.loads(path.read_text("utf-8"))
    seen = dict(one.split("=") for one in false)
    for source, told in record["sources"].items():
        told |= false_share(told["pairs"], told["to_judge"], seen.get(source))
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
    write_page()


def draw(images: ImageSet, pairs: list[tuple[int, int]], to: Path) -> None:
    """Draw some of the pairs side by side, in any order but the same each time."""
    some = np.random.default_rng(0).permutation(len(pairs))[:_DRAWN]
    rows = -(-len(some) // _ACROSS)
    sheet = Image.new("RGB", (_ACROSS * (2 * _PX + 12), max(1, rows) * (_PX + 16)), "white")
    pen = ImageDraw.Draw(sheet)
    for k, at in enumerate(some):
        x, y = k % _ACROSS * (2 * _PX + 12), k // _ACROSS * (_PX + 16)
        for side, i in enumerate(pairs[at]):
            pixels = images.pixels[images.rows[i]]
            picture = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]).convert("RGB")
            sheet.paste(picture.resize((_PX, _PX)), (x + side * _PX, y))
        pen.text((x, y + _PX), str(at), fill="black")
    to.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(to)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar10", type=Path, help="folders of PNG files")
    parser.add_argument("--trashnet", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--each", type=int, default=40)
    parser.add_argument("--other", action="store_true")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--false", nargs="*", default=[], help="SET=WRONG/SEEN of pairs looked at")
    options = parser.parse_args()
    result: dict[str, Any] = {}
    if options.false and not (options.cifar10 or options.trashnet or options.data_dir):
        judge_record("copies_other" if options.other else "copies", options.false)
        return
    seen = dict(one.split("=") for one in options.false)

    def keep(name: str, told: dict[str, Any], images: ImageSet, copies: Copies, faults: list[Fault]) -> None:
        doubtful = to_judge(copies, faults)
        if options.sheet:
            draw(images, doubtful, options.sheet / f"{name.replace(', seed ', '-')}.png")
        told |= {"to_judge": len(doubtful)} | false_share(len(copies.pairs), len(doubtful), seen.get(name))
        result[name] = told
        print(name, told, flush=True)

    for name in ("cifar10", "trashnet"):
        for seed in range(options.seeds) if (source := getattr(options, name)) else ():
            with tempfile.TemporaryDirectory() as folder:
                faults = plant(source, Path(folder) / "set", seed, options.each, OTHER if options.other else NEAR)
                catalog, images, copies, told = searched(Path(folder) / "set")
                told |= judged(images, copies, faults) | single(catalog, images, faults)
                keep(f"{name}, seed {seed}", told, images, copies, faults)
    own = {"digits": "identify-the-digits/Train/train.csv", "fashion_mnist": "fashion-mnist"}
    for name, path in own.items() if options.data_dir else ():
        _, images, copies, told = searched(options.data_dir / path)
        keep(name, told, images, copies, [])
    planted = "other kinds" if options.other else "promised kinds"
    record = {"planted": planted, "each": options.each, "load_average": round(os.getloadavg()[1], 1)}
    record |= {"sources": result}
    clock = "from decoded images to pairs of copies; other processes ran beside where load_average is above 2"
    write("copies_other" if options.other else "copies", record, clock)


if __name__ == "__main__":
    main()
