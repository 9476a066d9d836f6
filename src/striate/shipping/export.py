"""Handing a classifier out: made, written aside, checked as written, and only then put in its place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from striate.classifier.classifier import Classifier
from striate.data.catalog import Catalog
from striate.errors import ArgumentError, DataError
from striate.observer import Progress, silent
from striate.shipping.example import check_example, example_path, write_example
from striate.shipping.int8 import Int8Trial, try_int8
from striate.shipping.runtime import OnnxSession, import_runtime
from striate.shipping.verify import Parity, Predict, ask, verify_catalog, verify_golden
from striate.system.files import replace_atomically
from striate.units import say_bytes

ONNX, PAGE = ".onnx", ".html"
# A file of protocol buffers holds no more.
_MOST_BYTES = 2_000_000_000
# A page of a model without golden images checks itself by so many others.
_FEW_CHECKED = 12


@dataclass(frozen=True)
class ExportOptions:
    """How a classifier is handed out.

    Arguments:
        verify: a source whose images it is checked on too, at the sizes that they have; None: its golden images alone.
        reading: options for `striate.read` of that source.
        int8: whether eight bits are tried, and kept where they are worth it.
        example: whether a predict.py is written beside.
    """

    verify: str | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)
    int8: bool = False
    example: bool = False


@dataclass(frozen=True)
class Exported:
    """What was handed out.

    Arguments:
        path: the file.
        parity: how far it agrees with the classifier.
        size_bytes: of the file.
        notes: what must be said of it.
        int8: what eight bits came to; None where nobody asked.
        example: the predict.py; None where nobody asked.
    """

    path: Path
    parity: Parity
    size_bytes: int
    notes: tuple[str, ...] = ()
    int8: Int8Trial | None = None
    example: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values; `kept` is whether what was asked for was kept: of --int8 the eight bits."""
        return {
            "path": str(self.path),
            "parity": parity_json(self.parity),
            "kept": self.int8.kept if self.int8 else True,
            "format": "int8" if self.int8 and self.int8.kept else "float32",
            "bytes": self.size_bytes,
            "notes": list(self.notes),
            **({"int8": self.int8.to_json()} if self.int8 else {}),
            **({"example": str(self.example)} if self.example else {}),
        }


def parity_json(parity: Parity) -> dict[str, Any]:
    """Return plain values of a parity table."""
    return {
        "images": parity.images, "top1": parity.top1, "largest_difference": parity.largest_difference,
        "known": parity.known,
        "rows": [vars(row) | {"right": list(row.right) if row.right else None} for row in parity.rows],
    }  # fmt: skip


def export_model(
    classifier: Classifier, out: str | Path, options: ExportOptions | None = None, progress: Progress = silent
) -> Exported:
    """Write a classifier as one ONNX graph (.onnx) or as a page that runs it in the browser (.html).

    Arguments:
        out: the file; what is there is replaced only by one that has been checked.

    Raises:
        ArgumentError: the file's name ends otherwise, a part of the model cannot be carried, or there is nothing to
            check it by.
        ExportError: it does not answer as the classifier does; nothing is written.
        MissingExtraError: the extra `export` is not installed.
    """
    out, options = Path(out), options or ExportOptions()
    if out.suffix.lower() not in (ONNX, PAGE):
        raise ArgumentError(f"-o must end in {ONNX} or {PAGE}; got {out.name!r}. Try -o model.onnx, or -o app.html")
    page = out.suffix.lower() == PAGE
    if page and (options.example or options.int8):
        option = "--with-example" if options.example else "--int8"
        why = "a page has nothing to call" if options.example else "speed here says nothing of speed in a browser"
        raise ArgumentError(f"{option} must be asked for with -o model.onnx; {why}")
    if options.example:
        check_example(classifier, example_path(out))
    import_runtime()
    check_verifiable(classifier, options.verify)
    from striate.shipping.onnx.model import make_onnx

    graph, notes = make_onnx(classifier)
    model = graph.SerializeToString()
    if len(model) > _MOST_BYTES:
        raise ArgumentError(f"the graph would have {say_bytes(len(model))}; at most 2 GB fit. Export a smaller model")
    trial = None
    if options.int8:
        smaller, trial = _quantised(classifier, model, options, progress)
        notes = (*notes, trial.say())
        model = marked(smaller, trial) if trial.kept else model
    catalog = _catalog(options, progress) if options.verify else None
    parities: list[Parity] = []

    def write(temporary: Path) -> None:
        """Write and check what was written: an export that fails is never put in its place."""
        temporary.write_bytes(model)
        session = OnnxSession(str(temporary))
        parity = verified(classifier, session.predict, catalog, progress)
        if not (trial and trial.kept):  # eight bits answer otherwise, by as much as has been told
            parity.require(out.name, _hint(classifier))
        parities.append(parity)
        if page:
            temporary.write_text(_page(classifier, model, catalog), "utf-8", errors="replace")

    replace_atomically(out, write)
    example = write_example(classifier, out, example_path(out)) if options.example else None
    notes = (*notes, *parities[0].note())
    return Exported(out, parities[0], out.stat().st_size if out.is_file() else len(model), notes, trial, example)


def _page(classifier: Classifier, model: bytes, catalog: Catalog | None) -> str:
    """Return the page with images to check itself by: golden ones, or a few of the catalog at the model's size."""
    from striate.shipping.app.page import app_page

    golden = classifier.samples.golden
    if golden is not None:
        images = golden.images
    else:
        assert catalog is not None
        few = catalog.subset(np.unique(np.linspace(0, len(catalog) - 1, _FEW_CHECKED).astype(int)))
        images = classifier.block(classifier.prepare(few, keep=False), 0, len(few))
    return app_page(classifier, model, images, ask(classifier, images).probabilities)


def check_verifiable(classifier: Classifier, verify: str | None) -> None:
    """Raise an ArgumentError where there are no images to check an export on."""
    if verify is None and classifier.samples.golden is None:
        verify_golden(classifier, _nobody)


def _nobody(images: Any) -> Any:
    raise AssertionError


def verified(classifier: Classifier, predict: Predict, catalog: Catalog | None, progress: Progress = silent) -> Parity:
    """Return how far a copy agrees on golden images and on a catalog, where there are any."""
    rows = ()
    if classifier.samples.golden is not None:
        rows = verify_golden(classifier, predict, progress).rows
    if catalog is not None:
        rows = (*rows, *verify_catalog(classifier, predict, catalog, progress).rows)
    return Parity(rows)


def _hint(classifier: Classifier) -> str:
    """Return what to do where the graph answers otherwise."""
    from striate.classifier.heads.fitted import FittedModule
    from striate.classifier.heads.trees import Trees

    module = classifier.module
    if isinstance(module, FittedModule) and isinstance(module.head, Trees) and module.body is not None:
        return (
            "Trees on features turn at thresholds, where the last bit of a feature changes the answer, and another "
            "runtime computes features in another order. Export a linear head: --net logistic --features …"
        )
    return "Please report it with the model"


def _catalog(options: ExportOptions, progress: Progress) -> Catalog:
    from striate.data.gathering import gather
    from striate.data.reading import read

    assert options.verify is not None
    with suppress(DataError):
        if len(found := read(options.verify, **dict(options.reading), progress=progress)):
            return found
    return gather([options.verify], dict(options.reading), progress)  # images without labels do as well


def _quantised(
    classifier: Classifier, model: bytes, options: ExportOptions, progress: Progress
) -> tuple[bytes, Int8Trial]:
    if options.verify is None:
        raise ArgumentError(
            "--int8 must be judged on labelled images; give --verify SOURCE, best what it was trained on"
        )
    from striate.data.reading import read

    held = classifier.held_out(read(options.verify, **dict(options.reading), progress=progress), progress)
    return try_int8(classifier, model, held, progress)


def marked(model: bytes, trial: Int8Trial) -> bytes:
    """Return a quantised graph that says so in its metadata."""
    import onnx

    loaded = onnx.load_from_string(model)
    entry = loaded.metadata_props.add()
    entry.key, entry.value = "striate.int8", json.dumps(trial.to_json())
    return loaded.SerializeToString()
