# SPDX-License-Identifier: Apache-2.0
"""From JSON values to a CameraProfile: the one place where a profile's values are validated."""

from __future__ import annotations

from functools import partial
from typing import Any

from lrd_ext.cfa import PATTERNS

from . import checks
from .camera_profile import CameraProfile
from .records import (
    DOUBTFUL_FIELDS,
    READ_FIGURE,
    ROW_FIGURES,
    SCHEMA,
    SIGMAS,
    UNITS,
    VERSION,
    BiasRow,
    Branch,
    Doubtful,
    ExposureBias,
    GainLaw,
    Law,
    ProfileError,
    Row,
    Source,
)

_HEADER = ("schema", "version", "units", "name", "make", "model", "licence", "sources")
_REQUIRED = (*_HEADER, "bits", "black", "white", "cfa", "read", "branches")
_OPTIONAL = ("notes", "doubtful", "rows", "bias", "black_level_error", "dark_shading", "calibration")

_sigma = partial(checks.number, low=0.0, high=1e6)
_iso = partial(checks.number, low=0.0, high=1e8, above=True)
_shape = partial(checks.number, low=-0.5, high=1e3, above=True)
_gain = partial(checks.number, low=0.0, high=1e6, above=True)


def profile_from_dict(data: Any) -> CameraProfile:
    """Validate the JSON values of a profile and make the CameraProfile.

    Args:
        data: what ``json.load`` gives for a profile file; docs/parameters.md lists every field.

    Raises:
        ProfileError: a field is missing, unknown, in another unit, out of range or at odds with another one.
    """
    _check_header(data)
    data = checks.fields(data, "", _REQUIRED, _OPTIONAL)
    black = checks.sites(data["black"], "black")
    profile = CameraProfile(
        name=checks.text(data["name"], "name"),
        make=checks.text(data["make"], "make"),
        model=checks.text(data["model"], "model"),
        licence=checks.text(data["licence"], "licence"),
        sources=checks.each(data["sources"], "sources", _source),
        bits=checks.whole(data["bits"], "bits", 1, 32),
        black=black,
        white=checks.number(data["white"], "white", max(black), above=True),
        cfa=checks.one_of(data["cfa"], "cfa", tuple(PATTERNS)),
        read=checks.one_of(data["read"], "read", tuple(READ_FIGURE)),
        notes=checks.each(data.get("notes", ()), "notes", checks.text),
        doubtful=checks.each(data.get("doubtful", ()), "doubtful", _doubtful),
        rows=checks.each(data.get("rows", ()), "rows", _row),
        branches=checks.each(data["branches"], "branches", _branch),
        bias=checks.each(data.get("bias", ()), "bias", _bias),
        black_level_error=checks.each(data.get("black_level_error", ()), "black_level_error", _exposure_bias),
        dark_shading=checks.named(data.get("dark_shading", {}), "dark_shading", checks.free_json),
        calibration=checks.named(data.get("calibration", {}), "calibration", checks.free_json),
    )
    _check_whole(profile)
    return profile


def _check_header(data: Any) -> None:
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        given = data.get("schema") if isinstance(data, dict) else data
        raise checks.refuse("schema", f'"{SCHEMA}" in a JSON object', given)
    if data.get("version") != VERSION or isinstance(data.get("version"), bool):
        raise checks.refuse(
            "version", f"{VERSION}, the one this release of lrd_ext reads", data.get("version")
        )
    units = checks.fields(data.get("units", {}), "units", UNITS)
    for name, unit in UNITS.items():
        if units[name] != unit:
            raise checks.refuse(f"units.{name}", f'"{unit}" (figures are never converted)', units[name])


def _source(data: Any, place: str) -> Source:
    optional = ("url", "commit", "path", "paper", "section", "licence")
    given = checks.fields(data, place, ("title",), optional)
    return Source(**{name: checks.text(value, f"{place}.{name}") for name, value in given.items()})


def _doubtful(data: Any, place: str) -> Doubtful:
    given = checks.fields(data, place, ("field", "reason"), ("iso",))
    return Doubtful(
        field=checks.one_of(given["field"], f"{place}.field", DOUBTFUL_FIELDS),
        reason=checks.text(given["reason"], f"{place}.reason"),
        iso=checks.pair(given["iso"], f"{place}.iso", 0.0) if given.get("iso") is not None else None,
    )


def _row(data: Any, place: str) -> Row:
    given = checks.fields(data, place, ("iso",), (*ROW_FIGURES, "spread", "interval95", "goodness"))
    row: dict[str, Any] = {"iso": _iso(given["iso"], f"{place}.iso")}
    for name in ROW_FIGURES:
        value, at = given.get(name), f"{place}.{name}"
        read = {"K": _gain, "tukey_lambda": _shape}.get(name, _sigma)
        row[name] = None if value is None else read(value, at)
    tables: dict[str, Any] = {
        "spread": checks.named(given.get("spread", {}), f"{place}.spread", _sigma, ROW_FIGURES),
        "interval95": checks.named(
            given.get("interval95", {}), f"{place}.interval95", checks.pair, ROW_FIGURES
        ),
        "goodness": checks.named(given.get("goodness", {}), f"{place}.goodness", checks.number),
    }
    return Row(**row | {name: value or None for name, value in tables.items()})


def _branch(data: Any, place: str) -> Branch:
    given = checks.fields(data, place, ("name", "iso"), ("K", "laws", "tukey_lambda"))
    low, high = checks.pair(given["iso"], f"{place}.iso", 0.0)
    return Branch(
        name=checks.text(given["name"], f"{place}.name"),
        iso=(_iso(low, f"{place}.iso"), _iso(high, f"{place}.iso")),
        K=_gain_law(given["K"], f"{place}.K") if given.get("K") is not None else None,
        laws=checks.named(given.get("laws", {}), f"{place}.laws", _law, SIGMAS),
        tukey_lambda=checks.each(given.get("tukey_lambda", ()), f"{place}.tukey_lambda", _shape),
    )


def _law(data: Any, place: str) -> Law:
    given = checks.fields(data, place, ("slope", "intercept"), ("spread",))
    return Law(
        slope=checks.number(given["slope"], f"{place}.slope", -20, 20),
        intercept=checks.number(given["intercept"], f"{place}.intercept", -50, 50),
        spread=checks.number(given.get("spread", 0.0), f"{place}.spread", 0, 5),
    )


def _gain_law(data: Any, place: str) -> GainLaw:
    given = checks.fields(data, place, ("per_iso",), ("offset", "jitter"))
    return GainLaw(
        per_iso=checks.number(given["per_iso"], f"{place}.per_iso", 0, 1e3, above=True),
        offset=checks.number(given.get("offset", 0.0), f"{place}.offset", -1e3, 1e3),
        jitter=checks.number(given.get("jitter", 0.0), f"{place}.jitter", 0, 0.5),
    )


def _bias(data: Any, place: str) -> BiasRow:
    given = checks.fields(data, place, ("iso", "dn"))
    return BiasRow(_iso(given["iso"], f"{place}.iso"), checks.sites(given["dn"], f"{place}.dn"))


def _exposure_bias(data: Any, place: str) -> ExposureBias:
    given = checks.fields(data, place, ("iso", "exposure_s", "dn"))
    return ExposureBias(
        iso=_iso(given["iso"], f"{place}.iso"),
        exposure_s=checks.number(given["exposure_s"], f"{place}.exposure_s", 0, 1e6, above=True),
        dn=checks.sites(given["dn"], f"{place}.dn"),
    )


def _check_whole(profile: CameraProfile) -> None:
    if not profile.sources:
        raise ProfileError("sources must name at least one source, got []")
    if not profile.branches:
        raise ProfileError("branches must hold at least one gain branch, got []")
    if profile.bits < 32 and profile.white > 2**profile.bits - 1:
        raise checks.refuse(
            "white", f"at most {2**profile.bits - 1} in a profile of {profile.bits} bits", profile.white
        )
    checks.increasing((row.iso for row in profile.rows), "rows")
    checks.increasing((row.iso for row in profile.bias), "bias")
    for i, branch in enumerate(profile.branches):
        if i and branch.iso[0] <= profile.branches[i - 1].iso[1]:
            raise checks.refuse(
                f"branches[{i}].iso",
                f"above the branch before, which ends at ISO {profile.branches[i - 1].iso[1]:g}",
                list(branch.iso),
            )
    for i, row in enumerate(profile.rows):
        if not any(b.iso[0] <= row.iso <= b.iso[1] for b in profile.branches):
            raise checks.refuse(
                f"rows[{i}].iso", f"inside one of the branches ({profile.iso_ranges()})", row.iso
            )
    for i, branch in enumerate(profile.branches):
        _check_branch(profile, branch, f"branches[{i}]")


def _check_branch(profile: CameraProfile, branch: Branch, place: str) -> None:
    rows = [row for row in profile.rows if branch.iso[0] <= row.iso <= branch.iso[1]]
    with_gain = [row.K is not None for row in rows]
    if any(with_gain) and not all(with_gain):
        raise ProfileError(f"{place}: K must be given in all of its rows or in none")
    has_gain = branch.K is not None or any(with_gain)
    if has_gain == profile.dark_only:
        raise ProfileError(
            f"{place}.K must be known in every branch, or (a profile made from darks alone) in none"
        )
    if branch.laws and not has_gain:
        raise ProfileError(f"{place}.laws need K, which is not known in this branch")
    if branch.K and min(branch.K.per_iso * iso + branch.K.offset for iso in branch.iso) <= 0:
        raise ProfileError(f"{place}.K must be above 0 DN/e- over the whole branch")
    for model, figure in READ_FIGURE.items():
        shaped = (
            model == "gaussian" or branch.tukey_lambda or any(row.tukey_lambda is not None for row in rows)
        )
        if (figure in branch.laws or any(getattr(row, figure) is not None for row in rows)) and not shaped:
            raise ProfileError(f"{place}.tukey_lambda is missing: {figure} is a scale and needs its shape")
    figure = READ_FIGURE[profile.read]
    if figure not in branch.laws and all(getattr(row, figure) is None for row in rows):
        raise ProfileError(f"{place}: no {figure} in a law or a row, though read is {profile.read!r}")
