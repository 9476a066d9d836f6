"""`striate check`: what is wrong with the images, before anything is trained on them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striate.cli import completion, options
from striate.cli.guards import check_spared
from striate.cli.output.console import print_json, stderr, stdout

# The exit code where something serious was found.
SERIOUS = 3


@options.reads_source
def check(
    source: options.Source,
    labels: Annotated[
        bool,
        typer.Option(
            "--labels/--no-labels",
            help="Doubt the labels, and look for images of no class: minutes for tens of thousands of images.",
        ),
    ] = True,
    features: Annotated[
        Path | None,
        typer.Option(
            "--features",
            metavar="MODEL",
            show_default="the best pre-trained net at hand",
            help="Doubt labels by what this model (.striate, or a net with published weights) makes of the images.",
            autocompletion=completion.models,
        ),
    ] = None,
    unlabelled: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Images without labels: name those whose labels would teach most."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR|PAGE.html",
            show_default="checks/SOURCE-NUMBER",
            help="Folder of the page check.html and the table findings.csv; or the page, with its table beside it.",
        ),
    ] = None,
    groups: options.Groups = None,
    size: options.Size = None,
    fit: options.Fit = None,
    weights: options.Weights = None,
    device: options.Device = None,
    reading: options.Reading = options.AS_IT_IS,
    json: options.Json = False,
) -> None:
    """Say what is wrong with labelled images: copies, leaks, wrong labels, blank and blurred images, small classes.

    [bold]striate check photos/[/bold]
    [bold]striate train photos/ --without checks/photos-1/findings.csv[/bold]

    Nothing of the source is changed. The exit code is 3 where something serious was found.
    """
    from striate.checks.check import CheckOptions
    from striate.checks.check import check as check_source
    from striate.checks.page import checkup_files, write_checkup
    from striate.classifier.pretrained import load_model
    from striate.cli.output.checkup import check_folder, checkup_json, print_checkup
    from striate.cli.output.training import TrainingView
    from striate.system.devices import choose_device

    folder = out or check_folder(source)
    for written in checkup_files(folder):
        check_spared(written, features, [source, reading.get("images"), unlabelled, weights])
    console = stderr()
    classifier = None if features is None else load_model(features, weights).to(choose_device(device))
    data = options.data_options(reading, size, fit, None, groups)
    asked = CheckOptions(labels=labels, model=classifier, unlabelled=unlabelled)
    with TrainingView(console) as view:
        checkup = check_source(source, asked, data, view)
        for note in checkup.notes:
            view.note(note)
    typed = options.retyped(source, reading, groups=groups)
    page, table = write_checkup(checkup, folder, typed)
    if json:
        print_json(checkup_json(checkup, page, table))
    else:
        print_checkup(stdout(), checkup, page, table, typed)
    raise typer.Exit(SERIOUS if checkup.serious else 0)
