# SPDX-License-Identifier: Apache-2.0
"""The plots of a calibration, drawn with matplotlib without a display."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from lrd_ext.calibration.photon_transfer import PhotonTransfer
from lrd_ext.calibration.results import Calibration, IsoResult, ReadNoise
from lrd_ext.estimators.line_colour import LineModel
from lrd_ext.raw import site_labels
from lrd_ext.read_models import profile_models, read_model, table_of
from lrd_ext.reference.quantile_table import knot_probabilities

from .figure import BLUE, COLOURS, INK, MARKERS, RED, new_figure, plain_log
from .over_iso_plot import draw_over_iso
from .page import Plot
from .sensor_plots import DARK_CURRENT, DRIFT, draw_sensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_TRANSFER = (
    "Left: noise variance over light, by site. The points should lie on the straight line of their site.",
    "Middle: how far each point is off its line. Nearly all should lie in the grey band.",
    "Right: the gain level by level. It should be the same in dim and bright light, within the grey band.",
)
_DARKS = (
    "Top left: values of the darks against those a model draws. The points should lie on the grey diagonal.",
    "Top middle: how often each stripe width occurs. It should follow the fitted curves; spikes are banding.",
    "Top right: the fixed pattern. It should be faint and smooth.",
    "Below, left and middle: the mean of every row and column. They should be flat but for noise.",
    "Below right: pixels far from their neighbours. They should be few, and scattered.",
)
_READ_NOISE = (
    "Left: how often each value of read noise occurs. The fitted curves should lie on the measured one.",
    "Right: how far each is from a Gaussian. The fitted curves should follow the measured one in both tails.",
)
_OVER_ISO = (
    "Top left: gain over ISO. The points should lie on the line of their branch.",
    "Top right: how far they are off it. The bars should reach 0 %.",
    "Below left: noise in DN. It should rise steadily, and fall only at a gain switch (dotted line).",
    "Below right: read noise in electrons. It should fall slowly with ISO, and by a step at a switch.",
)


def all_plots(found: Calibration) -> Iterator[Plot]:
    """Give every plot that can be drawn."""
    if len(found.isos) > 1:  # one point is no plot over ISO
        yield Plot("over_iso", "Gain and noise over ISO", _OVER_ISO, draw_over_iso(found))
    for r in found.isos:
        if r.transfer is not None:
            title = f"Photon transfer at ISO {r.iso:g}"
            yield Plot(f"photon_transfer_iso{r.iso:g}", title, _TRANSFER, draw_transfer(found, r))
        if r.read is not None:
            title = f"Dark frames at ISO {r.iso:g}"
            yield Plot(f"darks_iso{r.iso:g}", title, _DARKS, draw_darks(found, r))
        if r.read is not None and r.read.quantiles is not None:
            title = f"Distribution of read noise at ISO {r.iso:g}"
            yield Plot(f"read_noise_iso{r.iso:g}", title, _READ_NOISE, draw_read_noise(r.read))
        if r.fixed is not None:
            title, told = ("Dark current and drift", DARK_CURRENT) if r.currents else ("Drift", DRIFT)
            yield Plot(f"sensor_iso{r.iso:g}", f"{title} at ISO {r.iso:g}", told, draw_sensor(found, r))


def draw_transfer(found: Calibration, r: IsoResult) -> Figure:
    """Draw variance over mean by site with its line, residuals in standard errors, and gain by level."""
    figure, axes = new_figure(1, 3, (13.0, 4.0))
    curve, residual, gain = axes[0]
    assert r.transfer is not None
    draw_curve(curve, found, r)
    draw_residuals(residual, found, r)
    _draw_gain_by_level(gain, r.transfer)
    return figure


def draw_curve(ax: Axes, found: Calibration, r: IsoResult) -> None:
    """Draw variance over mean by site with its line."""
    labels = site_labels(found.sensor.cfa)
    assert r.transfer is not None
    for own in r.transfer.lines:
        line = own.line
        mean = np.array([p.mean for p in own.points])
        variance = np.array([p.variance for p in own.points])
        used, colour, marker = line.used, COLOURS[own.site], MARKERS[own.site]
        name = f"{labels[own.site]} K {line.K.value:.5g}"
        ax.plot(mean[used], variance[used], marker, ms=4, color=colour, label=name)
        ax.plot(mean[~used], variance[~used], "x", ms=6, color=colour)
        ends = np.array([0, mean.max()])
        ax.plot(ends, line(ends), color=colour, lw=0.8)
    left = [p for g in r.flats if g.name in r.transfer.left_out for p in g.statistics.points(g.name)]
    named = "left out: clipped or too bright" if left else None
    ax.plot([p.mean for p in left], [p.variance for p in left], "x", ms=5, color="#999", label=named)
    if r.transfer.far_off:
        ax.plot([], [], "x", ms=6, color="#444", label="over 5 errors off: counts little")
    ax.set(xlabel="mean above black [DN]", ylabel="temporal variance [DN²]")
    ax.set_title(f"ISO {r.iso:g}: K = {r.transfer.K.value:.5g} DN/e-", fontsize=9)
    ax.legend(fontsize=8)


def draw_residuals(ax: Axes, found: Calibration, r: IsoResult) -> None:
    """Draw how far the points of the photon transfer are off their lines, in standard errors."""
    labels = site_labels(found.sensor.cfa)
    assert r.transfer is not None
    for own in r.transfer.lines:
        mean, colour, marker = [p.mean for p in own.points], COLOURS[own.site], MARKERS[own.site]
        ax.plot(mean, own.line.misses, marker, ms=4, color=colour, label=labels[own.site])
    ax.axhspan(-1.96, 1.96, color="#ccc", alpha=0.4, label="19 of 20")
    ax.set(xlabel="mean above black [DN]", ylabel="residual [standard errors]")
    fit = "none left over: two points a line"
    if any(own.line.dof > 0 for own in r.transfer.lines):
        fit = f"chi² per degree of freedom {r.transfer.chi2_per_dof:.2f}"
    ax.set_title(f"Residuals: {fit}", fontsize=9)
    ax.margins(y=0.25)
    ax.legend(fontsize=7, ncols=5, loc="upper center", columnspacing=1, handletextpad=0.3)


def _draw_gain_by_level(ax: Axes, transfer: PhotonTransfer) -> None:
    """Draw the gain of each level against the darks, with the overall one and that of low light."""
    for level in transfer.by_level:
        K = level.K
        ax.errorbar(
            level.mean, K.value, [[K.value - K.low], [K.high - K.value]], fmt="o", ms=4, color=BLUE, capsize=2
        )
    ax.axhspan(transfer.K.low, transfer.K.high, color="#ccc", alpha=0.4, label="its 95 % interval")
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
    draw_quantiles(axes[0, 0], r)
    draw_spectra(axes[0, 1], r)
    for ax, profile, what in ((axes[1, 0], d.row_profile, "row"), (axes[1, 1], d.col_profile, "column")):
        for parity, shade, name in ((0, BLUE, "even"), (1, RED, "odd")):
            own = profile[parity::2]
            ax.plot(np.arange(parity, len(profile), 2), own - profile.mean(), lw=0.6, color=shade, label=name)
        ax.legend(fontsize=8)
        ax.set(xlabel=what, ylabel=f"{what} mean over the level [DN]")
        ax.set_title(f"Mean of {d.frames} darks by {what}", fontsize=9)
    draw_shading(figure, axes[0, 2], r)
    _draw_hot(axes[1, 2], d.hot, d.hot_excess, (d.height, d.width))
    figure.suptitle(f"ISO {r.iso:g}, {r.dark.exposure_s:g} s", fontsize=10)
    return figure


def draw_quantiles(ax: Axes, r: IsoResult) -> None:
    """Draw quantiles of the darks over those of the models."""
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
    ax.plot(ends, ends, color="#555", lw=0.8, label="equal")
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
    density.set(xlabel="noise [standard deviations]", ylabel="density [1 / standard deviation]")
    density.set_title(f"Density of read noise, {read.gaussian.value:.4g} DN", fontsize=9)
    difference.set(
        xlabel="normal quantile [standard deviations]",
        ylabel="quantile - normal quantile [standard deviations]",
    )
    difference.set_title("Quantiles beside those of the Gaussian, tails of 1e-7", fontsize=9)
    for ax in (density, difference):
        ax.legend(fontsize=8)
    return figure


def draw_spectra(ax: Axes, r: IsoResult) -> None:
    """Draw the spectra of row and of column means, with what stands out."""
    assert r.dark is not None
    assert r.read is not None
    _draw_spectrum(ax, r.read.row_lines, "rows", RED)
    _draw_spectrum(ax, r.read.col_lines, "columns", BLUE)
    plain_log(ax)


def _draw_spectrum(ax: Axes, lines: LineModel, what: str, colour: str) -> None:
    """Draw the power of line means, its mean 1, and what the model of their noise has there."""
    cycles, mean = (np.arange(len(lines.power)) + 1) / lines.length, float(lines.power.mean()) or 1.0
    ax.plot(cycles, lines.power / mean, lw=0.6, color=colour, label=what)
    label = f"fitted to {what}" + ("" if lines.white else f", {len(lines.taps)} taps")
    ax.plot(cycles, lines.spectrum(cycles) / mean, "--", lw=1.2, color=colour, label=label)
    for wave in lines.waves:
        ax.axvline(1 / wave.period.value, color=colour, ls=":", lw=0.8)
    ax.set(xlabel="cycles per line", ylabel="power (mean = 1)")
    ax.set_title("Spectrum of row and column means", fontsize=9)
    ax.legend(fontsize=8)


def draw_shading(figure: Figure, ax: Axes, r: IsoResult) -> None:
    """Draw the mean of the darks over cells of the frame."""
    assert r.dark is not None
    d = r.dark.statistics
    mean = d.shading.mean(axis=0)
    limit = max(float(np.percentile(np.abs(mean), 99.5)), 1e-3)
    shown = ax.imshow(
        mean,
        cmap="RdBu_r",
        vmin=-limit,
        vmax=limit,
        aspect="auto",
        interpolation="nearest",
        extent=(0, d.width, d.height, 0),
    )
    ax.grid(visible=False)
    ax.set(xlabel="column", ylabel="row")
    ax.set_title("Dark shading [DN], mean of the sites", fontsize=9)
    figure.colorbar(shown, ax=ax, shrink=0.8, label="DN")


def _draw_hot(ax: Axes, hot: np.ndarray, excess: np.ndarray, shape: tuple[int, int]) -> None:
    ax.set_title(f"{len(hot)} hot pixels ({1e6 * len(hot) / math.prod(shape):.0f} per million)", fontsize=9)
    if len(hot):
        most = np.argsort(-np.abs(excess))[:5000]
        ax.scatter(hot[most, 1], hot[most, 0], s=3, c=RED)
    ax.set(xlim=(0, shape[1]), ylim=(shape[0], 0), xlabel="column", ylabel="row")
