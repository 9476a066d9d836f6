"""The page as one HTML file: runtime, graph and golden images inside it; or the same in front of the service."""

from __future__ import annotations

import base64
import gzip
import json
import lzma
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from striate.classifier.classifier import Classifier
from striate.errors import ArgumentError
from striate.pages.page import render_page
from striate.pages.policy import page_policy
from striate.shipping.onnx.metadata import licence_of, sources_of_weights
from striate.units import percent, say_bytes
from striate.version import __version__

MOST_BYTES = 40_000_000
# How far a browser's probabilities may be from Python's: it computes the same in another order.
TOLERANCE = 1e-3
# Golden images of at most so many bytes are put into the page, a few at least.
_GOLDEN_BYTES, _FEWEST = 2_000_000, 4
_PACKAGE = "striate.shipping.app"
RUNTIME = "onnxruntime-web 1.24.3"


def app_page(classifier: Classifier, model: bytes, images: np.ndarray, probabilities: np.ndarray) -> str:
    """Return a page that runs a model in the browser, from a file, without a network.

    Arguments:
        model: the graph.
        images: uint8 (n, h, w, c), by which it checks itself when it opens.
        probabilities: float32 (n, k), what Python says of them.

    Raises:
        ArgumentError: the model looks at other than gray or RGB images, or the page would be larger than 40 MB.
    """
    channels = classifier.preprocessing.channels
    if channels not in (1, 3):
        raise ArgumentError(
            f"a page needs a model that looks at gray or RGB images; this one looks at {channels} bands, which no "
            "browser reads. Export it as -o model.onnx"
        )
    if classifier.preprocessing.window is not None:
        raise ArgumentError(
            "a page needs a model of 8-bit images; this one looks at deeper values, which no browser gives. "
            "Export it as -o model.onnx"
        )
    few = max(_FEWEST, _GOLDEN_BYTES // images[0].nbytes)
    images, probabilities = images[:few], probabilities[:few]
    golden = {"shape": list(images.shape), "probabilities": [round(float(p), 7) for p in probabilities.ravel()]}
    about = {**_about(classifier), "golden": golden, "tolerance": TOLERANCE}
    parts = {"wasm": _wasm(), "model": _packed(model), "golden": _packed(images.tobytes())}
    where = "Runs in this browser alone: no picture leaves this device, and no network is needed."
    script = _script("inline.js", bundled=True)
    title, facts = _title(classifier.classes), _facts(classifier)
    page = _page(title, facts, where, about, script, parts, "'none'")
    if (size := len(page.encode(errors="replace"))) > MOST_BYTES:
        raise ArgumentError(
            f"the page would have {say_bytes(size)}, at most {say_bytes(MOST_BYTES)} open well everywhere: the "
            f"model alone has {say_bytes(len(model))}. Export it as -o model.onnx, or train a smaller net, such as "
            "--net swift"
        )
    return page


def service_page() -> str:
    """Return the same page in front of a service: it asks which models there are, and for a token if one is wanted."""
    where = "Pictures are sent to the service that served this page, and nowhere else."
    return _page("What is it?", [], where, {}, _script("remote.js", bundled=False), {}, "'self'")


def _about(classifier: Classifier) -> dict[str, Any]:
    return {"classes": list(classifier.classes), "size": list(classifier.preprocessing.size)}


def _page(
    title: str, facts: list[tuple[str, str]], where: str, about: dict[str, Any], script: str, parts: dict[str, str],
    connect: str,
) -> str:  # fmt: skip
    policy = page_policy([script], script_src="'wasm-unsafe-eval'", img_src="data: blob:",
                         media_src="blob: mediastream:", connect_src=connect)  # fmt: skip
    # Within a script element only its end could do harm.
    said = json.dumps(about, separators=(",", ":")).replace("<", "\\u003c")
    return render_page(
        _PACKAGE, "app.html", title=title, where=where, policy=policy, about=said, parts=parts, script=script,
        facts=facts, served=not facts,
    )  # fmt: skip


def _title(classes: Sequence[str]) -> str:
    shown = [name if len(name) <= 30 else f"{name[:29]}…" for name in classes[:3]]
    if len(classes) > 3:
        return f"{', '.join(shown)} or {len(classes) - 3} more?"
    return f"{' or '.join([', '.join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)}?"


def _facts(classifier: Classifier) -> list[tuple[str, str]]:
    """Return what people may want to know of the model."""
    said, shape = classifier.provenance, classifier.preprocessing
    weights = sources_of_weights(said)
    novelty = classifier.trust.novelty
    facts = [
        ("classes", ", ".join(classifier.classes[:200]) + (" …" if len(classifier.classes) > 200 else "")),
        ("model", str(classifier.net)[:300]),
        ("looks at", f"{shape.size[0]}×{shape.size[1]} pixels, {'gray' if shape.channels == 1 else 'colour'}"),
        ("test accuracy", percent(said.test_accuracy)),
        ("none of these", f"by {novelty.name}; said wrongly of one in {round(1 / novelty.false_alarm)} images of "
                          "the classes" if novelty else "this model cannot tell"),
        ("weights", "; ".join(weights) if weights else "trained from scratch"),
        ("licence", licence_of(weights)),
        ("made by", f"Striate {__version__}, {RUNTIME} (MIT, Microsoft Corporation)"),
    ]  # fmt: skip
    return facts


def _script(connection: str, *, bundled: bool) -> str:
    parts = [_bundle()] if bundled else []
    parts += [_read(connection).decode(), _read("app.js").decode()]
    script = "\n".join(parts)
    assert "</script" not in script.lower()
    return script


def _bundle() -> str:
    """Return the runtime's module as a part of another: its exports become names."""
    text = _read("vendor/ort.wasm.bundle.min.mjs").decode()
    found = re.search(r"export\{([^}]*)\};?\s*(//# sourceMappingURL=.*)?\s*$", text)
    assert found, "the vendored runtime must end in its exports"
    pairs = [one.split(" as ") for one in found[1].split(",")]
    names = {public: own for own, public in pairs if public in ("env", "InferenceSession", "Tensor")}
    said = ", ".join(f"{public}: {own}" for public, own in names.items())
    return f"const {{ env, InferenceSession, Tensor }} = (() => {{ {text[: found.start()]}\nreturn {{ {said} }}; }})();"


@cache
def _wasm() -> str:
    return _packed(lzma.decompress(_read("vendor/ort-wasm-simd-threaded.wasm.xz")))


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def _read(name: str) -> bytes:
    return (resources.files(_PACKAGE) / name).read_bytes()
