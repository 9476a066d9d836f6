"""What a study found, drawn: its history and what mattered, as PNG and on one page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.metrics.by_class import metric_words
from striate.metrics.intervals import difference_interval
from striate.pages.charts import BEST, FAINT, INK, render
from striate.pages.page import render_page
from striate.selection.tuning.study import Trial, best_trial
from striate.selection.tuning.tune import TuningResult
from striate.system.files import write_atomically
from striate.training.recipe import Recipe, load_recipe
from striate.units import percent

if TYPE_CHECKING:
    import optuna
    from matplotlib.axes import Axes

COLOURS = {"mlp": "#4263eb", "conv": "#0c8599", "swift": "#e67700"}
LEAST_FINISHED = 6  # trials below which importances would be guesses
MOST_BARS = 10
STATES = ("finished", "pruned", "refused", "failed", "lost")


def write_report(result: TuningResult, command: str) -> Path:
    """Write history.png, importances.png and tuning.html into the study's folder; return the page.

    Arguments:
        command: what trains the best recipe, as it is typed.
    """
    charts = {}
    figures: list[tuple[str, tuple[float, float], Callable[[Axes], None]]] = [
        ("history", (9, 3.6), lambda axes: _draw_history(axes, result.trials)),
    ]
    importances, of = _importances(result.study, result.best)
    if importances:
        height = 0.7 + 0.32 * len(importances)
        figures.append(("importances", (9, height), lambda axes: _draw_importances(axes, importances)))
    for name, size, draw in figures:
        png, charts[name] = render(size, draw)
        write_atomically(result.out / f"{name}.png", png)
    page = result.out / "tuning.html"
    write_atomically(page, _page(result, charts, of, command))
    return page


def study_verdict(result: TuningResult) -> str:
    """Return how the best trial stands to the first, in one sentence."""
    best, first = result.best, result.baseline
    if not (best and first and best.interval and first.interval):
        return "No trial has finished."
    if len([trial for trial in result.trials if trial.accuracy is not None]) < 2:
        return f"Trial {first.number} is the default net and recipe."
    if best.number == first.number:
        return "Nothing was better than the first trial, the default net and recipe."
    if best.metric != "accuracy":
        words = metric_words(best.metric)
        return (
            f"Trial {best.number} has {percent(best.score)} {words} on the validation images, trial {first.number}, "
            f"the default net and recipe, {percent(first.score)}."
        )
    own, other = (one.correct / one.total for one in (best, first))
    low, high = difference_interval(own, other, best.interval, first.interval)
    noise = "beyond noise" if low > 0 else "within noise"
    return (
        f"Trial {best.number} is {100 * (own - other):.2f} points above trial {first.number}, the default net and "
        f"recipe; 95 % interval {100 * low:+.2f} to {100 * high:+.2f}{best.counted}: {noise}."
    )


def optimism(result: TuningResult) -> str:
    """Return what must be said of an accuracy that was chosen by."""
    count = sum(trial.accuracy is not None or trial.state == "pruned" for trial in result.trials)
    if count < 2:
        return "There was time for one trial only: nothing was chosen."
    return f"The best of {count} trials on one validation set looks better than it is" + (
        "; the test images took no part in the choice." if result.test else "."
    )


def _page(result: TuningResult, charts: dict[str, str], of: str, command: str) -> str:
    shown = [trial for trial in result.trials if trial.state != "refused"]
    ranked = sorted(shown, key=lambda trial: (-(trial.score or -1), trial.number))
    best = result.best
    return render_page(
        "striate.selection", "tuning.html",
        result=result, best=best, charts=charts, importances_of=of, command=command, ranked=ranked,
        metric=metric_words(best.metric) if best else "accuracy",
        study_verdict=study_verdict(result), optimism=optimism(result), settings=_unusual(best),
        seconds=sum(trial.seconds for trial in result.trials),
        counts={state: sum(trial.state == state for trial in result.trials) for state in STATES},
    )  # fmt: skip


def _unusual(best: Trial | None) -> dict[str, Any]:
    """Return the settings of the best recipe that are not a recipe's defaults."""
    if best is None:
        return {}
    pairs = load_recipe(best.recipe).difference(Recipe())
    return {name: " ".join(ours) if isinstance(ours, tuple) else ours for name, (ours, _) in pairs.items()}


def _draw_history(axes: Axes, trials: Sequence[Trial]) -> None:
    """Draw each trial's score on the validation images, the best so far and the baseline."""
    from matplotlib.ticker import MaxNLocator

    finished = [trial for trial in trials if trial.accuracy is not None]
    values = sorted(_percent(trial) for trial in finished)
    top = max([*values, 1.0])
    # The interesting half fills the drawing; what is far below stands at its lower edge.
    low = min(values[0], values[len(values) // 2] - 1.0) if values else 0.0
    floor = max(low, top - 12.0) - 0.08 * max(top - max(low, top - 12.0), 0.5)
    for kind in dict.fromkeys(trial.kind for trial in finished):
        chosen = [trial for trial in finished if trial.kind == kind]
        heights = [max(floor, _percent(trial)) for trial in chosen]
        colour = COLOURS.get(kind, INK)
        axes.scatter([t.number for t in chosen], heights, s=34, color=colour, label=kind, zorder=3)
    pruned = [trial for trial in trials if trial.state == "pruned" and trial.accuracies]
    if pruned:
        heights = [max(floor, 100 * max(trial.accuracies)) for trial in pruned]
        axes.scatter([t.number for t in pruned], heights, s=24, marker="x", color=FAINT, label="pruned", zorder=2)
    if finished:
        best = [_percent(best_trial([t for t in finished if t.number <= i]) or finished[0])
                for i in range(finished[0].number, trials[-1].number + 1)]  # fmt: skip
        axes.step(range(finished[0].number, trials[-1].number + 1), best, where="post", color=BEST, label="best so far")
        axes.axhline(_percent(finished[0]), color=FAINT, linestyle=":", label="first trial")
        axes.set_ylim(floor - 0.02 * (top - floor), top + 0.06 * (top - floor))
    axes.set_xlabel("trial")
    axes.set_ylabel(f"validation {metric_words(finished[0].metric if finished else 'accuracy')}, %")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color=FAINT, alpha=0.2)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _percent(trial: Trial) -> float:
    return 100 * (trial.score or 0.0)


def _draw_importances(axes: Axes, importances: dict[str, float]) -> None:
    names = list(importances)[::-1]
    bars = axes.barh(names, [100 * importances[name] for name in names], color=COLOURS["conv"], height=0.6)
    axes.bar_label(bars, fmt="%.0f %%", padding=4, color=INK)
    axes.set_xlabel("share of the variation of the score, %")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlim(0, 112 * max(importances.values()))


def _importances(study: optuna.Study, best: Trial | None) -> tuple[dict[str, float], str]:
    """Return what share of the score's variation each value explains, and among which trials.

    Values that all trials have are compared over all of them; where there are enough of the best trial's kind, those
    of that kind say more, since they share the values of its nets.
    """
    import optuna

    finished = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])
    alike = [trial for trial in finished if best and trial.params.get("kind") == best.params.get("kind")]
    chosen, of = (alike, f"finished {best.kind} trials") if best and len(alike) >= 2 * LEAST_FINISHED else (
        finished, "finished trials")  # fmt: skip
    if len(chosen) < LEAST_FINISHED or len({trial.value for trial in chosen}) < 2:
        return {}, ""
    part = optuna.create_study(direction="maximize")
    part.add_trials(chosen)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found = optuna.importance.get_param_importances(part, evaluator=evaluator)
    kept = {name: share for name, share in found.items() if share >= 0.005}
    return dict(list(kept.items())[:MOST_BARS]), f"{len(chosen)} {of}"
