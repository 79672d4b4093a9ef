# SPDX-License-Identifier: Apache-2.0
"""The calibration in plain words: what can be trusted, which model to use, what to shoot again."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from lrd_ext.estimators.intervals import SUSPICION

from .current_apart import without_dark_current
from .doubtful import COUNTS, MIXED, half_width, mixed, off_black, raised_darks, scattered
from .model_advice import advice_of
from .photon_transfer import PhotonTransfer
from .results import FEW_DARKS, Calibration, IsoResult

#: K/ISO may bend by this much before it is worth a word.
BENT = 0.02
#: With more of the darks' values than this cut off, the rest tells too little.
UNUSABLE = 0.9
#: Banding below this share of the read noise is not worth a word.
SEEN = 0.02


def verdict(found: Calibration) -> tuple[str, ...]:
    """Say in sentences what was found, and what to shoot again if something is off."""
    doubts = tuple(_sources_of_doubt(found))
    whole = any(r.read and r.transfer for r in found.measured)
    closing = ("Nothing speaks against these figures: nothing needs to be shot again.",)
    return (*_summary(found), *(doubts or (closing if whole else ())))


def _summary(found: Calibration) -> Iterator[str]:
    if not found.measured:
        pictures = sum(b.pictures for b in found.borders)
        borders = (
            "the masked border of 1 picture" if pictures == 1 else f"masked borders of {pictures} pictures"
        )
        yield f"First estimate from {borders}: black, read and row noise."
        yield "K is unknown (null). Shoot darks and flats for a calibration."
        return
    known = [r for r in found.measured if r.transfer]
    if known:
        half, all_isos = max(half_width(r.transfer.K) for r in known if r.transfer), len(found.measured)
        isos = "the one ISO" if all_isos == 1 else f"{len(known)} of {all_isos} ISOs"
        yield f"K is known at {isos}, within {100 * half:.2g} % or better."
    else:
        yield "K is unknown (null): without usable pairs of flats the profile has no shot noise."
    if not any(r.read for r in found.measured):
        yield "Read noise is a rough guess from the flats, row and column noise are unknown: shoot darks."
        return
    apart = without_dark_current(found)  # as the profile holds it
    told = [r.read for r in apart.measured if r.read and not r.read.lost]
    advice = advice_of(found)
    if told and advice is not None:
        half = max(half_width(read.gaussian) for read in told)
        yield f"Read noise is known within {100 * half:.2g} % or better."
        yield from advice.sentences()
    yield from _dark_current(found)
    for a, b in zip(found.branches, found.branches[1:], strict=False):
        low, high = found.measured[a[1]].iso, found.measured[b[0]].iso
        yield f"The gain switches between ISO {low:g} and ISO {high:g}."


def _dark_current(found: Calibration) -> Iterator[str]:
    """Say what dark current and hot pixels are, or why they are unknown."""
    body = found.body
    if body.rate is not None:
        at = "" if body.reference_c is None else f" at {body.reference_c:g} degrees C"
        doubling = f", doubling every {body.doubling_c.value:.3g} degrees" if body.doubling_c else ""
        yield f"Dark current is {body.rate.value:.3g} e-/s{at}{doubling}."
        yield from _warm_read_noise(found)
    elif not any(r.currents for r in found.isos):
        yield (
            "Dark current and hot pixels are not measured: that needs darks of two exposure times or more at"
            " an ISO, best a short and a long one."
        )


def _warm_read_noise(found: Calibration) -> Iterator[str]:
    for r, apart in zip(found.measured, without_dark_current(found).measured, strict=True):
        if r.read and r.dark and apart.read and r.read.gaussian.value > 0:
            share = 1 - (apart.read.gaussian.value / r.read.gaussian.value) ** 2
            if COUNTS < share <= MIXED:
                yield (
                    f"ISO {r.iso:g}: {share:.0%} of read noise, in variance, was shot noise of dark current "
                    f"in darks of {r.dark.exposure_s:g} s and is taken out: shoot most darks short."
                )


def _sources_of_doubt(found: Calibration) -> Iterator[str]:
    if found.left_out:
        were = "was" if len(found.left_out) == 1 else "were"
        yield f"{len(found.left_out)} of {found.frames} frames {were} left out, named with the reason."
    for name, (low, high) in (("black", found.sensor.blacks), ("white", found.sensor.whites)):
        # Black by site differs within a file already: only what files differ by counts.
        told = getattr(found.sensor, name)
        if low < np.min(told) or high > np.max(told):
            rest = ": bias is against each file's own." if name == "black" else "."
            yield f"The files tell {name} levels from {low:g} to {high:g}, the profile the most common{rest}"
    if found.unpaired and found.measured:
        alone = len(found.unpaired)
        yield f"Not used, because without a second one like it: {alone} frame{'s' if alone > 1 else ''}."
    for line, (a, b) in zip(found.gain_lines, found.branches, strict=True):
        if line and line.misfit > BENT and line.p < SUSPICION:
            ends = f"ISO {found.measured[a].iso:g} to {found.measured[b].iso:g}"
            yield f"K is not proportional to ISO within {ends}: off by up to {line.misfit:.1%}."
    yield from raised_darks(found)
    for r, apart in zip(found.isos, without_dark_current(found).isos, strict=True):
        if text := off_black(found, apart):
            yield f"ISO {r.iso:g}: {text}. Was the cap on, is black right?"
        if text := mixed(found, r, apart):
            yield f"ISO {r.iso:g}: {text}."
        if text := scattered(r):
            yield f"ISO {r.iso:g}: {text}. Shoot them again."
        yield from (f"ISO {r.iso:g}: {text}" for text in _at(r))


def _drift(transfer: PhotonTransfer) -> Iterator[str]:
    """Say where the gain is not the same at all levels of light."""
    low = transfer.low_light
    if transfer.drifts and low is not None:
        third = len(transfer.by_level) // 3
        top = transfer.by_level[third - 1].mean
        yield (
            f"K changes with the light: {low.value:.4g} DN/e- up to {top:.0f} DN, {transfer.K.value:.4g} "
            "over all levels; its interval covers both. For low light take the first."
        )
    if transfer.far_off:
        means = ", ".join(f"{mean:.0f}" for mean in transfer.far_off)
        yield f"levels at {means} DN lie more than 5 standard errors off the line of a site and count little."


def _bend(transfer: PhotonTransfer) -> str:
    """Say which way the photon transfer bends, and what does that."""
    bend = transfer.bend
    if abs(bend) < 0.01:
        return "points scatter about the line: were the flats defocused, the light and the tripod steady?"
    if bend < 0:
        cause = "charge shared by neighbours in bright light, or saturation. Shoot the flats darker to tell"
        return f"it bends down by {-bend:.1%} at the top: {cause}."
    return f"it bends up by {bend:.1%} at the top: light that flickers or texture that moved. Shoot again."


def _of_values(r: IsoResult) -> Iterator[str]:
    """Say what the values of the darks hide, and how the figures come about all the same."""
    assert r.dark is not None
    assert r.read is not None
    read, d = r.read, r.dark.statistics
    if read.lost:
        yield f"read noise below {read.gaussian.high:.2g} DN is lost in the rounding."
    if read.cut > UNUSABLE:
        yield f"{read.cut:.0%} of the dark values are cut at {d.values[0]:g} DN: read noise is unusable."
    elif read.cut:
        yield (
            f"{read.cut:.0%} of the dark values are cut at {d.values[0]:g} DN, as cameras that subtract "
            "black do: read noise and bias are those of the likelihood of cut values; DSNU, hot pixels, "
            "banding and shading are unusable. A raw format that keeps values below black tells more."
        )
    if d.step > 1:
        yield f"values come in steps of {d.step:.3g} DN: their rounding is taken out of the noise."
    if r.dark.fit and not read.cut and not read.lost:
        yield (
            f"read noise of {read.gaussian.value:.2g} DN is below the step of the values, {d.step:.3g} DN: "
            "it is that of the likelihood of rounded values; DSNU and banding are rough."
        )


def _at(r: IsoResult) -> Iterator[str]:
    yield from (f"{text}." for text in r.missing)
    if r.dark is not None and r.read is not None:
        n = r.dark.statistics.frames
        if n < FEW_DARKS:
            yield f"only {n} darks, shoot at least {FEW_DARKS}, better 16."
        drift = r.dark.drift
        if drift and drift.low * drift.high > 0 and abs(drift.value) > 0.25 * r.read.gaussian.value:
            yield f"the dark level drifted by {drift.value:+.2g} DN over the series: warm it up first."
        yield from _of_values(r)
        if not r.read.lost and not r.dark.fit and r.read.dsnu_white.high == 0:
            yield "patterns of the darks oppose each other: interference, from a charger or radio close by?"
        for waves, what in ((r.read.row_lines.waves, "rows"), (r.read.col_lines.waves, "columns")):
            if waves and waves[0].amplitude.value > SEEN * r.read.gaussian.value:
                yield f"banding every {waves[0].period.value:.1f} {what}, {waves[0].amplitude.value:.2g} DN."
    if r.transfer is not None:
        if r.transfer.with_darks:
            yield "K rests on the darks and few levels of flats: shoot pairs at 8 levels."
        if r.transfer.left_out:
            out, rest = len(r.transfer.left_out), len({p.level for p in r.transfer.lines[0].points})
            levels, remain = ("level" if out == 1 else "levels"), ("remains" if rest == 1 else "remain")
            yield f"{out} {levels} of flats left out, clipped or above 80% of saturation; {rest} {remain}."
        yield from _drift(r.transfer)
        if r.transfer.chi2_per_dof > 3:
            yield f"variance over mean is not straight: {_bend(r.transfer)}"
        if r.transfer.p_sites < SUSPICION:
            sites = [line.K.value for line in r.transfer.lines]
            yield f"K differs between sites by {max(sites) / min(sites) - 1:.1%}, more than chance."
        if r.transfer.K.error > 0.02 * r.transfer.K.value:
            half = 1.96 * r.transfer.K.error / r.transfer.K.value
            yield f"K is known to {half:.0%} only: shoot more pairs of flats."
    if r.linearity and max(abs(r.linearity.lowest), abs(r.linearity.highest)) > 3 and math.isfinite(r.iso):
        yield f"signal over exposure is off a straight line by {r.linearity.mean_absolute:.1f} % on average."
