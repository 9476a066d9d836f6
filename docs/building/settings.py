"""The references of recipes and augmentations, from their fields and signatures."""

from __future__ import annotations

import dataclasses
import math
from importlib import resources
from typing import Any, Literal, get_args, get_origin, get_type_hints

from striate.augmentation import AUGMENTATIONS, describe_arguments, describe_ranges
from striate.training.recipe import Recipe


def settings_pages() -> dict[str, str]:
    """Return the pages of recipes and augmentations."""
    return {"recipe.md": _recipes(), "augmentations.md": _augmentations()}


def _recipes() -> str:
    lines = [
        "# Recipes, setting by setting", "",
        "A recipe decides everything of a training but the data. `--recipe NAME|FILE` takes one, `--set NAME=VALUE` "
        "changes a setting; each run folder has the one it used.", "",
        "| setting | what | values | default |", "|---|---|---|---|",
    ]  # fmt: skip
    hints = get_type_hints(Recipe)
    for each in dataclasses.fields(Recipe):
        what = each.metadata.get("text", "").replace("|", "\\|")
        lines.append(f"| `{each.name}` | {what} | {_values(each, hints[each.name])} | {_value(each.default)} |")
    lines += ["", "## Published recipes", ""]
    for path in sorted(resources.files("striate.training.recipes").iterdir(), key=lambda path: path.name):
        if path.name.endswith(".toml"):
            lines += [
                f"### {path.name.removesuffix('.toml')}",
                "",
                "```toml",
                path.read_text("utf-8").rstrip(),
                "```",
                "",
            ]
    return "\n".join(lines)


def _values(each: dataclasses.Field, hint: Any) -> str:
    if get_origin(hint) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(hint))
    low, high = each.metadata.get("low", -math.inf), each.metadata.get("high", math.inf)
    if low == -math.inf and high == math.inf:
        return ""
    return f"{low:g} to {high:g}" if high < math.inf else f"from {low:g}"


def _value(value: Any) -> str:
    if value is None or value == ():
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _augmentations() -> str:
    lines = [
        "# Augmentations, word by word", "",
        "Written from the functions themselves, as `striate augment --list` is; `striate augment SOURCE --augment "
        "\"WORDS\" -o "
        "sheet.png` draws what they do to your own images.", "",
    ]  # fmt: skip
    for name, function in AUGMENTATIONS.items():
        text = (function.__doc__ or "").split("\n\n")[0]
        arguments = describe_arguments(function)
        lines += [
            f"## `{name}{arguments if arguments != '()' else ''}`",
            "",
            " ".join(text.split()).replace("*", "\\*"),
            "",
        ]
        lines += [f"- {line}" for line in describe_ranges(function)] + [""]
    return "\n".join(lines)
