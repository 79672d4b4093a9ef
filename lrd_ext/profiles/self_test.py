# SPDX-License-Identifier: Apache-2.0
"""Do a profile's figures agree with each other?"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator

import numpy as np

from lrd_ext.read_models import ReadModel, profile_models

from .answers import BranchAnswers, Isos
from .camera_profile import CameraProfile
from .records import Branch, Doubtful

#: How far the deviations two read-noise models give may differ; a law may add its own spread.
READ_TOLERANCE = 0.02
#: How far K may lie from a line through 0 over the ISOs of one branch.
GAIN_TOLERANCE = 0.05


def self_test(profile: CameraProfile) -> tuple[Doubtful, ...]:
    """Find figures that contradict each other.

    Checked at every row, and at the ends and middle of every branch where its laws answer: the standard
    deviation of every read-noise model against that of the first (the Gaussian's, where there is one); and
    K/ISO among the rows of a branch.

    Returns: one entry per contradiction, with the ISO it was found at and the two numbers in its reason.
    """
    return tuple(entry for own in profile.answers.branches for entry in _branch_test(own))


def undeclared(profile: CameraProfile) -> tuple[Doubtful, ...]:
    """Return what :func:`self_test` finds and the profile does not itself name doubtful."""
    of_read_noise = {str(model.figure) for model in profile_models()} | {"tukey_lambda"}
    gain, read = _Declared(profile, {"K"}), _Declared(profile, of_read_noise)
    return tuple(
        found
        for found in self_test(profile)
        if found.iso and not (gain if found.field == "K" else read).concern(found.iso[0])
    )


class _Declared:
    """The ISO ranges in which a profile names one of some fields doubtful; asked in logarithmic time."""

    def __init__(self, profile: CameraProfile, fields: set[str]) -> None:
        ranges = sorted(e.iso or (0.0, math.inf) for e in profile.doubtful if e.field in fields)
        self._lows = [low for low, _ in ranges]
        self._highest = list(itertools.accumulate((high for _, high in ranges), max))

    def concern(self, iso: float) -> bool:
        below = bisect_right(self._lows, iso)
        return below > 0 and iso <= self._highest[below - 1]


def _branch_test(own: BranchAnswers) -> Iterator[Doubtful]:
    yield from _gain_test(own)
    models = [model for model in profile_models() if model.figure in own.held]
    if len(models) < 2:
        return
    known = {row.iso for row in own.rows}
    low, high = own.branch.iso
    isos = np.array(sorted(known | {low, math.sqrt(low * high), high}), dtype=np.float64)
    asked = Isos(isos)
    K, shape = own.gain(asked), own.shape(asked)
    found = [(model, own.sigma(model.figure, asked, K)) for model in profile_models() if model.figure]
    given = [(model, scale) for model, scale in found if scale is not None]
    for model, scale in given[1:]:
        first, first_scale = given[0]
        spread = _law_spread(own.branch, (first, model))
        for i, iso in enumerate(isos.tolist()):
            std, expected = (
                m.std(float(s[i]), float(shape[i])) for m, s in ((model, scale), (first, first_scale))
            )
            allowed = READ_TOLERANCE + (0.0 if iso in known else spread)
            if expected and abs(math.log(max(std / expected, 1e-300))) > allowed:
                texts = f"{model.label} std {std:.4g} DN", f"{first.label} fit {expected:.4g} DN"
                yield Doubtful(str(model.figure), f"{', '.join(texts)} at ISO {iso:.4g}", (iso, iso))


def _law_spread(branch: Branch, models: Iterable[ReadModel]) -> float:
    return math.hypot(*(branch.laws[f].spread for f in (str(m.figure) for m in models) if f in branch.laws))


def _gain_test(own: BranchAnswers) -> Iterator[Doubtful]:
    known = [(row.iso, row.figures["K"] / row.iso) for row in own.rows if "K" in row.figures]
    if len(known) < 2:
        return
    typical = float(np.median([per_iso for _, per_iso in known]))
    for iso, per_iso in known:
        if abs(per_iso / typical - 1) > GAIN_TOLERANCE:
            found = f"K/ISO is {per_iso:.4g} at ISO {iso:g} and {typical:.4g} in the branch"
            yield Doubtful("K", f"{found}: not linear in ISO", (iso, iso))
