"""What Striate finds on a machine: what it will compute on, how, with which parts, and what is wrong."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from striate.errors import StriateError
from striate.nets import ZOO
from striate.nets.zoo.downloads import BACKBONES, kept_weights
from striate.system.cache import HOMELESS, cache_folder, is_homeless
from striate.system.devices import choose_device, usable_cpus
from striate.system.extras import EXTRAS
from striate.system.hardware import busy_cpus, cpu_features, memory_allowed_bytes, memory_free_bytes
from striate.system.machine import describe_machine
from striate.units import say_bytes
from striate.version import __version__

# The precision is measured as training measures it, on a small net and few images: it may not take long.
_NET, _SHAPE, _IMAGES = "swift_xs", (3, 32, 32), 64
_LEAST_MEMORY_BYTES, _LEAST_DISK_BYTES = 1 << 30, 2 << 30
# What people set for Striate and what it computes with; a token is nobody's business.
_VARIABLES = ("STRIATE_CACHE", "STRIATE_DATA", "STRIATE_WEIGHTS", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
_KEPT = {"prepared": "decoded images and features", "data": "published sets", "weights": "published weights",
         "measurements.json": "what was measured here"}  # fmt: skip


@dataclass(frozen=True)
class Complaint:
    """Something about the machine: `problem` stops or spoils work, a `hint` only costs time or accuracy."""

    severity: Literal["problem", "hint"]
    what: str
    advice: str


@dataclass(frozen=True)
class Diagnosis:
    """What was found; each part in plain values, as `to_json` gives them.

    Arguments:
        versions: of striate, python, torch, and of CUDA where torch has it.
        machine: system, processor, its `features`, `cpus`, `usable_cpus`, `threads`, `memory_bytes`, `free_bytes`.
        device: what is computed on: `name` and, of a GPU, `card`.
        precision: `chosen` by training where the recipe says auto, `seconds` of a step in each, on which `net` and how
            many `images`, and whether it was `remembered`; empty where torch does not work.
        weights: of nets that load without a download: `net`, `file`, `source`.
        caches: `what`, `path`, `bytes`.
        extras: `name`, `label` (the name, and what of it is missing), `purpose`, `missing` modules, `command`.
        environment: variables that are set.
        complaints: what is wrong, the worst first.
    """

    versions: dict[str, str]
    machine: dict[str, Any]
    device: dict[str, str]
    precision: dict[str, Any]
    weights: list[dict[str, str]]
    caches: list[dict[str, Any]]
    extras: list[dict[str, Any]]
    environment: dict[str, str]
    complaints: list[Complaint] = field(default_factory=list)

    @property
    def ready(self) -> bool:
        """Whether there is no problem."""
        return all(one.severity != "problem" for one in self.complaints)

    @property
    def verdict(self) -> str:
        """Return the conclusion in a sentence."""
        problems = sum(one.severity == "problem" for one in self.complaints)
        if problems:
            return f"{problems} problem{'s' * (problems > 1)}: see above what to do"
        hints = len(self.complaints)
        return "ready" + (f"; {hints} hint{'s' * (hints > 1)} above" if hints else "")

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"ready": self.ready, "verdict": self.verdict}


def diagnose() -> Diagnosis:
    """Look at this machine: a second or two, no network; what was measured is kept for later runs."""
    torch_version, broken = _torch()
    device, precision, complaints = {"name": "none"}, {}, list(broken)
    if torch_version:
        device, precision = _device(), _precision()
        complaints += _of_gpu(device)
    weights, damaged = _weights()
    machine, caches, environment = _machine(), _caches(), _environment()
    complaints += [*damaged, *_of_environment(environment), *_of_cpus(machine), *_of_memory(machine), *_of_disk()]
    if not any(one["net"] in BACKBONES for one in weights):
        complaints.append(Complaint(
            "hint", "no net with published weights is at hand: photographs are learned from nothing or with a download",
            'pip install "striate[photos]", or name a folder of .pth files with STRIATE_WEIGHTS',
        ))  # fmt: skip
    return Diagnosis(
        {"striate": __version__, "python": platform.python_version(), **torch_version},
        machine, device, precision, weights, caches,
        [{name: getattr(one, name) for name in ("name", "label", "purpose", "missing", "command")} for one in EXTRAS],
        environment, sorted(complaints, key=lambda one: one.severity != "problem"),
    )  # fmt: skip


def _torch() -> tuple[dict[str, str], list[Complaint]]:
    """Return the versions of torch and its CUDA; none, and the complaint, where it cannot be imported."""
    try:
        import torch
    except (ImportError, OSError) as error:
        advice = f"{Path(sys.executable).name} -m pip install --force-reinstall torch"
        return {}, [Complaint("problem", f"torch cannot be imported: {error}", advice)]
    cuda = torch.version.cuda
    return {"torch": torch.__version__} | ({"cuda": cuda} if cuda else {}), []


def _device() -> dict[str, str]:
    import torch

    device = choose_device()
    return {"name": str(device)} | ({"card": torch.cuda.get_device_name(device)} if device.type == "cuda" else {})


def _precision() -> dict[str, Any]:
    """Return which precision is the fastest here, by the measurement that training makes, and makes once."""
    from striate.nets import resolve
    from striate.training.engine.timing import faster, precision_seconds, recalled_precision

    net = resolve(_NET, classes=10, channels=_SHAPE[0], side=_SHAPE[1])
    remembered = recalled_precision(net, _IMAGES, _SHAPE, choose_device()) is not None
    images, seconds = precision_seconds(net, _IMAGES, _SHAPE, choose_device())
    return {"chosen": faster(seconds), "seconds": seconds, "remembered": remembered,
            "net": _NET, "input": list(_SHAPE), "images": images}  # fmt: skip


def _machine() -> dict[str, Any]:
    told = describe_machine()
    threads = {}
    with suppress(ImportError, OSError):
        import torch

        usable = usable_cpus()
        threads = {"threads": torch.get_num_threads() if "OMP_NUM_THREADS" in os.environ else
                   min(usable, torch.get_num_threads())}  # fmt: skip
    return {
        "system": told["system"], "processor": told["processor"], "features": cpu_features(), "cpus": told["cpus"],
        "usable_cpus": usable_cpus(), **threads, "busy_cpus": busy_cpus(), "memory_bytes": memory_allowed_bytes(),
        "free_bytes": memory_free_bytes(),
    }  # fmt: skip


def _weights() -> tuple[list[dict[str, str]], list[Complaint]]:
    """Return the nets whose weights load without a download, and what is damaged."""
    found, damaged = [], []
    own, cache = os.environ.get("STRIATE_WEIGHTS"), cache_folder("weights")
    for name in ZOO:
        try:
            path = kept_weights(name)
        except StriateError as error:
            damaged.append(Complaint("problem", str(error), "Install it again as said"))
            continue
        if path:
            source = "downloaded" if path.parent == cache else "a pip package"
            source = "STRIATE_WEIGHTS" if own and path.parent == Path(own) else source
            found.append({"net": name, "file": str(path), "source": source})
    return found, damaged


def _caches() -> list[dict[str, Any]]:
    return [
        {"what": what, "path": str(cache_folder(name)), "bytes": _size_bytes(cache_folder(name))}
        for name, what in _KEPT.items()
    ]


def _size_bytes(path: Path) -> int:
    """Return what a file or folder takes; what vanishes meanwhile counts as nothing."""
    with suppress(OSError):
        if path.is_file():
            return path.stat().st_size
        with os.scandir(path) as entries:
            return sum(_size_bytes(Path(entry.path)) for entry in entries if not entry.is_symlink())
    return 0


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _VARIABLES if name in os.environ}


def _of_environment(environment: dict[str, str]) -> Iterator[Complaint]:
    for name in ("STRIATE_DATA", "STRIATE_WEIGHTS"):
        if name in environment and not Path(environment[name]).expanduser().is_dir():
            yield Complaint("problem", f"{name} names no folder: {environment[name]}", f"Correct it, or unset {name}")


def _of_gpu(device: dict[str, str]) -> Iterator[Complaint]:
    import torch

    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if device["name"] == "cpu" and not hidden and (shutil.which("nvidia-smi") or Path("/proc/driver/nvidia").exists()):
        why = "torch is a build for CPUs" if torch.version.cuda is None else "torch does not reach it"
        yield Complaint(
            "problem", f"this machine has an NVIDIA GPU, but {why}, so that the CPU computes",
            "Install the build that fits the driver: https://pytorch.org/get-started/locally",
        )  # fmt: skip


def _of_cpus(machine: dict[str, Any]) -> Iterator[Complaint]:
    usable, busy, threads = machine["usable_cpus"], machine["busy_cpus"], machine.get("threads", machine["usable_cpus"])
    if threads > usable:
        yield Complaint(
            "problem", f"{threads} threads share the {usable} CPUs that this process may use: they hold each other up",
            "unset OMP_NUM_THREADS",
        )  # fmt: skip
    elif threads < usable and "OMP_NUM_THREADS" in os.environ:
        yield Complaint(
            "hint", f"OMP_NUM_THREADS is {threads}, and this process may use {usable} CPUs: some stay idle",
            "unset OMP_NUM_THREADS",
        )  # fmt: skip
    if busy is not None and busy > 1.25 * usable:
        yield Complaint(
            "hint", f"other programs keep {busy:.1f} CPUs busy, of {usable}: training is slower, timing is noisy",
            "Wait until they are done",
        )  # fmt: skip


def _of_memory(machine: dict[str, Any]) -> Iterator[Complaint]:
    free = machine["free_bytes"]
    if free is not None and free < _LEAST_MEMORY_BYTES:
        yield Complaint("problem", f"only {say_bytes(free)} of memory are free", "Close other programs")


def _of_disk() -> Iterator[Complaint]:
    cache = cache_folder()
    if is_homeless():
        yield Complaint("problem", HOMELESS, "Set STRIATE_CACHE to a folder of yours")
        return
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            pass
    except OSError as error:
        yield Complaint(
            "problem", f"the cache {cache} cannot be written ({error.strerror}): each command decodes images anew",
            "Set STRIATE_CACHE to a folder of yours",
        )  # fmt: skip
        return
    for what, folder in {"the cache": cache, "this folder, where runs go": Path.cwd()}.items():
        with suppress(OSError):
            if (free := shutil.disk_usage(folder).free) < _LEAST_DISK_BYTES:
                yield Complaint("problem", f"only {say_bytes(free)} are free on the disk of {what}", "Make room")
