"""What to type instead of an option that a command does not have: renamed, a setting, another command's, misspelt."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import fields

# Options of before and of other tools, where spelling alone does not lead to what they are now. None: any command.
CALLED_NOW = {
    ("evaluate", "--split"): "--part",
    ("check", "--model"): "--features",
    ("augment", "--views"): "--draws",
    ("look", "--most"): "--count",
    ("look", "--steps"): "striate.look(model, steps=…) in Python",
    ("net", "--markdown"): "striate.parse(sentence).table(shape).to_markdown() in Python",
    ("runs", "--compare"): "the folders alone: striate runs runs/photos-1 runs/photos-2",
    (None, "--lr"): "--learning-rate",
    (None, "--optimizer"): "--optimiser",
    (None, "--model"): "--net",
    (None, "--gpu"): "--device cuda",
    (None, "--cuda"): "--device cuda",
    (None, "--output"): "--out",
    (None, "--output-dir"): "--out",
    (None, "--name"): "--out",
    (None, "--batch"): "--batch-size",
    (None, "--image-size"): "--size",
}
# How near a misspelt option must be; less near ones are no help.
_NEAR = 0.7


def instead_of(option: str, command: str, commands: Mapping[str, Iterable[str]]) -> str:
    """Return a sentence that says what to type instead of an option that `command` has not.

    Arguments:
        option: as it was typed, without its value.
        commands: the options of every command.

    >>> commands = {"train": ["--out", "--epochs", "--budget", "--set"], "net": ["--list"], "tune": ["--budget"]}
    >>> instead_of("--epoch", "train", commands)
    'Did you mean --epochs?'
    >>> instead_of("--weight-decay", "train", commands)
    'It is a setting of the recipe: --set weight_decay=VALUE'
    >>> instead_of("--budget", "net", commands)
    'train and tune have it, net has not: striate net --help'
    """
    own = list(commands.get(command, ()))
    for known in ((command, option), (None, option)):
        now = CALLED_NOW.get(known)
        if now and (known[0] or now.split()[0] in own):
            return f"It is called {now} now" if now.startswith("--") and known[0] else f"Try {now}"
    setting = option.removeprefix("--").replace("-", "_")
    if "--set" in own and setting in _settings():
        return f"It is a setting of the recipe: --set {setting}=VALUE"
    if near := difflib.get_close_matches(option, own, 1, _NEAR):
        return f"Did you mean {near[0]}?"
    having = [name for name, options in commands.items() if option in options]
    if having:
        named = having[0] if len(having) == 1 else f"{', '.join(having[:-1])} and {having[-1]}"
        return f"{named} {'has' if len(having) == 1 else 'have'} it, {command} has not: striate {command} --help"
    return f"striate {command} --help lists those there are"


def _settings() -> set[str]:
    from striate.training.recipe import Recipe

    return {one.name for one in fields(Recipe)}
