"""A predict.py beside an exported graph: twenty lines that need onnxruntime, numpy and Pillow, and no Striate."""

from __future__ import annotations

from pathlib import Path

from striate.classifier.classifier import Classifier
from striate.system.files import write_atomically

_EXAMPLE = '''"""Say what is on images: python {name} IMAGE… It needs onnxruntime, numpy and pillow, no more."""

import json
import pathlib
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(pathlib.Path(__file__).with_name({model!r}), providers=["CPUExecutionProvider"])
classes = json.loads(session.get_modelmeta().custom_metadata_map["striate.classes"])
for path in sys.argv[1:]:
    image = ImageOps.exif_transpose(Image.open(path))  # as it was held
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    pixels = np.asarray(image.convert("{mode}")).reshape(1, image.height, image.width, {channels})
    answers = dict(zip([one.name for one in session.get_outputs()], session.run(None, {{"images": pixels}})))
    probabilities, known = answers["probabilities"][0], answers.get("known", [True])[0]
    best = int(probabilities.argmax())
    print(path, classes[best] if known else "none of these", f"{{probabilities[best]:.4f}}", sep="\\t")
'''


def example_path(out: Path) -> Path:
    """Return where the example goes: predict.py beside the graph."""
    return out.with_name("predict.py")


def write_example(classifier: Classifier, model: Path, path: Path) -> Path:
    """Write the example for a graph and return its path."""
    channels = classifier.preprocessing.channels
    mode = {1: "L", 3: "RGB"}.get(channels, "RGB")
    text = _EXAMPLE.format(name=path.name, model=model.name, mode=mode, channels=channels)
    write_atomically(path, text)
    return path
