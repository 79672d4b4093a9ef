# SPDX-License-Identifier: Apache-2.0
"""Figures of ELD (Wei et al., CVPR 2020).

Published as one dictionary per camera in camera_params/release/*.npy of github.com/Vandermode/ELD (MIT).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lrd_ext.cfa import to_phase
from lrd_ext.profiles.camera_profile import CameraProfile, profile_from_dict
from lrd_ext.profiles.checks import SITES, Check, each, named, number, record, refusal
from lrd_ext.profiles.records import ProfileError, header

#: What the schema of profiles checks later, by its own names.
_ANYTHING: Check[Any] = Check(lambda value: value, {})
_LAWS = {"g_scale": "sigma_gaussian", "G_scale": "sigma_tukey_lambda", "R_scale": "sigma_row"}


def import_eld(
    figures: Mapping[str, Any],
    *,
    name: str,
    make: str,
    model: str,
    black: float | Sequence[float],
    white: float,
    file: str,
    commit: str | None = None,
    bits: int = 14,
    cfa: str = "RGGB",
    law: str = "Profile-1",
    notes: Sequence[str] = (),
) -> CameraProfile:
    """Make a profile of one ELD camera.

    Args:
        figures: the released dictionary: Kmin, Kmax (linear, DN/e-), G_shape (shapes, two frames per ISO),
            color_bias ((2 x ISOs, 4) DN, columns R, G1, B, G2) and the laws of ``law`` (slope, bias, sigma of
            ln sigma over ln K).
        name: name of the profile.
        make: maker of the camera.
        model: model of the camera.
        black: black level of its raw files, DN; not part of the release.
        white: white level of its raw files, DN; not part of the release.
        file: the file they are from.
        commit: commit of the repository the figures are from, None where it is not known.
        bits: bit depth of its raw values.
        cfa: phase its colours R, G1, B, G2 are put into.
        law: which of the released profiles gives the joint law.
        notes: what else a user must know.

    Returns: a profile of one branch from ISO 100 to the ISO of Kmax, K in proportion to ISO.

    Raises:
        ProfileError: a figure is missing or breaks the schema.
    """
    _check_figures(figures, law)
    per_iso = figures["Kmin"] / 100
    top = round(figures["Kmax"] / per_iso)
    shapes = [float(v) for v in _values(figures["G_shape"])]
    frames = each(SITES).at(_values(figures["color_bias"]), "color_bias")
    bias = _bias_rows(frames, top, cfa)
    data: dict[str, Any] = {
        **header(), "name": name, "make": make, "model": model,
        "licence": "MIT", "sources": [_source(commit, file)], "bits": bits, "black": black, "white": white,
        "cfa": cfa, "read": "tukey_lambda", "notes": [*_NOTES, *notes], "bias": bias,
        "branches": [{
            "name": "all", "iso": [100, top], "K": {"per_iso": per_iso}, "tukey_lambda": shapes,
            "laws": {ours: _law(figures[law][theirs]) for theirs, ours in _LAWS.items()},
        }],
    }  # fmt: skip
    return profile_from_dict(data)


_NOTES = (
    "ELD fits one line ln(sigma) over ln(K) across all ISOs, dual conversion gain or not: its spread of "
    "about 0.25 is mostly this misfit. Where another calibration by ISO exists, prefer it.",
    "ISO of K inferred: Kmax is exactly 64 times Kmin, read as ISO 100 and 6400, K in proportion to ISO.",
    "ISO of the bias rows inferred: two frames per ISO (averaged here) in the order ISO 100, 200, 400, ...; "
    "the released rows above ISO 6400 are left out. Those of the A7S2 agree with PMN's black-level error.",
    "Which shape belongs to which ISO is not published; as in the paper, sampling draws from the whole list.",
    "black and white are not part of the release (its code takes 16383 - 800 as the range of every camera).",
)


def _check_figures(figures: Mapping[str, Any], law: str) -> None:
    for field in ("Kmin", "Kmax", "G_shape", "color_bias", law):
        if field not in figures:
            raise ProfileError(f"{field} is missing")
    for field in ("Kmin", "Kmax"):
        number(1e-6, 1e6).at(figures[field], field)
    each(number()).at(_values(figures["G_shape"]), "G_shape")
    frames = each(SITES).at(_values(figures["color_bias"]), "color_bias")
    if len(frames) % 2:
        raise refusal("two frames for each ISO", f"{len(frames)} frames").inside("color_bias").error()
    laws = named(_ANYTHING).at(figures[law], law)
    for field in _LAWS:
        if field not in laws:
            raise ProfileError(f"{law}.{field} is missing")
        record(dict.fromkeys(("slope", "bias", "sigma"), _ANYTHING)).at(laws[field], f"{law}.{field}")


def _source(commit: str | None, file: str) -> dict[str, str]:
    return ({"commit": commit} if commit else {}) | {
        "title": "ELD camera parameters",
        "url": "https://github.com/Vandermode/ELD",
        "path": file,
        "paper": "Wei, Fu, Yang, Huang: A Physics-based Noise Formation Model for Extreme Low-light Raw "
        "Denoising, CVPR 2020",
        "section": "3 and 4 (model and calibration)",
        "licence": "MIT, Copyright (c) 2020 Kaixuan Wei",
    }


def _values(array: Any) -> Any:
    array = array["data"] if isinstance(array, Mapping) else array
    return array.tolist() if isinstance(array, np.ndarray) else array


def _law(published: Mapping[str, float]) -> dict[str, float]:
    return {"slope": published["slope"], "intercept": published["bias"], "spread": published["sigma"]}


def _bias_rows(columns: Sequence[Sequence[float]], top: float, cfa: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for i in range(0, len(columns), 2):
        iso = 100 * 2 ** (i // 2)
        red, green_red, blue, green_blue = (
            (float(a) + float(b)) / 2 for a, b in zip(*columns[i : i + 2], strict=True)
        )
        if iso <= top:
            sites = np.array([red, green_red, green_blue, blue])  # RGGB sites, not R, G1, B, G2
            rows.append({"iso": iso, "dn": to_phase(sites, "RGGB", cfa).tolist()})
    return rows
