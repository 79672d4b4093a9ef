# SPDX-License-Identifier: Apache-2.0
"""Configurations of trainings: a preset, and a YAML file over it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

from lrd_ext.training.configuration import PRESETS, Adversarial, Configuration, ImageDomain

_PARTS: dict[str, type] = {"adversarial": Adversarial, "image_domain": ImageDomain}


def read_configuration(preset: str, path: str | os.PathLike[str] | None = None) -> Configuration:
    """Read a preset and what a YAML file changes of it.

    Raises:
        ValueError: an unknown preset or key, or a value that is not accepted; the text names it.
        OSError: the file cannot be read.
    """
    known = sorted(p.stem for p in PRESETS.glob("*.yaml"))
    if preset not in known:
        raise ValueError(f"--preset must be one of {', '.join(known)}, got {preset!r}")
    told = _load(PRESETS / f"{preset}.yaml")
    if path is None:
        return _configuration(told, f"--preset {preset}")
    return _configuration(_merged(told, _load(Path(path))), f"--config {path}")


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


def _configuration(told: dict[str, Any], what: str) -> Configuration:
    from jsonargparse import ArgumentError, ArgumentParser

    _check_keys(told, Configuration, what)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Configuration, "training")
    try:
        read = parser.parse_object({"training": told}).training.as_dict()
        for key, kind in _PARTS.items():
            read[key] = kind(**read[key]) if read[key] is not None else None
        return Configuration(**read)
    except (ArgumentError, TypeError, ValueError) as error:
        raise ValueError(f"{what}: {' '.join(str(error).split())}") from error


def _check_keys(told: dict[str, Any], kind: type, what: str, where: str = "") -> None:
    """Name an unknown key in plain words, with those there are."""
    known = [field.name for field in dataclasses.fields(kind)]
    for key, value in told.items():
        if key not in known:
            raise ValueError(f"{what}: unknown key {where}{key}; known are {', '.join(known)}")
        if key in _PARTS and isinstance(value, dict):
            _check_keys(value, _PARTS[key], what, f"{where}{key}.")
