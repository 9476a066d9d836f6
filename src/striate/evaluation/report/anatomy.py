"""The net in a report: its sentence, its picture and its layers, of whatever the model has of these."""

from __future__ import annotations

from dataclasses import dataclass

from striate.classifier.classifier import Classifier
from striate.errors import StriateError
from striate.nets import Net
from striate.nets.structure import Chain
from striate.nets.table import HEADINGS, Table

# A picture larger than this, as of a net of hundreds of layers, would be most of the page.
MOST_PICTURE = 600_000
# A page is so many pixels wide; a picture goes on in another row rather than out of sight, or too small to be read.
PAGE_WIDTH = 1040
# Multiply-adds that two cores of a laptop do in about a second.
QUICK_WORK = 30e9


@dataclass(frozen=True)
class Anatomy:
    """What is shown of a net.

    Arguments:
        name: of the whole model, the net's sentence or what was fitted.
        of: what the picture and the table are of, where it is only a part.
        picture: an <svg> element; empty where there is none.
        headings, rows: the layer table's cells.
        parameters, multiply_adds: of the net, for one image.
        weights: numbers that the whole model keeps.
    """

    name: str
    of: str
    picture: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    parameters: int
    multiply_adds: int
    weights: int


def describe_anatomy(model: Classifier) -> Anatomy:
    """Return what can be shown of a model's net."""
    name, weights = str(model.net), sum(value.numel() for value in model.module.state_dict().values())
    net, of = _net_of(model)
    table = _table(net, model) if net else None
    if net is None or table is None:
        return Anatomy(name, "", "", (), (), 0, 0, weights)
    picture = net.svg(model.preprocessing.input_shape, PAGE_WIDTH)
    told = f"The net from left to right, row by row: {len(table.rows)} layers, {table.parameters:,} parameters"
    picture = picture.replace('role="img"', f'role="img" aria-label="{told}"', 1)
    return Anatomy(
        name, of, picture if len(picture) <= MOST_PICTURE else "", HEADINGS,
        tuple(row.cells() for row in table.shown()), table.parameters, table.multiply_adds, weights,
    )  # fmt: skip


def is_quick(model: Classifier, images: int) -> bool:
    """Return whether a model looks at so many more images in about a second; of what cannot be told, no."""
    net, _ = _net_of(model)
    if net is None:
        return getattr(model.net, "body", model.net) is None  # fitted to pixels
    table = _table(net, model)
    return table is not None and table.multiply_adds * images <= QUICK_WORK


def _net_of(model: Classifier) -> tuple[Net | None, str]:
    if isinstance(model.net, Net):
        return model.net, ""
    chain = getattr(getattr(model.net, "body", None), "chain", None)
    return (Net(chain), "the net whose features are used") if isinstance(chain, Chain) else (None, "")


def _table(net: Net, model: Classifier) -> Table | None:
    try:
        return net.table(model.preprocessing.input_shape)
    except StriateError:  # features of a part of a net, or of another size
        return None
