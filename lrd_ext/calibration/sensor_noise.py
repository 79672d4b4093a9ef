# SPDX-License-Identifier: Apache-2.0
"""What a sensor adds beside read, row and column noise: fixed patterns, drift, dark current, hot pixels."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lrd_ext.estimators.dark_current import activation
from lrd_ext.estimators.fixed_lines import fixed_lines
from lrd_ext.estimators.hot_tail import HotTail
from lrd_ext.estimators.intervals import Estimate, root
from lrd_ext.estimators.level_drift import level_drift
from lrd_ext.estimators.line_colour import LineModel, autocorrelation

from .dark_series import DarkCurrent
from .hot_pixels import LIMIT

if TYPE_CHECKING:
    from .results import DarkGroup, IsoResult, ReadNoise


@dataclasses.dataclass(frozen=True)
class FixedNoise:
    """At one ISO, DN: offsets of pixels, rows, columns fixed in the body, and drift of a site's level."""

    dsnu: Estimate
    row: Estimate
    col: Estimate
    drift: Estimate


@dataclasses.dataclass(frozen=True)
class Body:
    """What belongs to the body at any ISO; None for what was not measured.

    ``prnu`` share of the signal; ``rate`` of dark current [e-/s] at ``reference_c`` (None where nobody told
    temperatures), ``spread`` of its logarithm, ``doubling_c`` [deg C]; ``hot_fraction`` share of the pixels,
    ``hot_current`` mean of their tail [e-/s], ``blink`` share of these that blink.
    """

    prnu: Estimate | None = None
    rate: Estimate | None = None
    spread: Estimate | None = None
    reference_c: float | None = None
    doubling_c: Estimate | None = None
    hot_fraction: Estimate | None = None
    hot_current: Estimate | None = None
    blink: Estimate | None = None


def fixed_noise(dark: DarkGroup, read: ReadNoise, current: DarkCurrent | None) -> FixedNoise:
    """Tell fixed offsets from what changes, and from dark current that pixels had time for.

    Args:
        dark: darks of one ISO and exposure time.
        read: their figures.
        current: dark current at that ISO, None where it is unknown.
    """
    d = dark.statistics
    pixels = max(float(d.spatial_white.mean()) - float(d.pixel.mean()) / d.frames, 0.0)
    lines = _of_mean(read.row_lines, d.height) + _of_mean(read.col_lines, d.width)
    own = 4 * float(d.pixel.mean()) / (d.height * d.width) + lines
    return FixedNoise(
        dsnu=_without_current(dark, read.dsnu_white, current),
        row=fixed_lines(d.row_profile, d.row_lines, pixels / d.width),
        col=fixed_lines(d.col_profile, d.col_lines, pixels / d.height),
        drift=level_drift(dark.levels, own),
    )


def _of_mean(model: LineModel, length: int) -> float:
    """Return the variance of the mean of every second line of a frame, DN^2."""
    even = autocorrelation(model.taps, len(model.taps))[2::2]
    return 2 / length * model.sigma.value**2 * max(1 + 2 * float(even.sum()), 0.0)


def _without_current(dark: DarkGroup, dsnu: Estimate, current: DarkCurrent | None) -> Estimate:
    """Take what dark current and dim hot pixels add over the exposure out of the offsets of pixels, DN."""
    share = 0.0
    if current is not None and current.spread is not None:
        share = (current.rate.value * dark.exposure_s) ** 2 * math.expm1(current.spread.value**2)
    if current is not None and current.tail is not None:
        limit = LIMIT * math.sqrt(float(dark.statistics.spatial_white.mean()))
        scale = dark.exposure_s / current.longest
        share += current.tail.variance_below(limit, dark.statistics.frames, scale)
    return root(Estimate(*(v**2 - share for v in (dsnu.value, dsnu.low, dsnu.high))), dsnu.spread)


def body_of(isos: Sequence[IsoResult]) -> Body:
    """Return what belongs to the body, each figure from the ISO that tells it best."""
    prnus = [r.prnu for r in isos if r.prnu is not None and r.prnu.low > 0]
    found = Body(prnu=min(prnus, key=_relative, default=None))
    known = [(c, r.transfer.K) for r in isos if r.transfer for c in r.currents]
    rates = [(c, K, _electrons(c.rate, K)) for c, K in known if c.rate.low > 0]
    if rates:
        best, _, rate = min(rates, key=lambda own: _relative(own[2]))
        found = dataclasses.replace(found, rate=rate, spread=best.spread, reference_c=best.temperature_c)
        found = _over_temperature(found, [(c.temperature_c, own) for c, _, own in rates])
    tails = [(c.tail, K.scaled(c.longest), c) for c, K in known if c.tail]
    return _with_tail(found, tails)


def _with_tail(found: Body, tails: Sequence[tuple[HotTail, Estimate, DarkCurrent]]) -> Body:
    if not tails:
        return found
    tail, per_electron, current = min(tails, key=lambda own: _relative(own[0].fraction))
    factor = 1.0
    if found.doubling_c and found.reference_c is not None and current.temperature_c is not None:
        factor = 2 ** ((found.reference_c - current.temperature_c) / found.doubling_c.value)
    return dataclasses.replace(
        found,
        hot_fraction=tail.fraction,
        hot_current=_electrons(tail.mean, per_electron).scaled(factor),
        blink=tail.blink,
        reference_c=current.temperature_c if found.rate is None else found.reference_c,
    )


def _over_temperature(found: Body, rates: Sequence[tuple[float | None, Estimate]]) -> Body:
    told = [(t, rate) for t, rate in rates if t is not None]
    if found.reference_c is None or np.ptp([t for t, _ in told]) == 0:
        return found
    fit = activation(
        np.array([t for t, _ in told]),
        np.array([rate.value for _, rate in told]),
        np.array([rate.error for _, rate in told]),
        found.reference_c,
    )
    return found if fit is None else dataclasses.replace(found, rate=fit.rate, doubling_c=fit.doubling_c)


def _relative(e: Estimate) -> float:
    return e.error / e.value if e.value > 0 else math.inf


def _electrons(figure: Estimate, K: Estimate) -> Estimate:
    own = figure.scaled(1 / K.value)
    return own.blurred(own.value * K.error / K.value)
