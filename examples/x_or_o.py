"""X or O: three features made by hand, the sums of a small net, a vote; then for thick strokes, and learned.

`python x_or_o.py FOLDER` draws there what each feature answers.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from striate.data.builtin.drawn import make_xo
from striate.nets import parse

FEATURES = np.array([
    [[1, -1, -1], [-1, 1, -1], [-1, -1, 1]],  # a stroke down to the right
    [[1, -1, 1], [-1, 1, -1], [1, -1, 1]],    # a crossing
    [[-1, -1, 1], [-1, 1, -1], [1, -1, -1]],  # a stroke up to the right
])  # fmt: skip
# The same with 0 right beside a slanting stroke: what lies there does not count, so that a stroke may be thick.
TOLERANT = FEATURES.copy()
TOLERANT[0] = [[1, 0, -1], [0, 1, 0], [-1, 0, 1]]
TOLERANT[2] = TOLERANT[0][:, ::-1]
# Multiply, add, divide by 9; nothing below 0; the largest of 2×2, twice: 9×9 → 7×7 → 4×4 → 2×2 for each feature.
SENTENCE = "conv(3, 3, bias=false) relu maxpool(2, ceil=true) maxpool(2, ceil=true) fc(2, bias=false)"
X_PLACES, O_PLACES = [1, 4, 5, 10, 11], [2, 3, 9, 12]  # of the twelve values, those that are high for an X and an O
CLASSES = ("O", "X")

votes = np.zeros((2, 12))
votes[0, np.array(O_PLACES) - 1] = 1 / len(O_PLACES)
votes[1, np.array(X_PLACES) - 1] = 1 / len(X_PLACES)
net = parse(SENTENCE)
by_hand = net.reference((1, 9, 9), weights={"0.weight": FEATURES[:, None] / 9, "4.weight": votes})
# Each feature is divided by as many pixels as count: where it fits exactly, its sum is 1.
pixels = np.abs(TOLERANT).sum((1, 2), keepdims=True)
tolerant = net.reference((1, 9, 9), weights={"0.weight": (TOLERANT / pixels)[:, None], "4.weight": votes})
print(net.table((1, 9, 9)), "\n")


def as_input(drawings: np.ndarray) -> np.ndarray:
    """Return drawings uint8 (n, 9, 9) as the lesson has them: −1 is white, 1 is drawn, (n, 1, 9, 9)."""
    return drawings[:, None] / 127.5 - 1


plain = make_xo(2)[0][..., 0]
scores = by_hand.forward(as_input(plain))
for k in (1, 0):
    ninths = (by_hand.values["3"][k] * 9).round().astype(int).reshape(3, 4)
    words = " · ".join(" ".join("1" if n == 9 else f"{n}/9" for n in row) for row in ninths)
    print(f"the {CLASSES[k]} itself gives  {words}")
    print(f"  score X {scores[k, 1]:.4f}, score O {scores[k, 0]:.4f}: it is {CLASSES[scores[k].argmax()]}")
print("\nwhere the crossing finds the middle of the X:", by_hand.trace("0", (1, 3, 3), image=1), sep="\n")

# The published drawing, of which only the twelve values are told; its scores are told with two places, cut off.
new = np.array([0.9, 0.65, 0.45, 0.87, 0.96, 0.73, 0.23, 0.63, 0.44, 0.89, 0.94, 0.53])
print("\nthe published drawing, by its twelve values:", *new)
for name, places in (("X", X_PLACES), ("O", O_PLACES)):
    values = new[np.array(places) - 1]
    mean, terms = values.mean(), " + ".join(f"{v:g}" for v in values)
    total = f"({terms})/{len(values)} = {values.sum():g}/{len(values)}"
    print(f"  score {name}: {total} = {mean:.4f} → {int(mean * 100) / 100}")


def shifted(drawing: np.ndarray) -> list[np.ndarray]:
    """Return a drawing moved by one pixel, in each of eight directions."""
    return [np.roll(drawing, (a, b), (0, 1)) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b]


def turned(drawing: np.ndarray) -> list[np.ndarray]:
    """Return a drawing turned by 5 to 20 degrees, both ways."""
    image = Image.fromarray(drawing)
    return [np.asarray(image.rotate(a, Image.Resampling.BICUBIC)) for a in (-20, -15, -10, -5, 5, 10, 15, 20)]


def thickened(drawing: np.ndarray) -> list[np.ndarray]:
    """Return a drawing whose strokes are a pixel wider: below, to the right, both."""
    down, right = np.roll(drawing, 1, 0), np.roll(drawing, 1, 1)
    return [np.maximum(drawing, down), np.maximum(drawing, right), np.max([drawing, down, right], 0)]


# The same net with weights that it learns from 500 drawings.
drawings, labels = make_xo(2000)
learned = net.reference((1, 9, 9), seed=0)
for _ in range(200):
    learned.descend(as_input(drawings[:500, ..., 0]), labels[:500], rate=0.5)

tries = {}
for change in (shifted, turned, thickened):
    changed = [change(drawing) for drawing in plain]
    tries[change.__name__] = np.concatenate(changed), np.repeat([0, 1], len(changed[0]))
tries["new ones, all of it at once"] = drawings[500:, ..., 0], labels[500:]

nets = {"by hand": by_hand, "tolerant": tolerant, "learned": learned}
print(f"\n{'recognised':<28}{'drawings':>9}", *(f"{name:>10}" for name in nets))
for name, (changed, truth) in tries.items():
    right = [(one.forward(as_input(changed)).argmax(1) == truth).mean() for one in nets.values()]
    print(f"{name:<28}{len(truth):>9}", *(f"{share:>10.1%}" for share in right))

if len(sys.argv) > 1:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    by_hand.forward(as_input(plain))
    figure, axes = plt.subplots(3, 6, figsize=(9, 4.6), layout="constrained")
    titles = ("the X", "a feature", "its sums / 9", "nothing below 0", "largest of 2×2", "and again")
    for row, stage in np.ndindex(axes.shape):
        shown = [as_input(plain)[1, 0], FEATURES[row], *(by_hand.values[path][1, row] for path in "0123")][stage]
        axes[row, stage].imshow(shown, cmap="gray", vmin=-1, vmax=1)
        axes[row, stage].set(xticks=[], yticks=[], title="" if row else titles[stage])
    figure.savefig(folder / "what-each-feature-answers-to-the-X.png", dpi=80)

    some = np.stack([c(plain[k])[i] for k in (0, 1) for c in (shifted, turned, thickened) for i in (0, -1)])
    some = np.concatenate([some[:6], drawings[500:510:2, ..., 0], some[6:], drawings[501:511:2, ..., 0]])
    said = [one.forward(as_input(some)).argmax(1) for one in nets.values()]
    figure, axes = plt.subplots(2, 11, figsize=(10, 2.3), layout="constrained")
    for each, drawing, *three in zip(axes.flat, some, *said, strict=True):
        each.imshow(drawing, cmap="gray")
        each.set(xticks=[], yticks=[], title=" · ".join(CLASSES[k] for k in three))
    figure.savefig(folder / "what-the-net-by-hand-the-tolerant-one-and-the-learned-one-say.png", dpi=80)
