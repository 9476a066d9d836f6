"""How long each zoo net takes to be read into its table, and to be built with initialised weights: best of several."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from bench.record import write
from striate.nets import ZOO, make_module, resolve


def best_s(work: Callable[[], object], runs: int) -> float:
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    make_module(resolve("lenet"), (1, 28, 28))  # torch is imported here, and counts for none of them
    rows = {}
    for name, known in ZOO.items():
        net, shape = resolve(name), known.input_shape
        rows[name] = {
            "table_s": best_s(lambda name=name, shape=shape: resolve(name).table(shape), runs),
            "build_s": best_s(lambda net=net, shape=shape: make_module(net, shape), runs),
        }
    slowest = max(rows, key=lambda name: rows[name]["build_s"])
    write(
        "nets",
        {"best_of": runs, "slowest_to_build": slowest, "nets": rows},
        "the sentence to its table; the module with initialised weights",
    )


if __name__ == "__main__":
    main()
