"""How far trained models can be trusted: calibration, sure answers, prediction sets, images of no class.

Each model is calibrated again on the validation images of its own split, then held once against the test images, and
against pictures of none of its classes: a folder of digits, an IDX file of Fashion-MNIST, noise, plain colours and a
folder of photographs, shrunk to the size that the model looks at.

    python -m bench trust runs/swift-0 runs/swift-1 runs/swift-2 --data cifar-10-batches-py --digits digits/
        --fashion t10k-images-idx3-ubyte.gz --photos trashnet/
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does, before torch is imported

import numpy as np
from sklearn.metrics import roc_auc_score

from bench.record import summary, write
from striate.classifier.classifier import Classifier
from striate.classifier.novelty.appearance import appearance
from striate.classifier.outputs import Outputs
from striate.classifier.promises import PromiseCheck
from striate.data.dataset import DataOptions, make_dataset
from striate.data.gathering import gather
from striate.data.imageset import ImageSet
from striate.data.splitting import split
from striate.metrics.calibration import softmax_at
from striate.metrics.evaluation import evaluate_outcomes
from striate.metrics.outcomes import Outcomes
from striate.observer import Observer, silent
from striate.runs.calibrating import calibrate

STRANGE = 1000
# What is told of all models together.
SUMMED = ("test_accuracy", "ece_before", "ece_after", "sets 0.95 coverage", "test images refused")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+", help="run folders, trained on --data with seeds 0, 1, 2 …")
    parser.add_argument("--data", required=True)
    parser.add_argument("--digits", type=Path)
    parser.add_argument("--fashion", type=Path)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--name", default="trust")
    options = parser.parse_args()
    rows, asked = [], DataOptions()
    dataset = make_dataset(options.data, asked, 0, Observer())
    for path in options.models:
        model = Classifier.load(path / "model.striate")
        seed = int((model.provenance.recipe or {}).get("seed", 0))
        splits = split(dataset.images, asked.shares(), seed)
        seen = np.isin(np.concatenate([splits.train.hashes, splits.valid.hashes]), model.trained_on).mean()
        print(
            f"{path}: {len(splits.valid)} images validate; {seen:.1%} of the others were seen in training", flush=True
        )
        rows.append(judge(model, splits, strange_sets(options, model)) | {"seed": seed, "model": path.name})
        print(rows[-1], flush=True)
    told = [flat(row) for row in rows]
    record: dict[str, Any] = {name: summary([one[name] for one in told]) for name in told[0] if name in SUMMED}
    record |= {
        "images": len(dataset.images),
        "each model": {str(row["model"]): one for row, one in zip(rows, told, strict=True)},
    }
    write(options.name, record, "CPU seconds of calibrating")


def flat(row: dict[str, Any]) -> dict[str, float]:
    """Return the figures of a model that are worth a table."""
    promises, strange = row["promises"], row["strange"]
    figures = {name: row[name] for name in ("test_accuracy", "valid_accuracy", "ece_before", "ece_after")}
    figures |= {"valid_log_loss": row["valid_log_loss"], "test_log_loss": row["log_loss_after"]}
    figures["temperature"] = row["temperature"]["value"]
    for one in promises["sure"]:
        for name in ("answered", "precision"):  # 0 of none that was promised
            figures[f"sure {one['wanted']:g} {name}"] = one["test"][name] if one["test"] else 0.0
    figures["sets 0.95 coverage"] = promises["sets"][0]["test"]["coverage"]
    figures["sets 0.95 mean size"] = promises["sets"][0]["test"]["mean_size"]
    shares = row["coverage_by_class"].values()
    figures |= {"least covered class": min(shares), "most covered class": max(shares)}
    figures["test images refused"] = promises["known"]["test"]["refused"]
    for kind, one in strange.items():
        figures |= {f"{kind} refused": one["refused"], f"{kind} auroc": one["auroc"]}
    return figures | {"calibrating_cpu_s": row["calibrating_cpu_s"]}


def judge(model: Classifier, splits: Any, strange: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return what a model promises and what that is worth."""
    start = time.process_time()
    calibrated = calibrate(model, splits.train, splits.valid, Observer())
    model, found, outputs = calibrated.model, calibrated.told, calibrated.outputs
    seconds = time.process_time() - start
    check, before, after, known = PromiseCheck(model.trust, model.classes), [], [], []
    for block in model.outputs(splits.test, features=True):
        labels = splits.test.labels[block.start : block.stop]
        probabilities = softmax_at(block.logits, model.trust.temperature)
        before.append(Outcomes.of(softmax_at(block.logits, 1.0), labels))
        after.append(Outcomes.of(probabilities, labels))
        check(block, probabilities, labels)
        known.append(novelty(model, block))
    plain, calibrated = (
        evaluate_outcomes(Outcomes.joined(part), model.classes, groups=splits.test.groups) for part in (before, after)
    )
    valid = model.judge(splits.valid, splits.valid.labels, outputs=outputs)
    scores, limit = np.concatenate(known), model.trust.novelty.limit
    odd = {kind: np.concatenate([novelty(model, one) for one in model.outputs(x, features=True)])
           for kind, x in strange.items()}  # fmt: skip
    return {
        "test_accuracy": calibrated.accuracy, "valid_accuracy": valid.accuracy,
        "temperature": found["temperature"], "log_loss_before": plain.log_loss, "log_loss_after": calibrated.log_loss,
        "valid_log_loss": valid.log_loss, "valid_ece": valid.ece,
        "ece_before": plain.ece, "ece_after": calibrated.ece, "ece_after_interval": calibrated.ece_interval,
        "ece_15_equal_bins_before": plain.reliability.equal_width,
        "ece_15_equal_bins_after": calibrated.reliability.equal_width,
        "promises": check.result(splits.test.groups),
        "coverage_by_class": by_class(model, Outcomes.joined(after), check),
        "novelty": found["known"], "calibrating_cpu_s": round(seconds, 1),
        "strange": {
            kind: {"refused": float((some > limit).mean()), "auroc": auroc(scores, some)} for kind, some in odd.items()
        },
    }  # fmt: skip


def novelty(model: Classifier, block: Outputs) -> np.ndarray:
    """Return the score of each image of a block: how much it is like none of the classes."""
    return model.trust.novelty.scores({**block.features, "appearance": appearance(block.pixels)}, block.alone)


def by_class(model: Classifier, outcomes: Outcomes, check: PromiseCheck) -> dict[str, float]:
    """Return how often the sets hold the true class, class by class."""
    covered = np.concatenate([columns[3][:, 0] for columns in check.columns])
    return {name: float(covered[outcomes.labels == i].mean()) for i, name in enumerate(model.classes)}


def auroc(known: np.ndarray, odd: np.ndarray) -> float:
    """Return how well a score tells images of no class from test images."""
    truth = np.repeat([0, 1], [len(known), len(odd)])
    return float(roc_auc_score(truth, np.concatenate([known, odd])))


def strange_sets(options: argparse.Namespace, model: Classifier) -> dict[str, Any]:
    """Return pictures of none of the classes, by their kind."""
    rng, (h, w), c = np.random.default_rng(0), model.preprocessing.size, model.preprocessing.channels
    noise = rng.integers(0, 256, (STRANGE, h, w, c))
    found: dict[str, Any] = {
        "uniform noise": noise,
        "normal noise": rng.normal(128, 40, (STRANGE, h, w, c)).clip(0, 255),
        "plain colours": np.broadcast_to(rng.integers(0, 256, (STRANGE, 1, 1, c)), (STRANGE, h, w, c)),
    }
    found = {kind: np.ascontiguousarray(value.astype(np.uint8)) for kind, value in found.items()}
    for kind in ("digits", "fashion", "photos"):
        if source := getattr(options, kind):
            found[kind] = some_of(source, model, rng)
    return found


def some_of(source: Path, model: Classifier, rng: np.random.Generator) -> ImageSet:
    """Return some images of a source, as the model looks at them."""
    catalog = gather([str(source)], {}, silent)
    chosen = np.sort(rng.permutation(len(catalog))[:STRANGE])
    return model.prepare(catalog.subset(chosen), keep=False)


if __name__ == "__main__":
    main()
