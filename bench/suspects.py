"""How many planted wrong labels `check` finds, and whether the precision that it says is the one that it has.

    python -m bench suspects --data-dir DATA --trashnet FOLDER

Labels are planted wrong at several rates, by chance (another class, each as likely) or in pairs (the next class). Of as
many suspects as were planted, the share that is truly wrong is told (precision), and beside it what was said
(said); the same of the first hundred, or as many as were planted (first). A set's own wrong labels count as right here,
so that what is told of it as it is (rate 0) is not all false. Choices were made on 10,000 training images of CIFAR-10
and on TrashNet; CIFAR-10's test images, read here, made none.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does, before torch is imported

import numpy as np
from scipy.special import softmax

import striate
from bench.record import summary, write
from striate.checks.evidence import Evidence, gather_evidence
from striate.checks.held_out import held_out
from striate.checks.noise import fit_noise
from striate.checks.suspects import Suspects, find_suspects
from striate.data.imageset import ImageSet
from striate.nets.zoo import downloads

CASES = [(0.0, "chance"), (0.01, "chance"), (0.05, "chance"), (0.2, "chance"), (0.05, "pairs"), (0.2, "pairs")]


def planted(labels: np.ndarray, classes: int, rate: float, how: str, seed: int) -> np.ndarray:
    """Return labels (n,) of which a share is wrong."""
    random, wrong = np.random.default_rng(seed), labels.copy()
    rows = random.permutation(len(labels))[: round(rate * len(labels))]
    step = random.integers(1, classes, len(rows)) if how == "chance" else 1
    wrong[rows] = (labels[rows] + step) % classes
    return wrong


def sources(options: argparse.Namespace) -> Iterator[tuple[str, ImageSet]]:
    if options.data_dir:
        images = striate.prepare(striate.read("cifar10", data_dir=options.data_dir))
        yield "cifar10", images.subset(np.flatnonzero(images.splits == "test")[: options.images])
    if options.trashnet:
        yield "trashnet", striate.prepare(striate.read(options.trashnet), (224, 224), "stretch")
    yield "digits", striate.prepare(striate.read("digits"))


def figures(suspects: Suspects, wrong: np.ndarray) -> dict[str, float]:
    """Return planted and expected wrong labels, and precisions as said and as they are."""
    hits, count = wrong[suspects.positions], int(wrong.sum())
    first = min(100, len(suspects), count or 100)
    result = {"planted": count, "expected": round(suspects.expected, 1), "listed": len(suspects)}
    if count:
        # Fewer suspects than were planted: what is not listed is not found.
        result |= {"precision_share": float(hits[:count].sum() / count)}
        result |= {"said_share": suspects.precision(count), "listed_share": float(hits[:count].mean())}
    if first:
        result |= {"first": first, "first_said_share": suspects.precision(first)}
        result |= {"first_is_share": float(hits[:first].mean())}
    return result


def by_confident_learning(evidence: Evidence, labels: np.ndarray, wrong: np.ndarray) -> dict[str, float]:
    """Return what cleanlab finds by the same held-out answers, calibrated; nothing where it is not installed."""
    try:
        from cleanlab.filter import find_label_issues
    except ImportError:
        return {}
    images = evidence.images
    answers = held_out(evidence.features, labels, images.hashes, images.groups)
    says = softmax(fit_noise(answers).scale * answers.logits, axis=1)
    found = find_label_issues(labels, says, return_indices_ranked_by="self_confidence")
    count = int(wrong.sum())
    return {"cleanlab_precision_share": float(wrong[found[:count]].sum() / count), "cleanlab_listed": len(found)}


def measure(images: ImageSet, seeds: list[int], rivals: bool) -> dict[str, dict[str, Any]]:
    """Return the figures of each case, means over the seeds."""
    evidence, found = gather_evidence(images), {}
    for rate, how in CASES:
        rows = []
        for seed in seeds if rate else seeds[:1]:
            labels = planted(images.labels, len(images.classes), rate, how, seed)
            noisy, wrong = replace(evidence, images=replace(images, labels=labels)), labels != images.labels
            row = figures(find_suspects(noisy), wrong)
            rows.append(row | (by_confident_learning(noisy, labels, wrong) if rivals and rate else {}))
        names = dict.fromkeys(name for row in rows for name in row)
        case = {name: summary([row[name] for row in rows if name in row])["mean"] for name in names}
        found[f"{rate:.0%} by {how}"] = case
        print(rate, how, {name: round(value, 3) for name, value in case.items()}, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default=os.environ.get("STRIATE_DATA"))
    parser.add_argument("--trashnet", type=Path)
    parser.add_argument("--images", type=int, default=10_000, help="of CIFAR-10's test images")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--pixels", action="store_true", help="without a net")
    parser.add_argument("--rivals", action="store_true", help="cleanlab on the same answers, if it is installed")
    options = parser.parse_args()
    if options.pixels:
        downloads.BACKBONES = ()  # whose weights are looked for
    result, clock = {}, {}
    for name, images in sources(options):
        print(name, flush=True)
        start = time.process_time()
        result[name] = measure(images, options.seeds, options.rivals)
        clock[name] = summary([time.process_time() - start])
    rows = {f"{name}, {case}": values for name, cases in result.items() for case, values in cases.items()}
    record = {"seeds": options.seeds, "suspects": rows, "cpu_s": clock}
    write("suspects_pixels" if options.pixels else "suspects", record, "cpu_s: features once, and each case's judging")


if __name__ == "__main__":
    main()
