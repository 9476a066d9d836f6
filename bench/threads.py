"""How long waiting threads should spin: images/s of a training step, alone and with a second such process beside it.

OpenMP's default spins on; PASSIVE sleeps at once; a spin count lies between. Whole processes, in turns.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from bench.record import summary, write

CODE = """
import time, torch
from striate import make_module, parse
net = parse("[conv(32,3,pad=1) bn relu conv(32,3,pad=1) bn relu maxpool(2)]*3 fc(10)")
module = make_module(net, (3, 32, 32)).to(memory_format=torch.channels_last)
images = torch.randn(128, 3, 32, 32).contiguous(memory_format=torch.channels_last)
labels = torch.zeros(128, dtype=torch.long)
optimiser = torch.optim.Adam(module.parameters())
def step():
    loss = torch.nn.functional.cross_entropy(module(images), labels)
    optimiser.zero_grad(); loss.backward(); optimiser.step()
for _ in range(3): step()
start, count = time.perf_counter(), 0
while time.perf_counter() - start < 6: step(); count += 1
print(128 * count / (time.perf_counter() - start))
"""
SETTINGS = {
    "default": {},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "spin_3000": {"GOMP_SPINCOUNT": "3000"},
    "spin_30000": {"GOMP_SPINCOUNT": "30000"},
}


def rates(setting: dict[str, str], processes: int) -> list[float]:
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))}
    started = [
        subprocess.Popen([sys.executable, "-c", CODE], stdout=subprocess.PIPE, text=True, env=plain | setting)
        for _ in range(processes)
    ]
    return [float(process.communicate()[0]) for process in started]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    found: dict[str, list[float]] = {}
    for _ in range(runs):
        for name, setting in SETTINGS.items():
            found.setdefault(f"{name}_alone", []).extend(rates(setting, 1))
            found.setdefault(f"{name}_beside_another", []).extend(rates(setting, 2))
    rates_of = {name: summary(values) for name, values in found.items()}
    write("threads", {"images_per_s": rates_of}, "six seconds of steps after three that warm up")


if __name__ == "__main__":
    main()
