"""The reference of the notation, from the layers: arguments, formula, output shape and an example of every word."""

from __future__ import annotations

import dataclasses
import re

from striate.errors import StriateError
from striate.nets import ZOO, parse
from striate.nets.layers import Layer
from striate.nets.notation import WORDS
from striate.nets.rules import RULES

SHAPE = (8, 16, 16)
# An example's arguments, where a layer wants some: by the name of the field.
WANTED = {"units": "10", "filters": "16", "size": "3", "stride": "2", "channels": "16", "p": "0.1", "factor": "0.5"}
STRUCTURES = (
    (
        "[ … ]*n",
        "A chain n times, each time with weights of its own; `[ … ]` alone groups.",
        "[conv(16, 3, pad=1) relu]*2",
    ),
    ("name: item", "A name for a layer or a group, which `trace` and the table then use.", "stem: [conv(16, 3) relu]"),
    (
        "residual(body ; shortcut)",
        "Adds what the body makes to what the shortcut makes; without a shortcut to the input itself.",
        "residual(conv(16, 3, pad=1) bn ; conv(16, 1))",
    ),
    (
        "concat(a | b | …)",
        "Joins the channels of its branches.",
        "concat(conv(4, 1) | conv(8, 3, pad=1) | maxpool(3, 1, pad=1))",
    ),
    ("gate(body)", "Multiplies the input by what the body makes of it.", "gate(globalavg conv(8, 1) sigmoid)"),
    (
        "aux(body ; weight)",
        "An auxiliary head: trained with that weight, not there in prediction.",
        "conv(16, 3) aux(fc(10) ; 0.3) relu",
    ),
)


def word_pages() -> dict[str, str]:
    """Return the page of the notation and the page of the named architectures."""
    lines = [
        "# The notation, word by word", "",
        "Written from the layers themselves. [A net is a sentence](../notation.md) explains how words are put "
        f"together. Every example is the layer table of one word, on images of {_say(SHAPE)}: channels, height, width.",
        "",
        "## Structure", "",
    ]  # fmt: skip
    for usage, text, sentence in STRUCTURES:
        lines += [f"### `{usage}`", "", text, "", *_example(sentence)]
    lines += ["## Layers", ""]
    for word, kind in sorted(WORDS.items()):
        lines += _word(word, kind)
    lines += [
        "## First weights",
        "",
        "What `init=` takes, of a layer or of a recipe:",
        "",
        "| name | weights |",
        "|---|---|",
    ]
    lines += [f"| `{'gaussian(std)' if name == 'gaussian' else name}` | {text} |" for name, text in RULES.items()]
    return {"notation.md": "\n".join([*lines, ""]), "zoo.md": _zoo()}


def _word(word: str, kind: type[Layer]) -> list[str]:
    fields = dataclasses.fields(kind)
    usage = f"{word}({', '.join(_written(each) for each in fields)})" if fields else word
    lines = [f"### `{usage}`", "", *_paragraphs(kind.__doc__ or ""), ""]
    if fields:
        lines += ["| argument | must be | default |", "|---|---|---|"]
        lines += [f"| `{each.name}` | {_constraint(each)} | {_default(each)} |" for each in fields]
        lines += [""]
    needed = [WANTED[each.name] for each in fields if each.default is dataclasses.MISSING]
    return lines + _example(f"{word}({', '.join(needed)})" if needed else word)


def _written(each: dataclasses.Field) -> str:
    if each.default is dataclasses.MISSING:
        return each.name
    return f"{each.name}=…" if each.default is None else f"{each.name}={str(each.default).lower()}"


def _default(each: dataclasses.Field) -> str:
    if each.default is dataclasses.MISSING:
        return "required"
    if each.default is None:
        return "the window's size" if each.name == "stride" else "by the activation that follows"
    return f"`{str(each.default).lower()}`"


def _constraint(each: dataclasses.Field) -> str:
    """Return what an argument must be, in the words in which the layer itself refuses nonsense."""
    try:
        each.metadata["read"](each.name, object())
    except StriateError as error:
        found = re.search(r"must be (.+?); got", str(error))
        return found[1].replace("from 1 to 10000000", "from 1").replace("from 0 to 10000000", "from 0") if found else ""
    return ""


def _paragraphs(text: str) -> list[str]:
    return [re.sub(r"\s+", " ", part).strip().replace("*", "\\*") + "\n" for part in text.split("\n\n")]


def _example(sentence: str) -> list[str]:
    return ["```text", str(parse(sentence).table(SHAPE)), "```", ""]


def _zoo() -> str:
    lines = [
        "# The named architectures", "",
        "What `striate net --list` lists; the table of each is `striate net NAME`. `classes` is the number of outputs "
        "that the published net has; a training puts its own in its place.", "",
        "| name | input | classes | parameters | multiply-adds | what |", "|---|---|--:|--:|--:|---|",
    ]  # fmt: skip
    for name, known in ZOO.items():
        table = known.net().table(known.input_shape)
        figures = f"{known.classes} | {table.parameters:,} | {table.multiply_adds:,}"
        lines.append(f"| `{name}` | {_say(known.input_shape)} | {figures} | {known.description} |")
    return "\n".join([*lines, ""])


def _say(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
