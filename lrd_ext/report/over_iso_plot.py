# SPDX-License-Identifier: Apache-2.0
"""The plot of figures over ISO: gain with its switch, its linearity, read, row and column noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lrd_ext.calibration.results import Calibration, IsoResult
from lrd_ext.estimators.intervals import Estimate

from .figure import BLUE, RED, new_figure, plain_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: At most this many ISOs are written along an axis.
MOST_LABELS = 9
#: Name, marker and line of the kinds of noise.
_NOISES = (("gaussian", "read", "o", "-"), ("row", "row", "s", "--"), ("col", "column", "^", ":"))


def draw_over_iso(found: Calibration) -> Figure:
    """Draw K, its departure from the line of its branch, noise in DN, and read noise in electrons over ISO.

    Branches have colours of their own, a dotted line stands where the gain switches.
    """
    figure, axes = new_figure(2, 2, (11.0, 7.6))
    gain, departure, noise, electrons = axes.flat
    for r in found.isos:
        _draw_gain(gain, departure, electrons, found, r)
    for i, (first, last) in enumerate(found.branches):
        _draw_lines(found.measured[first : last + 1], found, i, gain, noise, electrons)
    for low, high in zip(found.branches, found.branches[1:], strict=False):
        for ax in axes.flat:
            at = math.sqrt(found.measured[low[1]].iso * found.measured[high[0]].iso)
            ax.axvline(at, color="#888", ls=":", lw=1)
    departure.axhline(0, color="#888", lw=0.8)
    lit, dark = (any(getattr(r, w) for r in found.isos) for w in ("transfer", "read"))
    both = any(r.transfer and r.read for r in found.isos)
    _finish(gain, found, "Gain and the line of each branch", "K [DN/e-]", lit)
    _finish(departure, found, "Gain against that line, 95 % intervals", "K / line - 1 [%]", lit)
    _finish(noise, found, "Noise of the darks", "standard deviation [DN]", dark)
    _finish(electrons, found, "Read noise in electrons", "read noise [e-]", both)
    for ax in (gain, noise):
        plain_log(ax)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize=8)
    if both:
        electrons.set_ylim(0, 1.1 * electrons.dataLim.y1)
    return figure


def _draw_gain(gain: Axes, departure: Axes, electrons: Axes, found: Calibration, r: IsoResult) -> None:
    if r.transfer is None:
        return
    branch, K = found.branch_of(r), r.transfer.K
    colour = (RED, BLUE)[(branch or 0) % 2]
    _point(gain, r.iso, K, colour, "o")
    line = None if branch is None else found.gain_lines[branch]
    if line is not None:
        on_line = line.per_iso * r.iso + line.offset
        off = Estimate(*(100 * (k / on_line - 1) for k in (K.value, K.low, K.high)))
        below, above = off.value - off.low, off.high - off.value
        departure.errorbar(r.iso, off.value, [[below], [above]], fmt="o", ms=4, color=colour, capsize=3)
    if r.read is not None:
        s = r.read.gaussian
        _point(electrons, r.iso, Estimate(s.value / K.value, s.low / K.value, s.high / K.value), colour, "o")


def _draw_lines(
    rows: tuple[IsoResult, ...], found: Calibration, branch: int, gain: Axes, noise: Axes, electrons: Axes
) -> None:
    colour, iso = (RED, BLUE)[branch % 2], np.array([r.iso for r in rows])
    line = found.gain_lines[branch]
    if line is not None:
        name = f"ISO {iso[0]:g} to {iso[-1]:g}"
        gain.plot(iso, line.per_iso * iso + line.offset, color=colour, lw=1, label=name)
    for name, label, marker, ls in _NOISES:
        own = [(r.iso, getattr(r.read, name)) for r in rows if r.read is not None]
        own = [(x, e) for x, e in own if e.value > 0]
        for x, e in own:
            _point(noise, x, e, colour, marker)
        if own:
            shown = label if branch == 0 else None
            points = np.array([(x, e.value) for x, e in own]).T
            noise.plot(*points, color=colour, lw=1, ls=ls, marker=marker, ms=4, label=shown)
    known = [(r.iso, r.read.gaussian.value / r.transfer.K.value) for r in rows if r.transfer and r.read]
    electrons.plot(*np.array(known).reshape(-1, 2).T, color=colour, lw=1)


def _point(ax: Axes, x: float, e: Estimate, colour: str, marker: str) -> None:
    # A bar down to 0 has no end on a logarithmic axis.
    below, above = min(max(e.value - e.low, 0.0), 0.999 * e.value), max(e.high - e.value, 0.0)
    ax.errorbar(x, e.value, [[below], [above]], fmt=marker, ms=4, color=colour, capsize=3)


def _finish(ax: Axes, found: Calibration, title: str, label: str, known: bool) -> None:
    ax.set_title(title, fontsize=10)
    ax.set(xlabel="ISO", ylabel=label)
    _mark_isos(ax, [r.iso for r in found.isos])
    if not known:
        ax.set_yticks([])
        ax.text(0.5, 0.5, "unknown: frames are missing", ha="center", transform=ax.transAxes, color="#666")


def _mark_isos(ax: Axes, isos: list[float]) -> None:
    from matplotlib.ticker import NullLocator

    ax.set_xscale("log")
    step = math.ceil(len(isos) / MOST_LABELS)
    shown = isos[::step]
    ax.set_xticks(shown, [f"{iso:g}" for iso in shown])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlim(min(isos) / 1.25, max(isos) * 1.25)
