# SPDX-License-Identifier: Apache-2.0
"""The plots of a calibration, drawn with matplotlib without a display."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from lrd_ext.calibration.banding import BandingLine
from lrd_ext.calibration.photon_transfer import PhotonTransfer
from lrd_ext.calibration.results import Calibration, IsoResult, ReadNoise
from lrd_ext.raw import site_labels
from lrd_ext.read_models import profile_models, read_model, table_of
from lrd_ext.reference.quantile_table import knot_probabilities

from .figure import BLUE, COLOURS, INK, RED, new_figure, plain_log
from .over_iso_plot import draw_over_iso

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def all_plots(found: Calibration) -> Iterator[tuple[str, str, Figure]]:
    """Give name, caption and figure of every plot that can be drawn."""
    if len(found.isos) > 1:  # one point is no plot over ISO
        caption = "Gain, its departure from the line of its branch, and noise over ISO"
        yield "over_iso", caption, draw_over_iso(found)
    for r in found.isos:
        if r.transfer is not None:
            yield (
                f"photon_transfer_iso{r.iso:g}",
                f"Photon transfer at ISO {r.iso:g}",
                draw_transfer(found, r),
            )
        if r.read is not None:
            yield f"darks_iso{r.iso:g}", f"Dark frames at ISO {r.iso:g}", draw_darks(found, r)
        if r.read is not None and r.read.quantiles is not None:
            caption = f"Distribution of read noise at ISO {r.iso:g}: measured, and the fitted curves"
            yield f"read_noise_iso{r.iso:g}", caption, draw_read_noise(r.read)


def draw_transfer(found: Calibration, r: IsoResult) -> Figure:
    """Draw variance over mean by site with its line, and residuals in standard errors."""
    figure, axes = new_figure(1, 3, (13.0, 4.0))
    curve, residual, gain = axes[0]
    labels = site_labels(found.sensor.cfa)
    assert r.transfer is not None
    for own in r.transfer.lines:
        line = own.line
        mean = np.array([p.mean for p in own.points])
        variance = np.array([p.variance for p in own.points])
        used, colour = line.used, COLOURS[own.site]
        curve.plot(
            mean[used],
            variance[used],
            "o",
            ms=4,
            color=colour,
            label=f"{labels[own.site]} K {line.K.value:.5g}",
        )
        curve.plot(mean[~used], variance[~used], "x", ms=6, color=colour)
        ends = np.array([0, mean.max()])
        curve.plot(ends, line(ends), color=colour, lw=0.8)
        residual.plot(mean, line.misses, "o", ms=4, color=colour)
    left = [p for g in r.flats if g.name in r.transfer.left_out for p in g.statistics.points(g.name)]
    curve.plot(
        [p.mean for p in left],
        [p.variance for p in left],
        "x",
        ms=5,
        color="#999",
        label="left out: clipped or too bright" if left else None,
    )
    if r.transfer.far_off:
        curve.plot([], [], "x", ms=6, color="#444", label="over 5 errors off: counts little")
    curve.set(xlabel="mean above black [DN]", ylabel="temporal variance [DN²]")
    curve.set_title(f"ISO {r.iso:g}: K = {r.transfer.K.value:.5g} DN/e-", fontsize=9)
    curve.legend(fontsize=8)
    residual.axhspan(-1.96, 1.96, color="#ccc", alpha=0.4)
    residual.set(xlabel="mean above black [DN]", ylabel="residual [standard errors]")
    fit = "none left over: two points a line"
    if any(own.line.dof > 0 for own in r.transfer.lines):
        fit = f"chi² per degree of freedom {r.transfer.chi2_per_dof:.2f}"
    residual.set_title(f"Residuals: {fit}", fontsize=9)
    _draw_gain_by_level(gain, r.transfer)
    return figure


def _draw_gain_by_level(ax: Axes, transfer: PhotonTransfer) -> None:
    """Draw the gain of each level against the darks, with the overall one and that of low light."""
    for level in transfer.by_level:
        K = level.K
        ax.errorbar(
            level.mean, K.value, [[K.value - K.low], [K.high - K.value]], fmt="o", ms=4, color=BLUE, capsize=2
        )
    ax.axhspan(transfer.K.low, transfer.K.high, color="#ccc", alpha=0.4)
    ax.axhline(transfer.K.value, color="#555", lw=1, label=f"all levels {transfer.K.value:.4g}")
    if transfer.low_light is not None:
        low = transfer.low_light.value
        ax.axhline(low, color=RED, lw=1, ls="--", label=f"lowest third {low:.4g}")
    ax.set(xlabel="mean above black [DN]", ylabel="(variance - that of darks) / mean [DN/e-]")
    ax.set_title("Gain by level of light" if transfer.by_level else "Gain by level: needs darks", fontsize=9)
    ax.legend(fontsize=8)


def draw_darks(found: Calibration, r: IsoResult) -> Figure:
    """Draw QQ of the models, spectrum, row and column profiles, and dark shading."""
    figure, axes = new_figure(2, 3, (13.0, 7.5))
    assert r.dark is not None
    assert r.read is not None
    d = r.dark.statistics
    _draw_qq(axes[0, 0], r)
    _draw_spectrum(axes[0, 1], d.row_power, d.height, r.read.banding_rows, "rows", COLOURS[0])
    _draw_spectrum(axes[0, 1], d.col_power, d.width, r.read.banding_cols, "columns", COLOURS[3])
    for ax, profile, what in ((axes[1, 0], d.row_profile, "row"), (axes[1, 1], d.col_profile, "column")):
        for parity, shade in ((0, BLUE), (1, RED)):
            own = profile[parity::2]
            ax.plot(np.arange(parity, len(profile), 2), own - profile.mean(), lw=0.6, color=shade)
        ax.set(xlabel=f"{what} (even blue, odd red)", ylabel=f"{what} mean over the level [DN]")
        ax.set_title(f"Mean of {d.frames} darks by {what}", fontsize=9)
    plain_log(axes[0, 1])
    _draw_shading(figure, axes[0, 2], d.shading, (d.height, d.width))
    _draw_hot(axes[1, 2], d.hot, d.hot_excess, (d.height, d.width))
    figure.suptitle(f"ISO {r.iso:g}, {r.dark.exposure_s:g} s", fontsize=10)
    return figure


def _draw_qq(ax: Axes, r: IsoResult) -> None:
    assert r.dark is not None
    assert r.read is not None
    shape = r.read.tukey_lambda.shape.value
    fits = [model for model in profile_models() if model.name in r.read.distributions]
    for model, colour in zip(fits, (COLOURS[i] for i in (0, 3, 1, 2)), strict=False):
        theory, sample = r.read.distributions[model.name].quantiles()
        name = f"{model.label} {shape:+.3f}" if model.shaped else model.label
        kld = r.read.models[model.name].kld
        ax.plot(theory, sample, ".", ms=3, color=colour, label=f"{name}, KLD {kld:.2g}")
    ends = np.array([sample.min(), sample.max()])
    ax.plot(ends, ends, color="#555", lw=0.8)
    ax.set(xlabel="quantile of the model [DN]", ylabel="quantile of the darks [DN]")
    ax.set_title("QQ of the models", fontsize=9)
    ax.legend(fontsize=8)


def draw_read_noise(read: ReadNoise) -> Figure:
    """Draw density and quantiles of the measured read noise beside the curves, in standard deviations."""
    figure, axes = new_figure(1, 2, (13.0, 4.5))
    density, difference = axes[0]
    assert read.quantiles is not None
    table, p = read.quantiles, knot_probabilities().numpy()
    x = np.linspace(table[p > 1e-7][0], table[p < 1 - 1e-7][-1], 241)
    middle, width = (x[1:] + x[:-1]) / 2, x[1] - x[0]
    shown = (p > 1e-7) & (p < 1 - 1e-7)
    normal = table_of(read_model("gaussian"), 0.0)
    for model, colour in zip(profile_models(), (BLUE, RED, INK), strict=False):
        curve = read.tukey_lambda.shape.value if model.shaped else 0.0
        shape = table if model.tabled else curve
        scale = 1 / model.unit_std(shape)
        label = "measured" if model.tabled else model.label
        style = {"color": colour, "lw": 1.4 if model.tabled else 0.9, "label": label}
        density.plot(middle, np.diff(model.cdf(x, scale, shape)) / width, **style)
        quantiles = table if model.tabled else table_of(model, curve)
        difference.plot(normal[shown], (quantiles - normal)[shown], **style)
    density.set_yscale("log")
    density.set_ylim(1e-7, 1.0)
    density.set(xlabel="noise [standard deviations]", ylabel="density")
    density.set_title(f"Density of read noise, {read.gaussian.value:.4g} DN", fontsize=9)
    difference.set(xlabel="normal quantile", ylabel="quantile - normal quantile [standard deviations]")
    difference.set_title("Quantiles beside those of the Gaussian, tails of 1e-7", fontsize=9)
    for ax in (density, difference):
        ax.legend(fontsize=8)
    return figure


def _draw_spectrum(
    ax: Axes, power: np.ndarray, lines: int, found: tuple[BandingLine, ...], what: str, colour: str
) -> None:
    ax.plot(np.arange(1, len(power) + 1) / lines, power, lw=0.6, color=colour, label=what)
    for line in found[:5]:
        ax.axvline(line.cycles, color=colour, ls=":", lw=0.8)
    ax.set(xlabel="cycles per line", ylabel="power (white = 1)")
    ax.set_title("Spectrum of row and column means", fontsize=9)
    ax.legend(fontsize=8)


def _draw_shading(figure: Figure, ax: Axes, shading: np.ndarray, shape: tuple[int, int]) -> None:
    mean = shading.mean(axis=0)
    limit = max(float(np.percentile(np.abs(mean), 99.5)), 1e-3)
    shown = ax.imshow(
        mean,
        cmap="RdBu_r",
        vmin=-limit,
        vmax=limit,
        aspect="auto",
        interpolation="nearest",
        extent=(0, shape[1], shape[0], 0),
    )
    ax.grid(visible=False)
    ax.set(xlabel="column", ylabel="row")
    ax.set_title("Dark shading [DN], mean of the sites", fontsize=9)
    figure.colorbar(shown, ax=ax, shrink=0.8)


def _draw_hot(ax: Axes, hot: np.ndarray, excess: np.ndarray, shape: tuple[int, int]) -> None:
    ax.set_title(f"{len(hot)} hot pixels ({1e6 * len(hot) / math.prod(shape):.0f} per million)", fontsize=9)
    if len(hot):
        most = np.argsort(-np.abs(excess))[:5000]
        ax.scatter(hot[most, 1], hot[most, 0], s=3, c="#c0392b")
    ax.set(xlim=(0, shape[1]), ylim=(shape[0], 0), xlabel="column", ylabel="row")
