"""docs/reproductions.md: what the field's texts publish, what Striate comes to, and what holds the figure.

`python docs/building/reproductions.py` writes the page anew from bench/records; a test holds that it is up to date.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reproductions.md"
HEAD = """# Reproductions

What the texts that the field teaches from publish, what Striate comes to, the command, and what holds the figure: a test, or a record of
`bench/` with its machine, seeds and clock ([How fast, measured](speed.md)). Figures of records are of two cores of a server without a GPU, means over
their seeds; where it is one seed, it says so. A test accuracy was read once, after all choices.
"""


class Row(NamedTuple):
    """One published fact and ours; `held` names tests, or records by `bench/records/NAME.json`."""

    id: str
    what: str
    published: str
    ours: str
    command: str
    held: tuple[str, ...]


@cache
def _record(name: str) -> dict[str, Any]:
    return json.loads((ROOT / "bench" / "records" / f"{name}.json").read_text("utf-8"))


def _mean(name: str, *path: str) -> float:
    """Return a figure of a record, the mean over its runs where there are several."""
    value: Any = _record(name)
    for key in path:
        value = value[key]
    return value["mean"] if isinstance(value, dict) else value


def _percent(name: str, *path: str, digits: int = 2) -> str:
    return f"{100 * _mean(name, *path):.{digits}f} %"


def _seeds(name: str) -> str:
    """Return of how many seeds a record is, as people say it."""
    count = len(_record(name).get("seeds", [0]))
    return "one seed" if count == 1 else f"mean of {count} seeds"


def _time(name: str, *path: str) -> str:
    """Return seconds as people say them."""
    seconds = round(_mean(name, *path))
    if seconds < 120:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{seconds // 60} min {seconds % 60} s" if seconds < 7200 else f"{minutes // 60} h {minutes % 60} min"


def _held(*records: str) -> tuple[str, ...]:
    return tuple(f"bench/records/{name}.json" for name in records)


EXAMPLES, WINDOWS, TABLE = "tests/test_examples.py", "tests/nets/test_windows.py", "tests/nets/test_table.py"
REFERENCE, ORACLE = "tests/nets/reference/test_reference.py", "tests/nets/reference/test_oracle.py"


def arithmetic() -> list[Row]:
    """Return the rows of part A: from a neuron to a network."""
    return [
        Row("S01", "One neuron", "truth tables of AND f(−1.5 + x1 + x2), OR f(−0.5 + x1 + x2), NOT f(1 − 2·x1), A′B′ "
            "f(0.5 − x1 − x2); any bias in (−2, −1) makes AND", "the same tables; −1.99, −1.5 and −1.01 make AND, −0.9 and −2.1 "
            "do not", "python examples/neurons.py", (EXAMPLES, REFERENCE)),
        Row("S02", "XNOR in several layers", "no single neuron; OR(AND(A, B), A′B′); NOT((A + B)·(A′ + B′)) with a1…a8",
            "0 of 4,913 neurons; both nets have the table 1 0 0 1", "python examples/xnor.py", (EXAMPLES,)),
        Row("S03", "Forward propagation", "A(i+1) = f(A(i)·W(i)), a column of ones for the biases, 1 × (Ni + 1)",
            "by hand and by the net the same; every layer agrees with torch", "python examples/propagation.py",
            (EXAMPLES, ORACLE)),
        Row("S04", "Back-propagation", "e = (a − b)·c by the chain rule; a value used twice sums its gradients; XNOR learned",
            "4, −4, 3 for a, b, c = 5, 2, 4; 1 + 3 = 4; learned in 200 steps; gradients agree with finite differences",
            "python examples/xnor.py", (EXAMPLES, ORACLE)),
        Row("S05", "Activations", "saturation kills the gradient; 10 to 20 % dead ReLU units are common",
            "sigmoid's gradient at ±10: 4.5e-05, through ten of them 1.4e-07; below 10 % dead at a fitting learning rate, "
            "above 25 % of a layer at one that is too large", "python examples/activations.py", (EXAMPLES,)),
        Row("S06", "First weights", "zeros do not train; Gaussian, Xavier √(1/n), He √(2/n)",
            "zeros: all eight units stay one; He keeps the spread over ten ReLU layers, Gaussian(0.01) loses it",
            "python examples/initialisation.py", (EXAMPLES, "tests/nets/modules/test_spread.py")),
        Row("S07", "Convolution", "(N − F + 2P)/S + 1; 75 + 1 weights; 32 → 28; 6 → 4, 6 → 6; 32 → 26 → 11.5; 2,352 and "
            "120,000 weights a neuron", "all of them; 11.5 is said in place, with the sizes that would fit",
            "python examples/windows.py", (EXAMPLES, WINDOWS)),
        Row("S08", "Pooling", "4×4 → 2×2; 7×7 → 4×4 → 2×2 rounded up", "the same", "python examples/windows.py",
            (EXAMPLES, WINDOWS)),
        Row("S09", "Filters by hand", "blur, sharpen, outline a picture", "the pictures", "striate filter IMAGE blur -o OUT.png",
            (EXAMPLES, "tests/explanation/test_filters.py")),
        Row("S10", "X or O", "1 5/9 5/9 1 · 1 5/9 5/9 5/9 · 5/9 1 1 5/9; scores 0.91 and 0.51; shifted, turned and thickened "
            "drawings are recognised", "the same vector; 4.56/5 = 0.912 and 2.07/4 = 0.5175; by hand all shifted drawings, most "
            "turned ones, few thickened; all of them, and at least 99 % of 1,500 new ones, where the features ask for nothing right beside "
            "a stroke, and with learned weights", "python examples/x_or_o.py",
            (EXAMPLES,)),
    ]  # fmt: skip


def classifiers() -> list[Row]:
    """Return the rows of part B: the classifiers."""
    speed, net = "speed_swift-79", _record("first_training_cifar10")["command"][1]
    return [
        Row("S11", "Nearest neighbours", "k, L1 and L2; a shifted copy is far away", "a digit shifted by one pixel is further "
            "from itself than from another digit; CIFAR-10, all 50,000 as neighbours: "
            f"L1 {_percent('baselines_neighbours', 'metrics', 'l1', 'test_accuracy')}, "
            f"L2 {_percent('baselines_neighbours', 'metrics', 'l2', 'test_accuracy')}",
            "python examples/shift.py", (EXAMPLES, *_held("baselines_neighbours"))),
        Row("S12", "Linear classifier", "one template picture a class", "the templates of the digits; CIFAR-10 "
            f"{_percent('baselines_linear', 'test_accuracy')} in {_time('baselines_linear', 'train_s')}",
            "python examples/templates.py pictures", (EXAMPLES, *_held("baselines_linear"))),
        Row("S13", "Fully connected nets", "784-50-10, ReLU, softmax, Adam; two hidden layers as the baseline",
            f"the baseline on CIFAR-10 {_percent('baselines_mlp', 'test_accuracy')} in {_time('baselines_mlp', 'train_s')}; "
            "784-50-10 and its variants: [What a tweak does](tweaks.md)", "striate train SOURCE --net mlp",
            (EXAMPLES, *_held("baselines_mlp"))),
        Row("S14", "Nets as a pattern", "(CONV-RELU-CONV-RELU-POOL)×3 + FC", "as a sentence, with batch norms; three epochs of "
            f"CIFAR-10: {_percent('first_training_cifar10', 'test_accuracy')}",
            f'striate train cifar10 --net "{net}" --epochs 3', _held("first_training_cifar10")),
        Row("S15", "Named architectures", "AlexNet's eleven layers from 227×227×3 to 1000; with 224: 54.25",
            "the same volumes, the 54.25 is said; parameters of every net as published", "python examples/alexnet.py",
            (EXAMPLES, TABLE, "tests/nets/zoo/test_zoo.py")),
        Row("S16", "Training as a program", "batches, Adam, progress, the better model kept, resumed on start, accuracy line",
            "killed and resumed, it ends in the same bits; the line is printed with its interval", "striate train cifar10 --resume",
            ("tests/test_end_to_end.py", "tests/training/engine/test_resume.py")),
        Row("S17", "CIFAR-10", "78.81 % (79.12 % best) after 8 min 4 s on a GTX 1070, 3 h 30 min on four cores; above 95 % "
            "known from others",
            f"{_percent(speed, 'test_accuracy')} in {_time(speed, 'seconds')}; {_percent('speed_swift-94', 'test_accuracy')} in "
            f"{_time('speed_swift-94', 'seconds')} of epochs; {_percent('speed_swift-96', 'test_accuracy')} in "
            f"{_time('speed_swift-96', 'seconds')} of epochs (one seed)",
            "striate train cifar10 --recipe swift-79", _held(speed, "speed_swift-94", "speed_swift-96")),
        Row("S18", "Identify the digits", "seed 128, 70:30; 784-50-10 to a CNN; a submission in the sample's form",
            f"the CNN {_percent('first_training_digits', 'valid_accuracy')} of the validation images; the ladder in 3 min "
            f"{_percent('ladder_digits', 'valid_accuracy')} ({_seeds('ladder_digits')}); the tweaks one by one: [What a tweak does](tweaks.md)",
            "striate train train.csv --images train/ --split 70:30 --seed 128",
            ("tests/classifier/test_submission.py", *_held("first_training_digits", "ladder_digits"))),
        Row("S19", "Identify the apparel", "the same for Fashion-MNIST", "the ladder in 5 min "
            f"{_percent('ladder_fashion', 'test_accuracy')} of the test images ({_seeds('ladder_fashion')})",
            "striate train fashion-mnist --budget 5m", _held("ladder_fashion")),
        Row("S20", "Pre-trained features, automatic classifier", "CIFAR-10: 15 % from the baseline net, 50 % by features, a whole "
            "night on a laptop", f"{_percent('features', 'test_accuracy', digits=1)} from 5,000 images in "
            f"{_time('features', 'whole_s')} (one seed)", "striate train cifar10 --features mobilenet_v2", _held("features")),
        Row("S21", "Fine-tuning", "last layers first; minutes, little data", "2,022 photographs of waste, 6 kinds: "
            f"{_percent('transfer', 'fine_test_accuracy', digits=1)} in {_time('transfer', 'fine_seconds')}",
            "striate train photos/ --net mobilenet_v2 --weights imagenet", _held("transfer")),
        Row("S22", "Tuning", "layers, filters, rates, optimiser, dropout…; not a grid", "the digits of the published problem in 60 s: "
            f"{_percent('tuning_digits', 'baseline_accuracy')} → {_percent('tuning_digits', 'valid_accuracy')} of the validation "
            f"images, {_percent('tuning_digits', 'test_accuracy')} of the test images", "striate tune SOURCE --budget 60s",
            ("tests/cli/test_tune.py", *_held("tuning_digits"))),
        Row("S23", "Augmentation, dropout", "their effect on over-fitting", "50 digits, four seeds: all learned by heart; augmentation closes a part of the gap with every seed, dropout alone none", "python examples/overfitting.py", (EXAMPLES,)),
    ]  # fmt: skip


def trust() -> list[Row]:
    """Return the rows of part C: seeing and trusting."""

    def robust(kind: str) -> str:
        return _percent("robustness", kind, "card_accuracy", digits=1)

    return [
        Row("S24", "What the computer sees", "image → channels → numbers; one size, mean subtracted", "one preprocessing, kept "
            "with the model; the picture as numbers by channel on the walkthrough's first page", "striate walk MODEL IMAGE",
            ("tests/cli/test_walk.py", "tests/classifier/test_inputs.py", "tests/explanation/walk/test_browser.py")),
        Row("S25", "Inside the net", "filters, maps, an output traced to its patch and kernel", "every value of every layer, and the "
            "terms of each, computed by the page itself; what each unit answers to", "striate walk MODEL IMAGE; striate look MODEL",
            ("tests/cli/test_walk.py", REFERENCE, ORACLE, "tests/explanation/walk/test_engine.py", "tests/explanation/look/test_look.py")),
        Row("S26", "The four challenges, measured", "viewpoint, light, hidden parts, clutter; noise, glare",
            f"CIFAR-10, one seed, 300 images: clean {_percent('robustness', 'plain', 'clean_accuracy', digits=1)}, over the whole "
            f"card {robust('plain')}, with `--augment robust` {robust('robust')}", "striate evaluate MODEL SOURCE --robustness",
            ("tests/cli/test_evaluate.py", "tests/evaluation/robustness/test_card.py", *_held("robustness"))),
        Row("S27", "Prediction", "class, probability of each class, top k", "the same, calibrated; calibration error on CIFAR-10 "
            f"{_mean('trust', 'ece_before'):.3f} → {_mean('trust', 'ece_after'):.3f}", "striate predict MODEL IMAGE… --top 3",
            ("tests/cli/test_predict.py", *_held("trust"))),
        Row("S28", "Uplift", "does a network beat the simple methods on these data, and by how much",
            "said after every ladder, with its interval. CIFAR-10: " + _record("ladder_cifar10")["verdict"].split(", ")[0]
            .replace("A net", "a net"), "striate train SOURCE", ("tests/selection/ladder/test_climb.py", *_held("ladder_cifar10"))),
    ]  # fmt: skip


def make_page() -> str:
    """Return the page."""
    parts = {
        "From a neuron to a network": arithmetic(),
        "The classifiers": classifiers(),
        "Seeing and trusting": trust(),
    }
    lines = [HEAD]
    for title, rows in parts.items():
        lines += [f"## {title}\n", "| | what | published | Striate | command | held by |", "|---|---|---|---|---|---|"]
        for row in rows:
            held = "; ".join(f"[{Path(path).name}](../{path})" for path in row.held)
            cells = (row.id, row.what, row.published, row.ours, f"`{row.command}`", held)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(make_page(), "utf-8")
