# SPDX-License-Identifier: Apache-2.0
"""Generators as safetensors files: weights as tensors, configuration as JSON in the metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .lite import LiteGenerator

KIND = "lrd_ext.LiteGenerator"
VERSION = 1  # of the meaning of configuration and weights


def save(generator: LiteGenerator, path: str | os.PathLike[str]) -> None:
    """Write a generator; see :meth:`LiteGenerator.save`."""
    from safetensors.torch import save as to_bytes

    from ..outputs import check_target, replacing

    tensors = {
        name: value.detach().cpu().to(torch.float32).contiguous()
        for name, value in generator.state_dict().items()
    }
    _check_finite("LiteGenerator.save", tensors)
    target = check_target(path, "LiteGenerator.save: path")
    configuration = json.dumps(generator.configuration())
    metadata = {"kind": KIND, "version": str(VERSION), "configuration": configuration}
    with replacing(target) as file:
        file.write(to_bytes(tensors, metadata))


def load(kind: type[LiteGenerator], path: str | os.PathLike[str]) -> LiteGenerator:
    """Read a generator; see :meth:`LiteGenerator.load`."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"LiteGenerator.load: path must be a file, got {path}")
    tensors, metadata = _read(path)
    if metadata.get("kind") != KIND:
        raise ValueError(
            f"LiteGenerator.load: {path} holds no generator: its metadata must say kind {KIND}, "
            f"got {metadata.get('kind')!r}"
        )
    if metadata.get("version") != str(VERSION):
        raise ValueError(
            f"LiteGenerator.load: {path} must be of version {VERSION}, got {metadata.get('version')!r}; "
            "another release of lrd_ext wrote it"
        )
    generator = _construct(kind, metadata, path)
    _check_shapes(generator.state_dict(), tensors, path)
    _check_finite(f"LiteGenerator.load: {path}", tensors)
    generator.load_state_dict(tensors)
    return generator


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(os.fspath(path), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"LiteGenerator.load: {path} is no whole safetensors file: {error}") from error


def _construct(
    kind: type[LiteGenerator], metadata: Mapping[str, str], path: str | os.PathLike[str]
) -> LiteGenerator:
    try:
        configuration: dict[str, Any] = json.loads(metadata["configuration"])
        return kind(configuration.pop("widths"), **configuration)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"LiteGenerator.load: {path} has no valid configuration: {error}") from error


def _check_shapes(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor], path: str | os.PathLike[str]
) -> None:
    wanted = {name: (tuple(t.shape), t.dtype) for name, t in expected.items()}
    given = {name: (tuple(t.shape), t.dtype) for name, t in found.items()}
    if wanted != given:
        wrong = sorted(n for n in wanted.keys() | given.keys() if wanted.get(n) != given.get(n))
        raise ValueError(
            f"LiteGenerator.load: {path} does not hold the weights its configuration asks for: "
            f"{wrong[0]} must be {wanted.get(wrong[0])}, got {given.get(wrong[0])}"
        )


def _check_finite(where: str, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{where}: weights must be finite, got NaN or infinity in {name}")
