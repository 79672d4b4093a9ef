# SPDX-License-Identifier: Apache-2.0
"""Candidates compared with real darks, every distance beside that of real darks from other real darks."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np

from lrd_ext.calibration.dark_frames import site_planes, without_pixels
from lrd_ext.calibration.hot_pixels import find_hot_pixels
from lrd_ext.metrics import akld
from lrd_ext.metrics.noise_summary import DISTANCES, NoiseSummary, summarise, total
from lrd_ext.noise_sources import NoiseSource, fit_rival

from .dark_stack import DarkSet, DarkStack, Progress
from .sources import Fake

#: Names of all distances; AKLD needs pairs of frames, the others sums over frames.
ALL_DISTANCES = (
    *(name for name in DISTANCES if name.startswith("kld")),
    "akld",
    *(name for name in DISTANCES if not name.startswith("kld")),
)
#: Splits of the real darks by which the floor is known, pairs of frames for AKLD.
SPLITS, PAIRS = 20, 4
#: Values up to so many standard deviations are told apart.
REACH_STD = 40


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to compare: which distances, the seed of draws and splits, and what to do with fixed patterns.

    ``dark_shading`` takes the mean of the frames off, so that only what changes from frame to frame is
    compared; else only the mean of each site is, and dark shading and fixed pattern count as noise.
    """

    distances: tuple[str, ...] = ALL_DISTANCES
    seed: int = 0
    dark_shading: bool = False


@dataclasses.dataclass(frozen=True)
class Floor:
    """A distance of real darks from other real darks: its mean and highest over splits.

    The highest is no less than what counts of rare values differ by chance.
    """

    mean: float
    highest: float


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """What was found of one candidate: its distances by name, its sums, one frame of its noise.

    ``rival`` as in ``Fake``.
    """

    name: str
    rival: str | None
    distances: dict[str, float]
    summary: NoiseSummary
    frame: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class IsoEvaluation:
    """One ISO: real darks, the floor, the candidates. ``fitted``, ``held`` and ``unused`` count frames."""

    iso: float
    fitted: int
    held: int
    unused: int
    hot: int
    shape: tuple[int, int]
    range_dn: float
    real: NoiseSummary
    frame: np.ndarray
    floor: dict[str, Floor]
    candidates: tuple[Candidate, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """Candidates against the darks of a folder at every ISO; ``fake`` is the first candidate's name."""

    real: str
    fake: str
    settings: Settings
    isos: tuple[IsoEvaluation, ...]


def title_of(name: str) -> str:
    """Return what tables call a distance, with its unit."""
    if name == "akld":
        return "AKLD, nats"
    distance = DISTANCES[name]
    return f"{distance.title}, {distance.unit}" if distance.unit else distance.title


def check_distance(name: str) -> None:
    """Refuse a name that no distance has.

    Raises:
        ValueError: it is unknown.
    """
    if name not in ALL_DISTANCES:
        raise ValueError(f"a metric must be one of {', '.join(ALL_DISTANCES)}, got {name!r}")


def evaluate_noise(
    real: DarkSet,
    fakes: Sequence[Fake],
    settings: Settings,
    fit: DarkSet | None = None,
    progress: Progress = lambda what: None,
) -> Evaluation:
    """Compare candidates with real darks.

    The darks that candidates are measured against are held out: rivals are fitted to ``fit`` or, without it,
    to every second dark. Of each candidate as many frames are drawn as were fitted to, on the pattern that
    the real frames share, rounded and clipped as a converter does.

    Args:
        real: the darks.
        fakes: the candidates, of different names, the first that the user asks for.
        settings: how to compare.
        fit: darks that rivals are fitted to.
        progress: called with a text before each piece of work.

    Raises:
        ValueError: a candidate cannot answer for an ISO, two have one name, or fixed patterns are to be
            taken off single frames.
    """
    names = [fake.name for fake in fakes]
    if len(set(names)) < len(names):
        raise ValueError(f"fakes must have different names, got {', '.join(names)}")
    if settings.dark_shading:
        _check_means(real, fakes, fit)
    found = []
    for iso in real.stacks:
        held, fitted = _split(real.stacks[iso], fit.stacks[iso] if fit else None)
        comparison = _Comparison(iso, fitted, held, real, settings)
        progress(f"ISO {iso:g}: real darks")
        floor = comparison.floor()
        candidates = []
        for fake in fakes:
            progress(f"ISO {iso:g}: {fake.name}")
            candidates.append(comparison.candidate(fake))
        found.append(
            IsoEvaluation(
                iso=iso,
                fitted=len(fitted),
                held=len(held),
                unused=real.stacks[iso].found - len(real.stacks[iso].frames),
                hot=len(comparison.hot),
                shape=comparison.pattern.shape,
                range_dn=comparison.range_dn,
                real=comparison.real,
                frame=comparison.noise[len(fitted)],
                floor=floor,
                candidates=tuple(candidates),
            )
        )
    return Evaluation(real.folder, fakes[0].name, settings, tuple(found))


_Frames = Sequence[np.ndarray]


def _split(own: DarkStack, fit: DarkStack | None) -> tuple[_Frames, _Frames]:
    """Return the frames held out and those that rivals are fitted to."""
    return (own.frames, fit.frames) if fit else (own.frames[1::2], own.frames[::2])


def _check_means(real: DarkSet, fakes: Sequence[Fake], fit: DarkSet | None) -> None:
    """Refuse to take the mean off a single frame of a candidate: no noise would be left."""
    for iso, own in real.stacks.items():
        needed = {fit.folder: (2, fit.stacks[iso])} if fit else {real.folder: (3, own)}
        needed |= {f.name: (2, f.frames.stacks[iso]) for f in fakes if f.frames is not None}
        for name, (least, stack) in needed.items():
            if len(stack.frames) < least:
                raise ValueError(
                    f"--dark-shading takes the mean of frames off: at least {least} darks of ISO {iso:g} are "
                    f"needed in {name}, got {len(stack.frames)}"
                )


class _Comparison:
    """The real darks of one ISO, made ready once; candidates then come one by one.

    ``noise`` are all real frames, the fitted before the held out, about ``pattern``.
    """

    def __init__(self, iso: float, fitted: _Frames, held: _Frames, real: DarkSet, settings: Settings) -> None:
        self.iso, self.settings, self.white = iso, settings, real.white
        self.range_dn = real.white - real.black
        self.fitted = len(fitted)
        frames = [*fitted, *held]
        mean = _mean(frames)
        std = max(real.stacks[iso].std, 0.29)
        self.hot = _hot_pixels(mean, std, len(frames))
        self.levels = _site_levels(mean, self.hot)
        self.pattern = mean if settings.dark_shading else _tiled(self.levels, mean.shape)
        self.reach = max(32, math.ceil(REACH_STD * std))
        self.noise = self._residuals(frames, self.pattern)
        self.sums = [summarise(frame, self.reach) for frame in self.noise]
        self.real = total(self.sums[self.fitted :])
        self.rivals: dict[str, NoiseSource] = {}

    def _residuals(self, frames: _Frames, pattern: np.ndarray) -> list[np.ndarray]:
        """Take the pattern off; hot pixels become 0, in real and made frames alike."""
        n = len(frames)
        # About their own mean, residuals of n frames hold 1 - 1/n of the variance.
        scale = np.float32(math.sqrt(n / (n - 1))) if self.settings.dark_shading and n > 1 else np.float32(1)
        made = []
        for frame in frames:
            noise = (frame - pattern) * scale
            noise[self.hot[:, 0], self.hot[:, 1]] = 0
            made.append(noise)
        return made

    def floor(self) -> dict[str, Floor]:
        """Compare real frames with other real frames, split as fitted and held out are, in several ways."""
        n = len(self.noise)
        splits = list(_splits(n, self.fitted, self.settings.seed))
        sums = [
            (
                total([self.sums[i] for i in range(n) if i not in chosen]),
                total([self.sums[i] for i in chosen]),
            )
            for chosen in splits
        ]
        all_real, sizes = total(self.sums), (n - self.fitted, self.fitted)
        found = {}
        for name in self.settings.distances:
            chance = 0.0
            if name == "akld":
                pairs = list(itertools.pairwise(range(n)))[:: max((n - 1) // PAIRS, 1)][:PAIRS]
                values = [akld(*(self.noise[i] / self.range_dn for i in pair)) for pair in pairs]
            else:
                values = [DISTANCES[name].between(*halves, self.range_dn) for halves in sums]
                chance = DISTANCES[name].chance(all_real, sizes)
            found[name] = Floor(float(np.mean(values)), max(float(np.max(np.abs(values))), chance))
        return found

    def candidate(self, fake: Fake) -> Candidate:
        """Draw a candidate's frames and measure them against the darks held out."""
        raw = self._frames_of(fake)
        pattern = _mean(raw) if self.settings.dark_shading else self.pattern
        noise = self._residuals(raw, pattern)
        summary = total([summarise(frame, self.reach) for frame in noise])
        held = self.noise[self.fitted :]
        distances = {}
        for name in self.settings.distances:
            if name == "akld":
                pairs = list(zip(held, noise, strict=False))[:PAIRS]
                values = [akld(a / self.range_dn, b / self.range_dn) for a, b in pairs]
                distances[name] = float(np.mean(values))
            else:
                distances[name] = DISTANCES[name].between(self.real, summary, self.range_dn)
        return Candidate(fake.name, fake.rival, distances, summary, noise[0])

    def _frames_of(self, fake: Fake) -> list[np.ndarray]:
        """Return raw frames of a candidate, as many as were fitted to at most, float32 whole DN."""
        if fake.frames is not None:
            return self._recorded(fake.frames.stacks[self.iso])
        source = fake.source or fit_rival(fake.name, {self.iso: self._to_fit()})
        height, width = self.pattern.shape
        drawn = (
            source.draw((height, width), iso=self.iso, seed=self.settings.seed, index=i)
            for i in range(self.fitted)
        )
        return [np.clip(np.rint(self.pattern + noise), 0, self.white) for noise in drawn]

    def _to_fit(self) -> list[np.ndarray]:
        """Return frames for rivals: hot pixels, 0 in ``noise``, take values from their row and site."""
        rows, columns = self.hot.T
        width = self.pattern.shape[1]
        apart = 2 * np.random.default_rng(self.settings.seed % 2**64).integers(1, width // 2, len(rows))
        frames = [frame.copy() for frame in self.noise[: self.fitted]]
        for frame in frames:
            frame[rows, columns] = frame[rows, (columns + apart) % width]
        return frames

    def _recorded(self, stack: DarkStack) -> list[np.ndarray]:
        """Return frames moved by whole DN to the real levels: a bias below 1 DN is left to be found."""
        frames = stack.frames[: self.fitted]
        hot = _hot_pixels(_mean(frames), stack.std, len(frames))
        moves = (np.rint(self.levels - _site_levels(frame, hot)) for frame in frames)
        return [frame + _tiled(move, frame.shape) for frame, move in zip(frames, moves, strict=True)]


def _mean(frames: _Frames) -> np.ndarray:
    """Return the mean of frames, (H, W) float32."""
    added = np.zeros(frames[0].shape)
    for frame in frames:
        added += frame
    return (added / len(frames)).astype(np.float32)


def _hot_pixels(mean: np.ndarray, std: float, frames: int) -> np.ndarray:
    """Return rows and columns (m, 2) of hot pixels in the mean of so many frames."""
    return find_hot_pixels(mean, max(std, 0.29) / math.sqrt(frames))[0]


def _site_levels(frame: np.ndarray, hot: np.ndarray) -> np.ndarray:
    """Return the mean of each site (4,) as `lrd calibrate` takes it: hot pixels are no part of the level."""
    cold = without_pixels(frame.astype(np.float32, copy=False), hot)
    return np.array([plane.mean(dtype=np.float64) for plane in site_planes(cold)])


def _tiled(sites: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a frame of a number for each site, float32."""
    return np.tile(sites.astype(np.float32).reshape(2, 2), (shape[0] // 2, shape[1] // 2))


def _splits(frames: int, chosen: int, seed: int) -> Iterable[tuple[int, ...]]:
    """Return choices of ``chosen`` of the frames: all there are, or some at random."""
    if math.comb(frames, chosen) <= SPLITS:
        return itertools.combinations(range(frames), chosen)
    generator = np.random.default_rng(seed % 2**64)
    return (tuple(generator.permutation(frames)[:chosen].tolist()) for _ in range(SPLITS))
