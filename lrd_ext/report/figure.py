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


def plain_log(ax: Axes) -> None:
    """Make the y axis logarithmic with marks 1, 2, 5; linear stays what has less than a factor 2."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = ax.dataLim.minposy, ax.dataLim.y1
    if not 2 * low < high < math.inf:
        return
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_locator(NullLocator())
