# SPDX-License-Identifier: Apache-2.0
"""Do a profile's figures agree with each other?"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from .answers import gain, rows_of, shape_of, sigma_of
from .camera_profile import CameraProfile
from .records import Branch, Doubtful
from .tukey_lambda import tukey_lambda_std

#: How far sigma_tukey_lambda * std(lambda) may lie from sigma_gaussian; a law may add its own spread.
READ_TOLERANCE = 0.02
#: How far K may lie from a line through 0 over the ISOs of one branch.
GAIN_TOLERANCE = 0.05


def self_test(profile: CameraProfile) -> tuple[Doubtful, ...]:
    """Find figures that contradict each other.

    Checked at every row, and at the ends and middle of every branch where its laws answer: the standard
    deviation of the Tukey-lambda fit against the Gaussian fit's; and K/ISO among the rows of a branch.

    Returns: one entry per contradiction, with the ISO it was found at and the two numbers in its reason.
    """
    return tuple(entry for branch in profile.branches for entry in _branch_test(profile, branch))


def undeclared(profile: CameraProfile) -> tuple[Doubtful, ...]:
    """Return what :func:`self_test` finds and the profile does not itself name doubtful."""

    def declared(found: Doubtful) -> bool:
        iso = found.iso[0] if found.iso else 0.0
        fields = {"K"} if found.field == "K" else {"sigma_gaussian", "sigma_tukey_lambda", "tukey_lambda"}
        return any(entry.field in fields and entry.concerns(iso) for entry in profile.doubtful)

    return tuple(found for found in self_test(profile) if not declared(found))


def _branch_test(profile: CameraProfile, branch: Branch) -> Iterator[Doubtful]:
    yield from _gain_test(profile, branch)
    rows = rows_of(profile, branch)
    known = {row.iso for row in rows}
    middle = math.sqrt(branch.iso[0] * branch.iso[1])
    isos = np.array(sorted(known | {branch.iso[0], middle, branch.iso[1]}), dtype=np.float64)
    K = gain(rows, branch, isos)
    gaussian, scale = (sigma_of(rows, branch, f, isos, K) for f in ("sigma_gaussian", "sigma_tukey_lambda"))
    if gaussian is None or scale is None:
        return
    shape, spread = shape_of(rows, branch, isos), _law_spread(branch)
    for iso, normal, tukey, at in zip(isos.tolist(), gaussian, scale, shape, strict=True):
        std = float(tukey) * tukey_lambda_std(float(at))
        allowed = READ_TOLERANCE + (0.0 if iso in known else spread)
        if normal and abs(math.log(max(std / normal, 1e-300))) > allowed:
            reason = f"Tukey-lambda std {std:.4g} DN, Gaussian fit {normal:.4g} DN at ISO {iso:.4g}"
            yield Doubtful("sigma_tukey_lambda", reason, (iso, iso))


def _law_spread(branch: Branch) -> float:
    laws = [
        branch.laws[name].spread for name in ("sigma_gaussian", "sigma_tukey_lambda") if name in branch.laws
    ]
    return math.hypot(*laws)


def _gain_test(profile: CameraProfile, branch: Branch) -> Iterator[Doubtful]:
    rows = [row for row in rows_of(profile, branch) if row.K is not None]
    if len(rows) < 2:
        return
    per_iso = np.array([row.K / row.iso for row in rows if row.K is not None])
    typical = float(np.median(per_iso))
    for row, value in zip(rows, per_iso, strict=True):
        if abs(value / typical - 1) > GAIN_TOLERANCE:
            reason = (
                f"K/ISO is {value:.4g} at ISO {row.iso:g} and {typical:.4g} in the branch: not linear in ISO"
            )
            yield Doubtful("K", reason, (row.iso, row.iso))
