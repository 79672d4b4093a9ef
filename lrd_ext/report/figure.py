# SPDX-License-Identifier: Apache-2.0
"""An empty figure for plots, drawn with matplotlib without a display, and the colours they share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lrd_ext.plain_text import plain

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The colours of Okabe and Ito (2008), which people with any kind of colour vision tell apart.
RED, BLUE, GREEN, ORANGE = "#d55e00", "#0072b2", "#009e73", "#e69f00"
#: Of the four CFA sites of an RGGB mosaic, with a marker each; other phases take them in the same order.
COLOURS, MARKERS = (RED, GREEN, "#b5bd00", BLUE), ("o", "s", "D", "^")
#: Of what is compared with a measurement, which is drawn in INK.
INK = "#222222"
SOURCES = (BLUE, RED, GREEN, ORANGE, "#cc79a7", "#56b4e9", "#7f8c8d")
#: Pictures of noise are stretched to so many standard deviations on each side.
STRETCH_STD = 3.5
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def shown(name: str) -> str:
    """Return somebody's name as text for a plot, in which "$" begins no formula."""
    return plain(name).replace("$", r"\$")


def new_figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, np.ndarray]:
    """Return a figure of ``size`` inches and its axes (rows, columns), with a grid."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.grid(alpha=0.25)
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def lay_out_quickly(figure: Figure) -> None:
    """Place one row of plots by fixed margins, in a third of the time that weighing every text takes."""
    from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation, NullLocator

    figure.set_layout_engine(None)
    top = 0.84 if figure.get_suptitle() else 0.9
    figure.subplots_adjust(left=0.055, right=0.99, bottom=0.13, top=top, wspace=0.24)
    for ax in figure.axes:
        ax.set_title(ax.get_title(), fontsize=ax.title.get_fontsize(), y=1.02)
        ax.xaxis.set_label_coords(0.5, -0.09)
        ax.yaxis.set_label_coords(-0.12, 0.5)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_minor_locator(NullLocator())
            if isinstance(axis.get_major_formatter(), LogFormatterSciNotation):
                axis.set_major_formatter(FuncFormatter(_power_of_ten))  # formulas are slow to set


def _power_of_ten(value: float, place: int | None = None) -> str:
    return "10" + f"{math.log10(value):.0f}".translate(_SUPERSCRIPTS)


def plain_log(ax: Axes) -> None:
    """Make the y axis logarithmic with plain numbers; linear stays what has less than a factor 2."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = ax.dataLim.minposy, ax.dataLim.y1
    if not 2 * low < high < math.inf:
        return
    ax.set_yscale("log")
    marks = (1, 2, 5) if high > 10 * low else (1, 1.5, 2, 3, 4, 5, 7)
    ax.yaxis.set_major_locator(LogLocator(subs=marks))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_locator(NullLocator())
