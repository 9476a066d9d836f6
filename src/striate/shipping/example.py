"""A predict.py beside an exported graph: some 25 lines that need onnxruntime, numpy and Pillow, and no Striate."""

from __future__ import annotations

from pathlib import Path

from striate.classifier.classifier import Classifier
from striate.data.decoding.fitted import GAP
from striate.data.decoding.pixels import LARGE_PX
from striate.errors import ArgumentError
from striate.system.files import write_atomically

_EXAMPLE = '''"""Say what is on images: python {name} IMAGE… It needs onnxruntime, numpy and pillow, no more."""
import json, pathlib, sys  # noqa: E401, I001
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(pathlib.Path(__file__).with_name({model!r}), providers=["CPUExecutionProvider"])
classes = json.loads(session.get_modelmeta().custom_metadata_map["striate.classes"])
failed = __doc__ if len(sys.argv) < 2 else 0
for path in sys.argv[1:]:
    try:
        image = Image.open(path)
        if image.format in ("JPEG", "MPO") and image.width * image.height >= {large}:  # large ones are decoded smaller
            by = [n for n in (1, 2, 4, 8) if n <= max(1, {most}) and not (image.width % n or image.height % n)][-1]
            image.draft(None, (image.width // by, image.height // by))
        image = ImageOps.exif_transpose(image)  # as it was held
        if image.mode[0] in "IF":
            raise ValueError("more than 8 bits: scale it to 0 … 255 first")
    except Exception as error:  # such files fail in many ways; the rest goes on
        print(path, error, sep=": ", file=sys.stderr)
        failed = 1
        continue
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    pixels = np.asarray(image.convert("RGB"))[None]  # of any size; all that follows is in the graph
    answers = dict(zip([one.name for one in session.get_outputs()], session.run(None, {{"images": pixels}})))
    probabilities, known = answers["probabilities"][0], answers.get("known", [True])[0]
    best = int(probabilities.argmax())
    print(path, ("" if known else "none of these, else ") + classes[best], f"{{probabilities[best]:.4f}}", sep="\\t")
sys.exit(failed)
'''


def example_path(out: Path) -> Path:
    """Return where the example goes: predict.py beside the graph."""
    return out.with_name("predict.py")


def check_example(classifier: Classifier, path: Path) -> None:
    """Raise an ArgumentError where twenty lines are not enough, or another file than an example lies there."""
    begins = _EXAMPLE.split("{name}")[0].encode()
    if path.exists() and not (path.is_file() and path.read_bytes().startswith(begins)):
        raise ArgumentError(f"{path} is there already and is no example of Striate's: move it, or export elsewhere")
    shape = classifier.preprocessing
    if shape.channels not in (1, 3) or shape.window is not None:
        raise ArgumentError(
            "--with-example needs a model of gray or RGB pictures of 8 bits; this one looks at "
            f"{'deeper values' if shape.window is not None else f'{shape.channels} bands'}. The graph's "
            "metadata, striate.input, says what it takes"
        )


def write_example(classifier: Classifier, model: Path, path: Path) -> Path:
    """Write the example for a classifier's graph and return its path."""
    shape = classifier.preprocessing
    ratios = f"image.height / {shape.size[0]}, image.width / {shape.size[1]}"
    pixels_per_pixel = f"max({ratios})" if shape.fit == "pad" else f"min({ratios})"
    if shape.resize is not None:
        pixels_per_pixel = f"min(image.size) / {shape.resize}"
    most = f"{pixels_per_pixel} / {GAP:g}"
    write_atomically(path, _EXAMPLE.format(name=path.name, model=model.name, large=LARGE_PX, most=most))
    return path
