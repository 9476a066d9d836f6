"""`striate train`: from labelled images to a saved, judged classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from striate.cli import options
from striate.cli.output.console import print_json, stderr


def _option(help: str, panel: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)


def _setting(help: str) -> Any:
    """Return the option of a recipe's setting."""
    return _option(help, options.NET, show_default="the recipe's")


def train(
    context: typer.Context,
    source: Annotated[str | None, typer.Argument(metavar="SOURCE", help=options.SOURCE_HELP)] = None,
    format: options.Format = None,
    images: options.Images = None,
    image_column: options.ImageColumn = None,
    label_column: options.LabelColumn = None,
    data_dir: options.DataDir = None,
    split: options.Split = None,
    groups: options.Groups = None,
    without: options.Without = None,
    size: options.Size = None,
    fit: options.Fit = None,
    pages: options.Pages = None,
    net: Annotated[
        str | None,
        _option(
            "auto climbs from simple methods to nets and keeps the best; or a name (striate net --list), also of a "
            'baseline; swift, in the size that suits; timm/NAME; or a sentence: "conv(32, 3) relu fc(classes)".',
            options.NET,
            show_default="auto",
        ),
    ] = None,
    features: Annotated[
        str | None,
        _option(
            "Fit baselines to what this model (.striate, or a net with published weights) makes of the images, and "
            "keep the best, or the one that --net names.",
            options.NET,
            metavar="MODEL|NET",
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        _option(
            "A published recipe, or a TOML file such as a run's recipe.toml.",
            options.NET,
            show_default="fine with weights, swift for swift nets, else default",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        _option(
            "Time that training may take, as 90s, 5m or 1h.", options.NET, show_default="5m; with a net, its epochs"
        ),
    ] = None,
    weights: Annotated[
        str | None,
        _option(
            "Start from these: imagenet (downloaded once), a .pth or .safetensors for a named net, a .striate file; or "
            "none. With --features: of the net that it names.",
            options.NET,
            show_default="random",
        ),
    ] = None,
    epochs: Annotated[int | None, _setting("Passes over the training images.")] = None,
    batch_size: Annotated[int | None, _setting("Images in one step.")] = None,
    optimiser: Annotated[str | None, _setting("sgd, adam, adamw or muon.")] = None,
    learning_rate: Annotated[float | None, _setting("The highest learning rate.")] = None,
    dropout: Annotated[
        float | None,
        _setting("Rate of the net's dropouts; of one before its last fc if it has none."),
    ] = None,
    augment: Annotated[
        str | None, _setting('Words such as "flip translate(2)"; "" for none; robust: on top of the recipe\'s.')
    ] = None,
    metric: options.Metric = None,
    balance: options.Balance = None,
    patience: Annotated[
        int | None,
        _setting("Early stopping: after so many epochs without a better one; 0: never."),
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
    samples: Annotated[
        bool,
        _option(
            "Keep a few of the images in the model file (at most 32 whole, 400 small), by which exports are checked "
            "and answers explained. --no-samples where pictures may not leave: the model is then weights alone.",
            options.RUN,
            "--samples/--no-samples",
        ),
    ] = True,
    device: options.Device = None,
    json: options.Json = False,
) -> None:
    """Train a classifier on labelled images, judge it once on the test images, save it.

    Try it on the embedded digits, then on a folder of class folders, then choose:

    [bold]striate train digits[/bold]
    [bold]striate train photos/ --size 96 --epochs 20 --augment "flip translate(4)"[/bold]
    [bold]striate train table.csv --images pictures/ --split 70:30 --net resnet20[/bold]
    [bold]striate train photos/ --features mobilenet_v2[/bold]
    [bold]striate train photos/ --net mobilenet_v2 --weights imagenet --budget 5m[/bold]

    The run's folder keeps recipe, net, metrics, ledger, checkpoint and model. Ctrl-C stops it, --resume goes on.
    """
    from striate.cli.output.ladder import TrainView
    from striate.cli.output.results import print_result, quoted, result_json
    from striate.runs.folder import RunFolder, last_run_folder, new_run_folder
    from striate.runs.session import RunOptions
    from striate.selection.fit import Asked, fit_model, resume_run
    from striate.system.processes import is_first, process_count
    from striate.training.engine.state import Interrupted
    from striate.training.recipe import load_recipe

    if process_count() > 1 and out is None:
        raise typer.BadParameter("several processes need --out, the folder that they share")
    if source is None and not resume:
        raise typer.BadParameter("name a SOURCE, such as a folder of class folders, or digits to try")
    settings = options.parse_settings(set_) | _given(
        epochs=epochs, batch_size=batch_size, optimiser=optimiser, learning_rate=learning_rate, dropout=dropout,
        augment=None if augment is None else tuple(filter(None, [augment])), metric=metric, balance=balance,
        patience=patience, precision=precision, seed=seed,
    )  # fmt: skip
    if source is None:
        _refuse_changes(net=net, recipe=recipe, budget=budget, split=split, size=size, fit=fit, pages=pages,
                        format=format, images=images, image_column=image_column, label_column=label_column,
                        features=features, weights=weights, groups=groups, without=without,
                        **settings)  # fmt: skip
    asked = Asked(net, recipe, budget, weights, features, settings)
    reading = options.reading(format, images, image_column, label_column, data_dir, pages)
    data = options.data_options(reading, size, fit, split, groups, without)
    folder = RunFolder(out) if out else last_run_folder(source) if resume else new_run_folder(source or "")
    chooses = load_recipe(folder.recipe).metric if resume and folder.exists else settings.get("metric", "accuracy")
    with TrainView(stderr(quiet=not is_first()), chooses) as view:
        typed = options.typed(context)
        run = RunOptions(folder.path, resume, device, tensorboard, view, options.BEGAN, typed, samples)
        if resume:
            view.note(f"run {folder.path}")
        try:
            result = resume_run(run) if source is None else fit_model(source, asked, data, run)
        except KeyboardInterrupt as stop:
            saved = "stopped and saved" if isinstance(stop, Interrupted) else "interrupted"
            again = f"striate train --resume --out {quoted(folder.path)}" if folder.exists else "the same command"
            view.warn(f"{saved}. Go on with: {again}")
            raise typer.Exit(1) from None
    if not is_first():
        return
    if json:
        print_json(result_json(result))
    else:
        print_result(result, source or folder.asked_source())


def _refuse_changes(**given: Any) -> None:
    """Refuse what a run that is resumed without its source would silently ignore."""
    names = ["--" + name.replace("_", "-") for name, told in given.items() if told not in (None, False)]
    if names:
        raise typer.BadParameter(f"{', '.join(names)} cannot change with --resume: the run has its own. Leave it out")


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
