# SPDX-License-Identifier: Apache-2.0
"""What is kept of frames of noise, a sum over frames, and every distance between two such sums."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from lrd_ext.estimators.histogram_distance import ks_distance

from .correlation import correlations, line_autocovariance, neighbour_covariance, site_covariance
from .noise_distance import KLD_PRESETS, kld_of_counts
from .spectrum import Spectrum, power_spectrum, psd_distance

#: Where tails begin, standard deviations of the real noise.
TAILS = (4, 5)


@dataclasses.dataclass(frozen=True, eq=False)
class NoiseSummary:
    """Sums over frames of noise; dividing by ``frames`` gives means. DN throughout.

    ``counts`` (2 reach + 1,) of values rounded to whole DN from -reach to reach, the ends with all beyond;
    ``rows`` and ``columns`` (lags + 1,) autocovariance of line means; ``sites`` (4, 4) and ``neighbours``
    (down + 1, 2 across + 1) covariances.
    """

    frames: int
    counts: np.ndarray
    spectrum: Spectrum
    rows: np.ndarray
    columns: np.ndarray
    sites: np.ndarray
    neighbours: np.ndarray

    def __add__(self, other: NoiseSummary) -> NoiseSummary:
        fields = (f.name for f in dataclasses.fields(self))
        return NoiseSummary(**{name: getattr(self, name) + getattr(other, name) for name in fields})

    @property
    def dn(self) -> np.ndarray:
        """DN of each count."""
        reach = len(self.counts) // 2
        return np.arange(-reach, reach + 1)

    @property
    def std(self) -> float:
        """Standard deviation about 0, DN, rounding included."""
        return math.sqrt(float(self.counts @ self.dn.astype(np.float64) ** 2) / float(self.counts.sum()))


def summarise(noise: np.ndarray, reach: int) -> NoiseSummary:
    """Summarise one frame.

    Args:
        noise: (H, W) float32, DN about 0, H and W even.
        reach: DN up to which values are told apart.
    """
    whole = np.clip(np.rint(noise), -reach, reach).astype(np.int64)
    centred = noise - noise.mean(dtype=np.float64).astype(noise.dtype)
    return NoiseSummary(
        frames=1,
        counts=np.bincount((whole + reach).ravel(), minlength=2 * reach + 1),
        spectrum=power_spectrum(noise),
        rows=line_autocovariance(centred, "row"),
        columns=line_autocovariance(centred, "col"),
        sites=site_covariance(centred),
        neighbours=neighbour_covariance(centred),
    )


def total(summaries: Sequence[NoiseSummary]) -> NoiseSummary:
    """Add summaries up, at least one."""
    first, *others = summaries
    return sum(others, start=first)


def tail_share(summary: NoiseSummary, reach: float, std: float) -> float:
    """Return the share of values farther than ``reach`` standard deviations ``std`` [DN] from 0."""
    return float(summary.counts[np.abs(summary.dn) > reach * std].sum() / summary.counts.sum())


def _kld(preset: str) -> Callable[[NoiseSummary, NoiseSummary, float], float]:
    def distance(real: NoiseSummary, fake: NoiseSummary, range_dn: float) -> float:
        try:
            return kld_of_counts(real.dn, real.counts, fake.counts, range_dn, preset)
        except ValueError:  # no value lies in the preset's bins
            return math.nan

    return distance


def _ks(real: NoiseSummary, fake: NoiseSummary, range_dn: float) -> float:
    return ks_distance(real.counts, fake.counts)


def _psd(real: NoiseSummary, fake: NoiseSummary, range_dn: float) -> float:
    return psd_distance(real.spectrum / real.frames, fake.spectrum / fake.frames)


def _rows(real: NoiseSummary, fake: NoiseSummary, range_dn: float) -> float:
    return float(np.abs(correlations(real.rows) - correlations(fake.rows)).max())


def _columns(real: NoiseSummary, fake: NoiseSummary, range_dn: float) -> float:
    return float(np.abs(correlations(real.columns) - correlations(fake.columns)).max())


def _sites(real: NoiseSummary, fake: NoiseSummary, range_dn: float) -> float:
    difference = fake.sites / fake.frames - real.sites / real.frames
    return float(np.abs(difference).max() / np.diagonal(real.sites / real.frames).mean())


def _neighbours(real: NoiseSummary, fake: NoiseSummary, range_dn: float) -> float:
    difference = fake.neighbours / fake.frames - real.neighbours / real.frames
    across = difference.shape[1] // 2
    difference[0, across] = 0.0  # the variance itself
    return float(np.abs(difference).max() / (real.neighbours[0, across] / real.frames))


def _tail(reach: int) -> Callable[[NoiseSummary, NoiseSummary, float], float]:
    def distance(real: NoiseSummary, fake: NoiseSummary, range_dn: float) -> float:
        shares = [tail_share(summary, reach, real.std) for summary in (real, fake)]
        # Half a count more in both: the logarithm stays finite, and two empty tails are at distance 0.
        half = 0.5 / min(real.counts.sum(), fake.counts.sum())
        return abs(math.log((shares[1] + half) / (shares[0] + half)))

    return distance


def _tail_chance(reach: int) -> Callable[[NoiseSummary, tuple[int, int]], float]:
    def chance(real: NoiseSummary, frames: tuple[int, int]) -> float:
        beyond = tail_share(real, reach, real.std) * float(real.counts.sum()) / real.frames
        # Rare values are counted, not measured: ln of a Poisson count n scatters by 1/sqrt(n). Two deviations
        # are about the highest of 20 splits; half a count more as in the distance.
        return 2 * math.sqrt(sum(1 / (beyond * n + 0.5) for n in frames))

    return chance


@dataclasses.dataclass(frozen=True)
class Distance:
    """A distance between two summaries of noise: its title, its unit, and how it is had.

    ``chance`` of the summary of real noise and numbers of frames: what so many frames of it lie apart by
    chance, as far as that is known without looking at them.
    """

    title: str
    unit: str
    between: Callable[[NoiseSummary, NoiseSummary, float], float]
    chance: Callable[[NoiseSummary, tuple[int, int]], float] = lambda real, frames: 0.0


#: Every distance between summaries by its name; the third argument is white minus black, DN.
DISTANCES: dict[str, Distance] = {
    **{f"kld_{p}": Distance(f"KLD {p}", "nats", _kld(p)) for p in KLD_PRESETS},
    "ks": Distance("KS", "", _ks),
    "psd": Distance("PSD distance", "dB", _psd),
    "row_autocorrelation": Distance("row autocorrelation", "", _rows),
    "column_autocorrelation": Distance("column autocorrelation", "", _columns),
    "site_covariance": Distance("site covariance", "of variance", _sites),
    "neighbour_covariance": Distance("neighbour covariance", "of variance", _neighbours),
    **{f"tail_{k}": Distance(f"tail beyond {k} σ", "|ln ratio|", _tail(k), _tail_chance(k)) for k in TAILS},
}
