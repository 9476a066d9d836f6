"""`striate evaluate`: how good a classifier is on labelled images that it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli import options
from striate.cli.output.console import percent, print_accuracy, print_json, progress_bar, stderr, stdout

if TYPE_CHECKING:
    from striate.metrics.evaluation import Evaluation


def evaluate(
    model: options.Model,
    source: options.Source,
    split: Annotated[str | None, typer.Option(help="Judge this split of the source: train, valid or test.")] = None,
    views: Annotated[
        str | None,
        typer.Option(
            help="Average over these views of each image: none (the image alone), mirror or mirror-shift.",
            show_default="the model's",
        ),
    ] = None,
    robustness: Annotated[
        bool,
        typer.Option("--robustness", help="Also under corruptions: turned, darkened, hidden, noisy… at five steps."),
    ] = False,
    card: Annotated[Path | None, typer.Option("--card", help="Write the robustness card as a page: card.html.")] = None,
    groups: options.Groups = None,
    weights: options.Weights = None,
    device: options.Device = None,
    format: options.Format = None,
    images: options.Images = None,
    image_column: options.ImageColumn = None,
    label_column: options.LabelColumn = None,
    data_dir: options.DataDir = None,
    pages: options.Pages = None,
    json: options.Json = False,
) -> None:
    """Accuracy with its 95 % interval, overall and class by class.

    The source's own test split is judged if it has one; else every image that training has not seen.
    """
    from dataclasses import replace

    from striate.classifier.pretrained import load_model
    from striate.classifier.views import check_views
    from striate.data.reading import read
    from striate.system.devices import choose_device

    classifier = load_model(model, weights).to(choose_device(device))
    if views is not None:
        classifier = replace(classifier, views=check_views(views))
    console = stderr()
    with progress_bar(console) as progress:
        catalog = read(
            source, **options.reading(format, images, image_column, label_column, data_dir, pages), progress=progress
        )
        catalog = catalog.own(split) if split else catalog
        evaluation = classifier.evaluate(catalog, progress, groups)
        shown = None
        if robustness or card:
            from striate.evaluation.robustness.judging import judge_robustness

            shown = judge_robustness(classifier, catalog, progress, groups)
    if shown and card:
        from striate.evaluation.robustness.section import write_card

        console.print(f"card {write_card(shown, card, str(model))}", style="dim", markup=False)
    for note in evaluation.notes:
        console.print(note, style="dim", markup=False)
    if json:
        print_json(evaluation.to_json() | ({"robustness": shown.to_json()} if shown else {}))
        return
    _print_evaluation(evaluation)
    if shown:
        from striate.cli.output.robustness import print_robustness

        print_robustness(stdout(), shown)


def _print_evaluation(evaluation: Evaluation) -> None:
    from rich.table import Table

    console = stdout()
    print_accuracy(console, evaluation)
    table = Table("class", "correct", "accuracy", "95 % interval", "precision", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in evaluation.per_class():
        if row["total"]:
            low, high = row["interval"]
            interval = f"{percent(low)} to {percent(high)}"
            counts = f"{row['correct']} / {row['total']}"
            table.add_row(row["class"], counts, percent(row["accuracy"]), interval, percent(row["precision"]))
    console.print(table, markup=False)
