"""`striate report`: the page of a run that is done, made again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striate.cli import options
from striate.cli.output.console import print_json, progress_bar, stderr, stdout


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, such as runs/digits-1.")],
    source: Annotated[
        str | None, typer.Argument(metavar="SOURCE", help="Where the images are now, if they have moved.")
    ] = None,
    robustness: Annotated[
        bool,
        typer.Option("--robustness", help="Measure the robustness card too: minutes, on 2,000 images. It is kept."),
    ] = False,
    device: options.Device = None,
    json: options.Json = False,
) -> None:
    """Write report.html into a run's folder again: every run leaves one, older ones can have it too.

    [bold]striate report runs/digits-1[/bold]

    The images are read again and must be those of the run; its model judges the test images again, and nothing is
    chosen by that. There is time to look among the training images for the causes of mistakes, which the end of a
    training has only where the model is quick.
    """
    from striate.runs.remaking import remake_report

    with progress_bar(stderr()) as progress:
        page = remake_report(run, source, device, progress, robustness)
    if json:
        print_json({"report": str(page)})
    else:
        stdout().print(str(page), soft_wrap=True, markup=False)
