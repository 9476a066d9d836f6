"""What a shell offers after TAB where a name stands: the shell itself completes files."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from importlib import resources

# Told here too, as a shell does not wait for torch; a test holds them.
BUILT_IN = ("digits", "xo", "shapes", "mnist", "fashion-mnist", "cifar10", "cifar100")
BASELINES = ("majority", "neighbours", "tree", "forest", "boosted", "logistic", "lda", "svm")


def sources(incomplete: str) -> list[str]:
    """Return the built-in sets."""
    return _names(BUILT_IN, incomplete)


def models(incomplete: str) -> list[str]:
    """Return the nets with published weights."""
    from striate.nets import ZOO

    return _names((name for name, known in ZOO.items() if known.published), incomplete)


def nets(incomplete: str) -> list[str]:
    """Return the nets of the zoo."""
    from striate.nets import ZOO

    return _names(ZOO, incomplete)


def nets_to_train(incomplete: str) -> list[str]:
    """Return what `train --net` takes by name."""
    from striate.nets import ZOO

    return _names(["auto", "swift", *ZOO, *BASELINES], incomplete)


def nets_to_tune(incomplete: str) -> list[str]:
    """Return what `tune --net` takes by name."""
    from striate.nets import ZOO

    return _names(["any", "mlp", "conv", "swift", *ZOO], incomplete)


def recipes(incomplete: str) -> list[str]:
    """Return the published recipes."""
    found = (resources.files("striate") / "training" / "recipes").iterdir()
    return _names(sorted(one.name.removesuffix(".toml") for one in found if one.name.endswith(".toml")), incomplete)


def formats(incomplete: str) -> list[str]:
    """Return the forms of sources."""
    from striate.data.reading import FORMATS

    return _names(FORMATS, incomplete)


def _names(known: Iterable[str], incomplete: str) -> list[str]:
    """Return the names that go on so; none where a file's does: with no names the shell completes files."""
    if incomplete and glob.glob(glob.escape(os.path.expanduser(incomplete)) + "*"):
        return []
    return [name for name in dict.fromkeys(known) if name.startswith(incomplete)]
