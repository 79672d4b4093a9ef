# SPDX-License-Identifier: Apache-2.0
"""Which figures of a calibration are not to be trusted, and why."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lrd_ext.estimators.intervals import Estimate
from lrd_ext.read_models import profile_models, read_model

from .current_apart import dark_electrons, gain_fill, without_dark_current
from .results import FEW_DARKS, Calibration, IsoResult
from .sensor_profile import sensor_dict

#: Darks off black by more than this many deviations of read noise, which light of n electrons raises too, ...
FAR_OFF = 6.0
#: ... and this share of the range hold light or dark current, or black is another.
OFF_BLACK = 0.002
#: Read noise of one setting is known far better, from however few darks.
SCATTERED = 0.05
#: More dark current than this, as a share of the variance of read noise, leaves a rough figure.
MIXED = 0.25
#: Dark current below this share is not worth a word.
COUNTS = 0.02

_SCALES = tuple(model.figure for model in profile_models() if model.figure)


def half_width(e: Estimate) -> float:
    """Return half the width of an interval as a share of the figure."""
    return (e.high - e.low) / 2 / e.value if e.value > 0 else math.inf


def off_black(found: Calibration, r: IsoResult) -> str:
    """Say that the darks of an ISO lie far off the black level; "" where they do not."""
    if r.dark is None or r.read is None:
        return ""
    bias = float(np.mean([b.value for b in r.dark.bias]))  # sites may differ: what all share
    limit = max(FAR_OFF * r.read.gaussian.value, OFF_BLACK * found.sensor.range_dn)
    if abs(bias) <= limit:
        return ""
    cause = "light, dark current or another black level" if bias > 0 else "another black level"
    return f"darks lie {bias:+.0f} DN off the black level: {cause}"


def scattered(r: IsoResult) -> str:
    """Say that read noise of an ISO is known badly; "" where it is not, or is lost in the rounding."""
    if r.read is None or r.read.lost or (half := half_width(r.read.gaussian)) <= SCATTERED:
        return ""
    cause = "" if r.dark is None or r.dark.fit else ": the darks are not of one setting"
    return f"read noise is known to {half:.0%} only{cause}"


def mixed(found: Calibration, r: IsoResult, apart: IsoResult) -> str:
    """Say that read noise and bias of an ISO hold much dark current, or some that cannot be taken out.

    Args:
        found: the calibration.
        r: one ISO.
        apart: the same as ``without_dark_current`` gives it.
    """
    if r.dark is None or r.read is None or apart.dark is None or apart.read is None:
        return ""
    in_darks = f"dark current in darks of {r.dark.exposure_s:g} s"
    if dark_electrons(found.body, r) is None:
        twice = _counted_twice(found, r)
        by_rate = f"by its rate {twice:.3g} DN of bias, is not taken out: too uncertain"
        return f"{in_darks}, {by_rate}" if twice else ""
    share = 1 - (apart.read.gaussian.value / max(r.read.gaussian.value, 1e-30)) ** 2
    off = r.dark.bias[0].value - apart.dark.bias[0].value
    taken = f"{off:.3g} DN of bias and {share:.0%} of the variance of read noise"
    return f"{in_darks}, {taken}, was taken out: shoot most darks short" if share > MIXED else ""


def _counted_twice(found: Calibration, r: IsoResult) -> float:
    """Return what the rate makes of the darks of an ISO, DN; 0 where it is not written or adds little."""
    assert r.dark is not None
    assert r.read is not None
    K = r.transfer.K.value if r.transfer else gain_fill(found).get(r.iso, 0.0)
    rate = sensor_dict(found).get("dark_current", {}).get("rate", 0.0)
    level = K * rate * r.dark.exposure_s
    return level if K * level > COUNTS * r.read.gaussian.value**2 else 0.0


def raised_darks(found: Calibration) -> Iterator[str]:
    """Name darks of another exposure time that lie well above those the figures come from."""
    for r in found.measured:
        for g in found.darks if r.dark and r.read else ():
            assert r.dark is not None
            assert r.read is not None
            over = float(np.mean([a.value - b.value for a, b in zip(g.bias, r.dark.bias, strict=True)]))
            steady = any(len(current.levels) > 2 and not current.off_line for current in r.currents)
            if g.iso == r.iso and not steady and over > max(3 * r.read.gaussian.value, 3.0):
                times = (
                    f"darks of {g.exposure_s:g} s lie {over:.0f} DN above those of {r.dark.exposure_s:g} s"
                )
                yield f"ISO {r.iso:g}: {times}: dark current, or light."


def doubtful(
    found: Calibration, fill: Mapping[float, float], sensor: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the entries of a profile's ``doubtful``.

    Args:
        found: the calibration.
        fill: K of the ISOs that have none of their own.
        sensor: JSON values of the profile's ``sensor``.
    """
    made: list[dict[str, Any]] = []
    if not any(r.read for r in found.measured):
        reason = "no darks: from the intercept of the photon transfer; row, column and tails unknown"
        return [{"field": "sigma_gaussian", "reason": reason}]
    if "dark_current" in sensor and any(raised_darks(found)):
        reason = "darks of several exposure times do not lie on a line: light, or a temperature that changed"
        made.append({"field": "dark_current", "reason": reason})
    for r, apart in zip(found.measured, without_dark_current(found).measured, strict=True):
        if r.dark is None or r.read is None:
            continue
        at, n, read = [r.iso, r.iso], r.dark.statistics.frames, r.read
        if r.iso in fill:
            reason = "no flats at this ISO: K from the line through the others"
            made.append({"field": "K", "iso": at, "reason": reason})
        if r.transfer is not None and r.transfer.with_darks:
            reason = "from the darks and few levels of flats"
            made.append({"field": "K", "iso": at, "reason": reason})
        if n < FEW_DARKS:
            reason = f"only {n} darks; {FEW_DARKS} or more tell the shape"
            made.append({"field": "tukey_lambda", "iso": at, "reason": reason})
        fit = read.tukey_lambda
        std = read_model("tukey_lambda").std(fit.scale.value, fit.shape.value)
        if abs(math.log(std / read.gaussian.value)) > 0.015:
            reason = f"Tukey-lambda std {std:.4g} DN, measured {read.gaussian.value:.4g}: other tails"
            made.append({"field": "sigma_tukey_lambda", "iso": at, "reason": reason})
        if read.cut:
            reason = f"{read.cut:.0%} of the dark values are cut off: from the likelihood of cut values"
            for field in ("sigma_gaussian", "sigma_tukey_lambda", "bias"):
                made.append({"field": field, "iso": at, "reason": reason})
        for reason, fields in (
            (off_black(found, apart), (*_SCALES, "bias")),
            (scattered(r), _SCALES),
            (mixed(found, r, apart), (*_SCALES, "tukey_lambda", "bias")),
        ):
            made += [{"field": field, "iso": at, "reason": reason} for field in fields if reason]
        if read.lost:
            reason = f"less than {read.gaussian.high:.2g} DN: lost in the rounding"
            made.append({"field": "sigma_gaussian", "iso": at, "reason": reason})
    return made
