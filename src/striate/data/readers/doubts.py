"""What speaks against an arrangement of folders, and what to give instead: training stops at the first doubt."""

from __future__ import annotations

import re
from collections.abc import Mapping

from striate.data.readers.branches import Arrangement, Branch, shared_names, unwrapped
from striate.data.readers.split_names import split_of
from striate.errors import some

# Folders that hold others and are no class, and folders of pictures that lie beside the data.
_CONTAINER = re.compile(
    r"(?:all|my|raw|full|the)?[ _-]?(?:data|data[ _-]?sets?|images?|imgs?|pictures?|pics?|photos?|classes|archive|raw"
    r"|originals?|files|database|corpus)(?:[ _-]?(?:set|folder|raw|dir|v?\d+))?",
    re.IGNORECASE,
)
_BESIDE = re.compile(
    r"\.?(?:samples?|examples?|previews?|demos?|docs?|documentation|readme.*|figures?|figs?|assets?|media|screenshots?"
    r"|logos?|icons?|outputs?|results?|plots?|notebooks?|scripts?|src|static|misc|thumbs?|thumbnails?|github)"
    r"(?:[ _-]?(?:images?|imgs?|pictures?|pics?|photos?|files))?",
    re.IGNORECASE,
)

# Folders that one set was cut into for its size: images_001, HAM10000_images_part_2, batch B.
_PART = re.compile(
    r"(?P<what>(?:.*[\W_])??(?:data ?sets?|data|images?|imgs?|pictures?|pics?|photos?|files|folders?|archive|zip|raw)"
    r"|(?:.*[\W_]|(?-i:.*[a-z](?=[A-Z])))??(?:parts?|batch|chunk|shard|subset))(?P<number>[\W_]*\d+|[\W_]+[a-fA-F])"
    r"(?:[\W_]+of[\W_]+\d+)?[\W_]*",
    re.IGNORECASE,
)


def doubt_parts(found: Arrangement, where: str, top: Branch) -> bool:
    """Doubt classes that are called as the parts of one set are; return whether they are."""
    parts = [_PART.fullmatch(name) for name in top.below]
    if len({part["what"].casefold() if part else "" for part in parts}) != 1 or not all(parts):
        return False
    found.doubts.append(
        f"{where.rstrip('/')} must have a folder for each class; {some(sorted(top.below), 3)} are named like the "
        f"parts of one set. If a table says what the images show, give that, and {where.rstrip('/')} as --images. If "
        "they are the classes, say so with --format folders"
    )
    return True


def doubt_twins(found: Arrangement, where: str, top: Branch, within: Mapping[str, Branch]) -> bool:
    """Doubt a class that holds folders of the same names as those beside it, as archives that hold themselves do."""
    for label, node in within.items():
        if len(same := sorted(node.below.keys() & top.below.keys())) > 1:
            found.doubts.append(
                f"{where.rstrip('/')} must have a folder for each class; {label} holds folders of the same names as "
                f"those beside it ({some(same)}). Give {where}{label}, or take it away. If it is a class, say so "
                "with --format folders"
            )
            return True
    return False


def doubt_splits(
    found: Arrangement, source: str, prefix: str, top: Branch, splits: Mapping[str, tuple[str, str, Branch]]
) -> None:
    """Doubt classes of train that hold the same folders, and splits without train where another folder may be it.

    Arguments:
        splits: {folder: (split, path of the folder that holds its classes, that folder)}.
    """
    for split, path, node in splits.values():
        if split == "train":
            inside = {label: unwrapped(label + "/", child) for label, child in node.below.items()}
            doubt_shared(found, f"{source}/{path}", node, inside)
            return
    known = {label for _, _, node in splits.values() for label in node.below}
    same = [name for name, node in top.below.items() if name not in splits and known & node.below.keys()]
    if same:
        found.doubts.append(
            f"{f'{source}/{prefix}'.rstrip('/')} has {some(list(splits))} and no folder called train; {some(same)} "
            f"{'holds' if len(same) == 1 else 'hold'} the same classes. Call the folder of the training images train"
        )


def doubt_shared(found: Arrangement, where: str, top: Branch, inside: Mapping[str, tuple[str, Branch]]) -> bool:
    """Doubt classes that hold the same folders; return whether they do."""
    shared = shared_names((node.below for _, node in inside.values()), len(top.below))
    if len(shared) < 2:
        return False
    holders = [label for label, (_, node) in inside.items() if len(node.below.keys() & shared) > 1]
    splits = any(map(split_of, shared))
    found.doubts.append(
        f"{where.rstrip('/')} must have a folder for each class; {some(holders)} hold the same folders "
        f"({some(shared)}), which look like {'splits' if splits else 'the classes'}. "
        f"Give one of them: {where}{holders[0]}. If {some(holders, 3)} are the classes, say so with --format folders"
        + ("" if splits else "; if they are splits, call them train, valid and test")
    )
    return True


def holds_the_classes(path: str, node: Branch, top: Branch) -> bool:
    """Whether a folder of folders holds all the classes, and what lies beside it are samples, figures or the like.

    Told by its own name, by the others' names, or by how few images these hold.
    """
    others = [child.inside() for name, child in top.below.items() if name != path.partition("/")[0]]
    if _CONTAINER.fullmatch(path.rpartition("/")[2]) or 10 * sum(others) <= min(50, node.inside()):
        return True
    return all(_BESIDE.fullmatch(name) for name in top.below if name != path.partition("/")[0])


def doubt_one_class(found: Arrangement, where: str, top: Branch) -> None:
    """Doubt a single class whose folder holds several: images beside it hid that it only wraps them."""
    ((label, node),) = top.below.items()
    path = where + label
    while not node.direct and len(node.below) == 1:
        ((name, node),) = node.below.items()
        path += "/" + name
    if len(node.below) > 1:
        found.doubts.append(
            f"{where.rstrip('/')} must have a folder for each of at least two classes; it has images and one folder, "
            f"{label}, which holds {some(sorted(node.below))}. Give {path}"
        )
