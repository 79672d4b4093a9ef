# SPDX-License-Identifier: Apache-2.0
"""Configurations of trainings: a preset, and a YAML file over it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any, TypeVar

from lrd_ext.training.configuration import (
    PRESETS,
    Adversarial,
    Configuration,
    DenoiserConfiguration,
    ImageDomain,
    Machine,
)

_PARTS: dict[str, type] = {"adversarial": Adversarial, "image_domain": ImageDomain}
_FOLDERS: dict[type, str] = {Configuration: "generator", DenoiserConfiguration: "denoiser"}
C = TypeVar("C", bound=Machine)


def read_configuration(kind: type[C], preset: str, path: str | os.PathLike[str] | None = None) -> C:
    """Read a preset and what a YAML file changes of it.

    Args:
        kind: what is configured: :class:`Configuration` of a generator, or that of a denoiser.
        preset: name of a file that ships.
        path: of the YAML file.

    Raises:
        ValueError: an unknown preset or key, or a value that is not accepted; the text names it.
        OSError: the file cannot be read.
    """
    folder = PRESETS / _FOLDERS[kind]
    known = sorted(p.stem for p in folder.glob("*.yaml"))
    if preset not in known:
        raise ValueError(f"--preset must be one of {', '.join(known)}, got {preset!r}")
    told = _load(folder / f"{preset}.yaml")
    if path is None:
        return _configuration(kind, told, f"--preset {preset}")
    return _configuration(kind, _merged(told, _load(Path(path))), f"--config {path}")


def _load(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"--config {path}: is no YAML: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"--config {path}: must hold keys and values, got {content!r}")
    return content


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(under[key], over[key])
        for key in under.keys() & over.keys()
        if isinstance(under[key], dict) and isinstance(over[key], dict)
    }
    return under | over | both


def _configuration(kind: type[C], told: dict[str, Any], what: str) -> C:
    from jsonargparse import ArgumentError, ArgumentParser

    _check_keys(told, kind, what)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, "training")
    try:
        read = parser.parse_object({"training": told}).training.as_dict()
        for key in _PARTS.keys() & read.keys():
            read[key] = _PARTS[key](**read[key]) if read[key] is not None else None
        return kind(**read)
    except (ArgumentError, TypeError, ValueError) as error:
        raise ValueError(f"{what}: {' '.join(str(error).split())}") from error


def _check_keys(told: dict[str, Any], kind: type, what: str, where: str = "") -> None:
    """Name an unknown key in plain words, with those there are."""
    names = [field.name for field in dataclasses.fields(kind)]
    known = sorted(names, key=lambda name: name not in kind.__annotations__)  # what it inherits comes last
    for key, value in told.items():
        if key not in known:
            raise ValueError(f"{what}: unknown key {where}{key}; known are {', '.join(known)}")
        if key in _PARTS and isinstance(value, dict):
            _check_keys(value, _PARTS[key], what, f"{where}{key}.")
