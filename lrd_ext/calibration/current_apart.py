# SPDX-License-Identifier: Apache-2.0
"""Bias and read noise without the dark current of the darks, which a profile with its rate adds anew."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from lrd_ext.estimators.intervals import Estimate, root

from .results import Calibration, IsoResult, ReadNoise
from .sensor_noise import Body
from .sensor_profile import sensor_dict


def gain_fill(found: Calibration) -> dict[float, float]:
    """Return K of the ISOs that have none of their own, from the line through the others."""
    known = [(r.iso, r.transfer.K.value) for r in found.isos if r.transfer]
    if not known:
        return {}
    per_iso = math.exp(float(np.mean([math.log(K / iso) for iso, K in known])))
    return {r.iso: per_iso * r.iso for r in found.measured if r.transfer is None}


def dark_electrons(body: Body, r: IsoResult) -> Estimate | None:
    """Return the electrons of dark current in the darks of an ISO; None where nobody can tell.

    That is so at a temperature that tells no rate, and where darks of several times are off a line.

    Args:
        body: rate of dark current and what temperature does to it.
        r: one ISO.
    """
    if body.rate is None or r.dark is None or any(current.off_line for current in r.currents):
        return None
    own, reference, warmth = r.dark.temperature_c, body.reference_c, 1.0
    if own != reference:
        if own is None or reference is None or body.doubling_c is None:
            return None
        warmth = 2 ** ((own - reference) / body.doubling_c.value)
    return body.rate.scaled(r.dark.exposure_s * warmth)


def without_dark_current(found: Calibration) -> Calibration:
    """Take K n off the bias of every ISO and K^2 n off the variance of its read noise, n electrons.

    Only where the profile holds the rate, for it draws the current as electrons of its own. Shapes stay: they
    are those of both together.
    """
    if "dark_current" not in sensor_dict(found):
        return found
    fill = gain_fill(found)
    measured = tuple(_apart(r, dark_electrons(found.body, r), fill) for r in found.measured)
    by_iso = {r.iso: r for r in measured}
    return dataclasses.replace(found, measured=measured, isos=tuple(by_iso.get(r.iso, r) for r in found.isos))


def _apart(r: IsoResult, electrons: Estimate | None, fill: dict[float, float]) -> IsoResult:
    K = r.transfer.K.value if r.transfer else fill.get(r.iso)
    if r.dark is None or r.read is None or K is None or electrons is None:
        return r
    dark = electrons.scaled(K)
    bias = tuple(b.shifted(-dark.value).blurred(dark.error) for b in r.dark.bias)
    return dataclasses.replace(
        r, dark=dataclasses.replace(r.dark, bias=bias), read=_read_apart(r.read, dark.scaled(K))
    )


def _read_apart(read: ReadNoise, shot: Estimate) -> ReadNoise:
    """Return read noise without shot noise of this variance, DN^2, all scales by the same share."""
    share = shot.scaled(1 / max(read.gaussian.value, 1e-30) ** 2)
    fit = dataclasses.replace(read.tukey_lambda, scale=_less(read.tukey_lambda.scale, share))
    return dataclasses.replace(read, gaussian=_less(read.gaussian, share), tukey_lambda=fit)


def _less(scale: Estimate, share: Estimate) -> Estimate:
    """Return a scale less a share of its square."""
    value, low, high = (v**2 for v in (scale.value, scale.low, scale.high))
    square = Estimate(value, low, high).shifted(-share.value * value).blurred(share.error * value)
    left = root(square)
    # Frames scatter by as much in the square, so by more of what is left.
    spread = scale.spread * scale.value / left.value if left.value > 0 else 0.0
    return dataclasses.replace(left, spread=spread)
