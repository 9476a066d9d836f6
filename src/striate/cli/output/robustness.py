"""What `striate evaluate --robustness` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from striate.units import percent

if TYPE_CHECKING:
    from rich.console import Console

    from striate.evaluation.robustness.card import RobustnessCard


def print_robustness(console: Console, card: RobustnessCard) -> None:
    """Print the card: accuracy by corruption and step in per cent, the means, the weakest point."""
    from rich.table import Table

    low, high = card.clean.interval
    of = f" of {card.groups:,} groups" if card.groups < card.images else ""
    console.print(
        f"robustness  {percent(card.clean.accuracy)} as they are ({100 * low:.2f} to {percent(high)}, "
        f"{card.images:,} images{of}), {percent(card.mean)} in the mean over all corruptions",
        soft_wrap=True,
    )
    table = Table("corruption", box=None, pad_edge=False)
    for head in (*"12345", "mean"):
        table.add_column(head, justify="right")
    table.add_column("at its strongest")
    for row in card.rows:
        figures = [f"{100 * score.accuracy:.1f}" for score in row.scores]
        cells = [*figures, *[""] * (5 - len(figures)), f"{100 * row.mean:.1f}"]
        told = row.steps[-1] + ("" if row.corruption.meaning else "; in no mean: it may change the class")
        table.add_row(row.name, *cells, told)
    console.print(table, markup=False)
    families = ", ".join(f"{name} {percent(mean)}" for name, mean in card.families.items())
    console.print(f"means  {families}", soft_wrap=True)
    for line in card.left_out:
        console.print(f"left out  {line}", soft_wrap=True, markup=False)
    for note in card.notes:
        console.print(note, style="dim", soft_wrap=True, markup=False)
    console.print(card.weakest, soft_wrap=True)
