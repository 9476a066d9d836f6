"""`striate serve` under load: what of the bare runtime's speed is left, waits, overload, memory, the stop.

    python -m bench.serve MODEL SOURCE --seconds 15 --requests 100000

bare        the service's own runtime in this process, in full batches of the same images, with and without decoding
capacity    as many connections as it takes, one image a request and several, each asked again once answered
steady      80 % of that capacity at a fixed rate, one image a request and several; the clock of a request runs from
            when it was due
overload    ten times the capacity at a fixed rate: answered rightly or 429, none lost
soak        so many requests, 5 % of them malformed; the process' memory all the while
stop        SIGTERM under load: what was sent is answered, exit code 0

The generator runs on the same cores as the service and takes its share of them: what processor time each of them took
for an image is told beside the rates.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.load import Load, Outcome, closed_loop, form, open_loop, post, run, share_of
from bench.record import write

PATH, TOLERANCE, MANY = "/v1/predict?top=1", 1e-3, 16
RESULTS: dict[str, Any] = {}


def files_of(source: str, count: int) -> list[bytes]:
    """Return the bytes of some images of a source, evenly; arrays become PNG files."""
    from striate.data.decoding.decode import WAYS, read_bytes
    from striate.data.reading import read

    images, files = read(source).images, []
    for i in np.linspace(0, len(images) - 1, min(count, len(images))).astype(int):
        if isinstance(images[i], WAYS):
            files.append(read_bytes(images[i]))
        else:
            file = io.BytesIO()
            Image.fromarray(np.squeeze(np.asarray(images[i]))).save(file, "PNG")
            files.append(file.getvalue())
    return files


def bare(model: Any, files: Sequence[bytes], seconds: float) -> dict[str, Any]:
    """Return the images/s of the runtime alone, without and with decoding."""
    from striate.shipping.service.intake import pixels_of
    from striate.shipping.service.onnx_runtime import OnnxRuntime
    from striate.shipping.service.runtimes import choose_runtime

    runtime = choose_runtime(model, [OnnxRuntime], print)
    pixels = np.stack([pixels_of(file, model.preprocessing, 10**9) for file in files])
    runtime.judge(pixels[: runtime.batch])
    rates: dict[str, Any] = {"runtime": runtime.name, "batch": runtime.batch}
    for name in ("images_per_s", "with_decoding_images_per_s"):
        done, start, cpu = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - start < seconds:
            at = done % max(1, len(pixels) - runtime.batch + 1)
            batch = pixels[at : at + runtime.batch]
            if "decoding" in name:
                batch = np.stack(
                    [pixels_of(file, model.preprocessing, 10**9) for file in files[at : at + runtime.batch]]
                )
            runtime.judge(batch)
            done += len(batch)
        rates[name] = done / (time.perf_counter() - start)
        rates[name.replace("images_per_s", "cpu_ms_an_image")] = 1e3 * (time.process_time() - cpu) / done
    return rates


class Server:
    """`striate serve` in a process of its own."""

    def __init__(self, model: str, *more: str):
        command = [sys.executable, "-m", "striate", "serve", model, "--port", "0", "--no-log", *more]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr
        for line in self.process.stderr:
            if found := re.search(r"http://[\d.]+:(\d+)", line):
                self.port = int(found[1])
                return
        raise SystemExit("the service did not start")

    def cpu_s(self) -> float:
        """Return the processor's seconds that the process has had."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self) -> int:
        """Return the memory that the process holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024

    def stop(self) -> tuple[int, float]:
        """Return exit code and seconds of a stop."""
        start = time.perf_counter()
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)
        return self.process.returncode, time.perf_counter() - start


def wrong(load: Load, expected: Sequence[tuple[str, float]], images: int = 1) -> int:
    """Return how many of the answers with status 200 do not say what the classifier says in Python."""
    count = 0
    for one in load.outcomes:
        if one.status != 200:
            continue
        said = json.loads(one.body)["predictions"]
        first = one.number * images
        right = [expected[(first + i) % len(expected)] for i in range(images)]
        count += len(said) != images or any(
            abs(a["probability"] - p) > TOLERANCE or (a["class"] != name and p > 0.5)
            for a, (name, p) in zip(said, right, strict=True)
        )
    return count


def told(name: str, load: Load, expected: Sequence[tuple[str, float]], images: int = 1) -> dict[str, float]:
    """Print and return what a load came to."""
    good, waits = load.count(200), load.waits(200)
    result = {
        "requests": float(len(load.outcomes)), "answered": float(good), "refused_429": float(load.count(429)),
        "lost": float(load.count(0)), "other": float(len(load.outcomes) - load.count(200, 429, 0, -1)),
        "not_sent": float(load.count(-1)), "wrong": float(wrong(load, expected, images)),
        "images_per_s": good * images / load.seconds, "p50_ms": 1e3 * share_of(waits, 0.5),
        "p99_ms": 1e3 * share_of(waits, 0.99), "p50_429_ms": 1e3 * share_of(load.waits(429), 0.5),
        "p99_429_ms": 1e3 * share_of(load.waits(429), 0.99),
    }  # fmt: skip
    result = {key: round(value, 3) for key, value in result.items() if value == value}
    print(name, json.dumps(result), file=sys.stderr, flush=True)
    RESULTS[name] = result
    return result


def malformed(files: Sequence[bytes]) -> list[bytes]:
    """Return requests of every kind of wrong that a service meets."""
    bomb = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(bomb, "PNG")
    return [
        post(PATH, files[0][: len(files[0]) // 2]), post(PATH, b"not an image at all"), post(PATH, bomb.getvalue()),
        post(PATH, b'{"images": ["%%%"]}', "application/json"), post(PATH, b"{", "application/json"),
        post(PATH, files[0], "text/plain"), post("/v1/predict?top=0", files[0]), post("/v1/nothing", files[0]),
        post(PATH, b"--x\r\n", "multipart/form-data; boundary=x"), post(PATH, b""),
    ]  # fmt: skip


async def soak(server: Server, good: Sequence[bytes], bad: Sequence[bytes], count: int, connections: int) -> None:
    """Ask so many times, every twentieth request malformed, and record memory and what was answered."""
    requests = [
        bad[i // 20 % len(bad)] if i % 20 == 19 else good[i % len(good)] for i in range(20 * len(bad) * len(good))
    ]
    memory: list[int] = []
    each = max(1, count // 100)

    def tick(number: int) -> None:
        if number % each == 0:
            memory.append(server.memory_bytes())

    load = await closed_loop(server.port, requests, connections, 3600, count, keep=False, tick=tick)
    amiss = [
        one for one in load.outcomes if (one.number % 20 == 19) == (one.status == 200) or one.status in (0, 500, 503)
    ]
    quarter = len(memory) // 4
    RESULTS["soak"] = {
        "requests": float(len(load.outcomes)), "seconds": load.seconds, "answered_amiss": float(len(amiss)),
        "after_a_quarter_bytes": memory[quarter], "at_the_end_bytes": memory[-1], "most_bytes": max(memory),
    }  # fmt: skip
    print("soak", json.dumps(RESULTS["soak"]), file=sys.stderr, flush=True)


async def stop_under_load(server: Server, requests: Sequence[bytes], connections: int) -> None:
    """Stop while all connections ask; count what was sent and never answered."""
    work = asyncio.create_task(closed_loop(server.port, requests, connections, 8))
    await asyncio.sleep(3)
    code, seconds = await asyncio.to_thread(server.stop)
    load = await work
    RESULTS["stop"] = {
        "exit_code": float(code),
        "seconds": seconds,
        "requests": float(len(load.outcomes)),
        "lost": float(load.count(0)),
    }
    print("stop", json.dumps(RESULTS["stop"]), file=sys.stderr, flush=True)


def ask_once(port: int, requests: Sequence[bytes]) -> list[Outcome]:
    """Return the outcome of each request, one after the other."""
    return run(closed_loop(port, requests, 1, 600, len(requests))).outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("source")
    parser.add_argument("--seconds", type=float, default=15, help="of each load")
    parser.add_argument("--requests", type=int, default=0, help="of the soak; 0: none")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--images", type=int, default=128, help="of the source")
    parser.add_argument("--name", default="serve")
    parser.add_argument("--serve", default="", help="more options of striate serve")
    asked = parser.parse_args()
    import striate

    files, model = files_of(asked.source, asked.images), striate.load_model(asked.model)
    expected = [(one.label, one.probability) for one in model.predict(files)]
    single = [post(PATH, file) for file in files]
    several = [form(PATH, [files[(i * MANY + k) % len(files)] for k in range(MANY)]) for i in range(len(files))]
    rates = bare(model, files, asked.seconds)
    RESULTS["bare"] = rates
    print(rates, file=sys.stderr, flush=True)
    gc.collect()
    gc.freeze()  # the generator has torch's objects too, and would stand still for each search among them
    server = Server(asked.model, *asked.serve.split())
    ask_once(server.port, single)
    for name, requests, connections, images in (
        ("capacity_1", single, asked.connections, 1),
        ("capacity_16", several, asked.connections // 8, MANY),
    ):
        cpu, own = server.cpu_s(), time.process_time()
        load = run(closed_loop(server.port, requests, connections, asked.seconds))
        cpu, own = server.cpu_s() - cpu, time.process_time() - own
        result, done = told(name, load, expected, images), max(1, images * load.count(200))
        result |= {"cpu_ms_an_image": 1e3 * cpu / done, "generator_cpu_ms_an_image": 1e3 * own / done}
        result["share_of_bare"] = result["images_per_s"] / rates["images_per_s"]
        result["share_of_bare_with_decoding"] = result["images_per_s"] / rates["with_decoding_images_per_s"]
        steady = open_loop(server.port, requests, 0.8 * result["images_per_s"] / images, asked.seconds)
        waits = told(name.replace("capacity", "steady"), run(steady), expected, images)
        waits["p99_over_p50"] = waits["p99_ms"] / waits["p50_ms"]
    capacity = RESULTS["capacity_1"]["images_per_s"]
    told("overload", run(open_loop(server.port, single, 10 * capacity, asked.seconds / 2)), expected)
    if asked.requests:
        run(soak(server, single[:64], malformed(files), asked.requests, asked.connections // 2))
    run(stop_under_load(server, single, asked.connections))
    about = {"model": str(model.net), "source": Path(asked.source).name, "files": len(files)}
    clock = f"each load {asked.seconds:g} s, {asked.connections} connections, the generator on the same cores"
    write(asked.name, {**about, "loads": RESULTS}, clock)


if __name__ == "__main__":
    main()
