# SPDX-License-Identifier: Apache-2.0
"""From JSON values to the fields of a CameraProfile: the one place where a profile's values are validated.

``profile_check`` declares every field once; docs/profile.schema.json is made of the same declarations.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from lrd_ext.cfa import PATTERNS, listed
from lrd_ext.read_models import check_table, profile_models
from lrd_ext.reference.quantile_table import KNOTS

from .answers import by_branch, iso_ranges
from .checks import (
    FREE_JSON,
    SITES,
    TEXT,
    Check,
    each,
    exactly,
    made,
    named,
    nullable,
    number,
    numbers,
    one_of,
    pair,
    record,
    refusal,
    whole,
)
from .records import (
    SCHEMA,
    UNITS,
    VERSION,
    BiasRow,
    Branch,
    Doubtful,
    ExposureBias,
    GainLaw,
    Law,
    ProfileError,
    QuantileRow,
    Row,
    Source,
    doubtful_fields,
    row_figures,
    sigmas,
)
from .sensor import SENSOR_DOUBTS, SensorFigures, sensor_check
from .sensor import used_units as units_of_sensor

_ISO = number(0.0, 1e8, above=True)
_SIGMA = number(0.0, 1e6)
_SHAPE = number(-0.5, 1e3, above=True)
_GAIN = number(0.0, 1e6, above=True)

_SOURCE = made(
    record({"title": TEXT}, dict.fromkeys(("url", "commit", "path", "paper", "section", "licence"), TEXT)),
    Source,
)
_LAW = made(
    record({"slope": number(-20, 20), "intercept": number(-50, 50)}, {"spread": number(0, 5)}),
    Law,
)
_GAIN_LAW = made(
    record(
        {"per_iso": number(0, 1e3, above=True)},
        {"offset": number(-1e3, 1e3), "jitter": number(0, 0.5)},
    ),
    GainLaw,
)
_BIAS = made(record({"iso": _ISO, "dn": SITES}), BiasRow)
_QUANTILES = made(record({"iso": _ISO, "quantiles": numbers(KNOTS, number(-1e6, 1e6))}), QuantileRow)
_EXPOSURE_BIAS = made(
    record({"iso": _ISO, "exposure_s": number(0, 1e6, above=True), "dn": SITES}), ExposureBias
)


def checked_fields(data: Any) -> dict[str, Any]:
    """Validate the JSON values of a profile and return the fields of its CameraProfile.

    Raises:
        ProfileError: a field is missing, unknown, in another unit, out of range or at odds with another one.
    """
    if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
        given = data.get("schema") if isinstance(data, Mapping) else data
        raise refusal(f'"{SCHEMA}" in a JSON object', given).inside("schema").error()
    fields = profile_check().at(data)
    units = fields.pop("units")
    del fields["schema"], fields["version"]
    _check_whole(fields)
    for name in used_units(fields):
        if name not in units:
            raise ProfileError(f'units.{name} is missing: the profile holds figures in it, "{UNITS[name]}"')
    return fields


def profile_check() -> Check[dict[str, Any]]:
    """Declare every field of a profile file."""
    header: dict[str, Check[Any]] = {
        "schema": exactly(SCHEMA, ""),
        "version": exactly(VERSION, ", the one this release of lrd_ext reads"),
        "units": _units_check(),
        **dict.fromkeys(("name", "make", "model", "licence"), TEXT),
    }
    levels: dict[str, Check[Any]] = {"bits": whole(1, 32), "black": SITES, "white": number()}
    models: dict[str, Check[Any]] = {
        "cfa": one_of(PATTERNS, listed()),
        "read": one_of(model.name for model in profile_models()),
    }
    optional: dict[str, Check[Any]] = {
        "notes": each(TEXT),
        "doubtful": each(_doubtful_check()),
        "rows": each(_row_check()),
        "bias": each(_BIAS),
        "read_quantiles": each(_QUANTILES),
        "black_level_error": each(_EXPOSURE_BIAS),
        "sensor": sensor_check(),
        "dark_shading": named(FREE_JSON),
        "calibration": named(FREE_JSON),
    }
    lists: dict[str, Check[Any]] = {"sources": each(_SOURCE), "branches": each(_branch_check())}
    return record(header | levels | models | lists, optional)


def _units_check() -> Check[dict[str, Any]]:
    why = " (figures are never converted)"
    return record({}, {name: exactly(unit, why) for name, unit in UNITS.items()})


def _doubtful_check() -> Check[Doubtful]:
    iso, fields = pair(number(0.0)), (*doubtful_fields(), *SENSOR_DOUBTS)
    return made(record({"field": one_of(fields), "reason": TEXT}, {"iso": nullable(iso)}), Doubtful)


def _row_check() -> Check[Row]:
    figures = row_figures()
    kinds = {"K": _GAIN, "tukey_lambda": _SHAPE}
    one_each: dict[str, Check[Any]] = {name: nullable(kinds.get(name, _SIGMA)) for name in figures}
    tables: dict[str, Check[Any]] = {
        "spread": named(_SIGMA, figures),
        "interval95": named(pair(number()), figures),
        "goodness": named(number()),
    }

    def make(iso: float, **given: Any) -> Row:
        known = {name: given[name] for name in figures if given.get(name) is not None}
        return Row(iso, known, **{name: given.get(name) or None for name in tables})

    return made(record({"iso": _ISO}, one_each | tables), make)


def _branch_check() -> Check[Branch]:
    return made(
        record(
            {"name": TEXT, "iso": pair(_ISO)},
            {"K": nullable(_GAIN_LAW), "laws": named(_LAW, sigmas()), "tukey_lambda": each(_SHAPE)},
        ),
        Branch,
    )


def used_units(fields: Mapping[str, Any]) -> list[str]:
    """Name the units of the figures that a profile holds, by its fields."""
    branches, rows, bias = fields["branches"], fields.get("rows", ()), fields.get("bias", ())
    by_exposure = fields.get("black_level_error", ())
    used = {
        "iso": True,
        "level": True,
        "sigma": True,
        "K": _knows_gain(branches, rows),
        "tukey_lambda": any(b.tukey_lambda for b in branches)
        or any("tukey_lambda" in row.figures for row in rows),
        "bias": bool(bias or by_exposure),
        "exposure": bool(by_exposure),
        "read_quantiles": bool(fields.get("read_quantiles", ())),
        "law": any(b.laws for b in branches),
        **units_of_sensor(fields.get("sensor")),
    }
    return [name for name, is_used in used.items() if is_used]


def _check_whole(fields: Mapping[str, Any]) -> None:
    branches, rows, bits = fields["branches"], fields.get("rows", ()), fields["bits"]
    if not fields["sources"]:
        raise ProfileError("sources must name at least one source, got []")
    if not branches:
        raise ProfileError("branches must hold at least one gain branch, got []")
    number(max(fields["black"]), 1e7, above=True).at(fields["white"], "white")
    if bits < 32 and fields["white"] > 2**bits - 1:
        rule = f"at most {2**bits - 1} in a profile of {bits} bits"
        raise refusal(rule, fields["white"]).inside("white").error()
    _check_rising([row.iso for row in rows], "rows")
    _check_rising([row.iso for row in fields.get("bias", ())], "bias")
    _check_branches(branches)
    _check_inside(branches, [row.iso for row in rows], "rows")
    own = by_branch(branches, rows)
    dark_only = not _knows_gain(branches, rows)
    for i, (branch, its_rows) in enumerate(zip(branches, own, strict=True)):
        _check_branch(branch, its_rows, fields["read"], dark_only, f"branches[{i}]")
    _check_quantiles(branches, rows, fields.get("read_quantiles", ()))
    if fields.get("sensor") is not None:
        _check_sensor(fields["sensor"], branches, dark_only)


def _check_sensor(sensor: SensorFigures, branches: Sequence[Branch], dark_only: bool) -> None:
    isos = [row.iso for row in sensor.rows]
    _check_rising(isos, "sensor.rows")
    _check_inside(branches, isos, "sensor.rows")
    for name in ("dark_current", "hot_pixels"):
        if dark_only and getattr(sensor, name) is not None:
            raise ProfileError(f"sensor.{name} is in e-/s and needs K, which is not known in this profile")


def _check_quantiles(branches: Sequence[Branch], rows: Sequence[Row], tables: Sequence[QuantileRow]) -> None:
    _check_rising([table.iso for table in tables], "read_quantiles")
    for i, table in enumerate(tables):
        try:
            check_table(torch.tensor(table.quantiles, dtype=torch.float64), f"read_quantiles[{i}].quantiles")
        except ValueError as error:
            raise ProfileError(str(error)) from None
    figures = {str(model.figure) for model in profile_models() if model.tabled}
    parts = zip(branches, by_branch(branches, rows), by_branch(branches, tables), strict=True)
    for i, (branch, its_rows, its_tables) in enumerate(parts):
        held = figures & set(branch.laws).union(*(row.figures for row in its_rows))
        if held and not its_tables:
            raise ProfileError(
                f"branches[{i}]: read_quantiles is missing: {min(held)} is a scale and needs quantiles, at "
                "one ISO of the branch at least"
            )


def _knows_gain(branches: Iterable[Branch], rows: Iterable[Row]) -> bool:
    return any(b.K is not None for b in branches) or any("K" in row.figures for row in rows)


def _check_rising(isos: Sequence[float], place: str) -> None:
    for i in range(1, len(isos)):
        if isos[i] <= isos[i - 1]:
            raise ProfileError(
                f"{place}[{i}].iso must be above the one before, got {isos[i]:g} after {isos[i - 1]:g}"
            )


def _check_branches(branches: Sequence[Branch]) -> None:
    for i in range(1, len(branches)):
        before = branches[i - 1].iso[1]
        if branches[i].iso[0] <= before:
            rule = f"above the branch before, which ends at ISO {before:g}"
            raise refusal(rule, list(branches[i].iso)).inside(f"branches[{i}].iso").error()


def _check_inside(branches: Sequence[Branch], isos: Sequence[float], place: str) -> None:
    starts = [branch.iso[0] for branch in branches]
    for i, iso in enumerate(isos):
        below = bisect_right(starts, iso) - 1
        if below < 0 or iso > branches[below].iso[1]:
            rule = f"inside one of the branches ({iso_ranges(branches)})"
            raise refusal(rule, iso).inside(f"{place}[{i}].iso").error()


def _check_branch(branch: Branch, rows: Sequence[Row], read: str, dark_only: bool, place: str) -> None:
    with_gain = sum("K" in row.figures for row in rows)
    if 0 < with_gain < len(rows):
        raise ProfileError(f"{place}: K must be given in all of its rows or in none")
    has_gain = branch.K is not None or with_gain > 0
    if has_gain == dark_only:
        raise ProfileError(
            f"{place}.K must be known in every branch, or (a profile made from darks alone) in none"
        )
    if branch.laws and not has_gain:
        raise ProfileError(f"{place}.laws need K, which is not known in this branch")
    if branch.K and min(branch.K.per_iso * iso + branch.K.offset for iso in branch.iso) <= 0:
        raise ProfileError(f"{place}.K must be above 0 DN/e- over the whole branch")
    held = set(branch.laws).union(*(row.figures for row in rows))
    for model in profile_models():
        if model.shaped and model.figure in held and not (branch.tukey_lambda or "tukey_lambda" in held):
            raise ProfileError(
                f"{place}.tukey_lambda is missing: {model.figure} is a scale and needs its shape"
            )
        if model.name == read and model.figure not in held:
            raise ProfileError(f"{place}: no {model.figure} in a law or a row, though read is {read!r}")
