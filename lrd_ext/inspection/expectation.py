# SPDX-License-Identifier: Apache-2.0
"""What a noisy file would hold without noise, given the clean one."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lrd_ext.cfa import tiled
from lrd_ext.params import NoiseParams

if TYPE_CHECKING:
    from lrd_ext.raw import Raw


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What `lrd synth` wrote into a file's ImageDescription: enough to make it again."""

    camera: str
    iso: float
    ratio: float
    seed: int
    source_sha256: str
    params: NoiseParams


def read_recipe(raw: Raw) -> Recipe | None:
    """Return the recipe a file carries, None where its description is something else."""
    try:
        fields = json.loads(raw.description or "")
        recipe = Recipe(
            camera=str(fields["camera"]),
            iso=float(fields["iso"]),
            ratio=float(fields["ratio"]),
            seed=int(fields["seed"]),
            source_sha256=str(fields["source_sha256"]),
            params=NoiseParams.from_dict(fields["params"]),
        )
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ):  # another program's text
        return None
    return recipe if len(recipe.params) == 1 and 0 < recipe.ratio < math.inf else None


def find_ratio(clean: Raw, noisy: Raw, ratio: float | None = None) -> tuple[float, str]:
    """Find how many times less light the noisy file got.

    Args:
        clean: the well-exposed picture.
        noisy: the dark one.
        ratio: what the user says; goes before all else.

    Returns: the ratio, and where it is from, in words.

    Raises:
        ValueError: ``ratio`` is not finite and above 0, or it is not given and the files do not tell.
    """
    if ratio is not None:
        if not 0 < ratio < math.inf:
            raise ValueError(f"ratio must be finite and above 0, got {ratio:g}")
        return ratio, "as said"
    recipe = read_recipe(noisy)
    if recipe is not None:
        return recipe.ratio, "as written in the noisy file"
    known = (clean.iso, clean.exposure_s, noisy.iso, noisy.exposure_s)
    if any(value is None for value in known):
        raise ValueError(
            "ratio must be given (--ratio): the noisy file carries no recipe of lrd synth, and ISO and "
            "exposure time of both files are not known"
        )
    found = (clean.iso * clean.exposure_s) / (noisy.iso * noisy.exposure_s)  # type: ignore[operator]
    return found, "by ISO and exposure time of the files"


def expected_signal(clean: Raw, noisy: Raw, ratio: float) -> np.ndarray:
    """Bring the clean picture to the noisy file's exposure and range.

    Args:
        clean: the picture taken as noiseless.
        noisy: gives levels and range.
        ratio: how many times less light it got.

    Returns: (H, W) float32, DN above the noisy file's black, at least 0; NaN where the clean picture is at
        its white level, since its signal is not known there.

    Raises:
        ValueError: the two pictures differ in size or CFA phase.
    """
    if clean.mosaic.shape != noisy.mosaic.shape or clean.cfa != noisy.cfa:
        raise ValueError(
            f"the two files must show the same sensor area, got {_shape(clean)} and {_shape(noisy)}"
        )
    height, width = clean.mosaic.shape
    factor = (noisy.white - noisy.black) / ((clean.white - clean.black) * ratio)
    signal = (clean.mosaic - clean.black_frame) * by_site(factor.astype(np.float32), height, width)
    return np.where(clean.mosaic >= clean.white, np.float32(np.nan), np.maximum(signal, 0))


def by_site(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return (height, width): the value of each pixel's site, of (4,) values."""
    return tiled(values.reshape(2, 2), height, width)


def above_black(raw: Raw) -> np.ndarray:
    """Return the mosaic minus its black level, (H, W) float32, DN."""
    return raw.mosaic - raw.black_frame


def _shape(raw: Any) -> str:
    return f"{raw.mosaic.shape[1]} x {raw.mosaic.shape[0]} {raw.cfa}"
