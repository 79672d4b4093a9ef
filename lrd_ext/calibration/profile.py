# SPDX-License-Identifier: Apache-2.0
"""The calibrated figures as a camera profile."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lrd_ext.estimators.intervals import Estimate
from lrd_ext.estimators.read_quantiles import FEWEST
from lrd_ext.estimators.tukey_lambda import PPCC_BRACKET
from lrd_ext.profiles import CameraProfile, profile_from_dict
from lrd_ext.profiles.records import header, is_spread
from lrd_ext.profiles.sensor import sensor_check, used_units
from lrd_ext.read_models import ReadModel, profile_models, read_model
from lrd_ext.version import __version__

from .current_apart import gain_fill, without_dark_current
from .dark_frames import SMALL
from .doubtful import doubtful
from .gain_switch import GainLine
from .laws import FittedLaw, fit_law
from .model_advice import better_model
from .results import Calibration, IsoResult, ReadNoise
from .sensor_profile import sensor_dict
from .verdict import verdict

#: Digits kept in the file: far beyond what any calibration can tell.
DIGITS = 9
#: Decimals of quantiles, in standard deviations.
QUANTILE_DECIMALS = 5
#: When a profile holds the measured quantiles of read noise: where no curve comes near them, or by wish.
WRITE_QUANTILES = ("advised", "always", "never")


def profile_of(
    found: Calibration,
    name: str,
    shading: dict[str, Any] | None = None,
    named: Mapping[str, str] | None = None,
    quantiles: str = "advised",
) -> CameraProfile:
    """Make the profile: rows with intervals, bias by ISO and exposure, laws by branch, the sensor.

    Args:
        found: the calibration.
        name: name of the profile.
        shading: where maps of dark shading were written, for the profile's ``dark_shading``.
        named: ``make``, ``model`` and ``licence`` in place of what the files tell.
        quantiles: one of WRITE_QUANTILES: whether it holds the measured quantiles of read noise.

    Raises:
        ProfileError: the figures contradict the schema; the text names the field.
        ValueError: quantiles are to be "always" written, and were not measured at an ISO.
    """
    data = profile_dict(found, name, quantiles)
    data |= ({"dark_shading": shading} if shading else {}) | dict(named or {})
    return profile_from_dict(_rounded(data))


def profile_dict(found: Calibration, name: str, quantiles: str = "advised") -> dict[str, Any]:
    """Return the JSON values of the profile."""
    sensor, tables = found.sensor, _tables(found, quantiles)
    # Without K at every ISO the line of the others fills in; without any, it is a profile of darks alone.
    fill, adds = gain_fill(found), sensor_dict(found)
    apart = without_dark_current(found)
    used = used_units(sensor_check().read(adds)) | {"read_quantiles": bool(tables)}
    data = header([name for name, is_used in used.items() if is_used]) | {
        "name": name,
        "make": sensor.make,
        "model": sensor.model,
        "licence": "unlicensed: figures measured by the owner of the frames",
        "sources": [{"title": f"lrd calibrate (lrd_ext {__version__}), {found.frames} frames"}],
        "bits": max(math.ceil(math.log2(sensor.white + 1)), 1),
        "black": list(sensor.black),
        "white": sensor.white,
        "cfa": sensor.cfa,
    }
    if not found.measured:
        return data | _from_borders(found)
    models = [m for m in profile_models() if tables or not m.tabled]
    rows = [_row(r, fill, models) if r.read else _row_of_flats(r) for r in apart.measured]
    return (
        data
        | {
            "read": better_model(found, tables=quantiles != "never"),
            "rows": rows,
            "branches": [_branch(apart, rows, i, models) for i in range(len(found.branches))],
            "read_quantiles": tables,
            "bias": [{"iso": r.iso, "dn": [b.value for b in r.dark.bias]} for r in apart.measured if r.dark],
            "black_level_error": [
                {"iso": g.iso, "exposure_s": g.exposure_s, "dn": [b.value for b in g.bias]}
                for g in sorted(found.darks, key=lambda g: (g.iso, g.exposure_s))
            ],
            "calibration": _account(found, apart),
            "notes": list(verdict(found)),
            "doubtful": doubtful(found, fill, adds),
        }
        | ({"sensor": adds} if adds else {})
    )


def _tables(found: Calibration, quantiles: str) -> list[dict[str, Any]]:
    """Return the profile's tables of quantiles: those of all ISOs, or none."""
    check_write_quantiles(quantiles, "quantiles")
    advised = read_model(better_model(found)).tabled
    if quantiles == "never" or (quantiles == "advised" and not advised):
        return []
    reads = [(r.iso, r.read.quantiles if r.read else None) for r in found.measured]
    without = [f"{iso:g}" for iso, table in reads if table is None]
    if without or not reads:
        raise ValueError(
            f"no quantiles of read noise were measured at ISO {', '.join(without) or '-'}: they need darks "
            f"of noise above {SMALL:g} of a step that are not cut off, and {FEWEST} values"
        )
    return [
        {"iso": iso, "quantiles": np.round(table, QUANTILE_DECIMALS).tolist()}
        for iso, table in reads
        if table is not None
    ]


def check_write_quantiles(given: Any, what: str) -> None:
    """Refuse what is none of WRITE_QUANTILES.

    Raises:
        ValueError: the text begins with ``what``.
    """
    if given not in WRITE_QUANTILES:
        raise ValueError(f"{what} must be one of {', '.join(WRITE_QUANTILES)}, got {given!r}")


def _row(r: IsoResult, fill: dict[float, float], models: Sequence[ReadModel]) -> dict[str, Any]:
    assert r.read is not None
    read = r.read
    figures: dict[str, Estimate] = _scales(read, models) | {
        "sigma_row": read.row,
        "sigma_col": read.col,
        "tukey_lambda": read.tukey_lambda.shape,
    }
    row: dict[str, Any] = {"iso": r.iso} | {n: e.value for n, e in figures.items()}
    goodness = {
        "ppcc_shape": read.ppcc[0],
        "ppcc_r2": read.ppcc[1],
        **{
            f"{what}_{model}": getattr(a, what)
            for model, a in read.models.items()
            if read_model(model) in models
            for what in ("r2", "kld", "ks")
        },
    }
    if r.transfer is not None:
        figures["K"] = r.transfer.K
        row["K"] = r.transfer.K.value
        goodness |= {"chi2_per_dof_K": r.transfer.chi2_per_dof, "p_sites_K": r.transfer.p_sites}
    elif r.iso in fill:
        row["K"] = fill[r.iso]
    row["spread"] = {
        n: e.spread
        for n, e in figures.items()
        if e.spread > 0 and (n == "tukey_lambda" or (n != "K" and is_spread(e.value, e.spread, e.low)))
    }
    row["interval95"] = {n: [_low(n, e.low), e.high] for n, e in figures.items()}
    row["goodness"] = goodness
    return row


def _scales(read: ReadNoise, models: Sequence[ReadModel]) -> dict[str, Estimate]:
    return {model.figure: read.scale(model) for model in models if model.figure}


def _row_of_flats(r: IsoResult) -> dict[str, Any]:
    """Return K, and read noise from the intercept of the photon transfer: all that flats alone can tell."""
    assert r.transfer is not None
    K, read = r.transfer.K, r.transfer.read_noise
    return {
        "iso": r.iso,
        "K": K.value,
        "sigma_gaussian": read.value,
        "interval95": {"K": [max(K.low, 0.0), K.high], "sigma_gaussian": [read.low, read.high]},
        "goodness": {"chi2_per_dof_K": r.transfer.chi2_per_dof, "p_sites_K": r.transfer.p_sites},
    }


def _low(name: str, low: float) -> float:
    return low if name == "tukey_lambda" else max(low, 0.0)


def _branch(
    found: Calibration, rows: Sequence[dict[str, Any]], index: int, models: Sequence[ReadModel]
) -> dict[str, Any]:
    first, last = found.branches[index]
    own = rows[first : last + 1]
    names = (
        ("all ISOs",) if len(found.branches) == 1 else ("low gain", "high gain", "third gain", "fourth gain")
    )
    branch: dict[str, Any] = {
        "name": names[index] if index < len(names) else f"gain {index + 1}",
        "iso": [own[0]["iso"], own[-1]["iso"]],
    }
    line = found.gain_lines[index]
    if "K" not in own[0]:
        return branch
    if line is not None:
        branch["K"] = {"per_iso": line.per_iso, "offset": line.offset, "jitter": min(line.misfit, 0.5)}
    laws = {
        name: {"slope": law.slope.value, "intercept": law.intercept.value, "spread": law.spread}
        for name, law in laws_of(found, index, models).items()
    }
    return branch | ({"laws": laws} if laws else {})


def laws_of(
    found: Calibration, index: int, models: Sequence[ReadModel] | None = None
) -> dict[str, FittedLaw]:
    """Fit the laws of a branch, by the name of the sigma; none without K at every ISO.

    Args:
        found: the calibration.
        index: number of the branch.
        models: read-noise models whose scales have laws; None takes all that have a curve.
    """
    if models is None:
        models = [m for m in profile_models() if not m.tabled]
    first, last = found.branches[index]
    rows, fill = found.measured[first : last + 1], gain_fill(found)
    gains = [r.transfer.K.value if r.transfer else fill.get(r.iso) for r in rows]
    reads = [r.read for r in rows if r.read is not None]
    known = [K for K in gains if K is not None]
    if len(known) < len(rows) or len(reads) < len(rows):
        return {}
    own = [_scales(read, models) | {"sigma_row": read.row, "sigma_col": read.col} for read in reads]
    sigmas = {name: [scales[name] for scales in own] for name in (own[0] if own else ())}
    return {name: law for name, s in sigmas.items() if (law := fit_law(known, s)) is not None}


def _from_borders(found: Calibration) -> dict[str, Any]:
    """Return rows of a first estimate from masked borders: Gaussian read noise and row noise, no K."""
    rows = []
    for b in found.borders:
        figures = {"sigma_gaussian": b.read, "sigma_row": b.row}
        row: dict[str, Any] = {"iso": b.iso} | {name: e.value for name, e in figures.items()}
        rows.append(row | {"interval95": {name: [e.low, e.high] for name, e in figures.items()}})
    return {
        "read": "gaussian",
        "rows": rows,
        "branches": [{"name": "all ISOs", "iso": [found.borders[0].iso, found.borders[-1].iso]}],
        "bias": [{"iso": b.iso, "dn": [e.value for e in b.bias]} for b in found.borders],
        "calibration": {
            "command": "lrd calibrate",
            "version": __version__,
            "frames": found.frames,
            "left_out": dict(found.left_out),
            "borders": [{"iso": b.iso, "pictures": b.pictures} for b in found.borders],
        },
        "notes": list(verdict(found)),
        "doubtful": [
            {"field": f, "reason": "measured in the masked border of ordinary pictures, within single frames"}
            for f in ("sigma_gaussian", "sigma_row", "bias")
        ],
    }


def _account(found: Calibration, apart: Calibration) -> dict[str, Any]:
    """Return how the profile was made and what the schema has no field for; laws without dark current."""
    return {
        "command": "lrd calibrate",
        "version": __version__,
        "frames": found.frames,
        "left_out": dict(found.left_out),
        "unpaired": list(found.unpaired),
        "ppcc_bracket": list(PPCC_BRACKET),
        "gain_switch": [
            [found.measured[a[1]].iso, found.measured[b[0]].iso]
            for a, b in zip(found.branches, found.branches[1:], strict=False)
        ],
        "quantization_step": quantization_step(found),
        "gain_lines": [_account_of_line(line) for line in found.gain_lines],
        "laws": [
            {
                name: {"slope": law.slope.to_dict(), "intercept": law.intercept.to_dict()}
                for name, law in laws_of(apart, i).items()
            }
            for i in range(len(found.branches))
        ],
        "by_iso": [_account_of(r) for r in found.isos],
        "bias_interval95": [
            {
                "iso": g.iso,
                "exposure_s": g.exposure_s,
                "low": [b.low for b in g.bias],
                "high": [b.high for b in g.bias],
            }
            for g in found.darks
        ],
    }


def quantization_step(found: Calibration) -> float:
    """Return the step in which the camera's values come, DN: the greatest of any ISO."""
    steps = [g.statistics.step for g in found.darks]
    return max([*steps, *(r.transfer.step for r in found.isos if r.transfer)], default=1.0)


def _account_of_line(line: GainLine | None) -> dict[str, Any] | None:
    if line is None:
        return None
    return {
        "per_iso": line.per_iso_estimate.to_dict(),
        "offset": line.offset_estimate.to_dict() if line.offset else None,
        "largest_departure": line.misfit,
        "chance": line.p if line.tested else None,
    }


def _account_of(r: IsoResult) -> dict[str, Any]:
    account: dict[str, Any] = {"iso": r.iso, "missing": list(r.missing)}
    if r.dark is not None and r.read is not None:
        d, read = r.dark.statistics, r.read
        account |= {
            "darks": d.frames,
            "exposure_s": r.dark.exposure_s,
            "sigma_read_by_site_dn": [e.to_dict() for e in read.pixel],
            "dsnu_dn": read.dsnu.to_dict(),
            "dsnu_pixels_dn": read.dsnu_white.to_dict(),
            "quantization_step": d.step,
            "share_of_darks_cut": read.cut,
            "sigma_row_naive_dn": read.naive_row,
            "hot_pixels": len(d.hot),
            "hot_pixels_first": d.hot[:200].tolist(),
            "banding_rows": [wave.to_dict() for wave in read.row_lines.waves],
            "banding_columns": [wave.to_dict() for wave in read.col_lines.waves],
            "drift_dn": r.dark.drift.to_dict() if r.dark.drift else None,
        }
    if r.transfer is not None:
        account |= {
            "K_by_site": {str(line.site): line.K.to_dict() for line in r.transfer.lines},
            "saturation_dn": r.transfer.saturation,
            "levels_left_out": list(r.transfer.left_out),
            "levels_far_off_dn": list(r.transfer.far_off),
            "K_low_light": r.transfer.low_light.to_dict() if r.transfer.low_light else None,
            "K_by_level": [{"mean_dn": g.mean} | g.K.to_dict() for g in r.transfer.by_level],
            "prnu_pixels": r.prnu.to_dict() if r.prnu else None,
            "prnu": r.prnu_all.to_dict() if r.prnu_all else None,
            "emva1288": vars(r.standard) if r.standard else None,
            "linearity_error_percent": vars(r.linearity) if r.linearity else None,
        }
    return account


def _rounded(value: Any) -> Any:
    """Round every float to DIGITS digits, so that the file is short and the same on every machine."""
    if isinstance(value, (np.floating, float)):
        return float(f"{float(value):.{DIGITS}g}")
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value
