# SPDX-License-Identifier: Apache-2.0
"""Which source to train with, in plain words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lrd_ext.read_models import READ_MODELS

from .noise import Candidate, Evaluation, IsoEvaluation

#: Distances that decide: one of each kind. The other KLD presets and AKLD look at the same values again.
DECIDING = (
    "kld_adu",
    "ks",
    "psd",
    "row_autocorrelation",
    "column_autocorrelation",
    "site_covariance",
    "neighbour_covariance",
    "tail_4",
    "tail_5",
)
#: From the simplest on: of two that are as good, the simpler is to be taken.
SIMPLEST = tuple(READ_MODELS)
#: Scores closer than this count as the same: 10 % of a distance's floor on average.
AS_GOOD = 0.1
#: No distance counts for more than this many times its floor.
MOST = 1000.0

_TELLS = {
    "kld_adu": "another share of values",
    "ks": "another share of values",
    "psd": "grain or lines of other strength or frequency",
    "row_autocorrelation": "rows that follow each other otherwise",
    "column_autocorrelation": "columns that follow each other otherwise",
    "site_covariance": "sites of other strength or correlation",
    "neighbour_covariance": "neighbours that hang together otherwise",
    "tail_4": "too many or too few rare large values",
    "tail_5": "too many or too few rare large values",
}


def excess(at: IsoEvaluation, candidate: Candidate, name: str) -> float:
    """Return a distance over the highest that real darks have from each other: above 1 it tells them apart.

    A KLD far below 0, which skips most of the real values, counts like one far above.
    """
    value, floor = abs(candidate.distances[name]), at.floor[name].highest
    return value / floor if floor > 0 else (math.inf if value > 0 else 0.0)


def beyond_floor(at: IsoEvaluation, candidate: Candidate) -> list[str]:
    """Return the deciding distances in which a candidate can be told from real darks, the worst first."""
    found = {name: excess(at, candidate, name) for name in DECIDING if name in candidate.distances}
    return sorted((name for name, value in found.items() if value > 1), key=lambda name: -found[name])


def score(at: IsoEvaluation, candidate: Candidate) -> float:
    """Return the mean logarithm of what goes beyond the floor: 0 where nothing tells it from real darks."""
    names = [name for name in DECIDING if name in candidate.distances]
    values = [min(max(excess(at, candidate, name), 1.0), MOST) for name in names]
    return math.fsum(math.log(value) for value in values) / max(len(values), 1)


def best(found: Evaluation) -> str | None:
    """Return the name of the source to train with: the nearest to the darks, of equal ones the simplest.

    Real darks are the floor, not a candidate. None where nothing else was compared, or nothing that
    decides.
    """
    if not set(DECIDING) & set(found.settings.distances):
        return None
    candidates = _to_train_with(found)
    if not candidates:
        return None
    scores = {c.name: _mean_score(found, c.name) for c in candidates}
    lowest = min(scores.values())
    equal = [c for c in candidates if scores[c.name] <= lowest + AS_GOOD]
    return min(equal, key=lambda c: (_order(c), scores[c.name])).name


def verdict(found: Evaluation) -> list[str]:
    """Say which source to train with and what tells each from real darks, a sentence a line."""
    choice = best(found)
    lines = []
    if choice is not None and len(found.isos[0].candidates) > 1:
        lines.append(_recommended(found, choice))
        if found.fake != choice and found.fake in (c.name for c in _to_train_with(found)):
            lines.append(_why_not(found, choice))
    return [*lines, *(_told(found, c.name) for c in found.isos[0].candidates), *_cautions(found)]


def _to_train_with(found: Evaluation) -> list[Candidate]:
    return [c for c in found.isos[0].candidates if c.rival != "darks"]


def _order(candidate: Candidate) -> int:
    return SIMPLEST.index(candidate.rival) if candidate.rival in SIMPLEST else len(SIMPLEST)


def _mean_score(found: Evaluation, name: str) -> float:
    scores = [score(at, c) for at in found.isos for c in at.candidates if c.name == name]
    return math.fsum(scores) / len(scores)


def _recommended(found: Evaluation, choice: str) -> str:
    mine = _mean_score(found, choice)
    candidates = {c.name: c for c in _to_train_with(found)}
    chosen = candidates.pop(choice)
    equal = [name for name in candidates if _mean_score(found, name) <= mine + AS_GOOD]
    if not equal:
        return f"Train with {choice}: of all that were compared it is nearest to the real darks."
    simplest = all(_order(candidates[name]) > _order(chosen) for name in equal)
    simpler = f" and {choice} the simpler" if simplest else ""
    return (
        f"Train with {choice}: {' and '.join(equal)} {'is' if len(equal) == 1 else 'are'} no better{simpler}."
    )


def _why_not(found: Evaluation, choice: str) -> str:
    further = _mean_score(found, found.fake) - _mean_score(found, choice)
    if further <= AS_GOOD:
        return f"{found.fake} is as good as {choice}, but no better."
    return f"{found.fake} lies on average {math.exp(further):.3g} times as far beyond the floor as {choice}."


def _told(found: Evaluation, name: str) -> str:
    """Name the distances that tell a candidate from real darks at any ISO, the three worst in words."""
    worst: dict[str, float] = {}
    powerless = False
    for at in found.isos:
        candidate = next(c for c in at.candidates if c.name == name)
        powerless |= math.isinf(candidate.distances.get("psd", 0.0))
        for distance in beyond_floor(at, candidate):
            worst[distance] = max(worst.get(distance, 0.0), excess(at, candidate, distance))
    compared = len(set(DECIDING) & set(found.settings.distances))
    if not worst:
        return f"{name}: nothing tells it from real darks with these frames."
    ranked = sorted(worst, key=lambda distance: -worst[distance])
    first = worst[ranked[0]]
    times = f"up to {first:.3g} times the floor"
    if math.isinf(first):
        times = "no power at all" if powerless else "the floor is 0"
    words = ", ".join(dict.fromkeys(_TELLS[distance] for distance in ranked[:4]))
    return f"{name}: told from real darks by {len(worst)} of {compared} distances ({times}): {words}."


def _cautions(found: Evaluation) -> list[str]:
    lines = []
    few = [at for at in found.isos if at.fitted + at.held < 8]
    if few:
        counts = ", ".join(f"{at.fitted + at.held} at ISO {at.iso:g}" for at in few)
        lines.append(f"Few darks ({counts}): the floor is rough; with 16 or more finer differences show.")
    blind = _blind(found.isos)
    if blind:
        lines.append(
            f"The bins of KLD {', '.join(blind)} are wider than the noise, which they hardly see; "
            "adu has one bin a DN."
        )
    return lines


def _blind(isos: Sequence[IsoEvaluation]) -> list[str]:
    """Return presets whose bins are wider than a standard deviation of the noise at every ISO."""
    bins = {"kld_noiseflow": 0.2 / 64, "kld_lrd": 0.2 / 64, "kld_starlight": 1 / 1000}
    return [
        name.removeprefix("kld_")
        for name, width in bins.items()
        if name in isos[0].floor and all(width * at.range_dn > at.real.std for at in isos)
    ]
