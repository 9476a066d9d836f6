"""What people call the layers of a net that was tapped for features: by their places in the net without taps."""

from __future__ import annotations

from collections.abc import Sequence

from striate.nets.structure import Chain, Concat, HasChain, Item
from striate.nets.windows import Globalavg


def is_tap(item: Item) -> bool:
    """Whether an item is where a net was tapped: beside all that follows it hands on its channel means."""
    match item:
        case Concat((Chain((Globalavg(), *_)), _)):
            return True
    return False


def names_without_taps(net: HasChain, paths: Sequence[str]) -> dict[str, str]:
    """Return {path: what people call it} of layers: those behind taps by their places in the net before it had any.

    >>> from striate.nets import parse
    >>> from striate.nets.surgery import with_taps
    >>> net = with_taps(parse("conv(8, 3) relu conv(8, 3) relu last: [conv(8, 3) relu] fc(10)"), (3, 16, 16))
    >>> list(names_without_taps(net, ["0", "2.branch1.1", "2.branch1.2.branch1.last.0", "2.branch1.2.join"]).values())
    ['0', '3', 'last.0', 'tap2.join']
    """
    taps, items = list[int](), net.chain.items
    while tap := next((i for i, item in enumerate(items) if is_tap(item)), None):
        taps.append(tap)
        items = items[tap].branches[1].items  # pyright: ignore[reportAttributeAccessIssue]
    named = {path: _name_without_taps(path, taps, len(items)) for path in paths} if taps else {}
    return named if len(set(named.values())) == len(paths) else {path: path for path in paths}


def _name_without_taps(path: str, taps: Sequence[int], inmost: int) -> str:
    depth = 0
    while depth < len(taps) and path.startswith(f"{taps[depth]}.branch1."):
        path = path.removeprefix(f"{taps[depth]}.branch1.")
        depth += 1
    place, dot, rest = path.partition(".")
    if not place.isdecimal():
        return path
    if depth < len(taps) and int(place) == taps[depth]:
        return f"tap{depth + 1}.{rest.removeprefix('branch0.')}"
    behind = sum(taps[1:]) + inmost - 1 if not depth and int(place) > taps[0] else 0
    return f"{int(place) + sum(taps[:depth]) + behind}{dot}{rest}"
