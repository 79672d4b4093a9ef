# SPDX-License-Identifier: Apache-2.0
"""Any distribution as a table of its quantiles, and deviates out of it. Mirrors csrc/noise/quantile_table.h.

The quantile function is linear in u between its knots, so that it never falls where the knots do not, and
``numpy.interp(u, knot_probabilities(), table)`` is its specification. Knots: each tail by octaves of its own
probability, 8 segments each, from 2^-33, which is that of the outermost word, up to 2^-6; between these every
1/512.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from .normal import lower_tail

#: Segments of an octave, and of the middle per unit of probability.
OCTAVE_SEGMENTS, MIDDLE_SEGMENTS = 8, 512
#: A tail goes from 2^LOWEST to 2^HIGHEST.
LOWEST, HIGHEST = -33, -6
#: Segments of a tail, and of the whole; of knots there is one more.
TAIL_SEGMENTS = OCTAVE_SEGMENTS * (HIGHEST - LOWEST)
SEGMENTS = 2 * TAIL_SEGMENTS + MIDDLE_SEGMENTS - 2 * int(MIDDLE_SEGMENTS * 2.0**HIGHEST)
KNOTS = SEGMENTS + 1
#: From a cell of the middle, counted from u = 0, to its knot.
_MIDDLE = TAIL_SEGMENTS - int(MIDDLE_SEGMENTS * 2.0**HIGHEST)


@functools.cache
def knot_probabilities() -> Tensor:
    """Return the probabilities at which a table holds quantiles, rising, (KNOTS,) float64."""
    step = torch.arange(TAIL_SEGMENTS, dtype=torch.float64)
    octave = torch.floor(step / OCTAVE_SEGMENTS)
    tail = torch.ldexp(1 + (step - OCTAVE_SEGMENTS * octave) / OCTAVE_SEGMENTS, octave + LOWEST)
    middle = torch.arange(2.0**HIGHEST, 1, 1 / MIDDLE_SEGMENTS, dtype=torch.float64)
    return torch.cat([tail, middle[: KNOTS - 2 * TAIL_SEGMENTS], 1 - tail.flip(0)])


def table_quantile(word: Tensor, table: Tensor) -> Tensor:
    """Map words to deviates of scale 1 by inverse CDF.

    Args:
        word: int64, values in [0, 2^32), (...) or (B, ...).
        table: quantiles at :func:`knot_probabilities`, not falling, (KNOTS,), or (B, KNOTS) for the first
            dimension of ``word``, or (1, KNOTS).

    Returns: float64 of the shape of ``word``.
    """
    p, sign = lower_tail(word)
    mantissa, exponent = torch.frexp(p)  # mantissa in [1/2, 1)
    place = (2 * mantissa - 1) * OCTAVE_SEGMENTS
    at_tail = OCTAVE_SEGMENTS * (exponent - 1 - LOWEST) + place.floor().long()
    cell = (word.double() + 0.5) * (MIDDLE_SEGMENTS * 2.0**-32)
    in_tail, above = p < 2.0**HIGHEST, sign > 0
    first = torch.where(
        in_tail, torch.where(above, SEGMENTS - at_tail, at_tail), _MIDDLE + cell.floor().long()
    )
    second = first + torch.where(in_tail & above, -1, 1)  # in the upper tail p rises downward
    share = torch.where(in_tail, place - place.floor(), cell - cell.floor())
    a, b = (_looked_up(table.double(), place) for place in (first, second))
    return a + share * (b - a)


def _looked_up(table: Tensor, place: Tensor) -> Tensor:
    if table.ndim == 1:
        return table[place]
    flat = place.reshape(place.shape[0], -1)
    return table.expand(place.shape[0], -1).gather(1, flat).view(place.shape)


def table_moments(table: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of tables (..., KNOTS), each (...) float64.

    Exact for a density that is constant between knots.
    """
    low, high = table.double()[..., :-1], table.double()[..., 1:]
    mean = (low + high) @ _shares().to(table.device) / 2
    a, b = low - mean[..., None], high - mean[..., None]
    return mean, ((a * (a + b) + b * b) @ _shares().to(table.device) / 3).sqrt()


def table_kurtosis(table: Tensor) -> Tensor:
    """Return the excess kurtosis of tables (..., KNOTS), (...) float64."""
    mean, std = table_moments(table)
    a, b = (
        (x - mean[..., None]) / std[..., None] for x in (table.double()[..., :-1], table.double()[..., 1:])
    )
    fourth = a * (a * (a * (a + b) + b * b) + b * b * b) + b * b * b * b
    return fourth @ _shares().to(table.device) / 5 - 3


@functools.cache
def _shares() -> Tensor:
    """What lies between knots, (SEGMENTS,) float64, sum 1: of the outermost two words half lies beyond."""
    share = knot_probabilities().diff()
    return share / share.sum()
