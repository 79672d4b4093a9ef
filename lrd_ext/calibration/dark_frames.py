# SPDX-License-Identifier: Apache-2.0
"""One pass over the darks of an ISO and exposure time: statistics of every frame, the map of their mean."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

import numpy as np

from lrd_ext.estimators.interval_likelihood import PairCounts, bin_edges, count_pair
from lrd_ext.estimators.line_noise import FrameLines, between_variance, two_way
from lrd_ext.estimators.rounding import Cut, find_cut, middles_of_codes, quantization_step, rounding_variance
from lrd_ext.estimators.tukey_lambda import ResidualHistogram
from lrd_ext.raw import SITES

from .hot_pixels import find_hot_pixels

#: Bins of a residual histogram per standard deviation, and how far it reaches.
BINS_PER_STD = 24
REACH_STD = 40
#: Cells a side of the small map of dark shading that is kept.
MAP_CELLS = 48

#: Noise below this many steps of the values is measured by the likelihood of intervals.
SMALL = 0.8

Read = Callable[[], np.ndarray]


@dataclasses.dataclass(frozen=True)
class DarkStatistics:
    """What is kept of n darks of one ISO and exposure time, all in DN.

    ``site_means`` (n, 4) raw DN of every frame without hot pixels; ``row``, ``col`` (n,) variance between
    lines, see FrameLines, and ``pixel`` (n, 4) that of pixels without it, DN^2; ``counts`` (n, bins)
    residuals in bins of ``bin_width``; ``row_lines`` (n, H), ``col_lines`` (n, W) means of the lines of every
    frame about the mean of the frames, without drift by site; ``row_profile`` (H,) and ``col_profile`` (W,)
    of the mean of the frames; ``shading`` (4, k, k) its small map by site, about
    the site's mean; ``spatial`` and ``spatial_white`` (4,) spatial variance of the mean of the frames by
    site, whole and without slow shading; ``hot`` (m, 2) row and column, ``hot_excess`` (m,); ``steps``
    (4,) step of the values by site: where it is no whole number, all but ``pairs`` is of the middles of
    codes; ``cut`` share of the values piled up at the lowest one. Where noise is small beside the step, or
    values are cut, ``pairs``, ``edges`` and ``values`` are those of PairCounts, else empty.
    """

    site_means: np.ndarray
    row: np.ndarray
    col: np.ndarray
    pixel: np.ndarray
    counts: np.ndarray
    bin_width: float
    row_lines: np.ndarray
    col_lines: np.ndarray
    row_profile: np.ndarray
    col_profile: np.ndarray
    shading: np.ndarray
    spatial: np.ndarray
    spatial_white: np.ndarray
    hot: np.ndarray
    hot_excess: np.ndarray
    height: int
    width: int
    steps: np.ndarray
    cut: float
    pairs: np.ndarray
    edges: np.ndarray
    values: np.ndarray

    @property
    def frames(self) -> int:
        """How many frames there were."""
        return len(self.row)

    @property
    def histogram(self) -> ResidualHistogram:
        """Residuals of single values."""
        return ResidualHistogram(
            self.counts, self.bin_width, kept_share(self.frames, self.height, self.width), self.step
        )

    @property
    def step(self) -> float:
        """Step of the values, DN: root mean square over sites."""
        return float(np.sqrt(np.square(self.steps).mean()))

    @property
    def pair_counts(self) -> PairCounts | None:
        """Joint histograms of pairs of frames, None where the residuals tell all."""
        return PairCounts(self.pairs, self.edges, self.values) if self.pairs.size else None

    @property
    def rows(self) -> FrameLines:
        """Variance of row means."""
        return self._lines(self.row, self.height, self.width)

    @property
    def columns(self) -> FrameLines:
        """Variance of column means."""
        return self._lines(self.col, self.width, self.height)

    def _lines(self, between: np.ndarray, lines: int, length: int) -> FrameLines:
        return FrameLines(between, self.pixel.mean(axis=1) / length, lines, length, max(self.frames - 1, 1))


def kept_share(frames: float, height: int, width: int) -> float:
    """Return the share of a value's variance left when means over frames, rows and columns are taken away."""
    return (1 - 1 / frames) * (1 - 1 / height) * (1 - 1 / width)


def dark_statistics(frames: Sequence[Read], std: float) -> DarkStatistics:
    """Measure n >= 2 darks of one ISO and exposure time; each is read twice, one at a time.

    Args:
        frames: functions that give a frame, (H, W) uint16, H and W even.
        std: rough standard deviation of the noise, DN, that sets the bins.

    Raises:
        ValueError: fewer than two frames.
    """
    if len(frames) < 2:
        raise ValueError(f"dark_statistics: frames must be at least 2, got {len(frames)}")
    mean, counts = mean_frame(frames)
    raw, middles = frames, [middles_of_codes(own) for own in counts]
    if any(table is not None for table in middles):
        frames = [functools.partial(_at_middles, read, middles) for read in raw]
        mean = sum(read() for read in frames) / np.float32(len(frames))
    steps = np.array([quantization_step(own) for own in counts])
    cut = find_cut(counts.sum(axis=0), float(steps.max()))
    noise = max(std, 0.29)
    hot, excess, _ = find_hot_pixels(mean, noise / len(frames) ** 0.5)
    pairs = _pairs(raw, counts.sum(axis=0), float(steps.max()), std, cut, hot)
    width = noise / BINS_PER_STD
    passed = [_one_frame(read(), mean, len(frames), width, hot) for read in frames]
    columns = {name: np.stack([p[name] for p in passed]) for name in passed[0]}
    cold = without_pixels(mean, hot)
    map_means = np.array([plane.mean(dtype=np.float64) for plane in site_planes(cold)])
    spatial = np.array([spatial_variances(plane) for plane in site_planes(cold)])
    return DarkStatistics(
        site_means=map_means + columns["site"],
        row=columns["row"],
        col=columns["col"],
        pixel=columns["pixel"],
        counts=columns["counts"],
        bin_width=width,
        row_lines=columns["row_lines"],
        col_lines=columns["col_lines"],
        row_profile=cold.mean(axis=1, dtype=np.float64),
        col_profile=cold.mean(axis=0, dtype=np.float64),
        shading=np.stack([small_map(plane) for plane in site_planes(cold)]),
        spatial=spatial[:, 0],
        spatial_white=spatial[:, 1],
        hot=hot,
        hot_excess=excess,
        height=mean.shape[0],
        width=mean.shape[1],
        steps=steps,
        cut=cut.share if cut.low is not None else 0.0,
        pairs=pairs.counts,
        edges=pairs.edges,
        values=pairs.values,
    )


def _pairs(
    frames: Sequence[Read], counts: np.ndarray, step: float, std: float, cut: Cut, hot: np.ndarray
) -> PairCounts:
    """Count pairs of frames where residuals about means tell less: noise below the step, or values cut."""
    noise = math.sqrt(max(std**2 - rounding_variance(step), 0.0))
    if noise > SMALL * step and cut.low is None:
        return PairCounts(np.zeros(0), np.zeros(0), np.zeros(0))
    used = np.flatnonzero(counts)
    middle, reach = used[np.argmax(counts[used])], 8 * max(std, step)
    near = used[(used >= middle - reach) & (used <= middle + reach)]
    edges, values = bin_edges(float(near[0]), float(near[-1]), step, std / 3)
    found = []
    for i in range(0, len(frames) - 1, 2):
        first, second = frames[i](), frames[i + 1]()
        skip = np.zeros(first.shape, bool)
        skip[hot[:, 0], hot[:, 1]] = True
        found.append(count_pair(first, second, edges, skip))
    return PairCounts(np.array(found), edges, values)


def _at_middles(read: Read, middles: Sequence[np.ndarray | None]) -> np.ndarray:
    """Read a frame with the values of each site at the middles of their codes, (H, W) float32 raw DN."""
    frame = read()
    moved = frame.astype(np.float32)
    for table, values, plane in zip(middles, site_planes(frame), site_planes(moved), strict=True):
        if table is not None:
            plane[:] = table[values]
    return moved


def mean_frame(frames: Sequence[Read]) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of frames, (H, W) float32, raw DN, and counts of their values by site, (4, 65536)."""
    total: np.ndarray | None = None
    counts = np.zeros((4, 65536), np.int64)
    for read in frames:
        frame = read()
        total = frame.astype(np.uint32) if total is None else np.add(total, frame, out=total)
        counts += value_counts(frame)
    assert total is not None
    return (total / np.float64(len(frames))).astype(np.float32), counts


def value_counts(frame: np.ndarray) -> np.ndarray:
    """Return how often each raw value occurs by site, (4, 65536)."""
    return np.stack([np.bincount(plane.ravel(), minlength=65536) for plane in site_planes(frame)])


def site_planes(mosaic: np.ndarray) -> list[np.ndarray]:
    """Return views of the four CFA sites."""
    return [mosaic[r::2, c::2] for r, c in SITES]


def _one_frame(
    frame: np.ndarray, mean: np.ndarray, n: int, bin_width: float, hot: np.ndarray
) -> dict[str, np.ndarray]:
    residual = frame - mean
    residual[hot[:, 0], hot[:, 1]] = 0  # one that blinks would move the means of its lines
    height, width = residual.shape
    sites = np.array([plane.mean(dtype=np.float64) for plane in site_planes(residual)])
    for plane, level in zip(
        site_planes(residual), sites, strict=True
    ):  # drift of a site is no noise of lines
        plane -= np.float32(level)
    rows, columns, rest = two_way(residual)
    temporal = n / (n - 1)
    rest[hot[:, 0], hot[:, 1]] = 0
    free = (1 - 1 / height) * (1 - 1 / width)
    pixel = [
        float(np.square(plane).sum(dtype=np.float64)) * temporal / free / max(plane.size - cut, 1)
        for plane, cut in zip(site_planes(rest), _hot_per_site(hot), strict=True)
    ]
    return {
        "site": sites,
        "row": np.array(_between(rows * math.sqrt(temporal), float(np.mean(pixel)) / width)),
        "col": np.array(_between(columns * math.sqrt(temporal), float(np.mean(pixel)) / height)),
        "pixel": np.array(pixel),
        "counts": residual_counts(rest, len(hot), bin_width * kept_share(n, height, width)),
        "row_lines": rows,
        "col_lines": columns,
    }


def _between(means: np.ndarray, own: float) -> float:
    return between_variance(means, np.full(len(means), own), spent=2)[0]  # even and odd lines are centred


def _hot_per_site(hot: np.ndarray) -> np.ndarray:
    return np.bincount(2 * (hot[:, 0] % 2) + hot[:, 1] % 2, minlength=4)


def residual_counts(rest: np.ndarray, hot: int, width: float) -> np.ndarray:
    """Count residuals; the ``hot`` pixels were set to 0 and are taken out of the middle bin again."""
    half = BINS_PER_STD * REACH_STD
    cells = rest * np.float32(1 / width)
    np.rint(cells, out=cells)
    np.clip(cells, -half, half, out=cells)
    counts = np.bincount((cells + half).astype(np.int32).ravel(), minlength=2 * half + 1)
    counts[half] -= hot
    return counts


def without_pixels(mean: np.ndarray, hot: np.ndarray) -> np.ndarray:
    """Return a frame with the pixels (m, 2) set to the median of the eight neighbours of their site.

    Neighbours that are themselves among the pixels do not count: hot pixels come in clusters.
    """
    if not len(hot):
        return mean
    marked = mean.copy()
    marked[hot[:, 0], hot[:, 1]] = np.nan
    offsets = [(r, c) for r in (-2, 0, 2) for c in (-2, 0, 2) if (r, c) != (0, 0)]
    around = np.stack([_beside(marked, hot, r, c) for r, c in offsets])
    known = np.isfinite(around).any(axis=0)
    cold = mean.copy()
    cold[hot[known, 0], hot[known, 1]] = np.nanmedian(around[:, known], axis=0)
    for row, column in hot[~known]:  # in the middle of a cluster
        cold[row, column] = np.nanmedian(marked[row % 2 :: 2, column % 2 :: 2])
    return cold


def _beside(frame: np.ndarray, places: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return values beside places (m, 2), NaN outside the frame."""
    r, c = places[:, 0] + rows, places[:, 1] + columns
    inside = (r >= 0) & (r < frame.shape[0]) & (c >= 0) & (c < frame.shape[1])
    values = frame[np.where(inside, r, 0), np.where(inside, c, 0)]
    return np.where(inside, values, np.nan)


def spatial_variances(plane: np.ndarray) -> tuple[float, float]:
    """Return the variance of a plane, whole, and of what 5 x 5 box means, row and column means leave, DN^2.

    Source: EMVA 1288 Rel. 3.1, section 8.1 (high-pass against non-white patterns).
    """
    from scipy import ndimage

    h, w = plane.shape
    # At the edges the box holds fewer pixels; each pixel keeps 1 - 1/(pixels in its box) of a white variance.
    rows, columns = (np.minimum(np.minimum(np.arange(n), np.arange(n)[::-1]), 2) + 3 for n in (h, w))
    share = (25 / np.outer(rows, columns)).astype(np.float32)
    offset = np.float32(plane.mean(dtype=np.float64))
    _, _, rest = two_way(plane - offset - share * ndimage.uniform_filter(plane - offset, 5, mode="constant"))
    kept = 1 - float(np.mean(1 / rows)) * float(np.mean(1 / columns))
    # Of the variance of row and column means the box leaves 4/5, of that of pixels 24/25: 5/6 the ratio.
    white = float(np.square(rest).mean(dtype=np.float64)) / kept / (1 - 5 / 6 * (1 / h + 1 / w))
    return float(plane.var(dtype=np.float64, ddof=1)), white


def small_map(plane: np.ndarray) -> np.ndarray:
    """Return means over at most MAP_CELLS x MAP_CELLS cells of a plane, about its mean, DN."""
    cells = [min(MAP_CELLS, size) for size in plane.shape]
    edges = [np.linspace(0, size, n + 1).astype(int)[:-1] for size, n in zip(plane.shape, cells, strict=True)]
    sums = np.add.reduceat(np.add.reduceat(plane.astype(np.float64), edges[0], 0), edges[1], 1)
    sizes = [np.diff(np.append(e, size)) for e, size in zip(edges, plane.shape, strict=True)]
    return sums / (sizes[0][:, None] * sizes[1][None, :]) - plane.mean(dtype=np.float64)
