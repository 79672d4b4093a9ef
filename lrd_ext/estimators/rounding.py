# SPDX-License-Identifier: Apache-2.0
"""What the converter does to noise: rounding to its step, and values cut at both ends of its range."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np

#: Variance of rounding to whole DN, DN^2, and its fourth cumulant, DN^4; q^2 and q^4 times that for a step q.
ROUNDING = 1 / 12
ROUNDING_C4 = -1 / 120
#: Share of the values beside the most frequent one that may lie off a step: repaired pixels, mostly.
_OFF_STEP = 1e-3
#: Values besides the most frequent one that are needed to tell a step.
_FEWEST = 50
#: A value this frequent by chance alone is not missed by chance.
_EXPECTED = 20.0
#: The end of the range holds a pile-up where it has more than this share of the values ...
CUT = 1e-4
#: ... and this many times what the next values have.
_HIGHER = 3.0
_MANY = 8
#: Digital gains are ratios of small numbers: the largest lower one.
_DENOMINATORS = 8


def rounding_variance(step: float) -> float:
    """Return the variance that values in steps add to noise, DN^2.

    A fractional step, p/q, is itself rounded to whole DN: values then lie at q places about it.

    Args:
        step: step of the values, DN.
    """
    q = Fraction(step).limit_denominator(_DENOMINATORS).denominator
    return ROUNDING * (step**2 + 1 - q**-2)


def quantization_step(counts: np.ndarray) -> float:
    """Return the step in which values come, DN: 1 where nothing speaks for a greater one.

    An integer step is the greatest number all values but a few differ by multiples of. A digital gain between
    whole numbers leaves gaps, as 4/3 leaves out every fourth value: the step is then values over codes.

    Args:
        counts: (65536,) or shorter, how often each raw value occurs.
    """
    values = np.flatnonzero(counts)
    if len(values) < 2:
        return 1.0
    weight = counts[values].astype(np.float64)
    beside = weight.sum() - weight.max()
    if beside < _FEWEST:
        return 1.0
    for q in range(_typical_gap(values, weight, beside), 1, -1):
        on_step = np.bincount(values % q, weight).max()
        if weight.sum() - on_step <= _OFF_STEP * beside:
            return float(q)
    return _fractional_step(counts)[0]


def middles_of_codes(counts: np.ndarray) -> np.ndarray | None:
    """Return where the code of each value lies, (len(counts),) float32 DN; None where values are codes.

    Codes times a digital gain such as 4/3 are rounded to whole DN: their distances are 1 and 2 in turn, and
    noise about a level depends on where the level falls among them. About the middles it does not.

    Args:
        counts: how often each raw value occurs.
    """
    step = quantization_step(counts)
    if step.is_integer():
        return None
    _, start = _fractional_step(counts)
    return (start + step * np.rint((np.arange(len(counts)) - start) / step)).astype(np.float32)


def _typical_gap(values: np.ndarray, weight: np.ndarray, beside: float) -> int:
    """Return the median gap between values that occur often, DN: no step of all of them is greater."""
    falling = np.sort(weight)[::-1][1:]
    # In a picture no value may be frequent: those count then that hold half of the pixels.
    half = falling[np.searchsorted(np.cumsum(falling), beside / 2)]
    often = weight > min(_OFF_STEP * beside, half / 2)
    return int(np.median(np.diff(values[often]))) if often.sum() > 1 else 1


def _fractional_step(counts: np.ndarray) -> tuple[float, float]:
    """Return step and a code's middle, of values with regular gaps: neighbours that no chance leaves out."""
    frequent = np.flatnonzero(counts > _EXPECTED)
    if not len(frequent):
        return 1.0, 0.0
    parts = np.split(frequent, np.flatnonzero(np.diff(frequent) > _DENOMINATORS) + 1)
    run = max(parts, key=lambda part: counts[part].sum())
    values = run[0] + np.flatnonzero(counts[run[0] : run[-1] + 1] > 0)
    if run[-1] - run[0] + 1 - len(values) < 3 or len(values) < 4:
        return 1.0, 0.0
    codes = np.arange(len(values))
    step, start = np.polyfit(codes, values, 1)
    regular = np.abs(values - start - step * codes).max() < 1.0
    if not regular or step < 1.02:
        return 1.0, 0.0
    simple = float(Fraction(float(step)).limit_denominator(_DENOMINATORS))
    found = simple if abs(simple / step - 1) < 0.01 else float(step)
    return found, float(np.mean(values - found * codes))


@dataclasses.dataclass(frozen=True)
class Cut:
    """Where values pile up because the range ends there, raw DN or None; ``share`` of all values."""

    low: int | None
    high: int | None
    share: float


def find_cut(counts: np.ndarray, step: float = 1.0) -> Cut:
    """Find pile-ups at the lowest and the highest value that occur.

    Args:
        counts: how often each raw value occurs.
        step: step of the values, DN.
    """
    used, total = np.flatnonzero(counts), max(float(counts.sum()), 1.0)
    if len(used) < 3:
        return Cut(None, None, 0.0)
    ends, share = [], 0.0
    for inward in (used, used[::-1]):
        end = float(counts[inward[0]])
        # The next values within three steps: beyond a pile-up they fall off or rise as noise does, no faster.
        near = inward[1:4][np.abs(inward[1:4] - inward[0]) <= 3.5 * max(step, 1.0)]
        beside = float(counts[near].max(initial=0))
        # With a few values only, the most frequent may well be the last but for a chance.
        sure = inward[0] == 0 or len(used) > _MANY
        piled = sure and len(near) > 0 and end > CUT * total and end > _HIGHER * beside
        ends.append(int(inward[0]) if piled else None)
        share += end / total if piled else 0.0
    return Cut(ends[0], ends[1], share)
