"""Well-known architectures: one file each, functions that return sentences."""

from __future__ import annotations

from striate.nets.zoo.registry import ZOO, Architecture, is_timm, resolve

__all__ = ["ZOO", "Architecture", "is_timm", "resolve"]
