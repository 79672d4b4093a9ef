# SPDX-License-Identifier: Apache-2.0
"""What a calibration found of the whole sensor, as a profile's ``sensor``; and what each part matters."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from lrd_ext.estimators.intervals import Estimate
from lrd_ext.estimators.line_colour import LineModel
from lrd_ext.estimators.rounding import rounding_variance

from .results import Calibration, IsoResult

#: Mid grey of a photograph, as a share of the range.
GREY = 0.18
#: A component of less than this share of the variance, in the dark and at mid grey, is not written.
MATTERS = 1e-3

#: Name of their component.
HOT = "hot pixels"
_SIGMAS = {"sigma_dsnu": "dsnu", "sigma_row_fixed": "row", "sigma_col_fixed": "col", "sigma_drift": "drift"}


_FIXED = {"dsnu": "fixed pixels (DSNU)", "row": "fixed rows", "col": "fixed columns", "drift": "drift"}


@dataclasses.dataclass(frozen=True)
class Share:
    """What one component at one ISO has of the variance over the pixels of a frame, shares of 1.

    ``dark`` without light at the exposure of the darks that the figures come from, ``longest`` at the longest
    of any darks; ``grey`` at mid grey. Hot pixels are few and far off: theirs comes on top of the whole.
    """

    name: str
    dark: float
    longest: float
    grey: float

    @property
    def matters(self) -> bool:
        """Whether it can be told in any of these."""
        return max(self.dark, self.longest, self.grey) >= MATTERS


def shares(found: Calibration, r: IsoResult) -> tuple[Share, ...]:
    """Return the share of every component that was measured at an ISO; shot noise needs K, flats."""
    if r.read is None or r.dark is None:
        return ()
    always = _without_exposure(r)
    short = always | _electrons(found, r, r.dark.exposure_s)
    longest = always | _electrons(found, r, max(g.exposure_s for g in found.darks))
    grey, signal = dict(short), GREY * found.sensor.range_dn
    if r.transfer is not None:
        grey["shot noise"] = r.transfer.K.value * signal
    if found.body.prnu is not None:
        grey["photo response (PRNU)"] = (found.body.prnu.value * signal) ** 2
    sums = [sum(v for name, v in own.items() if name != HOT) for own in (short, longest, grey)]
    return tuple(
        Share(
            name,
            *(own.get(name, 0.0) / whole for own, whole in zip((short, longest, grey), sums, strict=True)),
        )
        for name in grey
    )


def _without_exposure(r: IsoResult) -> dict[str, float]:
    """Return the variance of what no exposure changes, DN^2."""
    assert r.read is not None
    made = {"read noise": r.read.gaussian.value**2, "rounding": rounding_variance(r.read.step)}
    for what, model, sigma in (
        ("row", r.read.row_lines, r.read.row),
        ("column", r.read.col_lines, r.read.col),
    ):
        made[f"{what} noise"] = sigma.value**2
        made[f"{what} banding"] = sum(w.amplitude.value**2 for w in model.waves) / 2
    if r.fixed is not None:
        made |= {title: getattr(r.fixed, name).value ** 2 for name, title in _FIXED.items()}
    return made


def _electrons(found: Calibration, r: IsoResult, exposure_s: float) -> dict[str, float]:
    """Return the variance of dark current and of hot pixels, their shot noise included, DN^2."""
    body, made = found.body, {}
    if r.transfer is None:
        return {}
    K = r.transfer.K.value
    if body.rate is not None:
        mean = body.rate.value * exposure_s
        spread = body.spread.value if body.spread else 0.0
        made["dark current"] = K**2 * (mean + mean**2 * math.expm1(spread**2))
    if body.hot_fraction is not None and body.hot_current is not None:
        p, mean = body.hot_fraction.value, body.hot_current.value * exposure_s
        on = p * (1 - (body.blink.value if body.blink else 0.0) / 2)
        made[HOT] = K**2 * (on * (mean + 2 * mean**2) - (on * mean) ** 2)
    return made


def sensor_dict(found: Calibration) -> dict[str, Any]:
    """Return the JSON values of ``sensor``: what is clearly above zero and matters, {} where nothing is."""
    body, intervals = found.body, {}
    matter = {share.name for r in found.measured for share in shares(found, r) if share.matters}
    made: dict[str, Any] = {}
    if body.prnu is not None and "photo response (PRNU)" in matter:
        made["sigma_prnu"] = body.prnu.value
        intervals["sigma_prnu"] = body.prnu
    step = max((r.read.step for r in found.measured if r.read), default=1.0)
    if step > 1:
        made["step"] = step
    if body.rate is not None and "dark current" in matter:
        known = {"rate": body.rate, "spread": body.spread, "doubling_c": body.doubling_c}
        made["dark_current"] = _values(known, "dark_current", intervals)
        if body.reference_c is not None:
            made["dark_current"]["reference_c"] = body.reference_c
    if body.hot_fraction is not None and HOT in matter:
        known = {"fraction": body.hot_fraction, "current": body.hot_current, "blink_fraction": body.blink}
        made["hot_pixels"] = _values(known, "hot_pixels", intervals)
    rows = _rows(found, matter)
    made |= {"rows": rows} if rows else {}
    told = {name: [max(e.low, 0.0), e.high] for name, e in intervals.items()}
    return made | ({"interval95": told} if told else {})


def _values(
    known: Mapping[str, Estimate | None], part: str, intervals: dict[str, Estimate]
) -> dict[str, float]:
    """Return the values of what is known, and note the intervals."""
    there = {name: e for name, e in known.items() if e is not None}
    intervals |= {f"{part}.{name}": e for name, e in there.items()}
    return {name: e.value for name, e in there.items()}


def _rows(found: Calibration, matter: set[str]) -> list[dict[str, Any]]:
    own = [r for r in found.measured if r.fixed is not None]
    written = {
        name: part
        for name, part in _SIGMAS.items()
        if _FIXED[part] in matter and any(getattr(r.fixed, part).low > 0 for r in own)
    }
    rows = []
    for r in own:
        sigmas = {name: getattr(r.fixed, part) for name, part in written.items()}
        lines = _lines(r)
        rows.append(
            {"iso": r.iso}
            | {name: e.value for name, e in sigmas.items()}
            | lines
            | ({"interval95": {name: [e.low, e.high] for name, e in sigmas.items()}} if sigmas else {})
        )
    return rows if any(len(row) > 1 for row in rows) else []


def _lines(r: IsoResult) -> dict[str, Any]:
    """Return taps of lines with a colour, and waves."""
    assert r.read is not None
    made: dict[str, Any] = {}
    for axis, model in (("row", r.read.row_lines), ("col", r.read.col_lines)):
        if not model.white:
            made[f"{axis}_taps"] = model.taps.tolist()
        if waves := _waves(model):
            made[f"{axis}_waves"] = waves
    return made


def _waves(model: LineModel) -> list[list[float]]:
    return [[w.amplitude.value, w.period.value] for w in model.waves if w.amplitude.low > 0]
