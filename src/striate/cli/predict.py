"""`striate predict`: the class of images, on screen, as JSON, or of any number as CSV, Parquet or a submission."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from striate.cli import options
from striate.cli.guards import check_spared
from striate.cli.output.console import print_json, progress_bar, stderr

# So many answers are shown on screen.
SHOWN = 50


@options.reads_images
def predict(
    model: options.Model,
    images_: options.Inputs,
    top: Annotated[int, typer.Option(min=1, help="How many classes to name for each image.")] = 3,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv", help="Write image, class, probabilities and error to this table, as they come."
        ),
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option(metavar="FILE.parquet", help="Write the same to this Parquet file.")
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="SAMPLE.csv", help="A sample submission: write --csv with its columns, its rows, its order."
        ),
    ] = None,
    sure: options.Sure = None,
    sets: options.Sets = None,
    weights: options.Weights = None,
    device: options.Device = None,
    reading: options.Reading = options.AS_IT_IS,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            metavar="[ADDRESS]",
            rich_help_panel=options.RUN,
            show_default="this process alone",
            help="Predict on the machines of a Ray cluster, such as 10.0.0.1:6379 or auto; nothing is this machine.",
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Say what is on images: the class and its probability, or none of these.

    [bold]striate predict cats.striate photos/[/bold]
    [bold]striate predict cats.striate archive/ --csv answers.csv[/bold]

    With [bold]--csv[/bold] or [bold]--parquet[/bold] there may be millions of images: memory stays the same, and rows
    are written as they come, to a file that ends in .part until it is whole. Whatever ends the command, the same
    command goes on where it stopped, and each image has one row; one that cannot be read has its error there.

    What is unlike all that the model has learned is "none of these": about one image in twenty of the classes is called
    so wrongly. With [bold]--sure 0.99[/bold] each answer says whether it is one of those of which at least 99 % are
    right, with [bold]--sets 0.95[/bold] how many classes it takes to have the true one among them in 95 of 100 cases;
    both rest on the validation images of the training, and are refused where these are too few.

    A file that cannot be read as an image is named on stderr, the others are still predicted, and the exit code is 1.
    """
    from striate.classifier.bulk.predicting import BulkRequest, predict_lineup
    from striate.classifier.bulk.ray_cluster import RayStream, check_address
    from striate.classifier.pretrained import load_model
    from striate.cli.output.predictions import UNCALIBRATED, Heard, print_heard, print_outcome
    from striate.data.lineup import line_up
    from striate.system.devices import choose_device

    if like and not csv:
        raise typer.BadParameter("--like needs --csv, the file to write")
    if csv and parquet:
        raise typer.BadParameter("--csv and --parquet must not be given together; run the command once for each")
    if ray:
        check_address(ray)
        if device:
            raise typer.BadParameter(
                "--device must not be given with --ray, which gives each worker a GPU where there is one; "
                "leave one of them out"
            )
    check_spared(csv or parquet, model, [*images_, reading.get("images"), like, weights])
    classifier = load_model(model, weights).to(choose_device(device))
    classifier.trust.asked(sure, sets, len(classifier.classes))  # before anything is read
    console, path = stderr(), csv or parquet
    wanted = BulkRequest(images_, dict(reading), sure, sets, path, "csv" if csv else "parquet", like)
    heard = Heard(None if json else SHOWN)
    with progress_bar(console) as progress, ExitStack() as stack:
        lineup = line_up(images_, reading, progress)
        cluster = stack.enter_context(RayStream(classifier, lineup, ray, sure, sets)) if ray else None
        outcome = predict_lineup(
            classifier, lineup, wanted, stream=cluster, hear=None if path and not json else heard.hear,
            progress=progress, note=lambda text: console.print(text, markup=False),
        )  # fmt: skip
    whole = print_outcome(console, outcome, path, lineup) if outcome else heard.print_skipped(console, lineup)
    if json and not (outcome and outcome.stopped):
        print_json([prediction.to_json(top) for prediction in heard.predictions])
    elif not path:
        print_heard(heard, top)
        if classifier.trust.scores is None:
            console.print(UNCALIBRATED, style="dim")
    if not whole:
        raise typer.Exit(1)
