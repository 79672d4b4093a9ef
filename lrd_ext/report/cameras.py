# SPDX-License-Identifier: Apache-2.0
"""The figures of cameras over ISO."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lrd_ext.profiles import CameraProfile
from lrd_ext.profiles.summary import IsoFigures, answers_at, figures_at, typical_isos

from .figure import SOURCES, new_figure, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_Value = Callable[[IsoFigures], float | None]


def draw_cameras(profiles: Sequence[CameraProfile]) -> Figure:
    """Draw gain and noise over ISO, one colour a camera; a line breaks where the gain switches.

    One camera gives K and its sigmas in DN; several give K/ISO, read noise in electrons, and row over read
    noise.

    Args:
        profiles: the cameras, at least one.

    Raises:
        ValueError: there is no camera.
    """
    if not profiles:
        raise ValueError("report.draw_cameras: profiles must hold at least one camera, got none")
    return _one(profiles[0]) if len(profiles) == 1 else _several(profiles)


def _one(p: CameraProfile) -> Figure:
    figure, [(gain, noise)] = new_figure(1, 2, (11.0, 4.6))
    figure.suptitle(shown(f"{p.name}: {p.camera}"))
    _draw_over_iso(gain, p, lambda f: f.K, color=SOURCES[0])
    _label(gain, "gain", "K [DN/e-]")
    sigmas: tuple[tuple[str, _Value], ...] = (
        ("read (standard deviation)", lambda f: f.read_std),
        ("row", lambda f: f.sigma_row or None),
        ("column", lambda f: f.sigma_col or None),
    )
    for i, (label, value) in enumerate(sigmas):
        _draw_over_iso(noise, p, value, color=SOURCES[i], label=label)
    _label(noise, "noise without light", "standard deviation [DN]")
    noise.legend(frameon=False)
    return figure


def _several(profiles: Sequence[CameraProfile]) -> Figure:
    figure, [axes] = new_figure(1, 3, (15.0, 5.2))
    panels: tuple[tuple[str, str, _Value], ...] = (
        ("gain over ISO", "K/ISO [1e-3 DN/e-]", lambda f: f.K and 1e3 * f.K / f.iso),
        ("read noise", "standard deviation [e-]", lambda f: f.read_e),
        ("row noise over read noise", "ratio", lambda f: f.sigma_row / f.read_std if f.sigma_row else None),
    )
    styles = itertools.product(("-", "--", ":", "-."), SOURCES)
    for p, (line, color) in zip(profiles, itertools.cycle(styles), strict=False):
        for axis, (_, _, value) in zip(axes, panels, strict=True):
            _draw_over_iso(axis, p, value, color=color, linestyle=line, label=shown(p.name))
    for axis, (title, unit, _) in zip(axes, panels, strict=True):
        _label(axis, title, unit)
    axes[2].set(yscale="linear", ylim=(0, None))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=9)
    return figure


def _draw_over_iso(
    axis: Axes, p: CameraProfile, value: _Value, *, label: str | None = None, **style: Any
) -> None:
    """Draw one line per gain branch, and a marker at every calibrated ISO."""
    for branch in p.branches:
        isos = np.geomspace(*branch.iso, 60) if branch.iso[0] < branch.iso[1] else np.array(branch.iso[:1])
        found = [(f.iso, v) for f in answers_at(p, isos.tolist()) if f and (v := value(f))]
        if found:
            alone: dict[str, Any] = {"marker": "o", "markersize": 4} if len(found) == 1 else {}
            axis.plot(*zip(*found, strict=True), label=label, linewidth=1.6, **style, **alone)
            label = None
    calibrated = {row.iso for row in p.rows}
    points = [
        (f.iso, v) for iso in typical_isos(p) if iso in calibrated and (v := value(f := figures_at(p, iso)))
    ]
    if points:
        axis.plot(*zip(*points, strict=True), "o", markersize=3, color=style["color"])


def _label(axis: Axes, title: str, unit: str) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set(xscale="log", yscale="log", xlabel="ISO", ylabel=unit, title=title)
    axis.xaxis.set_major_locator(_full_stops(axis))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v / 1000:g}k" if v > 10000 else f"{v:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.yaxis.set_minor_formatter(_between_powers())


def _between_powers() -> Any:
    """Label 2 and 5 of each decade, as plain numbers."""
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda v, _: f"{v:g}" if f"{v:e}"[:8] in ("2.000000", "5.000000") else "")


def _full_stops(axis: Axes) -> Any:
    from matplotlib.ticker import FixedLocator

    low, high = axis.get_xlim()
    return FixedLocator([stop for i in range(-4, 16) if low <= (stop := 100 * 2**i) <= high])
