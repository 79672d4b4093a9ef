# SPDX-License-Identifier: Apache-2.0
"""Nets as safetensors files: weights as tensors, configuration and model card as JSON in the metadata."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from .outputs import check_target, replacing
from .plain_text import cause

VERSION = 1  # of the meaning of configuration and weights


class Net(Protocol):
    """A torch module that can be kept in a file; its class is made from what ``configuration`` gives."""

    #: What messages call it: "generator" or "denoiser".
    WHAT: str
    MAX_FILE_BYTES: int
    card: dict[str, Any]

    def configuration(self) -> dict[str, Any]:
        """Return the constructor's arguments."""

    def state_dict(self) -> dict[str, Any]:
        """Return the weights by name."""

    def load_state_dict(self, weights: Mapping[str, Any]) -> Any:
        """Take over weights."""


N = TypeVar("N", bound=Net)


def save(net: Net, path: str | os.PathLike[str]) -> None:
    """Write a net, whole or not at all.

    Raises:
        ValueError: a weight is not finite, or the path cannot be a file.
    """
    from safetensors.torch import save as to_bytes

    tensors = {
        name: value.detach().cpu().to(torch.float32).contiguous() for name, value in net.state_dict().items()
    }
    name = type(net).__name__
    _check_finite(f"{name}.save", tensors)
    target = check_target(path, f"{name}.save: path")
    configuration = json.dumps(net.configuration())
    metadata = {"kind": f"lrd_ext.{name}", "version": str(VERSION), "configuration": configuration}
    if net.card:
        metadata["card"] = json.dumps(net.card)
    with replacing(target) as file:
        file.write(_in_order(to_bytes(tensors, metadata)))


def load(path: str | os.PathLike[str], *kinds: type[N]) -> N:
    """Read a net of one of several classes, on the CPU.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged or holds something else.
    """
    named = {f"lrd_ext.{kind.__name__}": kind for kind in kinds}
    op = f"{kinds[0].__name__ if len(kinds) == 1 else kinds[0].WHAT}.load"
    tensors, metadata = _read(op, path, kinds)
    found = metadata.get("kind")
    if found not in named:
        raise ValueError(
            f"{op}: {path} holds no {kinds[0].WHAT}: its metadata must say kind {' or '.join(named)}, "
            f"got {_shortened(repr(found))}"
        )
    if metadata.get("version") != str(VERSION):
        raise ValueError(
            f"{op}: {path} must be of version {VERSION}, got "
            f"{_shortened(repr(metadata.get('version')))}; another release of lrd_ext wrote it"
        )
    with torch.device("meta"):  # without memory: a small file may ask for weights of gigabytes
        _check_shapes(op, _construct(op, named[found], metadata, path).state_dict(), tensors, path)
    _check_finite(f"{op}: {path}", tensors)
    net = _construct(op, named[found], metadata, path)
    net.load_state_dict(tensors)
    net.card = _card(op, metadata, path)
    return net


def names_in(library: Path) -> list[str]:
    """Return the names of the nets that ship in a folder, sorted."""
    return sorted(path.stem for path in library.glob("*.safetensors"))


def shipped_or_own(name_or_path: str | os.PathLike[str], library: Path, op: str, what: str) -> Path:
    """Find a net that ships by its name, or a file by its path.

    Args:
        name_or_path: a name of :func:`names_in`, or a path. A string is a path when it ends in
            ".safetensors", holds a path separator, or is no such name and a file of that name exists.
        library: the folder of those that ship.
        op: how errors begin.
        what: the kind of net, in words.

    Raises:
        TypeError: it is no string or path.
        ValueError: no net has that name (the nearest are given).
    """
    if not isinstance(name_or_path, (str, os.PathLike)):
        raise TypeError(f"{op}: name_or_path must be a name or a path, got {name_or_path!r}")
    text, known = os.fspath(name_or_path), names_in(library)
    named = isinstance(name_or_path, str) and not text.endswith(".safetensors") and os.sep not in text
    if named and text in known:
        return library / f"{text}.safetensors"
    if not named or (text and Path(text).is_file()):
        return Path(text)
    near = difflib.get_close_matches(text.lower().replace("-", "_"), known, 3, 0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known)}"
    raise ValueError(f"{op}: no {what} or file named {text!r}; {hint}")


def _in_order(data: bytes) -> bytes:
    """Sort the header of a safetensors file, which comes in another order each time: same net, same bytes."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin on whole words
    return len(text).to_bytes(8, "little") + text + data[end:]


def _card(op: str, metadata: Mapping[str, str], path: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        card = json.loads(metadata.get("card", "{}"))
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{op}: {path} has no valid model card: {_shortened(cause(error))}") from error
    if not isinstance(card, dict):
        raise ValueError(f"{op}: {path} has no valid model card: {_shortened(repr(card))}")
    return card


def _read(
    op: str, path: str | os.PathLike[str], kinds: tuple[type[N], ...]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors.torch import load as from_bytes

    file, most = Path(path), max(kind.MAX_FILE_BYTES for kind in kinds)
    if not file.is_file():
        raise FileNotFoundError(f"{op}: path must be a file, got {path}")
    if file.stat().st_size > most:
        raise ValueError(
            f"{op}: {path} holds no {kinds[0].WHAT}: it must have at most {most} bytes, got "
            f"{file.stat().st_size}"
        )
    data = file.read_bytes()
    try:
        tensors = from_bytes(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        return tensors, header.get("__metadata__") or {}
    except Exception as error:  # whatever the parts of the reader raise for a damaged file
        raise ValueError(f"{op}: {path} is no whole safetensors file: {error}") from error


def _construct(op: str, kind: type[N], metadata: Mapping[str, str], path: str | os.PathLike[str]) -> N:
    try:
        configuration: dict[str, Any] = json.loads(metadata["configuration"])
        return kind(**configuration)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(
            f"{op}: {path} has no valid configuration: {_shortened(cause(error), 200)}"
        ) from error


def _check_shapes(
    op: str, expected: Mapping[str, Tensor], found: Mapping[str, Tensor], path: str | os.PathLike[str]
) -> None:
    wanted = {name: (tuple(t.shape), t.dtype) for name, t in expected.items()}
    given = {name: (tuple(t.shape), t.dtype) for name, t in found.items()}
    if wanted != given:
        wrong = sorted(n for n in wanted.keys() | given.keys() if wanted.get(n) != given.get(n))
        raise ValueError(
            f"{op}: {path} does not hold the weights its configuration asks for: "
            f"{_shortened(wrong[0])} must be {wanted.get(wrong[0])}, "
            f"got {_shortened(str(given.get(wrong[0])))}"
        )


def _check_finite(where: str, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{where}: weights must be finite, got NaN or infinity in {name}")


def _shortened(text: str, most: int = 80) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
