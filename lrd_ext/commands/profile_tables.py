# SPDX-License-Identifier: Apache-2.0
"""What `lrd profile` prints of cameras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from lrd_ext.profiles.camera_profile import describe_bias
from lrd_ext.profiles.sensor import ROW_SIGMAS, SensorFigures
from lrd_ext.profiles.summary import (
    MOST_ISOS,
    IsoFigures,
    answers_at,
    gain_breaks,
    known_noise,
    low_middle_high,
    row_over_read,
    shape_range,
    typical_isos,
)
from lrd_ext.read_models import profile_models, read_model

from .tables import span, table, three

if TYPE_CHECKING:
    from lrd_ext.params import NoiseParams
    from lrd_ext.profiles import CameraProfile
    from lrd_ext.profiles.records import BiasRow

_COMPARE_KEY = (
    "K/ISO in 1e-3 DN/e-, at the lowest and highest ISO. Read noise: standard deviation over K, e-, {isos}. "
    "shape: Tukey-lambda, lowest and highest. row/read: row over read noise, lowest and highest. "
    "gain break: the ISOs the switch lies between. ?: the profile names it doubtful. "
    "Sources: lrd profile show NAME."
)


def library(profiles: Sequence[CameraProfile]) -> list[Any]:
    """Make the table of cameras, and its key."""
    short = {str(model.figure): model.short for model in profile_models()}
    short |= {"sigma_row": "row", "sigma_col": "col", "bias": "bias", "sensor": "sensor"}
    made = table("name", "camera", "ISO", "noise", "source", left=5)
    for p in profiles:
        noise = " ".join(short[name] for name in known_noise(p))
        iso = " ".join(dict.fromkeys(span(*b.iso) for b in p.branches))
        made.add_row(p.name, p.camera, iso, noise, p.sources[0].title.split()[0])
    models = ", ".join(f"{model.short}: {model.label}" for model in profile_models())
    key = f"{models} read noise; bias: black-level error, which moves the mean. "
    return [made, "", f"{key}lrd profile show NAME gives every figure and its source."]


def named(p: CameraProfile) -> dict[str, Any]:
    """Tell a camera in a few values by name."""
    return {
        "name": p.name,
        "camera": p.camera,
        "iso": [branch.iso for branch in p.branches],
        "noise": known_noise(p),
        "gain_breaks": gain_breaks(p),
        "source": p.sources[0].title,
    }


def answers(p: CameraProfile, isos: Sequence[float] | None = None) -> list[IsoFigures]:
    """Return the figures at ISOs (those that show the camera, if none are given) it answers for."""
    return [f for f in answers_at(p, typical_isos(p) if isos is None else isos) if f is not None]


def camera(p: CameraProfile) -> list[Any]:
    """Make the account of one camera: levels, figures over ISO, laws, sources, notes and doubts."""
    black = span(min(p.black), max(p.black))
    head = f"{p.name}: {p.camera}, {p.bits} bit, {p.cfa}, black {black}, white {p.white:g}"
    model = read_model(p.read)
    scale = "" if model.scale_is_std else f" (the {model.label} scale is not one)"
    made = [head, f"{p.iso_ranges()}; read noise {p.read}; {describe_bias(p.bias)}", "", _over_iso(p)]
    made += [f"K in DN/e-; read, row and column noise as standard deviations{scale} and bias in DN."]
    if len(p.rows) > MOST_ISOS:
        made += [f"{MOST_ISOS} of its {len(p.rows)} ISOs are shown."]
    if any(b.laws or b.K for b in p.branches):
        made += ["", _laws(p)]
    if p.sensor is not None:
        made += ["", f"sensor: {p.sensor.describe()}", *_sensor_over_iso(p.sensor)]
    made += ["", f"licence: {p.licence}", *(line for source in p.sources for line in _source(source))]
    made += [f"note: {note}" for note in p.notes]
    made += [f"doubtful: {e.field}{_where(e.iso)}: {e.reason}" for e in p.doubtful]
    return made


def _over_iso(p: CameraProfile) -> Any:
    found = [f for f in answers_at(p, typical_isos(p)) if f is not None]
    made = table("ISO", "K", "read", "read e-", "shape", "row", "col", "bias", left=0)
    if any(f.doubtful for f in found):
        made.add_column("doubtful", justify="left")
    calibrated = {float(row.iso) for row in p.rows}
    for previous, f in zip([None, *found], found, strict=False):
        if previous and previous.branch != f.branch:
            made.add_row()
        mark = "" if f.iso in calibrated or not calibrated else " (law)"
        shape = "-" if f.shape is None else f"{f.shape:.3f}"
        gain = (three(v) for v in (f.K, f.read_std, f.read_e))
        lines = (three(v or None) for v in (f.sigma_row, f.sigma_col))
        bias = _bias(f.bias) if any(f.bias) else "-"
        made.add_row(f"{f.iso:g}{mark}", *gain, shape, *lines, bias, " ".join(sorted(f.doubtful)))
    return made


def _laws(p: CameraProfile) -> Any:
    made = table("law over", "figure", "slope", "intercept", "spread", left=2)
    for b in p.branches:
        isos = f"ISO {span(*b.iso)}"
        if b.K is not None:
            jitter = f"±{b.K.jitter:.1%}" if b.K.jitter else "-"
            made.add_row(isos, "K over ISO", f"{b.K.per_iso:.4g}", f"{b.K.offset:.4g}", jitter)
        for name, law in b.laws.items():
            cells = (f"{v:.5f}" for v in (law.slope, law.intercept, law.spread))
            made.add_row(isos, f"ln {name}", *cells)
    return made


def _sensor_over_iso(sensor: SensorFigures) -> list[Any]:
    if not sensor.rows:
        return []
    made = table("ISO", "DSNU", "fixed\nrow", "fixed\ncol", "drift", "taps\nrow/col", "waves", left=0)
    for row in sensor.rows:
        sigmas = (three(getattr(row, name)) for name in ROW_SIGMAS)
        taps = "/".join(str(len(taps) or "-") for taps in (row.row_taps, row.col_taps))
        waves = [f"{three(a)} at {period:g}" for a, period in (*row.row_waves, *row.col_waves)]
        made.add_row(f"{row.iso:g}", *sigmas, taps, " ".join(waves) or "-")
    key = "taps: how many colour row and column noise; waves: DN at a period in lines."
    return [made, f"Standard deviations in DN; {key}"]


def _source(source: Any) -> list[str]:
    place = ", ".join(
        filter(None, (source.url, source.path, source.commit and f"commit {source.commit[:12]}"))
    )
    lines = [f"source: {source.title}" + (f" ({source.licence})" if source.licence else "")]
    lines += [f"  {place}"] if place else []
    if source.paper:
        lines.append(f"  {source.paper}" + (f", section {source.section}" if source.section else ""))
    return lines


def _where(iso: tuple[float, float] | None) -> str:
    return "" if iso is None else f" at ISO {span(*iso)}"


def comparison(profiles: Sequence[CameraProfile], isos: Sequence[float] | None) -> list[Any]:
    """Make the table of cameras side by side, and its key.

    Args:
        profiles: the cameras.
        isos: three ISOs for the read noise; None takes each camera's lowest, middle and highest.
    """
    made = table(
        "camera", "ISO", "K/ISO\n1e-3", "read noise\ne-", "shape", "row/\nread", "gain\nbreak", left=1
    )
    for p in profiles:
        made.add_row(*_compared(p, isos))
    moved = [f"{p.name}: {describe_bias(p.bias)}" for p in profiles if p.bias]
    moved += [f"{p.name}: sensor: {p.sensor.describe()}" for p in profiles if p.sensor]
    where = "at ISO " + ", ".join(f"{v:g}" for v in isos) if isos else "at lowest, middle and highest ISO"
    return [made, "", _COMPARE_KEY.format(isos=where), *moved]


def _compared(p: CameraProfile, isos: Sequence[float] | None) -> list[str]:
    ends = answers_at(p, p.iso_range)
    found = answers_at(p, low_middle_high(p) if isos is None else isos)
    per_iso = [f.K / f.iso * 1e3 for f in ends if f and f.K]
    read = "/".join(_two(f.read_e) if f and f.read_e else "-" for f in found)
    shapes = shape_range(p)
    rows = row_over_read(p)
    return [
        p.name,
        span(*p.iso_range),
        _gain(per_iso) + _doubt(p, ends, {"K"}),
        read + _doubt(p, found, {str(read_model(p.read).figure), "K"}),
        " ".join(dict.fromkeys(_short(v) for v in shapes)) if shapes else "-",
        span(*rows, ".2f").replace("0.", ".") if rows else "-",
        " ".join(span(*pair) for pair in gain_breaks(p)) or "-",
    ]


def _doubt(p: CameraProfile, found: Sequence[IsoFigures | None], fields: set[str]) -> str:
    return "?" if any(f and f.doubtful & fields for f in found) else ""


def _gain(per_iso: Sequence[float]) -> str:
    if not per_iso:
        return "-"
    # Two digits tell how far K is from linear; where they agree it is one number, worth three.
    ends = dict.fromkeys(f"{v:.0f}" if v >= 9.95 else f"{v:#.2g}" for v in per_iso)
    return "-".join(ends) if len(ends) > 1 else three(sum(per_iso) / len(per_iso))


def _two(value: float) -> str:
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def _short(value: float) -> str:
    return f"{value:.2f}".replace("0.", ".")


def _bias(sites: Sequence[float]) -> str:
    return " ".join(f"{v:.2f}" for v in (sites[:1] if len(set(sites)) == 1 else sites))


_DRAWN = ("iso", "ratio", "K", "sigma_read", "sigma_row", "sigma_col")


def draws(params: NoiseParams, bias: Sequence[BiasRow]) -> list[Any]:
    """Make the table of drawn parameters, and its key.

    Args:
        params: the draws, of one read-noise model.
        bias: the camera's black-level errors.
    """
    model = read_model(params.read)
    made = table("draw", "ISO", "ratio", "K", "read std", "shape", "row", "col", "bias", left=0)
    columns = [getattr(params, name).tolist() for name in _DRAWN]
    shapes = params.tukey_lambda.tolist()
    exposed = bool(params.exposure_s.any())
    electrons = torch.stack([params.exposure_s, params.exposure_s * params.dark_current], 1).tolist()
    for header in ("exposure", "dark e-") if exposed else ():
        made.add_column(header, justify="right")
    for i, (iso, ratio, gain, scale, row, col) in enumerate(zip(*columns, strict=True)):
        cells = (three(v) for v in (iso, ratio, gain, model.std(scale, shapes[i])))
        shape = f"{shapes[i]:.3f}" if model.shaped else "-"
        dark = (three(v) for v in electrons[i]) if exposed else ()
        made.add_row(str(i), *cells, shape, three(row), three(col), _bias(params.bias[i].tolist()), *dark)
    scales = "" if model.scale_is_std else f" (--jsonl gives the {model.label} scale)"
    key = f"K in DN/e-; read{scales}, row and column noise as standard deviations and bias in DN"
    return [made, f"{key}; {describe_bias(bias)}."]
