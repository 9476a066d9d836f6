"""Filters made by hand: blur, sharpen and outline a photograph. `python filters.py FOLDER` writes them there."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

from striate.nets import parse

FILTERS = {
    "blur": np.ones((3, 3)) / 9,
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "outline": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
}

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder.mkdir(parents=True, exist_ok=True)
photograph = np.asarray(Image.fromarray(load_sample_image("china.jpg")).reduce(2))
Image.fromarray(photograph).save(folder / "photograph.png")
channels_first = photograph.transpose(2, 0, 1)[None]
for name, kernel in FILTERS.items():
    weights = {"0.weight": np.tile(kernel, (3, 1, 1, 1))}
    net = parse('depthwise(3, pad="same", bias=false)').reference(channels_first.shape[1:], weights=weights)
    filtered = net.forward(channels_first)[0].transpose(1, 2, 0).clip(0, 255).astype(np.uint8)
    Image.fromarray(filtered).save(folder / f"{name}.png")
    print(f"{name:<8} {filtered.shape[0]}×{filtered.shape[1]} pixels, mean {filtered.mean():.1f} → {folder / name}.png")
