"""`striate doctor`: what this machine can do, what is missing, what is wrong."""

from __future__ import annotations

import typer

from striate.cli import options
from striate.cli.output.console import print_json, stderr


def doctor(json: options.Json = False) -> None:
    """Say what this machine can do: device, precision, threads, weights at hand, caches, optional parts; what is wrong.

    [bold]striate doctor[/bold]
    [bold]striate doctor --json > machine.json[/bold]

    The precision is measured as training does it, once; later runs, of training too, recall it. Nothing is downloaded.
    The exit code is 1 where there is a problem. Give the output with any question or report.
    """
    from striate.cli.output.doctor import print_diagnosis
    from striate.diagnosis import diagnose

    with stderr().status("looking at the machine"):
        found = diagnose()
    if json:
        print_json(found.to_json())
    else:
        print_diagnosis(found)
    raise typer.Exit(0 if found.ready else 1)
