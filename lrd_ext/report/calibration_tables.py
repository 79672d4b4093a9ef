# SPDX-License-Identifier: Apache-2.0
"""The tables of a calibration report, as HTML."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from lrd_ext.calibration.profile import laws_of
from lrd_ext.calibration.results import Calibration, IsoResult
from lrd_ext.calibration.sensor_profile import GREY, HOT, MATTERS, shares
from lrd_ext.estimators.intervals import Estimate
from lrd_ext.estimators.line_waves import Wave
from lrd_ext.profiles import CameraProfile
from lrd_ext.raw import site_labels
from lrd_ext.read_models import profile_models

from .page import table_html


def _read_titles(*, tables: bool = False) -> dict[str, str]:
    """Say by figure what the profile holds of each read-noise model, of those with a table only by wish."""
    models = [m for m in profile_models() if m.figure and (tables or not m.tabled)]
    of_std = {False: "read std", True: "std of measured quantiles"}
    return {str(m.figure): of_std[m.tabled] if m.scale_is_std else f"{m.label} scale" for m in models}


def all_tables(found: Calibration, profile: CameraProfile) -> Iterator[tuple[str, str]]:
    """Give title and HTML of every table that has something to show."""
    for title, (head, rows) in (
        ("Figures with 95 % intervals", figures_table(profile)),
        ("Which components matter for this camera", components_table(found)),
        ("What the sensor adds", sensor_table(found)),
        ("Frames left out", left_out_table(found)),
        ("Gain over ISO by branch", branches_table(found)),
        ("Which model of read noise", models_table(found)),
        ("Sites against each other", sites_table(found)),
        ("Gain by level of light", gain_table(found)),
        ("EMVA 1288", emva_table(found)),
        ("EMVA 1288: capacity, dynamic range, efficiency", standard_table(found)),
        ("Steadiness, banding, hot pixels", steadiness_table(found)),
        ("Black-level error", bias_table(found)),
        ("Black-level error in the masked border", border_table(found)),
    ):
        if rows:
            yield title, table_html(head, rows)


Table = tuple[list[str], list[list[str]]]


def _cell(e: Estimate | None, form: str = ".5g", factor: float = 1.0) -> str:
    """Write an estimate with its interval in a second line."""
    if e is None:
        return "-"
    value, low, high = (format(factor * v, form) for v in (e.value, e.low, e.high))
    return f"{value}<br><small>{low} to {high}</small>"


def figures_table(profile: CameraProfile) -> Table:
    """The rows of the profile."""
    read = _read_titles(tables=bool(profile.read_quantiles))
    titles = {"K": "K [DN/e-]"} | {name: f"{title} [DN]" for name, title in read.items()}
    titles |= {"tukey_lambda": "shape", "sigma_row": "row [DN]", "sigma_col": "column [DN]"}
    rows = []
    for row in profile.rows:
        cells = [f"{row.iso:g}"]
        for name in titles:
            value, interval = getattr(row, name), (row.interval95 or {}).get(name)
            known = None if value is None or interval is None else Estimate(value, *interval)
            cells.append(_cell(known) if known or value is None else f"{value:.5g}")
        rows.append(cells)
    return ["ISO", *titles.values()], rows


def branches_table(found: Calibration) -> Table:
    """The line of K over ISO in every gain branch, how well K follows it, and the laws sampling uses."""
    rows = []
    for i, (line, (first, last)) in enumerate(zip(found.gain_lines, found.branches, strict=True)):
        if line is None:
            continue
        ends = f"{found.measured[first].iso:g} to {found.measured[last].iso:g}"
        offset = _cell(line.offset_estimate) if line.offset else "none needed"
        test = f"{line.p:.3g}" if line.tested else "too few ISOs"
        laws = laws_of(found, i)
        sigmas = (*_read_titles(), "sigma_row", "sigma_col")
        slopes = [_cell(laws[name].slope if name in laws else None, ".3f") for name in sigmas]
        rows.append([ends, _cell(line.per_iso_estimate), offset, f"{line.misfit:.2%}", test, *slopes])
    head = ["ISO", "K/ISO [DN/e-]", "offset [DN/e-]", "largest departure", "chance of such departures"]
    names = (*_read_titles().values(), "row", "column")
    return [*head, *(f"ln {name} over ln K: slope" for name in names)], rows


def models_table(found: Calibration) -> Table:
    """Real darks against darks of every model, by ISO."""
    rows = []
    for r in found.measured:
        if r.read is not None:
            fits = [r.read.models.get(model.name) for model in profile_models()]
            shown = [f"{a.kld:.3g}" if a else "-" for a in fits]
            shown += [f"{a.ks:.3g}" if a else "-" for a in fits]
            shown += [f"{a.r2:.5f}" if a else "-" for a in fits]
            second = f"{r.read.ppcc[0]:+.4f}<br><small>r² {r.read.ppcc[1]:.5f}</small>"
            rows.append([f"{r.iso:g}", *shown, _cell(r.read.tukey_lambda.shape, "+.4f"), second])
    labels = [model.label for model in profile_models()]
    head = [f"{what} {label}" for what in ("KLD [nats]", "KS", "QQ r²") for label in labels]
    return ["ISO", *head, "shape, likelihood", "shape, PPCC (-0.3 to 0.3)"], rows


def sites_table(found: Calibration) -> Table:
    """K and read noise by CFA site."""
    labels = site_labels(found.sensor.cfa)
    rows = []
    for r in found.isos:
        if r.transfer is not None:
            K = {line.site: line.K for line in r.transfer.lines}
            tested = any(own.line.dof > 0 for own in r.transfer.lines)
            fit = f"{r.transfer.chi2_per_dof:.2f}" if tested else "-"
            cells = [_cell(K.get(site)) for site in range(4)]
            rows.append([f"{r.iso:g}", "K [DN/e-]", *cells, f"{r.transfer.p_sites:.3g}", fit])
        if r.read is not None:
            rows.append([f"{r.iso:g}", "read [DN]", *(_cell(e) for e in r.read.pixel), "", ""])
    head = ["ISO", "figure", *(f"site {label}" for label in labels)]
    return [*head, "chance that K differs so", "photon transfer chi²/dof"], rows


def emva_table(found: Calibration) -> Table:
    """DSNU, PRNU, linearity error and saturation by the definitions of EMVA 1288."""
    rows = []
    for r in found.isos:
        if r.read is None and r.transfer is None:
            continue
        K = r.transfer.K.value if r.transfer else None
        rows.append([f"{r.iso:g}", *_dsnu(r, K), *_lit(r)])
    head = ["ISO", "DSNU [DN]", "DSNU of pixels [DN]", "DSNU [e-]", "PRNU [%]", "PRNU of pixels [%]"]
    return [
        *head,
        "linearity error: low, high, mean abs. [%]",
        "saturation above dark [DN]",
        "saturation [e-]",
    ], rows


def gain_table(found: Calibration) -> Table:
    """K over all levels, in the lowest third, and the range of single levels, where darks are there."""
    rows = []
    for r in found.isos:
        t = r.transfer
        if t is not None and t.by_level:
            ends = [min(t.by_level, key=lambda g: g.K.value), max(t.by_level, key=lambda g: g.K.value)]
            cells = [f"{g.K.value:.5g}<br><small>at {g.mean:.0f} DN</small>" for g in ends]
            off = ", ".join(f"{mean:.0f}" for mean in t.far_off) or "none"
            rows.append([f"{r.iso:g}", _cell(t.K), _cell(t.low_light), *cells, off])
    head = ["ISO", "K, all levels [DN/e-]", "K, lowest third of the levels", "lowest of a level"]
    return [*head, "highest of a level", "levels over 5 errors off [DN]"], rows


def standard_table(found: Calibration) -> Table:
    """Saturation capacity, sensitivity threshold, largest SNR, dynamic range and quantum efficiency."""
    rows = []
    for r in found.isos:
        s = r.standard
        if s is not None:
            cells = [f"{s.saturation:.0f}", f"{s.threshold:.2f}"]
            for ratio in (s.snr_max, s.dynamic_range):
                cells.append(f"{20 * math.log10(ratio):.1f} dB<br><small>{ratio:.4g}</small>")
            efficiency = "no photon counts" if s.efficiency is None else f"{100 * s.efficiency:.1f} %"
            rows.append([f"{r.iso:g}", *cells, f"{s.dark_noise:.4g}", efficiency])
    head = ["ISO", "saturation capacity [e-]", "sensitivity threshold [e-]", "SNR max", "dynamic range"]
    return [*head, "temporal dark noise [DN]", "quantum efficiency"], rows


def _dsnu(r: IsoResult, K: float | None) -> list[str]:
    if r.read is None:
        return ["-"] * 3
    electrons = "-" if K is None else _cell(r.read.dsnu, ".3g", 1 / K)
    return [_cell(r.read.dsnu, ".3g"), _cell(r.read.dsnu_white, ".3g"), electrons]


def _lit(r: IsoResult) -> list[str]:
    prnu = [_cell(e, ".3g", 100.0) for e in (r.prnu_all, r.prnu)]
    bend = r.linearity
    linear = "-" if bend is None else f"{bend.lowest:+.2f}, {bend.highest:+.2f}, {bend.mean_absolute:.2f}"
    if r.transfer is None:
        return [*prnu, linear, "-", "-"]
    full = r.transfer.saturation - (float(np.mean([b.value for b in r.dark.bias])) if r.dark else 0.0)
    return [*prnu, linear, f"{full:.0f}", f"{full / r.transfer.K.value:.0f}"]


def steadiness_table(found: Calibration) -> Table:
    """Drift over the series, the strongest line in the spectra of rows and columns, hot pixels."""
    rows = []
    for r in found.isos:
        if r.dark is None or r.read is None:
            continue
        d = r.dark.statistics
        hot = f"{len(d.hot)}<br><small>{1e6 * len(d.hot) / (d.height * d.width):.0f} per million</small>"
        bands = [_band(waves) for waves in (r.read.row_lines.waves, r.read.col_lines.waves)]
        naive = f"{r.read.naive_row:.4g}"
        rows.append(
            [f"{r.iso:g}", str(d.frames), _cell(r.dark.drift, "+.3f"), *bands, _cell(r.read.row), naive, hot]
        )
    head = ["ISO", "darks", "drift over the series [DN]", "row banding", "column banding"]
    return [*head, "row noise [DN]", "plain std of row means [DN]", "hot pixels"], rows


def _band(waves: Sequence[Wave]) -> str:
    if not waves:
        return "none"
    period, amplitude = waves[0].period.value, waves[0].amplitude
    more = f", {len(waves) - 1} weaker" if len(waves) > 1 else ""
    return (
        f"period {period:.2f}{more}<br>"
        f"<small>{amplitude.value:.3g} DN ({amplitude.low:.3g} to {amplitude.high:.3g})</small>"
    )


def components_table(found: Calibration) -> Table:
    """Share of each component in the variance without light, short and long, and at mid grey."""
    rows = []
    for r in found.isos:
        for share in sorted(shares(found, r), key=lambda s: -max(s.dark, s.grey)):
            title = escape(f"{share.name}, beside the others" if share.name == HOT else share.name)
            name = title if share.matters else f"<small>{title}</small>"
            rows.append([f"{r.iso:g}", name, *(_percent(v) for v in (share.dark, share.longest, share.grey))])
    longest = max((g.exposure_s for g in found.darks), default=0.0)
    head = ["ISO", "component", "of the variance without light", f"without light, {longest:g} s"]
    return [*head, f"at mid grey ({GREY:.0%} of the range)"], rows


def _percent(share: float) -> str:
    if share < MATTERS:
        return "below 0.1 %" if share else "-"
    if share >= 10:  # hot pixels, which are counted beside the others
        return f"{share:,.0f} times the rest"
    return f"{100 * share:.2g} %" if share < 1 else f"{100 * share:.0f} %"


def sensor_table(found: Calibration) -> Table:
    """Fixed patterns and drift by ISO, and what belongs to the body."""
    rows = []
    for r in found.isos:
        if r.fixed is not None:
            for name, e in (
                ("offsets of pixels (DSNU) [DN]", r.fixed.dsnu),
                ("fixed rows [DN]", r.fixed.row),
                ("fixed columns [DN]", r.fixed.col),
                ("drift of a site's level from frame to frame [DN]", r.fixed.drift),
            ):
                rows.append([f"{r.iso:g}", name, _cell(e, ".3g")])
    b = found.body
    at = "" if b.reference_c is None else f" at {b.reference_c:g} °C"
    for name, own, shown, factor in (
        ("photo response (PRNU) [%]", b.prnu, ".4g", 100.0),
        (f"dark current{at} [e-/s]", b.rate, ".4g", 1.0),
        ("spread of the logarithm of dark current over pixels", b.spread, ".4g", 1.0),
        ("dark current doubles every [°C]", b.doubling_c, ".4g", 1.0),
        ("hot pixels [per million]", b.hot_fraction, ",.0f", 1e6),
        (f"mean current of a hot pixel more{at} [e-/s]", b.hot_current, ".4g", 1.0),
        ("hot pixels that blink [%]", b.blink, ".4g", 100.0),
    ):
        rows.append(["all", name, _cell(own, shown, factor) if own else "not measured"])
    return ["ISO", "figure", "value, 95 % interval"], rows


def bias_table(found: Calibration) -> Table:
    """Black-level error by ISO, exposure time and site."""
    rows = [
        [f"{g.iso:g}", f"{g.exposure_s:g}", str(g.statistics.frames), *(_cell(b, "+.3f") for b in g.bias)]
        for g in found.darks
    ]
    labels = [f"{label} [DN]" for label in site_labels(found.sensor.cfa)]
    return ["ISO", "exposure [s]", "darks", *labels], rows


def border_table(found: Calibration) -> Table:
    """Black-level error and noise in the masked borders of ordinary raws, where they have one."""
    rows = [
        [f"{b.iso:g}", str(b.pictures), *(_cell(e, "+.3f") for e in b.bias), _cell(b.read), _cell(b.row)]
        for b in found.borders
    ]
    labels = [f"{label} [DN]" for label in site_labels(found.sensor.cfa)]
    return ["ISO", "frames", *labels, "read noise [DN]", "row noise [DN]"], rows


def left_out_table(found: Calibration) -> Table:
    """Names of frames that were not used, and why."""
    rows = [[escape(name), escape(reason)] for name, reason in found.left_out.items()]
    if found.measured:
        rows += [[escape(name), "no second frame like it"] for name in found.unpaired]
    return ["frame", "reason"], rows
