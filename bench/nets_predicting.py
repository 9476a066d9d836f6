"""How fast nets predict, against ONNX Runtime bare: images/s of both, in turns, on the same images in memory.

Ours is what `Classifier.outputs` does: uint8 images in blocks of its own choice, normalised, the net, logits. ONNX
Runtime gets float images that are normalised already, and the best of a few batch sizes; of each the median of the
rounds. Published weights are not needed: their values do not change the time.

    python -m bench nets_predicting --nets swift_s swift_m mobilenet_v2
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does, before torch is imported

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper

from bench.record import summary, write
from striate.classifier.classifier import Classifier
from striate.classifier.preprocessing import Preprocessing
from striate.data.readers.arrays import read_arrays
from striate.nets import NetModule, make_module, resolve
from striate.shipping.onnx.builder import GraphBuilder
from striate.shipping.onnx.nets import emit_net
from striate.system.devices import usable_cpus

NETS = ("swift_s", "swift_m", "mobilenet_v2", "efficientnet_lite0", "resnet18")
BATCHES = {32: (16, 64, 250), 224: (1, 4, 16)}


def session_of(module: NetModule, side: int) -> onnxruntime.InferenceSession:
    """Return ONNX Runtime with a net alone: float (n, 3, side, side) to logits."""
    b = GraphBuilder()
    last = len(module.graph.nodes) - 1
    b.nodes.append(helper.make_node("Identity", [emit_net(b, module, "images", [last])[last]], ["logits"]))
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, side, side])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", "k"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cpus()
    graph = b.model([images], [logits], {}).SerializeToString()
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def measure(name: str, rounds: int) -> dict:
    """Return a net's rates: ours, and ONNX Runtime's with each size of batch."""
    side = 32 if name.startswith("swift") else 224
    count = 4_000 if side == 32 else 480  # so many that what is done once hardly counts
    net = resolve(name, classes=10, channels=3)
    module = make_module(net, (3, side, side)).eval()
    assert isinstance(module, NetModule)
    preprocessing = Preprocessing((side, side), 3, "crop", np.full(3, 120, np.float32), np.full(3, 60, np.float32))
    model = Classifier([str(i) for i in range(10)], preprocessing, net, module)
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)
    catalog = read_arrays((pixels, np.arange(count) % 10))
    given = preprocessing.normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2)).contiguous().numpy()
    session = session_of(module, side)

    def ours() -> np.ndarray:
        return np.concatenate([block.logits for block in model.outputs(catalog)])

    def bare(batch: int) -> np.ndarray:
        parts = (given[start : start + batch] for start in range(0, count, batch))
        return np.concatenate([session.run(None, {"images": part})[0] for part in parts])

    ways: dict[str, Callable[[], np.ndarray]] = {"ours": ours}
    ways |= {f"ONNX Runtime by {batch}": lambda batch=batch: bare(batch) for batch in BATCHES[side]}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    answers = {way: run() for way, run in ways.items()}  # the first round warms up
    for _ in range(rounds):
        for way, run in ways.items():
            start = time.perf_counter()
            run()
            seconds[way].append(time.perf_counter() - start)
    rates = {way: summary([count / s for s in taken]) for way, taken in seconds.items()}
    best = max(rate["median"] for way, rate in rates.items() if way != "ours")
    other = answers[f"ONNX Runtime by {BATCHES[side][0]}"]
    same = float((answers["ours"].argmax(1) == other.argmax(1)).mean())
    ours = rates["ours"]["median"]
    return {
        "ours_per_s": ours, "onnx_runtime_per_s": best, "ours_of_the_best": ours / best, "same_class": same,
        "rounds": rounds,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="+", default=NETS)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rows = {}
    for name in options.nets:
        rows[name] = measure(name, options.rounds)
        print(name, f"{rows[name]['ours_of_the_best']:.2f} of the best of ONNX Runtime", flush=True)
    write("nets_predicting", {"nets": rows}, "images in memory to logits; decoding is not in it")


if __name__ == "__main__":
    main()
