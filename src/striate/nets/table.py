"""The layer table: what each layer makes of its input, and what that costs."""

from __future__ import annotations

import dataclasses
import html
import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from striate.errors import ShapeError
from striate.nets.graph import Graph, Node
from striate.nets.layers import Activation, Dropout, Droppath, Lrn, Scale, Shape, say
from striate.nets.structure import HasChain
from striate.nets.taps import names_without_taps
from striate.nets.windows import Window
from striate.units import say_bytes

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

FLOAT_BYTES = 4
HEADINGS = ("part", "layer", "output", "how", "parameters", "multiply-adds", "sees", "memory")
RIGHT = {"parameters", "multiply-adds", "memory"}
WRAPPING = {"layer", "how"}
DISPENSABLE = ("memory", "sees", "part", "multiply-adds")
LEAST_WIDTH, GAP, ENDLESS = 18, 2, 100_000


@dataclass(frozen=True)
class LayerRow:
    """One layer: `sees` is the receptive field in input pixels (h, w), None for the whole input."""

    path: str
    layer: str
    shape: Shape
    formula: str
    parameters: int
    multiply_adds: int
    receptive_field: tuple[int, int] | None
    memory_bytes: int
    note: str
    joins: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the row for JSON."""
        field = list(self.receptive_field) if self.receptive_field else None
        return {
            "path": self.path,
            "layer": self.layer,
            "shape": list(self.shape),
            "formula": self.formula,
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "receptive_field": field,
            "memory_bytes": self.memory_bytes,
            "note": self.note,
        }

    def cells(self) -> tuple[str, ...]:
        """Return the row for reading, one text a heading."""
        field = say(self.receptive_field) if self.receptive_field else "all"
        counts = (
            f"{self.parameters:,}" if self.parameters else "",
            f"{self.multiply_adds:,}" if self.multiply_adds else "",
        )
        return (self.path, self.layer, say(self.shape), self.formula, *counts, field, say_bytes(self.memory_bytes))


@dataclass(frozen=True)
class Table:
    """The layer table of a net for one input shape; prints on a terminal, in notebooks, as JSON and Markdown.

    `rows` has one row a layer; when shown, activations, dropout and the like stand in the row of the layer they follow.

    >>> from striate.nets import parse
    >>> table = parse("conv(6, 5) relu maxpool(2) fc(10)").table((3, 32, 32))
    >>> table.parameters, table.multiply_adds
    (12226, 364560)
    >>> print(table.rows[0].formula)
    (32 − 5)/1 + 1 = 28
    """

    input_shape: Shape
    rows: tuple[LayerRow, ...]
    batch: int = 1

    @property
    def parameters(self) -> int:
        """Return the sum of the parameters."""
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Return the multiply-adds of one image."""
        return sum(row.multiply_adds for row in self.rows)

    @property
    def memory_bytes(self) -> int:
        """Return the memory of all activations of a batch in float32, the input's included."""
        return sum(row.memory_bytes for row in self.rows) + math.prod(self.input_shape) * self.batch * FLOAT_BYTES

    def to_dict(self) -> dict[str, Any]:
        """Return the table for JSON: `layers`, `parameters`, `multiply_adds`, `memory_bytes`, `input`, `batch`."""
        return {
            "input": list(self.input_shape),
            "batch": self.batch,
            "layers": [row.to_dict() for row in self.rows],
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "memory_bytes": self.memory_bytes,
        }

    def shown(self) -> Iterator[LayerRow]:
        """Yield the rows as they are shown: activations and dropout joined to the layer before."""
        held: LayerRow | None = None
        for row in self.rows:
            if held is not None and row.joins and row.shape == held.shape:
                held = _joined(held, row)
                continue
            if held is not None:
                yield held
            held = row
        if held is not None:
            yield held

    def _lines(self) -> Iterator[tuple[tuple[str, ...], str]]:
        yield ("", "input", say(self.input_shape), "", "", "", "", ""), ""
        for row in self.shown():
            yield row.cells(), row.note

    @property
    def _total(self) -> tuple[str, ...]:
        batch = f"batch of {self.batch}" if self.batch > 1 else "one image"
        return (
            "",
            "total",
            "",
            batch,
            f"{self.parameters:,}",
            f"{self.multiply_adds:,}",
            "",
            say_bytes(self.memory_bytes),
        )

    def to_markdown(self) -> str:
        """Return the table as Markdown; notes follow below it."""
        lines = [f"| {' | '.join(HEADINGS)} |", f"|{'|'.join('--:' if head in RIGHT else '---' for head in HEADINGS)}|"]
        notes = []
        for cells, note in self._lines():
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
            notes += [f"- `{cells[1]}` ({cells[0]}): {note}"] if note else []
        lines.append(f"| {' | '.join(f'**{cell}**' if cell else '' for cell in self._total)} |")
        return "\n".join([*lines, *([""] if notes else []), *notes])

    def _repr_html_(self) -> str:
        def row(cells: tuple[str, ...], tag: str = "td") -> str:
            sides = ("right" if head in RIGHT else "left" for head in HEADINGS)
            return "".join(
                f'<{tag} style="text-align:{s};padding:0 .5em">{html.escape(c)}</{tag}>'
                for c, s in zip(cells, sides, strict=True)
            )

        body = []
        for cells, note in self._lines():
            body.append(f"<tr>{row(cells)}</tr>")
            if note:
                place = f'colspan="{len(HEADINGS) - 1}" style="text-align:left;padding:0 .5em"'
                body.append(f"<tr><td></td><td {place}><em>{html.escape(note)}</em></td></tr>")
        head, foot = row(HEADINGS, "th"), row(self._total, "th")
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody><tfoot><tr>{foot}</tr></tfoot></table>"
        )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        for line, style in self._printed(options.max_width):
            yield Text(line, style=style, overflow="fold")

    def __str__(self) -> str:
        return "\n".join(line for line, _ in self._printed())

    __repr__ = __str__

    def _printed(self, width: int = ENDLESS) -> Iterator[tuple[str, str]]:
        """Yield lines and their styles; if they are too wide, cells wrap, and the columns left out are named below."""
        lines = list(self._lines())
        widths = {
            head: max(len(cells[i]) for cells in (HEADINGS, self._total, *(cells for cells, _ in lines)))
            for i, head in enumerate(HEADINGS)
        }
        hidden = _fit(widths, width)
        rule = "─" * (sum(widths.values()) + GAP * (len(widths) - 1))
        indent = " " * (widths["part"] + GAP if "part" in widths else GAP)
        yield from ((line, "bold") for line in _aligned(HEADINGS, widths))
        yield rule, ""
        for cells, note in lines:
            yield from ((line, "") for line in _aligned(cells, widths))
            if note:
                wrapped = textwrap.wrap(f"↳ {note}", max(width, 40) - len(indent), subsequent_indent="  ")
                yield from ((indent + line, "yellow") for line in wrapped)
        yield rule, ""
        yield from ((line, "bold") for line in _aligned(self._total, widths))
        if hidden:
            yield f"a wider terminal also shows: {', '.join(hidden)}", "dim"


def _joined(row: LayerRow, after: LayerRow) -> LayerRow:
    """Return one row for a layer and the activation that follows it."""
    return dataclasses.replace(
        row,
        layer=f"{row.layer} {after.layer}",
        memory_bytes=row.memory_bytes + after.memory_bytes,
        note="; ".join(filter(None, (row.note, after.note))),
    )


def _fit(widths: dict[str, int], width: int) -> list[str]:
    """Take columns from `widths` and narrow those that wrap until they fit a width; return what was left out."""
    hidden = []
    for head in DISPENSABLE:
        least = sum(min(wide, LEAST_WIDTH) if name in WRAPPING else wide for name, wide in widths.items())
        if least + GAP * (len(widths) - 1) > width:
            del widths[head]
            hidden.insert(0, head)
    spare = width - sum(wide + GAP for name, wide in widths.items() if name not in WRAPPING) - GAP
    how = max(min(widths["how"], max(spare // 2, spare - widths["layer"])), LEAST_WIDTH // 2)
    widths["layer"], widths["how"] = max(min(widths["layer"], spare - how), LEAST_WIDTH // 2), how
    return hidden


def _aligned(cells: tuple[str, ...], widths: dict[str, int]) -> Iterator[str]:
    """Yield the lines of one row, its cells wrapped where they are wider than their column."""
    columns = [
        [cell] if len(cell) <= widths[head] else textwrap.wrap(cell, widths[head])
        for head, cell in zip(HEADINGS, cells, strict=True)
        if head in widths
    ]
    for parts in zip_longest(*columns, fillvalue=""):
        aligned = (p.rjust(w) if h in RIGHT else p.ljust(w) for p, (h, w) in zip(parts, widths.items(), strict=True))
        yield (" " * GAP).join(aligned).rstrip()


def make_table(net: HasChain, graph: Graph, batch: int = 1, strict: bool = False) -> Table:
    """Return the layer table of a net and of its graph for an input shape; see `Net.table`."""
    if strict:
        _need_all_seen(graph)
    names = names_without_taps(net, [node.path for node in graph.nodes])
    return Table(graph.input_shape, tuple(_row(node, names[node.path], batch) for node in graph.nodes), batch)


def _row(node: Node, path: str, batch: int) -> LayerRow:
    shape = node.in_shapes[0]
    formula = " + ".join(str(s[0]) for s in node.in_shapes) if node.layer.word == "join" else node.layer.formula(shape)
    note = node.layer.note(shape)
    if node.head:
        note = "; ".join(filter(None, (f"auxiliary head {node.head}, only in training", note)))
    return LayerRow(
        path=path,
        layer=str(node.written),
        shape=node.shape,
        formula=formula,
        parameters=node.parameters,
        multiply_adds=node.multiply_adds,
        receptive_field=node.field.size if node.field else None,
        memory_bytes=math.prod(node.shape) * batch * FLOAT_BYTES,
        note=note,
        joins=isinstance(node.layer, Activation | Dropout | Droppath | Lrn | Scale),
    )


def _need_all_seen(graph: Graph) -> None:
    for node in graph.nodes:
        layer, shape = node.layer, node.in_shapes[0]
        if isinstance(layer, Window) and any(axis.unseen for axis in layer.axes(shape)):
            raise ShapeError(
                f"layer {node.path}: {node.written} on {say(shape)}: {layer.formula(shape)}; {layer.note(shape)}"
            )
