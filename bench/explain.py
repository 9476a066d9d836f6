"""What the verdicts of explanations are worth: where maps point, how often nothing is told for something, seconds.

- points: on drawn shapes whose place is known, the share of pictures in which a map's peak lies on the shape, and that
  of the picture's own contrast, which knows no model;
- trained: the share of maps of trained models on images that tell something;
- random: the same of nets at first weights, and of trained models whose weights were drawn anew while what they keep of
  their images stayed; one colour: of trained models on images of one colour. All of these should be told to be nothing;
- seconds: of one image, models loaded before.

    python -m bench explain --shapes runs/shapes-1 --models runs/cifar=cifar10 runs/digits=digits/ --photos photos/
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does, before torch is imported

import numpy as np

import striate
from bench.record import summary, write
from striate.classifier.preprocessing import Preprocessing
from striate.data.builtin.drawn import make_shapes, shape_masks
from striate.explanation.explain import explain_pixels
from striate.explanation.explanation import Explanation
from striate.explanation.subject import make_subject
from striate.nets import make_module, resolve

SEED = 1000  # of drawn pictures: training takes those of seed 0
NETS = ("lenet", "[conv(32, 3, pad=1) relu conv(32, 3, pad=1) relu maxpool(2)]*3 fc(10)", "resnet20", "mobilenet_v2",
        "swift_xs", "mlp", "linear")  # fmt: skip
FIRST = (None, "gaussian(0.3)")
KINDS = ("grad-cam", "occlusion", "integrated-gradients", "template", "trees")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", type=Path, nargs="*", default=[], help="models trained on shapes")
    parser.add_argument("--models", nargs="*", default=[], metavar="MODEL=SOURCE", help="trained models, their images")
    parser.add_argument("--photos", nargs="*", default=[], metavar="MODEL=SOURCE", help="the same of photographs")
    parser.add_argument("--images", type=int, default=30, help="of each model")
    parser.add_argument("--few", type=int, default=6, help="photographs of each model")
    parser.add_argument("--seeds", type=int, default=5, help="first weights of each net")
    options = parser.parse_args()
    record: dict[str, Any] = {"images": options.images, "photographs": options.few}
    record["points"] = {path.stem: points(striate.Classifier.load(path), options.images) for path in options.shapes}
    trained: dict[str, Any] = {}
    again: list[list[Explanation]] = []
    seconds: dict[str, Any] = {}
    plain: list[Explanation] = []
    for asked, count in [(one, options.images) for one in options.models] + [(one, options.few) for one in
                                                                            options.photos]:  # fmt: skip
        name, _, source = asked.partition("=")
        print(name, flush=True)
        model = striate.load_model(name)
        images = some(model, source, count)
        took = []
        said = []
        for pixels in images:
            start, cpu = time.perf_counter(), time.process_time()
            said.append(explain_pixels(model, pixels))
            took.append((time.perf_counter() - start, time.process_time() - cpu))
        trained[Path(name).stem] = telling(said)
        seconds[Path(name).stem] = {"wall_s": summary([a for a, _ in took]), "cpu_s": summary([b for _, b in took])}
        plain += [explain_pixels(model, colour(model, i)) for i in range(3)]
        if fresh := with_first_weights(model, 0):
            again.append([explain_pixels(fresh, pixels) for pixels in images[: min(len(images), 8)]])
    drawn = make_shapes(4, seed=SEED)[0]
    nets = [explain_pixels(net, pixels) for net in random_nets(options.seeds)
            for pixels in drawn[: 2]]  # fmt: skip
    record["trained"] = trained
    record["nothing"] = {
        "nets at first weights": telling(nets),
        "trained models, weights drawn anew": telling([one for each in again for one in each]),
        "trained models, images of one colour": telling(plain),
    }
    for name, each in seconds.items():
        record[f"seconds of {name}"] = each
    write("explain", record, "one image explained, the model loaded before")


def points(model: striate.Classifier, count: int) -> dict[str, float]:
    """Return the share of maps whose peak is on the shape, of all and of those that tell something."""
    images, masks = make_shapes(count, seed=SEED)[0], shape_masks(count, seed=SEED)
    hits: dict[str, list[tuple[bool, bool]]] = {}
    contrast: list[bool] = []
    for pixels, mask in zip(images, masks, strict=True):
        for one in explain_pixels(model, pixels).maps:
            hits.setdefault(one.kind, []).append((bool(one.peak and mask[one.peak[1], one.peak[0]]), one.verdict.tells))
        bare = make_subject(model, pixels).on_pixels(np.ones(mask.shape))
        contrast.append(bool(mask[np.unravel_index(bare.argmax(), mask.shape)]))
    figures = {"shape_share": float(masks.mean()), "contrast alone on it, share": float(np.mean(contrast))}
    for kind, several in hits.items():
        figures[f"{kind} on it, share"] = float(np.mean([hit for hit, _ in several]))
        telling_ones = [hit for hit, tells in several if tells]
        figures[f"{kind} tells, share"] = len(telling_ones) / len(several)
        if telling_ones:
            figures[f"{kind} on it if it tells, share"] = float(np.mean(telling_ones))
    return figures


def telling(said: list[Explanation]) -> dict[str, Any]:
    """Return of how many images, and the share of each kind of map that tells something."""
    figures: dict[str, Any] = {"explained": len(said)}
    for kind in KINDS:
        maps = [one for each in said for one in each.maps if one.kind == kind]
        if maps:
            figures[f"{kind} share"] = float(np.mean([one.verdict.tells for one in maps]))
    figures["any map share"] = float(np.mean([any(one.verdict.tells for one in each.maps) for each in said]))
    return figures


def some(model: striate.Classifier, source: str, count: int) -> np.ndarray:
    """Return uint8 (n, h, w, c), images spread over a source, its test split where it has one."""
    catalog = striate.read(source)
    places = np.flatnonzero(catalog.splits == "test") if (catalog.splits == "test").any() else np.arange(len(catalog))
    chosen = catalog.subset(places[np.linspace(0, len(places) - 1, count).astype(int)])
    images = model.prepare(chosen, keep=False)
    return model.block(images, 0, len(images))


def colour(model: striate.Classifier, seed: int) -> np.ndarray:
    h, w = model.preprocessing.size
    own = np.random.default_rng(seed).integers(0, 256, (1, 1, model.preprocessing.channels), dtype=np.uint8)
    return np.ascontiguousarray(np.broadcast_to(own, (h, w, own.shape[2])))


def with_first_weights(model: striate.Classifier, seed: int) -> striate.Classifier | None:
    """Return a trained net with its weights drawn anew; all else, as what it keeps of its images, stays."""
    if not isinstance(model.net, striate.Net):
        return None
    return replace(model, module=make_module(model.net, model.preprocessing.input_shape, seed=seed).eval())


def random_nets(seeds: int) -> list[striate.Classifier]:
    """Return nets at first weights of ten classes on 32×32 pixels, small weights and large ones."""
    pixels = Preprocessing((32, 32), 3, "crop", np.full(3, 120, np.float32), np.full(3, 60, np.float32))
    classes, made = tuple("abcdefghij"), []
    for name in NETS:
        net = resolve(name, classes=10, channels=3, side=32)
        for init in FIRST:
            for seed in range(seeds):
                module = make_module(net, (3, 32, 32), seed=seed, init=init).eval()
                made.append(striate.Classifier(classes, pixels, net, module))
    return made


if __name__ == "__main__":
    main()
