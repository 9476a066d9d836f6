"""`striate tune`: the net and recipe that suit the images, searched by Optuna."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from striate.cli import completion, options
from striate.cli.output.console import print_accuracy, print_json, stderr, stdout
from striate.units import percent

if TYPE_CHECKING:
    from striate.selection.tuning.tune import TuningResult

SEARCH, STUDY = "Search", "Study"


def _option(help: str, panel: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)


@options.reads_source
def tune(
    source: options.Source,
    budget: Annotated[
        str | None,
        _option(
            "Time that the whole command may take: 90s, 5m, 1h.",
            SEARCH,
            metavar="TIME",
            show_default="5m, or none with --trials",
        ),
    ] = None,
    trials: Annotated[int | None, _option("Trials that the study is to have in all.", SEARCH, min=1)] = None,
    net: Annotated[
        str,
        _option(
            "any, mlp, conv or swift; or a name or sentence, to tune its recipe alone.",
            SEARCH,
            metavar='NAME|"SENTENCE"',
            autocompletion=completion.nets_to_tune,
        ),
    ] = "any",
    epochs: Annotated[int, _option("The most epochs of a trial.", SEARCH, min=1)] = 30,
    flip: Annotated[
        bool, _option("Mirrored images keep their classes (photographs, not digits): try flips.", SEARCH, "--flip")
    ] = False,
    set_: Annotated[
        list[str],
        _option("A setting of the recipe that is not searched; again for more.", SEARCH, "--set", metavar="NAME=VALUE"),
    ] = [],  # noqa: B006
    metric: options.Metric = None,
    balance: options.Balance = None,
    seed: options.Seed = 0,
    out: Annotated[
        Path | None,
        _option("The study's folder.", STUDY, "--out", "-o", metavar="DIR", show_default="runs/tune-SOURCE"),
    ] = None,
    storage: Annotated[
        str | None,
        _option(
            "A database in which several machines share the study.",
            STUDY,
            metavar="URL",
            show_default="study.db in the folder",
        ),
    ] = None,
    study: Annotated[str, _option("The study's name in that database.", STUDY, metavar="NAME")] = "striate",
    reading: options.Reading = options.AS_IT_IS,
    split: options.Split = None,
    groups: options.Groups = None,
    size: options.Size = None,
    fit: options.Fit = "crop",
    device: options.Device = None,
    json: options.Json = False,
) -> None:
    """Search for the net and recipe with the best validation accuracy; hopeless trials end early.

    The first trial is the default fully connected net, which the others have to beat. The same command again goes on
    with the study, also after Ctrl-C or a power cut. Several machines share a study with --storage.

    [bold]striate tune digits --budget 60s[/bold]
    [bold]striate tune photos/ --trials 50 --flip[/bold]
    [bold]striate tune photos/ --net resnet20 --set optimiser=sgd[/bold]
    """
    from striate.cli.output.tuning import TuningView
    from striate.runs.folder import stem_of
    from striate.selection.tuning.report import write_report
    from striate.selection.tuning.tune import TuningOptions
    from striate.selection.tuning.tune import tune as search

    even = {"metric": metric, "balance": balance}
    fixed = options.parse_settings(set_) | {name: value for name, value in even.items() if value is not None}
    _refuse_fixed(fixed)
    data = options.data_options(reading, size, fit, split, groups)
    folder = out or Path("runs") / f"tune-{stem_of(source)}"
    with TuningView(stderr()) as view:
        wanted = TuningOptions(net, budget, trials, epochs, flip, seed, storage, study, fixed)
        result = search(source, folder, wanted, data, device, view)
        read_as = {"size": size, "split": split, "groups": groups, "fit": fit if fit != "crop" else None}
        command = f"striate train {options.retyped(source, reading, recipe=result.recipe, **read_as)}"
        page = write_report(result, command)
    if json:
        print_json(_result_json(result, page))
    else:
        _print_result(result, page, command)
    if result.stopped:
        view.warn("stopped; the trials are kept. Go on with the same command")
        raise typer.Exit(1)


def _refuse_fixed(fixed: dict[str, Any]) -> None:
    """Refuse as settings what has an option of its own."""
    if taken := [name for name in ("net", "seed", "epochs") if name in fixed]:
        raise typer.BadParameter(f"--set {taken[0]}=…: give --{taken[0]} instead")


def _result_json(result: TuningResult, page: Path) -> dict[str, Any]:
    best, first = result.best, result.baseline
    return {
        "study": str(result.out),
        "recipe": str(result.recipe) if best else None,
        "model": result.model and str(result.model),
        "report": str(page),
        "net": best and best.net,
        "best_trial": best and best.number,
        "valid_accuracy": best and best.accuracy,
        "valid_interval": best and best.interval and list(best.interval),
        "metric": best and best.metric,
        "score": best and best.score,
        "test_accuracy": result.test and result.test.accuracy,
        "test_interval": result.test and list(result.test.interval),
        "test_balanced_accuracy": result.test and result.test.balanced_accuracy,
        "test_macro_f1": result.test and result.test.macro_f1,
        "baseline_accuracy": first and first.accuracy,
        "stopped": result.stopped,
        "trials": [trial.to_json() for trial in result.trials],
    }


def _print_result(result: TuningResult, page: Path, command: str) -> None:
    from rich.table import Table
    from rich.text import Text

    from striate.metrics.by_class import metric_words
    from striate.selection.tuning.report import optimism, study_verdict

    console, best = stdout(), result.best
    if best is None:
        why = next((trial.why for trial in result.trials if trial.why), "there was no time for one")
        console.print(f"no trial has finished: {why}", soft_wrap=True, markup=False)
        return
    ranked = sorted((t for t in result.trials if t.accuracy is not None), key=lambda t: (-(t.score or 0.0), t.number))
    table = Table("trial", "net", "recipe", box=None, pad_edge=False)
    for name in ("parameters", "epochs", "validation", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    for trial in ranked[:5]:
        cells = [str(trial.number), trial.what, trial.how, f"{trial.parameters:,}", str(len(trial.accuracies)),
                 percent(trial.accuracy), f"{trial.seconds:.1f}"]  # fmt: skip
        table.add_row(*map(Text, cells))
    console.print(table)
    low, high = best.interval or (0.0, 1.0)
    console.print(
        f"Accuracy on validation set: {percent(best.accuracy)} ({best.correct} / {best.total})  "
        f"95 % interval {100 * low:.2f} to {percent(high)}{best.counted}", soft_wrap=True
    )  # fmt: skip
    if best.metric != "accuracy":
        console.print(f"  chosen by its {metric_words(best.metric)} there, {percent(best.score)}")
    if result.test:
        print_accuracy(console, result.test)
    model = result.model or "on the machine that trained it; the command below trains it here"
    for line in (study_verdict(result), optimism(result), f"model  {model}", f"report {page}", "next", f"  {command}"):
        console.print(line, soft_wrap=True, markup=False)
