# SPDX-License-Identifier: Apache-2.0
"""The DNG tag NoiseProfile (51041): pairs (S, O) per colour plane, variance = S*x + O with x in [0, 1].

Source: Adobe, Digital Negative Specification 1.6, tag NoiseProfile (noise there is the root of S*x + O).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lrd_ext.cfa import MONO, PATTERNS, check_cfa, tiled
from lrd_ext.params import NoiseParams
from lrd_ext.read_models import read_model
from lrd_ext.reference.targets import sensor_variance

from .camera_profile import CameraProfile, profile_from_dict
from .checks import number
from .records import header


def to_noise_profile(params: NoiseParams, cfa: str = "RGGB", *, step: float | None = None) -> np.ndarray:
    """Give the pairs (S, O) that describe these noise parameters in a DNG.

    S = K/(white-black), O = (read + row + column variance + step^2/12)/(white-black)^2: a DNG describes the
    noise of the values it stores, so the variance of their rounding is counted; bias is an offset, not noise,
    and is not. O holds too what a sensor adds without light: fixed offsets, drift, sinusoids, dark current.
    Photo response grows with the square of the signal and has no place in the tag; hot pixels are too few to
    be a noise level.

    Args:
        params: batch of 1. Its range is the file's range; ``ratio`` plays no part, the file is not amplified.
        cfa: pattern of params' sites. Black levels are averaged over the pixels of a colour.
        step: what the values are rounded to, DN; None for the step of ``params``.

    Returns: (3, 2) float64, rows R, G, B; (1, 2) for "MONO".

    Raises:
        ValueError: params hold more than one sample, or cfa is not a known phase.
    """
    if len(params) != 1:
        raise ValueError(
            f"to_noise_profile: params must hold one sample, got {len(params)}. Take params.select(i)"
        )
    check_cfa(cfa, what="to_noise_profile: cfa")
    cell = PATTERNS[cfa].cell
    black, colours = (
        tiled(params.black[0].double().numpy().reshape(2, 2), cell, cell),
        PATTERNS[cfa].letters(cell, cell),
    )
    planes = "Y" if cfa == MONO else "RGB"
    ranges = params.white.item() - np.array([black[colours == colour].mean() for colour in planes])
    gain = params.K.item() if params.shot else 0.0
    rounding = (params.step.item() if step is None else step) ** 2 / 12
    return np.stack([gain / ranges, (_variance(params) + rounding) / ranges**2], axis=1)


def _variance(params: NoiseParams) -> float:
    """Variance without light and without rounding, DN^2."""
    read = read_model(params.read).std(params.sigma_read.item(), params.tukey_lambda.item())
    own = read**2 + params.sigma_row.item() ** 2 + params.sigma_col.item() ** 2
    return own + (sensor_variance(params, rounded=False).item() if params.has_sensor else 0.0)


def from_noise_profile(
    pairs: Sequence[Sequence[float]] | np.ndarray,
    *,
    iso: float,
    black: float | Sequence[float],
    white: float,
    cfa: str = "RGGB",
    bits: int = 16,
    name: str = "noise_profile",
    make: str = "unknown",
    model: str = "unknown",
    source: str = "NoiseProfile tag of a DNG",
    licence: str = "unknown",
) -> CameraProfile:
    """Make a profile of one ISO from a DNG's NoiseProfile: Poisson shot noise and Gaussian read noise.

    K = S*(white-black) and sigma_gaussian = sqrt(O)*(white-black). The model has one gain and one read noise
    for all sites: with three pairs S and O are averaged over R, G, G, B, with four over the four; where they
    differ, a note keeps the figures of each plane.

    Args:
        pairs: (1, 2), (3, 2) or (4, 2), (S, O) per colour plane; S > 0, O >= 0.
        iso: ISO speed of the file.
        black: black level, a number or four per CFA site of ``cfa``, DN.
        white: white level, DN.
        cfa: CFA phase of the raw values.
        bits: bit depth of the raw values.
        name: name of the profile.
        make: maker of the camera.
        model: model of the camera.
        source: where the pairs are from.
        licence: under which licence.

    Raises:
        ValueError: pairs have another shape or a value out of range; ProfileError for a bad level or ISO.
    """
    values = np.asarray(pairs, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != 2 or len(values) not in (1, 3, 4):
        raise ValueError(
            f"from_noise_profile: pairs must be (1, 2), (3, 2) or (4, 2), got shape {values.shape}"
        )
    if not np.isfinite(values).all() or (values[:, 0] <= 0).any() or (values[:, 1] < 0).any():
        raise ValueError(
            f"from_noise_profile: pairs must be finite with S > 0 and O >= 0, got {values.tolist()}"
        )
    shot, offset = np.average(values, axis=0, weights=(1, 2, 1) if len(values) == 3 else None)
    number(float(np.max(black)), 1e7, above=True).at(white, "white")
    range_dn = float(white) - float(np.mean(black))
    data: dict[str, Any] = {
        **header(), "name": name, "make": make, "model": model,
        "licence": licence, "sources": [{"title": source}], "bits": bits, "white": white, "cfa": cfa,
        "black": black if isinstance(black, (int, float)) else [float(v) for v in black], "read": "gaussian",
        "rows": [{"iso": iso, "K": float(shot) * range_dn, "sigma_gaussian": math.sqrt(offset) * range_dn}],
        "branches": [{"name": "single", "iso": [iso, iso]}], "notes": _notes(values, range_dn),
    }  # fmt: skip
    return profile_from_dict(data)


def _notes(pairs: np.ndarray, range_dn: float) -> list[str]:
    """Keep what averaging over the planes takes away."""
    if (np.ptp(pairs, axis=0) <= 1e-6 * pairs.max(axis=0)).all():
        return []
    planes = (f"{s * range_dn:.6g} and {math.sqrt(o) * range_dn:.6g}" for s, o in pairs)
    return [f"The planes differ and are averaged; K [DN/e-] and sigma [DN] by plane: {'; '.join(planes)}."]
