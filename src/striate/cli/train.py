"""`striate train`: from labelled images to a saved, judged classifier."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from striate.cli import options
from striate.cli.console import percent, print_accuracy, print_json, stderr, stdout

if TYPE_CHECKING:
    from rich.console import Console

    from striate.running import TrainingResult


def _option(help: str, panel: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)


def _setting(help: str) -> Any:
    """Return the option of a recipe's setting."""
    return _option(help, options.NET, show_default="the recipe's")


def train(
    source: Annotated[str | None, typer.Argument(metavar="SOURCE", help=options.SOURCE_HELP)] = None,
    format: options.Format = None,
    images: options.Images = None,
    image_column: options.ImageColumn = None,
    label_column: options.LabelColumn = None,
    data_dir: options.DataDir = None,
    split: Annotated[
        str | None,
        _option(
            "Shares of train:valid:test where the source has no splits; 70:30 for no test.",
            options.DATA,
            show_default="80:10:10",
        ),
    ] = None,
    size: Annotated[
        str | None,
        _option("Pixels to train at: 64, or 64x96 (height × width).", options.DATA, show_default="from the images"),
    ] = None,
    fit: Annotated[str, _option("How images come to that size: crop, pad or stretch.", options.DATA)] = "crop",
    net: Annotated[
        str,
        _option(
            'swift; a name (striate net --list), also of a baseline; or a sentence: "conv(32, 3) relu fc(classes)".',
            options.NET,
        ),
    ] = "swift",
    features: Annotated[
        str | None,
        _option(
            "Fit baselines to what this model (.striate, or a net with published weights) makes of the images, and "
            "keep the best, or the one that --net names.",
            options.NET,
            metavar="MODEL|NET",
        ),
    ] = None,
    weights: options.Weights = None,
    recipe: Annotated[
        str,
        _option(
            "A published recipe, or a TOML file such as a run's recipe.toml.",
            options.NET,
            show_default="swift for swift nets, else default",
        ),
    ] = "auto",
    budget: Annotated[
        str | None,
        _option("Time that training may take, as 90s, 5m or 1h: as many epochs as fit.", options.NET),
    ] = None,
    epochs: Annotated[int | None, _setting("Passes over the training images.")] = None,
    batch_size: Annotated[int | None, _setting("Images in one step.")] = None,
    optimiser: Annotated[str | None, _setting("sgd, adam, adamw or muon.")] = None,
    learning_rate: Annotated[float | None, _setting("The highest learning rate.")] = None,
    dropout: Annotated[
        float | None,
        _setting("Rate of the net's dropouts; of one before its last fc if it has none."),
    ] = None,
    augment: Annotated[str | None, _setting('Words such as "flip translate(2)"; "" for none.')] = None,
    patience: Annotated[
        int | None,
        _setting("Stop after so many epochs without a better one; 0: never."),
    ] = None,
    precision: Annotated[
        str | None, _setting("auto (the fastest, measured), float32, bfloat16 or bfloat16-pure.")
    ] = None,
    seed: Annotated[int | None, _setting("Of the split and every random choice.")] = None,
    set_: Annotated[
        list[str],
        _option("Any other setting of the recipe; may be given again.", options.NET, "--set", metavar="NAME=VALUE"),
    ] = [],  # noqa: B006
    out: Annotated[Path | None, _option("The run's folder.", options.RUN, show_default="runs/SOURCE-NUMBER")] = None,
    resume: Annotated[
        bool,
        _option(
            "Go on with the run in --out, or with the last one of SOURCE, or with the last one.",
            options.RUN,
            "--resume",
        ),
    ] = False,
    tensorboard: Annotated[bool, _option("Also write TensorBoard scalars.", options.RUN, "--tensorboard")] = False,
    device: options.Device = None,
    json: options.Json = False,
) -> None:
    """Train a classifier on labelled images, judge it once on the test images, save it.

    Try it on the embedded digits, then on a folder of class folders, then choose:

    [bold]striate train digits[/bold]
    [bold]striate train photos/ --size 96 --epochs 20 --augment "flip translate(4)"[/bold]
    [bold]striate train table.csv --images pictures/ --split 70:30 --net resnet20[/bold]
    [bold]striate train photos/ --features mobilenet_v2[/bold]

    The run's folder keeps recipe, net, metrics, ledger, checkpoint and model. Ctrl-C stops it, --resume goes on.
    """
    from striate.cli.training_view import TrainingView
    from striate.data.pixels import check_fit
    from striate.fitting import load_features
    from striate.pipeline import resume_training, run_training
    from striate.training.loop import Interrupted
    from striate.training.processes import is_first, process_count
    from striate.training.run import RunFolder, last_run_folder, new_run_folder

    if process_count() > 1 and out is None:
        raise typer.BadParameter("several processes need --out, the folder that they share")
    if source is None and not resume:
        raise typer.BadParameter("name a SOURCE, such as a folder of class folders, or digits to try")
    if weights is not None and features is None:
        raise typer.BadParameter("--weights are those of the net that --features names; give both")
    pixels = options.parse_size(size)
    reading = _given(
        format=format, images=images, image_column=image_column, label_column=label_column, data_dir=data_dir
    )
    if source is None:
        _refuse_changes(net=net != "swift", recipe=recipe != "auto", budget=bool(budget), split=bool(split),
                        size=bool(size), fit=fit != "crop", format=bool(format), images=bool(images),
                        image_column=bool(image_column), label_column=bool(label_column), features=bool(features),
                        weights=bool(weights))  # fmt: skip
    changes = options.parse_settings(set_) | _given(
        epochs=epochs, batch_size=batch_size, optimiser=optimiser, learning_rate=learning_rate, dropout=dropout,
        augment=None if augment is None else tuple(filter(None, [augment])), patience=patience, precision=precision,
        seed=seed,
    )  # fmt: skip
    folder = RunFolder(out) if out else last_run_folder(source) if resume else new_run_folder(source or "")
    with TrainingView(stderr(quiet=not is_first())) as view:
        common: dict[str, Any] = {"device": device, "observer": view, "tensorboard": tensorboard}
        if resume:
            view.note(f"run {folder.path}")
        try:
            if source is None:
                result = resume_training(folder.path, **common, **changes)
            else:
                result = run_training(
                    source, net, recipe, size=pixels, fit=check_fit(fit), ratios=split, out=folder.path, resume=resume,
                    features=load_features(features, weights, device) if features else None,
                    reading=reading, budget=budget, **common, **changes,
                )  # fmt: skip
        except KeyboardInterrupt as stop:
            saved = "stopped and saved" if isinstance(stop, Interrupted) else "interrupted"
            again = f"striate train --resume --out {_quoted(folder.path)}" if folder.exists else "the same command"
            view.warn(f"{saved}. Go on with: {again}")
            raise typer.Exit(1) from None
    if not is_first():
        return
    if json:
        print_json(_result_json(result))
    else:
        _print_result(result, source or folder.asked_source())


def _refuse_changes(**given: bool) -> None:
    """Refuse what a run that is resumed without its source would silently ignore."""
    names = ["--" + name.replace("_", "-") for name, told in given.items() if told]
    if names:
        raise typer.BadParameter(f"{', '.join(names)} cannot change with --resume: the run has its own. Leave it out")


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
        "test_accuracy_without_views": result.test and result.test.alone and result.test.alone.accuracy,
        "test_interval": result.test and list(result.test.interval),
        "best_epoch": model.provenance["epoch"],
        "train_s": round(result.train_s, 3),
    } | {key: model.provenance[key] for key in ("features", "candidates") if key in model.provenance}


def _print_result(result: TrainingResult, source: str | None) -> None:
    console = stdout()
    _print_candidates(console, result)
    for name, evaluation in (("validation", result.valid), ("test", result.test)):
        if evaluation:
            print_accuracy(console, evaluation, name)
    model = _quoted(result.model)
    epoch = result.classifier.provenance["epoch"]
    lines = [
        f"trained in {result.train_s:.1f} s; best epoch {epoch}" if epoch else f"fitted in {result.train_s:.1f} s",
        f"model  {result.model}",
        "next",
        f"  striate predict {model} IMAGE …",
        f"  striate evaluate {model} {_quoted(source) if source else 'SOURCE'}",
    ]
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)


def _print_candidates(console: Console, result: TrainingResult) -> None:
    """Print how each did among which the model was chosen."""
    from rich.table import Table

    candidates = result.classifier.provenance.get("candidates", [])
    if not candidates:
        return
    table = Table("classifier", "validation", "95 % interval", "seconds", "", box=None, pad_edge=False)
    for column in table.columns[1:4]:
        column.justify = "right"
    for one in candidates:
        low, high = one["valid_interval"] or (None, None)
        kept = "kept" if one["net"] == result.classifier.provenance["fitted"] else ""
        interval = f"{percent(low)} to {percent(high)}"
        table.add_row(one["net"], percent(one["valid_accuracy"]), interval, f"{one['fit_s']:.1f}", kept)
    console.print(table, markup=False)


def _quoted(path: object) -> str:
    """Return a path as it is typed in a shell."""
    return shlex.quote(str(path))
