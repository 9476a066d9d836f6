"""AlexNet's eleven layers, volume by volume; and why 224 pixels, as the paper says, do not fit its first layer.

`python alexnet.py FOLDER` draws the net there.
"""

import sys
from pathlib import Path

from striate.nets import ZOO, resolve

PUBLISHED = [
    "227×227×3", "55×55×96", "27×27×96", "27×27×256", "13×13×256", "13×13×384", "13×13×384", "13×13×256", "6×6×256",
    "4096", "4096", "1000",
]  # fmt: skip

alexnet = resolve("alexnet")
print(alexnet.table((3, 227, 227)))


def volumes(side: int) -> list[str]:
    """Return the input and the output of each convolution, pool and fully connected layer, as height×width×channels."""
    shapes = [(3, side, side)]
    for row in alexnet.table((3, side, side)).to_dict()["layers"]:
        if row["layer"].startswith(("conv", "maxpool", "fc")):
            shapes.append(tuple(row["shape"]))
    return ["×".join(map(str, (*shape[1:], shape[0]))) for shape in shapes]


print("\n", " → ".join(volumes(227)), sep="")
print("as published:", volumes(227) == PUBLISHED)

first = alexnet.table((3, 224, 224)).to_dict()["layers"]
note = next(row for row in first if row["layer"].startswith("conv"))
print(f"\nwith 224 pixels: {note['formula']}; {note['note']}")

print(f"\n{'before and after':<26}{'parameters':>12}{'multiply-adds':>17}")
for name in ("lenet", "alexnet", "zfnet", "vgg16", "googlenet", "resnet50", "mobilenet_v2"):
    known = ZOO[name]
    table = resolve(name).table(known.input_shape)
    print(f"{name:<26}{table.parameters:>12,}{table.multiply_adds:>17,}  {known.description}")

if len(sys.argv) > 1:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "AlexNet-as-its-svg-draws-it.svg").write_text(alexnet.svg((3, 227, 227)), "utf-8")
