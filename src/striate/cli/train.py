"""`striate train`: from labelled images to a saved, judged classifier."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from striate.cli import completion, options
from striate.cli.output.console import print_json, stderr

if TYPE_CHECKING:
    from striate.runs.folder import RunFolder


def _option(help: str, panel: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)


def _setting(help: str, metavar: str | None = None) -> Any:
    """Return the option of a recipe's setting."""
    return _option(help, options.NET, metavar=metavar, show_default="the recipe's")


@options.reads_source
def train(
    context: typer.Context,
    source: options.MaybeSource = None,
    reading: options.Reading = options.AS_IT_IS,
    split: options.Split = None,
    groups: options.Groups = None,
    without: options.Without = None,
    size: options.Size = None,
    fit: options.Fit = None,
    net: Annotated[
        str | None,
        _option(
            "auto climbs from simple methods to nets and keeps the best; or a name (striate net --list), also of a "
            'baseline; swift, in the size that suits; timm/NAME; or a sentence: "conv(32, 3) relu fc(classes)".',
            options.NET,
            metavar='NAME|"SENTENCE"',
            show_default="auto",
            autocompletion=completion.nets_to_train,
        ),
    ] = None,
    features: Annotated[
        str | None,
        _option(
            "Fit baselines to what this model (.striate, or a net with published weights) makes of the images, and "
            "keep the best, or the one that --net names.",
            options.NET,
            metavar="MODEL",
            autocompletion=completion.models,
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        _option(
            "A published recipe, or a TOML file such as a run's recipe.toml.",
            options.NET,
            metavar="NAME|FILE",
            show_default="fine with weights, swift for swift nets, else default",
            autocompletion=completion.recipes,
        ),
    ] = None,
    budget: Annotated[
        str | None,
        _option(
            "Time that the whole command may take: 90s, 5m, 1h.",
            options.NET,
            metavar="TIME",
            show_default="5m; with --net or --recipe, what their epochs take",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        _option(
            "Start from these: imagenet (downloaded once), a .pth or .safetensors for a named net, a .striate file; or "
            "none. With --features: of the net that it names.",
            options.NET,
            metavar="imagenet|FILE|none",
            show_default="random",
        ),
    ] = None,
    epochs: Annotated[int | None, _setting("Passes over the training images.")] = None,
    batch_size: Annotated[int | None, _setting("Images in one step.")] = None,
    optimiser: Annotated[str | None, _setting("What updates the weights.", "sgd|adam|adamw|muon")] = None,
    learning_rate: Annotated[float | None, _setting("The highest learning rate.")] = None,
    augment: options.Augment = None,
    metric: options.Metric = None,
    balance: options.Balance = None,
    seed: options.MaybeSeed = None,
    set_: Annotated[
        list[str],
        _option(
            "Any other setting of the recipe, such as precision=float32 or patience=5; again for more. A run's "
            "recipe.toml has them all.",
            options.NET,
            "--set",
            metavar="NAME=VALUE",
        ),
    ] = [],  # noqa: B006
    out: Annotated[
        Path | None,
        _option("The run's folder.", options.RUN, "--out", "-o", metavar="DIR", show_default="runs/SOURCE-NUMBER"),
    ] = None,
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
            "and answers explained. --no-samples where images may not leave: the model is then weights alone.",
            options.RUN,
            "--samples/--no-samples",
        ),
    ] = True,
    device: options.Device = None,
    json: options.Json = False,
) -> None:
    """Train a classifier on labelled images, evaluate it once on the test images, save it.

    Without a net the ladder climbs from simple methods to nets, keeps the best, and says whether a net is worth it.

    [bold]striate train digits[/bold]
    [bold]striate train photos/ --size 96 --epochs 20 --augment "flip translate(4)"[/bold]
    [bold]striate train table.csv --images scans/ --split 70:30 --net resnet20[/bold]
    [bold]striate train photos/ --features mobilenet_v2[/bold]
    [bold]striate train photos/ --net mobilenet_v2 --weights imagenet --budget 5m[/bold]

    The run's folder keeps model, report, recipe, net, ledger, metrics and checkpoint. Ctrl-C stops it, --resume goes
    on.
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
        epochs=epochs, batch_size=batch_size, optimiser=optimiser, learning_rate=learning_rate,
        augment=None if augment is None else tuple(filter(None, [augment])), metric=metric, balance=balance,
        seed=seed,
    )  # fmt: skip
    if source is None:
        asked_of_data = {"split": split, "size": size, "fit": fit, "groups": groups, "without": without}
        _refuse_changes(net=net, recipe=recipe, budget=budget, features=features, weights=weights, **asked_of_data,
                        **options.told(reading), **settings)  # fmt: skip
    asked = Asked(net, recipe, budget, weights, features, settings)
    data = options.data_options(reading, size, fit, split, groups, without)
    folder = RunFolder(out) if out else last_run_folder(source) if resume else new_run_folder(source or "")
    chooses = load_recipe(folder.recipe).metric if resume and folder.exists else settings.get("metric", "accuracy")
    with TrainView(stderr(quiet=not is_first()), chooses) as view:
        typed = options.typed(context)
        run = RunOptions(folder.path, resume, device, tensorboard, view, options.BEGAN, typed, samples)
        if resume:
            done = ", which is finished: it is judged again and told again" if folder.finished else ""
            view.note(f"run {folder.path}{done}")
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
        print_result(result, options.retyped(source, reading, groups=groups) if source else _source_of(folder))


def _source_of(folder: RunFolder) -> str:
    """Return the source of a run with how it is read, as it is typed."""
    from striate.data.dataset import DataOptions

    source = folder.asked_source()
    if not source:
        return "SOURCE"
    data = DataOptions.from_json(folder.description()["asked"])
    return options.retyped(source, data.reading, groups=None if data.groups == "auto" else data.groups)


def _refuse_changes(**given: Any) -> None:
    """Refuse what a run that is resumed without its source would silently ignore."""
    names = [options.spelled(name) for name, told in given.items() if told not in (None, False)]
    if names:
        raise typer.BadParameter(f"{', '.join(names)} cannot change with --resume: the run has its own. Leave it out")


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
