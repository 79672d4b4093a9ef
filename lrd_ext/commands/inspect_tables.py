# SPDX-License-Identifier: Apache-2.0
"""What `lrd inspect` prints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lrd_ext.inspection.judgement import BIAS

from .tables import table, three

if TYPE_CHECKING:
    from lrd_ext.estimators.masked_border import StripStatistics
    from lrd_ext.inspection import Finding, PairReport, Prediction
    from lrd_ext.raw import Raw

#: Rows of the printed mean-variance table.
_ROWS = 10
_UNSAID = "not recorded"


def file(path: str, raw: Raw) -> list[Any]:
    """Give the account of one file."""
    return [*_head(path, raw), "", _levels(raw), *_remarks(raw), "", *_border(raw), "", *_noise_profile(raw)]


def file_values(raw: Raw) -> dict[str, Any]:
    """Give the same by name: levels in raw DN, exposure in seconds, what is not recorded as None."""
    from lrd_ext.estimators.masked_border import measure_border
    from lrd_ext.inspection import read_recipe, site_levels, step_of_values

    names = ("camera", "cfa", "iso", "exposure_s", "black", "black_known", "white", "active_area")
    strips = {
        name: {"mean": s.mean, "read": s.read, "row": s.row, "column": s.column}
        for name, s in measure_border(raw).items()
    }
    return {
        "height": raw.mosaic.shape[0],
        "width": raw.mosaic.shape[1],
        **{name: getattr(raw, name) for name in names},
        "sites": site_levels(raw),
        "step": step_of_values(raw),
        "masked_border": strips,
        "noise_profile": raw.noise_profile,
        "made_by": read_recipe(raw),
        "odd_tags": raw.remarks,
    }


def _head(path: str, raw: Raw) -> list[str]:
    from lrd_ext.inspection import read_recipe

    height, width = raw.mosaic.shape
    top, left, bottom, right = raw.active_area
    exposure = f"{raw.exposure_s:.6g} s" if raw.exposure_s else f"exposure {_UNSAID}"
    lines = [
        f"{path}: {raw.camera or 'camera not named'}, {width} x {height}, {raw.cfa}",
        f"ISO {raw.iso:g}, {exposure}" if raw.iso else f"ISO {_UNSAID}, {exposure}",
        f"active area {right - left} x {bottom - top} from column {left}, row {top}",
        f"black by site {' '.join(f'{v:g}' for v in raw.black)}, white {raw.white:g}"
        + ("" if raw.black_known else " (the file gives no black level: 0 is taken)"),
    ]
    recipe = read_recipe(raw)
    if recipe is not None:
        shot = f"ISO {recipe.iso:g}, ratio {recipe.ratio:g}, seed {recipe.seed}"
        lines.append(f"made by lrd synth: {recipe.camera} at {shot}")
    return lines


def _levels(raw: Raw) -> Any:
    from lrd_ext.inspection import site_levels

    headers = ("site", "black", "min", "0.1 %", "median", "99.9 %", "max", "at 0", "< black", "at white")
    made = table(*headers)
    for s in site_levels(raw):
        levels = (s.minimum, s.permille, s.median, s.permille_999, s.maximum)
        ends = (s.at_zero, s.below_black, s.at_white)
        made.add_row(s.label, f"{s.black:g}", *map(str, levels), *map(_percent, ends))
    return made


def _remarks(raw: Raw) -> list[str]:
    from lrd_ext.inspection import site_levels, step_of_values

    step, lines = step_of_values(raw), []
    if step > 1:
        lines.append(f"Values come in steps of {step:.4g} DN.")
    if any(s.at_zero > 1e-3 for s in site_levels(raw)):
        lines.append("Dark pixels are cut at 0: noise below it is lost.")
    return [*lines, *(f"Odd tag: {remark}." for remark in raw.remarks)]


def _border(raw: Raw) -> list[Any]:
    from lrd_ext.estimators.masked_border import measure_border
    from lrd_ext.raw import site_labels

    strips = measure_border(raw)
    if not strips:
        return ["No masked border: black level and dark noise cannot be checked in this file."]
    made = table("masked", "pixels", *site_labels(raw.cfa), "read", "row", "column", left=2)
    for name, s in strips.items():
        lines = (f"{e.value:.2f}±{e.error:.2f}" for e in (s.row, s.column))
        size = f"{s.width}x{s.height}"
        made.add_row(name, size, *(f"{v:.1f}" for v in s.mean), f"{s.read.value:.2f}", *lines)
    key = (
        "mean by site in raw DN; read, row and column noise in DN, standard deviations, defective pixels "
        "included"
    )
    name, largest = next(iter(strips.items()))
    return [made, key, _black_verdict(raw, name, largest), *_dark_verdict(raw, largest)]


def _black_verdict(raw: Raw, name: str, strip: StripStatistics) -> str:
    above = raw.black - strip.mean
    # The mean of a site rests on its pixels and on as many draws of row noise as it has rows.
    error = math.hypot(
        float(strip.std.mean()) / math.sqrt(strip.height * strip.width / 4),
        strip.row.value / math.sqrt(strip.height / 2),
        strip.column.value / math.sqrt(strip.width / 2),
    )
    low, high = float(above.min()), float(above.max())
    where = f"the masked border ({name} strip, ±{error:.2g} DN)"
    if max(abs(low), abs(high)) <= max(3 * error, 0.25):
        return f"The black-level tag agrees with {where}."
    if low < 0 < high:
        return f"The black-level tag lies between {-low:.1f} DN below and {high:.1f} DN above {where}."
    way = "above" if high > 0 else "below"
    near, far = sorted((abs(low), abs(high)))
    form = ".0f" if far >= 3 else ".1f"
    size = f"{far:{form}}" if f"{near:{form}}" == f"{far:{form}}" else f"{near:{form}} to {far:{form}}"
    return f"The black-level tag is {size} DN {way} {where}."


def _dark_verdict(raw: Raw, strip: StripStatistics) -> list[str]:
    if raw.noise_profile is None:
        return []
    from lrd_ext.inspection import predict_from_noise_profile

    told = math.sqrt(predict_from_noise_profile(raw.noise_profile, raw.black, raw.white).offset)
    found = math.sqrt(float((strip.std**2).mean()))
    if abs(found / max(told, 1e-9) - 1) <= 0.02:
        return [f"Its noise, {found:.3g} DN, is that of the NoiseProfile at zero light."]
    way = "above" if found > told else "below"
    return [f"Its noise is {found:.3g} DN, {way} the NoiseProfile's {told:.3g} DN at zero light."]


def _noise_profile(raw: Raw) -> list[str]:
    if raw.noise_profile is None:
        odd = any("NoiseProfile" in remark for remark in raw.remarks)
        return ["No NoiseProfile that makes sense." if odd else "No NoiseProfile tag."]
    from lrd_ext.inspection import predict_from_noise_profile

    p = predict_from_noise_profile(raw.noise_profile, raw.black, raw.white)
    pairs = dict.fromkeys(f"S {s:.6g} O {o:.6g}" for s, o in raw.noise_profile)
    dark = f"{math.sqrt(p.offset):.5g} DN (read, row, column and rounding)"
    return [f"NoiseProfile: {'; '.join(pairs)}", f"  K {p.K:.5g} DN/e-, noise at zero light {dark}"]


def pair(report: PairReport, prediction: Prediction | None, noisy: Raw) -> list[Any]:
    """Give the account of the noise between two files: mean and variance, figures, verdict."""
    from lrd_ext.inspection import findings, in_one_sentence
    from lrd_ext.raw import site_labels

    found = findings(report, prediction, site_labels(noisy.cfa))
    figures = _figures(found, judged=prediction is not None)
    verdict = [] if prediction is None else ["", in_one_sentence(found, prediction)]
    return [_mean_variance(report, prediction), *_notes(report), "", figures, *verdict]


def pair_values(report: PairReport, prediction: Prediction | None, noisy: Raw) -> dict[str, Any]:
    """Give the same by name; ``agrees`` is None where nothing can be told."""
    from lrd_ext.inspection import findings, in_one_sentence
    from lrd_ext.raw import site_labels

    found = findings(report, prediction, site_labels(noisy.cfa))
    return {
        "prediction": prediction and prediction.title,
        "figures": found,
        "left_out": report.left_out,
        "notes": _notes(report),
        "verdict": prediction and in_one_sentence(found, prediction),
    }


def _mean_variance(report: PairReport, p: Prediction | None) -> Any:
    K = None if p is None else p.K
    made = table("signal DN", "pixels", "variance DN^2", "fitted", "off", left=0)
    for header in ("predicted", "off") if K is not None else ():
        made.add_column(header, justify="right")
    for signal, count, variance in _few_rows(report):
        expected = [float(report.fitted(np.array(signal)))]
        if p is not None and K is not None:
            expected.append(float(p.variance(np.array(signal))))
        compared = (cell for v in expected for cell in (_four(v), _off(variance, v)))
        made.add_row(f"{signal:.2f}", str(count), _four(variance), *compared)
    return made


def _few_rows(report: PairReport) -> list[tuple[float, int, float]]:
    """Join bins of neighbouring signals and of the four sites until few are left."""
    b = report.bins
    levels = np.sqrt(b.signal / max(float(b.signal.max()), 1e-9))
    part = np.minimum((levels * _ROWS).astype(int), _ROWS - 1)
    rows = []
    for i in np.unique(part):
        here = part == i
        weight = b.count[here] / b.count[here].sum()
        signal, variance = (float((weight * v[here]).sum()) for v in (b.signal, b.variance))
        rows.append((signal, int(b.count[here].sum()), variance))
    return rows


def _notes(report: PairReport) -> list[str]:
    notes = []
    if report.line.misfit > 3:
        notes.append(
            f"The points lie {math.sqrt(report.line.misfit):.1f} times their errors off a straight line: "
            "scene or light differ between the files, or the noise is not a sum of shot and constant noise."
        )
    if math.isnan(report.K.value):
        notes.append("Only one level of light: K cannot be told from the noise at zero light.")
    if report.left_out > 0:
        notes.append(f"{report.left_out:.1%} of the pixels left out: clipped at 0 or white.")
    return notes


def _figures(found: tuple[Finding, ...], *, judged: bool) -> Any:
    made = table("figure", "unit", "measured", "±", left=2)
    for header in ("predicted", "off", "verdict") if judged else ():
        made.add_column(header, justify="left" if header == "verdict" else "right")
    for f in found:
        off = "-" if f.difference is None or f.figure.startswith(BIAS) else f"{f.difference:+.2%}"
        said = "-" if f.predicted is None else _four(f.predicted)
        verdict = (said, off, f.verdict) if judged else ()
        made.add_row(f.figure, f.unit, _four(f.measured.value), three(f.measured.error), *verdict)
    return made


def _four(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 9999.5 else f"{value:.4f}" if abs(value) < 1 else f"{value:#.5g}"


def _off(value: float, expected: float) -> str:
    return f"{value / expected - 1:+.2%}" if expected else "-"


def _percent(fraction: float) -> str:
    return "0" if fraction == 0 else f"{fraction:.2%}" if fraction >= 5e-5 else "<.01%"
