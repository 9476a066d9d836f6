"""How a tree of folders is arranged: which folders only wrap, which are splits or classes, and what is doubtful.

Decided on the folders that hold images below them; the files themselves are not looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from striate.data.labels import levelled
from striate.data.readers.branches import Arrangement, Branch, Role, shared_names, unwrapped
from striate.data.readers.doubts import (
    doubt_one_class,
    doubt_parts,
    doubt_shared,
    doubt_splits,
    doubt_twins,
    holds_the_classes,
)
from striate.data.readers.masks import MASK, mask_folders
from striate.data.readers.split_names import called_as_splits, classes_with_splits, splits_among
from striate.errors import some
from striate.units import say_count

OUTSIDE = "set aside as outside of train, valid and test"
CLASSLESS = "not in a class folder"
UNLABELLED = "set aside as an unlabelled image of the {} split"
_GOOD_PART = 0.05
_PLAIN_NAMES = frozenset({"train", "training", "valid", "val", "validation", "test", "testing"})


def arrange(source: str, folders: Mapping[str, int]) -> Arrangement:
    """Return the arrangement of a source.

    Arguments:
        source: the source's path, for what is to be given instead.
        folders: {folder relative to the source with "/" between, "" for itself: images directly in it}.
    """
    root = Branch()
    for path, count in folders.items():
        node = root
        for part in path.split("/") if path else []:
            node = node.below.setdefault(part, Branch())
        node.direct += count
    found = Arrangement()
    _set_masks_aside(found, "", root)
    prefix, top = unwrapped("", root)
    if splits := split_folders(top):
        _arrange_splits(found, prefix, top, splits, source.rstrip("/") or "/")
    elif compound := classes_with_splits(top.below) if not any(node.below for node in top.below.values()) else {}:
        for name, (label, split) in compound.items():
            _fill(found, prefix + name, top.below[name], Role(split, label))
        found.notes.append(f"folders such as {some(list(compound), 2)} are read as a class and a split each")
        _loose(found, prefix, top, bool(compound))
    elif below := splits_below_classes(top):
        _arrange_below(found, prefix, top, below)
    else:
        _arrange_classes(found, prefix, top, source.rstrip("/") or "/")
    if named := called_as_splits(role.label for role in found.roles.values()):
        found.doubts.append(
            f"{source} must have a folder for each class; {some(named)} are splits, and hold none. If a table says "
            "what the images show, give that, and their folder as --images. If they are the classes, "
            "say so with --format folders"
        )
    return found


def _set_masks_aside(found: Arrangement, prefix: str, root: Branch) -> None:
    """Take folders of masks out of the tree; the folder of images beside them is left and looked through."""
    taken = list(_without_masks(prefix, root))
    for path, node in taken:
        _fill(found, path, node, Role("", None, MASK))
    if taken:
        inside = sum(node.inside() for _, node in taken)
        found.notes.append(
            f"{some([path for path, _ in taken], 2)} {'is' if len(taken) == 1 else 'are'} taken as masks of the images "
            f"beside {'it' if len(taken) == 1 else 'them'}: {say_count(inside, 'image is', 'images are')} set aside"
        )


def _without_masks(prefix: str, node: Branch) -> Iterator[tuple[str, Branch]]:
    masks = mask_folders(node.below) if node.below and not node.direct else []
    for name in masks:
        yield f"{prefix}{name}", node.below.pop(name)
    for name, child in node.below.items():
        yield from _without_masks(f"{prefix}{name}/", child)


def split_folders(node: Branch) -> dict[str, str]:
    """Return {folder: split} if the folders below `node` are splits: all of them, or train, of folders, and another.

    A class called train beside car and bus stays a class: it stands alone, or holds images itself. A test beside train
    may hold its images without folders. Without train, none may.
    """
    splits = splits_among(node.below)
    if not splits or len(splits) == len(node.below):
        return splits
    several = len(set(splits.values()) | {"train"}) > 1
    taught = [name for name, split in splits.items() if split == "train"]
    return splits if several and not any(node.below[name].direct for name in taught or splits) else {}


def splits_below_classes(node: Branch) -> dict[str, dict[str, str]]:
    """Return {class: {folder: split}} if the folders below `node` are classes that hold their own splits, else {}.

    Most of them must hold folders that are splits and nothing else, and what those hold must not look like classes.
    """
    found = {}
    for name, child in node.below.items():
        splits = splits_among(child.below)
        if splits and not child.direct and len(splits) == len(child.below):
            found[name] = splits
        elif child.below:
            return {}
    kinds = {split for splits in found.values() for split in splits.values()}
    if 2 * len(found) <= len(node.below) or len(kinds | {"train"}) < 2 or len(found) < 2:
        return {}
    inner = {
        name: {deep for split in splits for deep in node.below[name].below[split].below}
        for name, splits in found.items()
    }
    return {} if shared_names(inner.values(), len(found)) else found


def _folders(path: str, node: Branch) -> Iterator[str]:
    """Yield the folders from `path` down that hold images directly."""
    if node.direct:
        yield path
    for name, child in node.below.items():
        yield from _folders(f"{path}/{name}" if path else name, child)


def _fill(found: Arrangement, path: str, node: Branch, role: Role) -> None:
    found.roles |= dict.fromkeys(_folders(path, node), role)


def _loose(found: Arrangement, prefix: str, node: Branch, classes: bool, split: str = "", why: str = CLASSLESS) -> None:
    """Give images that lie beside class folders their role; without class folders they are images without a label."""
    if node.direct:
        found.roles[prefix.rstrip("/")] = Role(split, None, why if classes else "")


def _arrange_splits(found: Arrangement, prefix: str, top: Branch, splits: Mapping[str, str], source: str) -> None:
    parts: dict[str, tuple[str, Branch]] = {}
    for name in splits:
        parts[name] = _unwrapped_split(f"{prefix}{name}/", top.below[name], top, splits)
    trained = {levelled(label) for name, split in splits.items() if split == "train" for label in parts[name][1].below}
    any_class = any(node.below for _, node in parts.values())
    for name, split in splits.items():
        path, node = parts[name]
        why = UNLABELLED.format(split) if not node.below and split != "train" else CLASSLESS
        _loose(found, path, node, any_class, split, why)
        known = split == "train" or not trained or any(levelled(label) in trained for label in node.below)
        for label, child in node.below.items():
            role = Role(split, label) if known else Role(split, None, UNLABELLED.format(split))
            _fill(found, path + label, child, role)
        if (not known and node.below) or (any_class and node.direct and not node.below and split != "train"):
            found.notes.append(
                f"{prefix}{name} has {say_count(node.inside(), 'image', 'images')} in no folder of a known class, "
                f"unlabelled and set aside. To have them named, give predict {source}/{prefix}{name}"
            )
    outside = {name: node for name, node in top.below.items() if name not in splits}
    for name, node in outside.items():
        _fill(found, prefix + name, node, Role("", None, OUTSIDE))
    _say_outside(found, outside, trained, top)
    _loose(found, prefix, top, True, "", OUTSIDE)
    _say_splits(found, splits)
    doubt_splits(found, source, prefix, top, {name: (splits[name], *parts[name]) for name in splits})


def _unwrapped_split(path: str, node: Branch, top: Branch, splits: Mapping[str, str]) -> tuple[str, Branch]:
    """Go down in a split's folder through what only wraps: a folder of folders that is no other split's class."""
    known = {label for name in splits if len(top.below[name].below) > 1 for label in top.below[name].below}
    while not node.direct and len(node.below) == 1:
        ((name, child),) = node.below.items()
        if child.direct or not child.below or name in known:
            break
        path, node = f"{path}{name}/", child
    return path, node


def _say_outside(found: Arrangement, outside: Mapping[str, Branch], trained: Collection[str], top: Branch) -> None:
    """Say which folders are in no split, where they are called as a class or hold a good part of the images."""
    told = [
        name
        for name, node in outside.items()
        if levelled(name) in trained or node.inside() >= _GOOD_PART * top.inside()
    ]
    if told:
        count = sum(outside[name].inside() for name in told)
        found.notes.append(
            f"{some(told)} {'lies' if len(told) == 1 else 'lie'} beside the splits, in none of them: "
            f"{say_count(count, 'image is', 'images are')} set aside"
        )


def _say_splits(found: Arrangement, splits: Mapping[str, str]) -> None:
    """Say which folder is taken for which split where its name leaves a doubt."""
    if doubtful := {name: split for name, split in splits.items() if name.casefold() not in _PLAIN_NAMES}:
        listed = some([f"{name} as {split}" for name, split in doubtful.items()])
        found.notes.append(f"folders are taken as splits: {listed}")


def _arrange_below(found: Arrangement, prefix: str, top: Branch, below: Mapping[str, Mapping[str, str]]) -> None:
    for label, node in top.below.items():
        splits = below.get(label, {})
        for name, child in node.below.items():
            _fill(found, f"{prefix}{label}/{name}", child, Role(splits.get(name, ""), label))
        if node.direct:
            found.roles[prefix + label] = Role("", label)
    _loose(found, prefix, top, True)
    _say_splits(found, {name: split for splits in below.values() for name, split in splits.items()})


def _arrange_classes(found: Arrangement, prefix: str, top: Branch, source: str) -> None:
    for label, node in top.below.items():
        _fill(found, prefix + label, node, Role("", label))
    _loose(found, prefix, top, bool(top.below))
    where = f"{source}/{prefix}"
    if len(top.below) == 1:
        doubt_one_class(found, where, top)
        return
    inside = {label: unwrapped(label + "/", node) for label, node in top.below.items()}
    if doubt_shared(found, where, top, inside) or doubt_parts(found, where, top):
        return
    within = {path[:-1]: node for path, node in inside.values() if not node.direct and len(node.below) > 1}
    if doubt_twins(found, where, top, within):
        return
    for label, node in within.items():
        if split_folders(node):
            found.doubts.append(
                f"{where.rstrip('/')} must have a folder for each class; {label} holds the splits "
                f"{some(list(node.below))}. Give {where}{label}. If {some(list(top.below), 3)} are the "
                "classes, say so with --format folders"
            )
            return
    if within:
        label, node = next(iter(within.items()))
        if len(within) == 1 and holds_the_classes(label, node, top):
            others = [name for name in top.below if name != label.partition("/")[0]]
            found.doubts.append(
                f"{where.rstrip('/')} must have a folder for each class; {label} holds the folders "
                f"{some(sorted(node.below))}, which look like the classes, and {some(others)} something else. "
                f"Give {where}{label}. If {some(list(top.below), 3)} are the classes, say so with --format folders"
            )
            return
        found.notes.append(
            f"all images below {label} are of the class {label.partition('/')[0]}; it holds the folders "
            f"{some(sorted(node.below))}. If those are the classes, give {where}{label}"
        )
