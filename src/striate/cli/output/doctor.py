"""What `striate doctor` prints."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from striate.cli.output.console import stdout
from striate.diagnosis import Diagnosis
from striate.errors import visible
from striate.units import say_bytes

_STYLES = {"problem": "bold red", "hint": "yellow"}


def print_diagnosis(found: Diagnosis) -> None:
    """Print it for people: the facts, what is missing, what is wrong, the verdict."""
    console = stdout()
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _facts(found):
        table.add_row(name, Text(visible(text)))
    console.print(table)
    missing = [one for one in found.extras if one["missing"]]
    if missing:
        parts = Table("optional, not installed", "for", "install it", box=None, pad_edge=False)
        for one in missing:
            parts.add_row(one["label"], one["purpose"], Text(one["command"]))
        console.print(parts)
    for one in found.complaints:
        console.print(Text(f"{one.severity}: {visible(one.what)}", _STYLES[one.severity]), soft_wrap=True)
        console.print(Text(f"  → {visible(one.advice)}"), soft_wrap=True)
    style = "bold green" if found.ready else "bold red"
    console.print(Text(found.verdict, style), soft_wrap=True)


def _facts(found: Diagnosis) -> Iterator[tuple[str, str]]:
    machine = found.machine
    yield "versions", ", ".join(f"{name} {version}" for name, version in found.versions.items())
    yield "system", machine["system"]
    features = f" ({', '.join(machine['features'])})" if machine["features"] else ""
    yield "processor", f"{machine['processor']}{features}"
    busy = "" if machine["busy_cpus"] is None else f", {machine['busy_cpus']:.1f} busy"
    threads = f"{machine['threads']} threads on " if "threads" in machine else ""
    yield "CPUs", f"{threads}{machine['usable_cpus']} usable CPUs of {machine['cpus']}{busy}"
    free = "" if machine["free_bytes"] is None else f", {say_bytes(machine['free_bytes'])} free"
    yield "memory", say_bytes(machine["memory_bytes"]) + free
    yield "device", " ".join(found.device.values())
    if found.precision:
        yield "precision", _precision(found)
    known = [f"{one['net']} ({one['source']})" for one in found.weights]
    yield "weights", ", ".join(known) or "none at hand"
    for one in found.caches:
        yield "cache", f"{say_bytes(one['bytes']):>7}  {one['what']}: {one['path']}"
    for name, value in found.environment.items():
        yield "set", f"{name}={value}"
    installed = [one["name"] for one in found.extras if not one["missing"]]
    yield "parts", ", ".join(installed) or "none of the optional ones"


def _precision(found: Diagnosis) -> str:
    told = found.precision
    steps = ", ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in told["seconds"].items())
    steps += ", others far slower," if len(told["seconds"]) == 1 else ""
    when = "remembered" if told["remembered"] else "measured now"
    side = "×".join(map(str, told["input"][1:]))
    return f"{told['chosen']} ({steps} a step of {told['net']} on {told['images']} images of {side}; {when})"
