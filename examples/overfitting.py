"""Over-fitting, and what augmentation and dropout do about it: 50 digits are learned by heart, the others judge.

`python overfitting.py FOLDER` draws the curves there.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

import striate
from striate.augmentation import make_augmentation

NET = "conv(16, 3, pad=1) relu maxpool(2) conv(16, 3, pad=1) relu fc(64) relu fc(10)"
DROPPED = NET.replace("fc(64) relu", "fc(64) relu dropout(0.5)")  # half of the units, another half in every step
MOVED = ["translate(1) rotate(10) zoom(0.1)"]  # shifted, turned, larger or smaller: still the same digit
WAYS = {"neither": (NET, []), "dropout": (DROPPED, []), "augmentation": (NET, MOVED), "both": (DROPPED, MOVED)}
SEEDS, STEPS, TRAINING = range(4), 300, 50

data = striate.prepare(striate.read("digits"), size=(8, 8))
images = torch.tensor(data.images).permute(0, 3, 1, 2)  # uint8 (n, 1, 8, 8)
labels = torch.tensor(data.labels)


def accuracy(module: torch.nn.Module, which: torch.Tensor) -> float:
    """Return the share of images that are told right, without dropout and augmentation."""
    module.eval()
    with torch.no_grad():
        right = module(images[which] / 127.5 - 1).argmax(1) == labels[which]
    module.train()
    return right.float().mean().item()


def learn(sentence: str, words: list[str], seed: int) -> list[tuple[float, float]]:
    """Return training and validation accuracy after every 50 steps."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    training, others = order[:TRAINING], order[TRAINING:]
    module = striate.make_module(striate.parse(sentence), (1, 8, 8), seed)
    augment, draws = make_augmentation(words), torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(module.parameters(), 2e-3)
    torch.manual_seed(seed)  # which units are dropped
    curve = []
    for step in range(1, STEPS + 1):
        pixels, truth = augment(images[training], labels[training], draws)
        loss = torch.nn.functional.cross_entropy(module(pixels / 127.5 - 1), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 50 == 0:
            curve.append((accuracy(module, training), accuracy(module, others)))
    return curve


print(f"{TRAINING} images to learn from, {len(images) - TRAINING:,} others; mean and range over {len(SEEDS)} seeds\n")
print(f"{'':<14}{'training':>10}{'validation':>12}{'lowest':>9}{'highest':>9}{'gap':>14}")
curves = {name: np.array([learn(*way, seed) for seed in SEEDS]) for name, way in WAYS.items()}
for name, curve in curves.items():
    learnt, holds = curve[:, -1, 0], curve[:, -1, 1]
    print(f"{name:<14}{learnt.mean():>10.1%}{holds.mean():>12.1%}{holds.min():>9.1%}{holds.max():>9.1%}"
          f"{100 * (learnt - holds).mean():>7.1f} points")  # fmt: skip
print("\nvalidation accuracy beyond neither, in points, mean ± standard error and seed by seed")
for name in ("dropout", "augmentation", "both"):
    points = 100 * (curves[name] - curves["neither"])[:, -1, 1]
    error = points.std(ddof=1) / len(points) ** 0.5
    print(f"{name:<14}{points.mean():+.1f} ± {error:.1f}:", *(f"{one:+.1f}" for one in points))

if len(sys.argv) > 1:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    fig, axes = plt.subplots(1, 4, figsize=(10, 2.6), sharey=True, layout="constrained")
    for each, (name, curve) in zip(axes, curves.items(), strict=True):
        for part, style, what in ((0, "--", "training"), (1, "-", "validation")):
            each.plot(np.arange(50, STEPS + 1, 50), curve[:, :, part].mean(0), style, color=f"C{part}", label=what)
        each.set(title=name, xlabel="step", ylim=(0.5, 1.02))
    axes[0].set_ylabel("accuracy")
    axes[0].legend(loc="lower right")
    fig.savefig(folder / "accuracy-on-both-sides-step-by-step.png", dpi=80)
