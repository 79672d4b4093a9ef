# SPDX-License-Identifier: Apache-2.0
"""What commands print with --json: one JSON value; errors and notes stay on standard error."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from typing import Any


def add_json(parser: Any) -> None:
    """Add the option to a command."""
    parser.add_argument("--json", action="store_true", help="print JSON in place of text")


def print_json(value: Any) -> None:
    """Print a value of dataclasses, arrays, tensors, paths and what JSON knows."""
    print(json.dumps(as_values(value), indent=1, allow_nan=False))


def as_values(value: Any) -> Any:
    """Return the value in what JSON knows; null for a number that is not known or without bound."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): as_values(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [as_values(inner) for inner in value]
    if dataclasses.is_dataclass(value):
        return {field.name: as_values(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "tolist"):
        return as_values(value.tolist())
    return os.fspath(value) if isinstance(value, os.PathLike) else value
