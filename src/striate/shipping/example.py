"""A predict.py beside an exported graph: twenty lines and imports that need onnxruntime, numpy and Pillow alone."""

from __future__ import annotations

from pathlib import Path

from striate.classifier.classifier import Classifier
from striate.data.decoding.fitted import GAP
from striate.data.decoding.pixels import LARGE_PX
from striate.errors import ArgumentError
from striate.system.files import write_atomically

_EXAMPLE = '''"""Say what is on images: python {name} IMAGE… It needs onnxruntime, numpy and pillow, no more."""
import json, pathlib, sys  # noqa: E401, I001
import numpy, onnxruntime  # noqa: E401, ICN001
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(pathlib.Path(__file__).with_name({model!r}), providers=["CPUExecutionProvider"])
classes = json.loads(session.get_modelmeta().custom_metadata_map["striate.classes"])
names, failed = [one.name for one in session.get_outputs()], 0
for path in sys.argv[1:] or sys.exit(__doc__):
    try:
        image = Image.open(path)
        scale = {scale} if image.format in ("JPEG", "MPO") and image.width * image.height >= {large} else 1
        by = max(n for n in (1, 2, 4, 8) if n <= max(1, scale) and not any(side % n for side in image.size))
        image.draft(None, (image.width // by, image.height // by))  # large ones are decoded smaller
        image = ImageOps.exif_transpose(image)  # as it was held
        if image.mode[0] in "IF":
            raise ValueError("more than 8 bits: scale it to 0 … 255 first")
        pixels = numpy.asarray(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA")))
        answers = dict(zip(names, session.run(None, {{"images": pixels[None, ..., :3]}})))  # of any size
        chances, known = answers["probabilities"][0], answers.get("known", [True])[0]
        best = int(chances.argmax())
        print(path, ("" if known else "none of these, else ") + classes[best], f"{{chances[best]:.4f}}", sep="\\t")
    except Exception as error:  # such files fail in many ways; the rest goes on
        failed = print(path, error, sep=": ", file=sys.stderr) or 1
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
    h, w = (side * GAP for side in shape.size)
    scale = f"{'max' if shape.fit == 'pad' else 'min'}(image.height / {h:g}, image.width / {w:g})"
    if h == w or shape.resize is not None:
        shown = h if shape.resize is None else shape.resize * GAP
        scale = f"{'max' if shape.fit == 'pad' and shape.resize is None else 'min'}(image.size) / {shown:g}"
    write_atomically(path, _EXAMPLE.format(name=path.name, model=model.name, large=LARGE_PX, scale=scale))
    return path
