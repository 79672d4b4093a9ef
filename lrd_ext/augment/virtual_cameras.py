# SPDX-License-Identifier: Apache-2.0
"""Made-up cameras that fill ranges of noise figures, for denoisers of cameras nobody calibrated."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from lrd_ext.profiles import CameraProfile, profile_from_dict
from lrd_ext.profiles.draws import Word, parameter_words
from lrd_ext.profiles.records import header

#: ISO of a made-up camera at a gain of 1 DN/e-.
ISO_PER_GAIN = 1000.0
_BLACK, _WHITE, _BITS = 512, 16383, 14

Range = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class LawRange:
    """Ranges of a law ln(sigma) = slope * ln(K) + intercept + N(0, spread), sigma in DN, K in DN/e-."""

    slope: Range
    intercept: Range
    spread: Range


@dataclasses.dataclass(frozen=True)
class CameraRanges:
    """What made-up cameras may be like, in DN of a raw range of 15871 DN; defaults are those of LED.

    Args:
        gain: K over the ISO range, DN/e-.
        gaussian: scale of Gaussian read noise.
        tukey_lambda: scale of Tukey-lambda read noise; ``shape`` its λ.
        row: row noise.
        bias: black-level error of a site, DN.

    Source: Jin et al., ICCV 2023 (LED, virtual cameras), options of the released code.
    """

    gain: Range = (0.1, 30.0)
    gaussian: LawRange = LawRange((0.541, 0.677), (0.799, 2.080), (0.214, 0.268))
    tukey_lambda: LawRange = LawRange((0.462, 0.656), (-0.090, 1.537), (0.239, 0.389))
    shape: Range = (-0.243, 0.2)
    row: LawRange = LawRange((0.448, 0.729), (-1.798, -0.592), (0.232, 0.294))
    bias: Range = (-1.91, 4.08)


def virtual_cameras(
    count: int, *, seed: int, ranges: CameraRanges | None = None, read: str = "tukey_lambda"
) -> list[CameraProfile]:
    """Make cameras that cover ranges evenly: of each figure's range every ``count``-th part is one camera's.

    Their ISO is 1000 K, so that ``iso=(100, 30000)`` draws gains log-uniformly over LED's range.

    Args:
        count: how many; each fills a smaller part of the ranges, the more there are.
        seed: any int, bits taken mod 2^64; another one gives other cameras.
        ranges: what they may be like; default, those of LED.
        read: their read-noise model, "tukey_lambda" or "gaussian".

    Returns: profiles, for :class:`LowLightNoise` to choose from.

    Raises:
        ValueError: count is below 1, a range is not (low, high), or a figure is not one a profile may have.

    Source: Jin et al., ICCV 2023 (LED); one part for each is a Latin hypercube (McKay et al., 1979).
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    ranges = ranges or CameraRanges()
    spans = list(_spans(ranges))
    for low, high in (ranges.gain, *spans):
        if not low <= high:
            raise ValueError(f"ranges must be (low, high) with low <= high, got ({low:g}, {high:g})")
    figures = [
        low + place * (high - low)
        for (low, high), place in zip(spans, _places(count, seed, len(spans)), strict=True)
    ]
    return [_camera(i, [float(f[i]) for f in figures], ranges.gain, seed, read) for i in range(count)]


def _spans(ranges: CameraRanges) -> list[Range]:
    laws = [dataclasses.astuple(law) for law in (ranges.gaussian, ranges.tukey_lambda, ranges.row)]
    return [*(span for law in laws for span in law), ranges.shape, *([ranges.bias] * 4)]


def _places(count: int, seed: int, figures: int) -> np.ndarray:
    """Return places in [0, 1] of each figure and camera, (figures, count): one in every count-th part."""
    first = Word.VIRTUAL_CAMERA // 4
    words = parameter_words(seed, np.arange(max(count, 2)), range(first, first + (2 * figures + 3) // 4))[
        :count
    ]
    parts = words[:, :figures].argsort(0, kind="stable").argsort(0)
    inside = (words[:, figures : 2 * figures] + 0.5) * 2.0**-32
    return ((parts + inside) / count).T


def _camera(i: int, figures: list[float], gain: Range, seed: int, read: str) -> CameraProfile:
    laws = ("sigma_gaussian", "sigma_tukey_lambda", "sigma_row")
    parts: list[dict[str, Any]] = [
        dict(zip(("slope", "intercept", "spread"), figures[3 * k : 3 * k + 3], strict=True)) for k in range(3)
    ]
    isos = [ISO_PER_GAIN * gain[0], ISO_PER_GAIN * gain[1]]
    branch = {
        "name": "all",
        "iso": isos,
        "K": {"per_iso": 1 / ISO_PER_GAIN},
        "laws": dict(zip(laws, parts, strict=True)),
        "tukey_lambda": [figures[9]],
    }
    camera = {
        "name": f"virtual_{i}_of_seed_{seed}",
        "make": "lrd_ext",
        "model": f"virtual camera {i}",
        "licence": "Apache-2.0",
        "sources": [{"title": "made up within ranges", "paper": "Jin et al., ICCV 2023 (LED)"}],
        "bits": _BITS,
        "black": _BLACK,
        "white": _WHITE,
        "cfa": "RGGB",
        "read": read,
        "branches": [branch],
        "bias": [{"iso": isos[0], "dn": figures[10:14]}],
    }
    return profile_from_dict(header() | camera)
