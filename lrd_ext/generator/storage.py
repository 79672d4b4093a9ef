# SPDX-License-Identifier: Apache-2.0
"""Generators as safetensors files: weights as tensors, configuration as JSON in the metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from lrd_ext.plain_text import cause

if TYPE_CHECKING:
    from .lite import LiteGenerator
    from .unet import UNetGenerator

VERSION = 1  # of the meaning of configuration and weights
G = TypeVar("G", "LiteGenerator", "UNetGenerator")


def save(generator: LiteGenerator | UNetGenerator, path: str | os.PathLike[str]) -> None:
    """Write a generator; see :meth:`LiteGenerator.save`."""
    from safetensors.torch import save as to_bytes

    from ..outputs import check_target, replacing

    tensors = {
        name: value.detach().cpu().to(torch.float32).contiguous()
        for name, value in generator.state_dict().items()
    }
    name = type(generator).__name__
    _check_finite(f"{name}.save", tensors)
    target = check_target(path, f"{name}.save: path")
    configuration = json.dumps(generator.configuration())
    metadata = {"kind": f"lrd_ext.{name}", "version": str(VERSION), "configuration": configuration}
    if generator.card:
        metadata["card"] = json.dumps(generator.card)
    with replacing(target) as file:
        file.write(to_bytes(tensors, metadata))


def load(kind: type[G], path: str | os.PathLike[str]) -> G:
    """Read a generator; see :meth:`LiteGenerator.load`."""
    named = f"lrd_ext.{kind.__name__}"
    tensors, metadata = _read(kind, path)
    if metadata.get("kind") != named:
        raise ValueError(
            f"{kind.__name__}.load: {path} holds no generator: its metadata must say kind {named}, "
            f"got {_shortened(repr(metadata.get('kind')))}"
        )
    if metadata.get("version") != str(VERSION):
        raise ValueError(
            f"{kind.__name__}.load: {path} must be of version {VERSION}, got "
            f"{_shortened(repr(metadata.get('version')))}; another release of lrd_ext wrote it"
        )
    generator = _construct(kind, metadata, path)
    _check_shapes(kind, generator.state_dict(), tensors, path)
    _check_finite(f"{kind.__name__}.load: {path}", tensors)
    generator.load_state_dict(tensors)
    generator.card = _card(kind, metadata, path)
    return generator


def kind_in(path: str | os.PathLike[str]) -> str | None:
    """Return the class a file says its generator is of, None where it says none or cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as file:
            kind = (file.metadata() or {}).get("kind", "")
    except (OSError, SafetensorError):
        return None
    return str(kind).removeprefix("lrd_ext.") or None


def _card(kind: type[G], metadata: Mapping[str, str], path: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        card = json.loads(metadata.get("card", "{}"))
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{kind.__name__}.load: {path} has no valid model card: {_shortened(cause(error))}"
        ) from error
    if not isinstance(card, dict):
        raise ValueError(f"{kind.__name__}.load: {path} has no valid model card: {_shortened(repr(card))}")
    return card


def _read(kind: type[G], path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors.torch import load as from_bytes

    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"{kind.__name__}.load: path must be a file, got {path}")
    if file.stat().st_size > kind.MAX_FILE_BYTES:
        raise ValueError(
            f"{kind.__name__}.load: {path} holds no generator: it must have at most "
            f"{kind.MAX_FILE_BYTES} bytes, got {file.stat().st_size}"
        )
    data = file.read_bytes()
    try:
        tensors = from_bytes(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        return tensors, header.get("__metadata__") or {}
    except Exception as error:  # whatever the parts of the reader raise for a damaged file
        raise ValueError(f"{kind.__name__}.load: {path} is no whole safetensors file: {error}") from error


def _construct(kind: type[G], metadata: Mapping[str, str], path: str | os.PathLike[str]) -> G:
    try:
        configuration: dict[str, Any] = json.loads(metadata["configuration"])
        return kind(**configuration)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(
            f"{kind.__name__}.load: {path} has no valid configuration: {_shortened(cause(error), 200)}"
        ) from error


def _check_shapes(
    kind: type[G], expected: Mapping[str, Tensor], found: Mapping[str, Tensor], path: str | os.PathLike[str]
) -> None:
    wanted = {name: (tuple(t.shape), t.dtype) for name, t in expected.items()}
    given = {name: (tuple(t.shape), t.dtype) for name, t in found.items()}
    if wanted != given:
        wrong = sorted(n for n in wanted.keys() | given.keys() if wanted.get(n) != given.get(n))
        raise ValueError(
            f"{kind.__name__}.load: {path} does not hold the weights its configuration asks for: "
            f"{_shortened(wrong[0])} must be {wanted.get(wrong[0])}, "
            f"got {_shortened(str(given.get(wrong[0])))}"
        )


def _check_finite(where: str, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{where}: weights must be finite, got NaN or infinity in {name}")


def _shortened(text: str, most: int = 80) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
