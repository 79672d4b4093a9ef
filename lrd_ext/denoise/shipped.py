# SPDX-License-Identifier: Apache-2.0
"""The denoiser that ships with the package, and files of the user."""

from __future__ import annotations

import os
from pathlib import Path

from lrd_ext.net_files import load, names_in, shipped_or_own

from .denoiser import Denoiser
from .nafnet import NAFNet
from .unet import UNet

_LIBRARY = Path(__file__).parent / "library"


def list_denoisers() -> list[str]:
    """Return the names :func:`load_denoiser` knows, sorted."""
    return names_in(_LIBRARY)


def load_denoiser(name_or_path: str | os.PathLike[str]) -> Denoiser:
    """Load a denoiser that ships by its name, or a file by its path; its ``card`` says what it can do.

    Args:
        name_or_path: a name of :func:`list_denoisers`, or a path. A string is a path when it ends in
            ".safetensors", holds a path separator, or is no such name and a file of that name exists.

    Raises:
        TypeError: it is no string or path.
        FileNotFoundError: there is no such file.
        ValueError: no denoiser has that name (the nearest are given), or the file holds none.
    """
    path = shipped_or_own(name_or_path, _LIBRARY, "load_denoiser", "denoiser")
    return load(path, UNet, NAFNet)
