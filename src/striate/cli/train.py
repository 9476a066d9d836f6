"""`striate train`: from labelled images to a saved, judged classifier."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from striate.cli import options
from striate.cli.console import percent, print_json, stderr, stdout

if TYPE_CHECKING:
    from striate.pipeline import TrainingResult


def train(
    source: Annotated[str | None, typer.Argument(metavar="SOURCE", help=options.SOURCE_HELP)] = None,
    net: Annotated[
        str, typer.Option(help='auto, a name such as lenet, or a sentence: "conv(32, 3) relu fc(classes)".')
    ] = "auto",
    recipe: Annotated[str, typer.Option(help="A published recipe (default, classic) or a TOML file.")] = "default",
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images in one step.")] = None,
    optimiser: Annotated[str | None, typer.Option(help="sgd, adam or adamw.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The highest learning rate.")] = None,
    dropout: Annotated[
        float | None, typer.Option(help="Dropout rate before the last layer, or of every dropout.")
    ] = None,
    augment: Annotated[str | None, typer.Option(help='Words such as "flip translate(2)"; "" for none.')] = None,
    patience: Annotated[int | None, typer.Option(help="Stop after so many epochs without a better one.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto (measured), float32 or bfloat16.")] = None,
    set_: Annotated[
        list[str], typer.Option("--set", metavar="NAME=VALUE", help="Any other setting of the recipe.")
    ] = [],  # noqa: B006
    size: Annotated[str | None, typer.Option(help="Pixels at which to train: 64, or 64x96 (height × width).")] = None,
    fit: Annotated[str, typer.Option(help="How images come to that size: crop, pad or stretch.")] = "crop",
    split: Annotated[
        str, typer.Option(help="train:valid:test where the source has no splits; 70:30 for no test.")
    ] = "80:10:10",
    out: Annotated[Path | None, typer.Option(help="The run's folder; by default runs/SOURCE-NUMBER.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out, or the last one.")] = False,
    seed: Annotated[int | None, typer.Option(help="Of every random choice.")] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write TensorBoard scalars.")] = False,
    device: options.Device = None,
    format: options.Format = None,
    images: options.Images = None,
    image_column: options.ImageColumn = None,
    label_column: options.LabelColumn = None,
    data_dir: options.DataDir = None,
    json: options.Json = False,
) -> None:
    """Train a classifier on labelled images, judge it once on the test images, save it.

    [dim]striate train photos/ · striate train digits --epochs 5 · striate train train.csv --split 70:30[/dim]
    """
    from striate.cli.training_view import TrainingView
    from striate.data.pixels import check_fit
    from striate.pipeline import resume_training, run_training
    from striate.training.loop import Interrupted
    from striate.training.run import last_run_folder, new_run_folder

    if source is None and not resume:
        raise typer.BadParameter("name a SOURCE, such as a folder of class folders, or digits to try")
    pixels = options.parse_size(size)
    reading = _given(
        format=format, images=images, image_column=image_column, label_column=label_column, data_dir=data_dir
    )
    changes = options.parse_settings(set_) | _given(
        epochs=epochs, batch_size=batch_size, optimiser=optimiser, learning_rate=learning_rate, dropout=dropout,
        augment=None if augment is None else tuple(filter(None, [augment])), patience=patience, precision=precision,
        seed=seed,
    )  # fmt: skip
    folder = out or (last_run_folder().path if resume else new_run_folder(source or "").path)
    with TrainingView(stderr()) as view:
        common: dict[str, Any] = {"device": device, "observer": view, "tensorboard": tensorboard}
        try:
            if source is None:
                result = resume_training(folder, **common, **changes)
            else:
                result = run_training(
                    source, net, recipe, size=pixels, fit=check_fit(fit), ratios=split, out=folder, resume=resume,
                    reading=reading, **common, **changes,
                )  # fmt: skip
        except Interrupted:
            view.warn(f"stopped and saved. Go on with: striate train --resume --out {folder}")
            raise typer.Exit(1) from None
    if json:
        print_json(_result_json(result))
    else:
        _print_result(result)


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _result_json(result: TrainingResult) -> dict[str, Any]:
    model = result.classifier
    return {
        "model": str(result.model),
        "run": str(result.run),
        "net": str(model.net),
        "classes": len(model.classes),
        "valid_accuracy": result.valid and result.valid.accuracy,
        "test_accuracy": result.test and result.test.accuracy,
        "test_interval": result.test and list(result.test.interval),
        "best_epoch": model.provenance["epoch"],
        "train_s": round(result.train_s, 3),
    }


def _print_result(result: TrainingResult) -> None:
    console = stdout()
    for name, evaluation in (("validation", result.valid), ("test", result.test)):
        if evaluation:
            low, high = evaluation.interval
            # soft_wrap: a line that programs and people search for must stay one line.
            console.print(f"{evaluation.line(name)}   95 % interval {percent(low)} to {percent(high)}", soft_wrap=True)
    console.print(
        f"trained in {result.train_s:.1f} s; best epoch {result.classifier.provenance['epoch']}", soft_wrap=True
    )
    console.print(f"model  {result.model}", soft_wrap=True)
    console.print("next", soft_wrap=True)
    for line in (f"striate predict {result.model} IMAGE …", f"striate evaluate {result.model} SOURCE"):
        console.print(f"  {line}", soft_wrap=True, markup=False)
