"""GoogLeNet (Szegedy et al. 2014), as torchvision trains it: batch normalisation, and 3×3 where the paper has 5×5."""

from __future__ import annotations

import re


def unit(filters: int, window: str) -> str:
    """Return a convolution with batch normalisation and ReLU."""
    return f"conv({filters}, {window}, bias=false) bn(eps=0.001) relu"


def inception(name: str, a: int, b: tuple[int, int], c: tuple[int, int], d: int) -> str:
    """Return four views of the same input, joined: 1×1, 3×3, another 3×3, and a pool."""
    wide = [f"{unit(narrow, '1')} {unit(filters, '3, pad=1')}" for narrow, filters in (b, c)]
    return f"inception{name}: concat({unit(a, '1')} | {wide[0]} | {wide[1]} | maxpool(3, 1, pad=1) {unit(d, '1')})"


def googlenet(classes: int = 1000, aux: bool = False) -> str:
    """Return GoogLeNet; 224×224 images. With `aux`, two heads half-way help training (weight 0.3)."""
    head = f"aux(avgpool(5, 3) {unit(128, '1')} fc(1024) relu dropout(0.7) fc({classes}))"
    heads = [f"aux{i}: {head}" if aux else "" for i in (1, 2)]
    return f"""
        conv1: [{unit(64, "7, stride=2, pad=3")}] maxpool(3, 2, ceil=true)
        conv2: [{unit(64, "1")}]
        conv3: [{unit(192, "3, pad=1")}] maxpool(3, 2, ceil=true)
        {inception("3a", 64, (96, 128), (16, 32), 32)}
        {inception("3b", 128, (128, 192), (32, 96), 64)} maxpool(3, 2, ceil=true)
        {inception("4a", 192, (96, 208), (16, 48), 64)} {heads[0]}
        {inception("4b", 160, (112, 224), (24, 64), 64)}
        {inception("4c", 128, (128, 256), (24, 64), 64)}
        {inception("4d", 112, (144, 288), (32, 64), 64)} {heads[1]}
        {inception("4e", 256, (160, 320), (32, 128), 128)} maxpool(2, ceil=true)
        {inception("5a", 256, (160, 320), (32, 128), 128)}
        {inception("5b", 384, (192, 384), (48, 128), 128)}
        globalavg dropout(0.2) fc: fc({classes})
    """


def published_key(name: str) -> str:
    """Return torchvision's name for a parameter, such as "inception3a.branch2.1.bn.weight"."""
    path, _, kind = name.rpartition(".")
    if found := re.fullmatch(r"(inception\w+)\.branch(\d)\.(\d)", path):
        block, branch, item = found[1], int(found[2]), int(found[3])
        first = item - (branch == 3)  # the pool stands before the last branch's convolution
        number = {0: "", 3: ".1"}.get(branch, f".{first // 3}")
        return f"{block}.branch{branch + 1}{number}.{('conv', 'bn')[first % 3]}.{kind}"
    if found := re.fullmatch(r"(aux\d)\.(\d)", path):
        return f"{found[1]}.{ {1: 'conv.conv', 2: 'conv.bn', 4: 'fc1', 7: 'fc2'}[int(found[2])] }.{kind}"
    if found := re.fullmatch(r"(conv\d)\.(\d)", path):
        return f"{found[1]}.{('conv', 'bn')[int(found[2])]}.{kind}"
    return name
