# SPDX-License-Identifier: Apache-2.0
"""Noise of the darks' mean power spectrum with random phase, and of their distribution."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from lrd_ext.cfa import SITES

from .source import Darks, at_iso, random_generator

ITERATIONS = 10
#: The darks' values are kept this finely: whole DN stay whole.
BINS_PER_DN = 16


@dataclasses.dataclass(frozen=True, eq=False)
class Spectrum:
    """What is kept of the darks of one ISO.

    ``shape`` (H, W) of the mosaic; ``amplitude`` (H, W / 2 + 1) float32, root of the mean power; ``sites`` a
    pair for each CFA site: values [DN] and the share of noise below each of them, both (n,).
    """

    shape: tuple[int, int]
    amplitude: np.ndarray
    sites: tuple[tuple[np.ndarray, np.ndarray], ...]


@dataclasses.dataclass(frozen=True, eq=False)
class SpectralNoise:
    """Gives a random phase to the mean power spectrum of the darks and restores their values by rank.

    Ten times in turn the spectrum's amplitude is put back and the values of each CFA site are replaced, rank
    by rank, by those the darks have there; the values come last and are exact, the spectrum is close.

    Source: Lu et al., CVPR 2026 (2-Shots in the Dark), on whose packed planes one phase is shared; we take
        the spectrum of the mosaic, which holds what sites share, and the mean over darks in place of one.
        The iteration is that of Schreiber and Schmitz, Phys. Rev. Lett. 77(4), 1996.
    """

    spectra: dict[float, Spectrum]
    name: str = "spectral"

    def draw(self, shape: tuple[int, int], *, iso: float, seed: int, index: int = 0) -> np.ndarray:
        """Return the top left of a frame of the fitted size; see NoiseSource."""
        s = at_iso(self.spectra, iso, self.name)
        if s.shape[0] < shape[0] or s.shape[1] < shape[1]:
            raise ValueError(f"noise source {self.name}: shape must fit into {s.shape}, got {shape}")
        noise = random_generator(seed, index).standard_normal(s.shape, dtype=np.float32)
        values = _values_by_rank(s)
        for _ in range(ITERATIONS):
            noise = _with_amplitude(noise, s.amplitude)
            _restore(noise, values)
        return noise[: shape[0], : shape[1]]

    @classmethod
    def fit(cls, darks: Darks) -> SpectralNoise:
        """Measure mean power and distribution of frames by ISO."""
        return cls({iso: _measure(frames) for iso, frames in darks.items()})


def _measure(frames: Sequence[np.ndarray]) -> Spectrum:
    from scipy import fft

    shape = frames[0].shape
    power = np.zeros((shape[0], shape[1] // 2 + 1))
    for frame in frames:
        power += np.abs(fft.rfft2(frame)) ** 2
    amplitude = np.sqrt(power / len(frames)).astype(np.float32)
    return Spectrum((shape[0], shape[1]), amplitude, tuple(_distribution(frames, r, c) for r, c in SITES))


def _distribution(frames: Sequence[np.ndarray], row: int, column: int) -> tuple[np.ndarray, np.ndarray]:
    """Return edges of fine bins [DN] and the share of values below them."""
    cells = [np.rint(frame[row::2, column::2] * BINS_PER_DN).astype(np.int64).ravel() for frame in frames]
    lowest = min(int(c.min()) for c in cells)
    bins = max(int(c.max()) for c in cells) - lowest + 1
    counts = sum(np.bincount(c - lowest, minlength=bins) for c in cells)
    share = np.concatenate([[0.0], np.cumsum(counts)]) / np.sum(counts)
    return (lowest - 0.5 + np.arange(bins + 1)) / BINS_PER_DN, share


def _values_by_rank(s: Spectrum) -> list[np.ndarray]:
    """Return the values of each site of a frame, ascending, float32."""
    found = []
    for (r, c), (dn, share) in zip(SITES, s.sites, strict=True):
        many = len(range(r, s.shape[0], 2)) * len(range(c, s.shape[1], 2))
        found.append(np.interp((np.arange(many) + 0.5) / many, share, dn).astype(np.float32))
    return found


def _with_amplitude(noise: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
    from scipy import fft

    waves = fft.rfft2(noise)
    strength = np.abs(waves)
    waves *= amplitude / np.maximum(strength, np.finfo(np.float32).tiny)
    return fft.irfft2(waves, s=noise.shape)


def _restore(noise: np.ndarray, values: Sequence[np.ndarray]) -> None:
    for (r, c), ascending in zip(SITES, values, strict=True):
        plane = noise[r::2, c::2]
        ranked = np.empty(plane.size, np.float32)
        ranked[np.argsort(plane, axis=None)] = ascending
        noise[r::2, c::2] = ranked.reshape(plane.shape)
