"""How a tree of folders is arranged: which folders only wrap, which are splits or classes, and what is doubtful.

Decided on the folders that hold images below them; the files themselves are not looked at.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from striate.data.labels import levelled
from striate.data.readers.masks import MASK, mask_folders
from striate.data.readers.split_names import called_as_splits, classes_with_splits, split_of, splits_among
from striate.errors import some

OUTSIDE = "set aside as outside of train, valid and test"
CLASSLESS = "not in a class folder"
UNLABELLED = "set aside as an unlabelled image of the {} split"
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
_PLAIN_NAMES = frozenset({"train", "training", "valid", "val", "validation", "test", "testing"})


@dataclass
class Branch:
    """A folder that holds images: how many directly, and the folders below it that hold some."""

    direct: int = 0
    below: dict[str, Branch] = field(default_factory=dict)

    def inside(self) -> int:
        """Return how many images the folder and those below it hold."""
        return self.direct + sum(node.inside() for node in self.below.values())


@dataclass(frozen=True)
class Role:
    """What the images of one folder are: their split ("" for none), their class (None for none), or why set aside."""

    split: str = ""
    label: str | None = None
    why: str = ""


@dataclass
class Arrangement:
    """The role of each folder that holds images directly, what to tell about it, and what speaks against training.

    Arguments:
        roles: {folder relative to the source, "" for itself: its role}.
        notes: what a user must be told.
        doubts: why this is hardly what was meant, with what to give instead; the first one is enough.
    """

    roles: dict[str, Role] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


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
    prefix, top = _unwrapped("", root)
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
            "what the images show, give that, and their folder as --images. If they are classes: --format folders"
        )
    return found


def _set_masks_aside(found: Arrangement, prefix: str, root: Branch) -> None:
    """Take folders of masks out of the tree; the folder of images beside them is left and looked through."""
    taken = list(_without_masks(prefix, root))
    for path, node in taken:
        _fill(found, path, node, Role("", None, MASK))
    if taken:
        found.notes.append(
            f"{some([path for path, _ in taken], 2)} {'is' if len(taken) == 1 else 'are'} taken as masks of the images "
            f"beside {'it' if len(taken) == 1 else 'them'}: {sum(node.inside() for _, node in taken):,} are set aside"
        )


def _without_masks(prefix: str, node: Branch) -> Iterator[tuple[str, Branch]]:
    masks = mask_folders(node.below) if node.below and not node.direct else []
    for name in masks:
        yield f"{prefix}{name}", node.below.pop(name)
    for name, child in node.below.items():
        yield from _without_masks(f"{prefix}{name}/", child)


def _unwrapped(prefix: str, node: Branch) -> tuple[str, Branch]:
    """Go down through folders that only wrap one other, such as an archive's own top folder; return where that ends."""
    while not node.direct and len(node.below) == 1:
        ((name, child),) = node.below.items()
        if child.direct or not child.below or split_of(name):
            break
        prefix, node = f"{prefix}{name}/", child
    return prefix, node


def split_folders(node: Branch) -> dict[str, str]:
    """Return {folder: split} if the folders below `node` are splits: all of them, or train and another of folders only.

    A class called train beside car and bus stays a class: it stands alone, or holds images itself.
    """
    splits = splits_among(node.below)
    if not splits or len(splits) == len(node.below):
        return splits
    several = len(set(splits.values()) | {"train"}) > 1
    return splits if several and not any(node.below[name].direct for name in splits) else {}


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
    return {} if _shared(inner.values(), len(found)) else found


def _shared(sets: Iterable[Iterable[str]], total: int) -> list[str]:
    """Return the names, sorted, that more than half of `total` sets, and at least two, hold."""
    counts = Counter(name for names in sets for name in set(names))
    return sorted(name for name, count in counts.items() if count > 1 and 2 * count > total)


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
                f"{prefix}{name} has {node.inside():,} images in no folder of a known class: they are taken as "
                f"unlabelled and set aside. To have them named, give predict {source}/{prefix}{name}"
            )
    for name, node in top.below.items():
        if name not in splits:
            _fill(found, prefix + name, node, Role("", None, OUTSIDE))
    _loose(found, prefix, top, True, "", OUTSIDE)
    _say_splits(found, splits)
    _doubt_splits(found, source, prefix, top, {name: (splits[name], *parts[name]) for name in splits})


def _doubt_splits(
    found: Arrangement, source: str, prefix: str, top: Branch, splits: Mapping[str, tuple[str, str, Branch]]
) -> None:
    """Doubt classes of train that hold the same folders, and splits without train where another folder may be it.

    Arguments:
        splits: {folder: (split, path of the folder that holds its classes, that folder)}.
    """
    for split, path, node in splits.values():
        if split == "train":
            inside = {label: _unwrapped(label + "/", child) for label, child in node.below.items()}
            _doubt_shared(found, f"{source}/{path}", node, inside)
            return
    known = {label for _, _, node in splits.values() for label in node.below}
    same = [name for name, node in top.below.items() if name not in splits and known & node.below.keys()]
    if same:
        found.doubts.append(
            f"{f'{source}/{prefix}'.rstrip('/')} has {some(list(splits))} and no folder called train; {some(same)} "
            f"{'holds' if len(same) == 1 else 'hold'} the same classes. Call the one to learn from train"
        )


def _unwrapped_split(path: str, node: Branch, top: Branch, splits: Mapping[str, str]) -> tuple[str, Branch]:
    """Go down in a split's folder through what only wraps: a folder of folders that is no other split's class."""
    known = {label for name in splits if len(top.below[name].below) > 1 for label in top.below[name].below}
    while not node.direct and len(node.below) == 1:
        ((name, child),) = node.below.items()
        if child.direct or not child.below or name in known:
            break
        path, node = f"{path}{name}/", child
    return path, node


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
        _doubt_one_class(found, where, top)
        return
    inside = {label: _unwrapped(label + "/", node) for label, node in top.below.items()}
    if _doubt_shared(found, where, top, inside):
        return
    within = {path[:-1]: node for path, node in inside.values() if not node.direct and len(node.below) > 1}
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
        if len(within) == 1 and _holds_the_classes(label, node, top):
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


def _doubt_shared(found: Arrangement, where: str, top: Branch, inside: Mapping[str, tuple[str, Branch]]) -> bool:
    """Doubt classes that hold the same folders; return whether they do."""
    shared = _shared((node.below for _, node in inside.values()), len(top.below))
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


def _holds_the_classes(path: str, node: Branch, top: Branch) -> bool:
    """Whether a folder of folders holds all the classes, and what lies beside it are samples, figures or the like.

    Told by its own name, by the others' names, or by how few images these hold.
    """
    others = [child.inside() for name, child in top.below.items() if name != path.partition("/")[0]]
    if _CONTAINER.fullmatch(path.rpartition("/")[2]) or 10 * sum(others) <= min(50, node.inside()):
        return True
    return all(_BESIDE.fullmatch(name) for name in top.below if name != path.partition("/")[0])


def _doubt_one_class(found: Arrangement, where: str, top: Branch) -> None:
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
