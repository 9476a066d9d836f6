"""`striate evaluate`: how good a classifier is on labelled images that it has not seen, and how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from striate.cli import completion, options
from striate.cli.guards import check_page_file, check_spared
from striate.cli.output.console import print_json, progress_bar, stderr, stdout


@options.reads_source
def evaluate(
    model: options.Model,
    source: options.Source,
    part: Annotated[
        str | None,
        typer.Option(
            metavar="train|valid|test",
            show_default="test, else every image that is new to the model",
            help="Evaluate on this split of the source.",
        ),
    ] = None,
    mistakes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv", help="Write all mistakes to this table, the worst first, with their likely causes."
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL2",
            help="Compare with this model on the images that are new to both.",
            autocompletion=completion.models,
        ),
    ] = None,
    more_images: Annotated[
        bool,
        typer.Option(
            "--more-images",
            help="Say what more training images would bring: a learning curve, extrapolated. SOURCE must hold the "
            "training images too.",
        ),
    ] = False,
    sure: options.Sure = None,
    sets: options.Sets = None,
    views: Annotated[
        str | None,
        typer.Option(
            metavar="none|mirror|mirror-shift|turns",
            help="Test-time augmentation: average the answers to these views of each image; none: the image alone.",
            show_default="the model's",
        ),
    ] = None,
    robustness: Annotated[
        bool,
        typer.Option("--robustness", help="Also under corruptions: turned, darkened, hidden, noisy… at five steps."),
    ] = False,
    card: Annotated[
        Path | None,
        typer.Option("--card", metavar="PAGE.html", help="Measure --robustness, and write its card as a page."),
    ] = None,
    groups: options.Groups = None,
    weights: options.Weights = None,
    device: options.Device = None,
    reading: options.Reading = options.AS_IT_IS,
    json: options.Json = False,
) -> None:
    """Say how good a classifier is on images that it has not seen, and how far to trust it.

    [bold]striate evaluate cats.striate photos/[/bold]
    [bold]striate evaluate cats.striate photos/ --against dogs.striate[/bold]
    [bold]striate evaluate cats.striate photos/ --robustness --sure 0.99[/bold]

    Images that training has seen are left out, told by their pixels. All figures have
    95 % intervals, which count images that belong together as one: accuracy, class by class, balanced accuracy,
    macro F1, log loss, Brier score and calibration error (how far the probabilities are from how often it is right).
    The worst mistakes are named, with the likely cause where the source holds the training images; and so are folders,
    sizes, brightness and columns of a table on which it is worse than chance would have it.
    With --sure and --sets the promises of the training are held against these images.
    """
    from dataclasses import replace

    from striate.classifier.pretrained import load_model
    from striate.classifier.promises import watching
    from striate.classifier.views import check_views
    from striate.cli.output.evaluation import evaluation_json, print_evaluation
    from striate.data.reading import read
    from striate.evaluation.against import compare_evaluations
    from striate.evaluation.examination import examine
    from striate.evaluation.frozen_curve import foresee_more
    from striate.evaluation.mistakes import write_mistakes
    from striate.evaluation.robustness.judging import judge_robustness
    from striate.evaluation.robustness.section import write_card
    from striate.system.devices import choose_device

    _check_files(model, [source, reading.get("images"), against, weights], mistakes, card)
    classifier = load_model(model, weights).to(choose_device(device))
    other = load_model(against).to(choose_device(device)) if against else None
    watch = watching(classifier, sure, sets, views)
    if views is not None:
        classifier = replace(classifier, views=check_views(views))
    with progress_bar(console := stderr()) as progress:
        catalog = read(source, **reading, progress=progress)
        catalog = catalog.own(part) if part else catalog
        held = classifier.held_out(catalog, progress, groups)
        evaluation = classifier.judge(held.images, held.labels, held.notes, progress, held.near, watch=watch)
        found = examine(evaluation, held.images, catalog=catalog, model=classifier, seen=held.seen, progress=progress)
        extra: dict[str, Any] = {"promises": watch.checked(held.images.groups)} if watch else {}
        if other:
            judged = other.evaluate(catalog, progress, groups)
            extra["against"] = compare_evaluations(evaluation, judged, str(against))
        if more_images:
            extra["more_images"] = foresee_more(classifier, held.seen, held.images, progress=progress)
        if robustness or card:
            extra["robustness"] = judge_robustness(classifier, catalog, progress, groups)
    if card:
        console.print(f"card {write_card(extra['robustness'], card, str(model))}", style="dim", markup=False)
    for note in evaluation.notes:
        console.print(note, style="dim", markup=False)
    if mistakes:
        write_mistakes(found.mistakes, mistakes)
        console.print(f"{len(found.mistakes):,} mistakes written to {mistakes}", markup=False)
    if json:
        print_json(evaluation_json(evaluation, found) | {name: one.to_json() for name, one in extra.items()})
    else:
        print_evaluation(evaluation, found)
        _print_extra(extra)


def _check_files(model: Path, inputs: list[str | Path | None], mistakes: Path | None, card: Path | None) -> None:
    """Refuse before minutes are spent what may not be written."""
    check_spared(mistakes, model, inputs)
    if card:
        check_page_file(card, model, inputs)


def _print_extra(extra: Mapping[str, Any]) -> None:
    """Print what was asked for beside the figures."""
    from striate.cli.output.evaluation import print_line
    from striate.cli.output.robustness import print_robustness

    for name, one in extra.items():
        if name == "robustness":
            print_robustness(stdout(), one)
        else:
            print_line(stdout(), one.sentence)
