# SPDX-License-Identifier: Apache-2.0
"""Each component's distribution against SciPy's."""

from __future__ import annotations

import numpy as np
import torch
from measure import Result, draws, field, two_sided
from scipy import special, stats

from lrd_ext.reference.philox import Component, words

POISSON_MEANS = (0.01, 0.3, 1.0, 3.7, 10.0, 40.0, 200.0, 1e4)
SHAPES = (-0.3, -0.1, 0.0, 0.14, 0.5)
CDF_ERROR = 1e-6  # what the quantiles may be off by: words this near to a step are not judged


def poisson(synth, size):
    """Pearson's chi-square of the counts; bins of at least 20 expected counts."""
    for mean in POISSON_MEANS:
        exact = float(np.float32(mean))
        counts = np.zeros(int(mean + 12 * np.sqrt(mean) + 30), np.int64)
        stray = n = 0
        for frame in draws(synth, size.poisson, level=mean, shot=True):
            whole = np.rint(frame)
            stray += int((np.abs(frame - whole) > 1e-6 * (1 + whole)).sum())
            counts += np.bincount(
                whole.clip(0, counts.size - 1).astype(np.int64).ravel(), minlength=counts.size
            )
            n += frame.size
        statistic, p = chi_square(counts, n * stats.poisson.pmf(np.arange(counts.size), exact))
        yield Result(f"Poisson mean {mean:g}: chi-square", statistic, p, count=n)
        yield Result(f"Poisson mean {mean:g}: counts that are not whole", stray, limit=0, count=n)


def chi_square(counts, expected):
    """Merge neighbouring bins until each expects 20, then (statistic, p)."""
    group = np.floor(np.cumsum(expected) / 20).astype(np.int64)
    group = np.minimum(group, group[-1] - 1)  # the last group may be short: give it to the one before
    seen, wanted = np.bincount(group, counts), np.bincount(group, expected)
    seen, wanted = seen[wanted > 0], wanted[wanted > 0]
    wanted *= seen.sum() / wanted.sum()
    statistic = float(((seen - wanted) ** 2 / wanted).sum())
    return statistic, float(stats.chi2.sf(statistic, max(seen.size - 1, 1)))


def read_models():
    """Yield (name, NoiseParams fields, distribution)."""
    yield "normal", {"read": "gaussian", "sigma_read": 1.0}, stats.norm()
    for shape in SHAPES:
        fields = {"read": "tukey_lambda", "sigma_read": 1.0, "tukey_lambda": shape}
        yield f"Tukey-lambda {shape:g}", fields, stats.tukeylambda(float(np.float32(shape)))


def read_noise(synth, size):
    """Kolmogorov-Smirnov, and the mass of both tails beyond the quantiles of 1 - size.tail."""
    for seed, (name, fields, exact) in enumerate(read_models(), start=200):
        values = np.sort(
            np.concatenate([frame.ravel() for frame in draws(synth, size.read, seed=seed, **fields)])
        )
        u = exact.cdf(values)
        n = values.size
        rank = np.arange(n) / n
        distance = float(max((u - rank).max(), (rank + 1 / n - u).max()))
        yield Result(f"{name}: Kolmogorov-Smirnov", distance, float(stats.kstwo.sf(distance, n)), count=n)
        edge = exact.ppf(size.tail)
        low, high = int(np.searchsorted(values, edge)), n - int(np.searchsorted(values, -edge))
        p = stats.binomtest(low + high, n, 2 * size.tail).pvalue
        yield Result(
            f"{name}: mass beyond {size.tail:g}", (low + high) / (2 * n * size.tail), float(p), count=n
        )


def words_of(component, side, seed, index):
    """The random words of a square frame, from the published map, (side, side) int64."""
    cells = torch.arange(side // 2)
    word = words(torch.tensor(seed), torch.tensor([index]), component, cells, cells)[0]
    return word.reshape(2, 2, side // 2, side // 2).permute(2, 0, 3, 1).reshape(side, side).numpy()


def poisson_words(synth, size):
    """Each count against scipy.stats.poisson.ppf of the word it must come from."""
    wrong = judged = 0
    for i, mean in enumerate((0.01, 0.3, 1.0, 3.7, 9.99, 10.0, 40.0, 200.0, 1e4, 1e6)):
        for frame_index in range(size.word_frames):
            word = words_of(Component.SHOT, size.word_side, 5, 100 * i + frame_index)
            got = field(synth, (1, *word.shape), level=mean, shot=True, seed=5, index=100 * i + frame_index)[
                0
            ]
            u, exact = (word + 0.5) / 2**32, float(np.float32(mean))
            k = stats.poisson.ppf(u, exact)
            near = (stats.poisson.cdf(k, exact) - u < CDF_ERROR) | (
                u - stats.poisson.cdf(k - 1, exact) < CDF_ERROR
            )
            wrong += int(((got != k) & ~near).sum())
            judged += int((~near).sum())
    yield Result("Poisson word by word: wrong counts", wrong, limit=0, count=judged)


def read_words(synth, size):
    """Each deviate against SciPy's ppf of the word it must come from: largest error in probability."""
    for name, fields, exact in read_models():
        worst, n = 0.0, 0
        for index in range(size.word_frames):
            word = words_of(Component.READ, size.word_side, 6, index)
            got = field(synth, (1, *word.shape), seed=6, index=index, **fields)[0]
            upper = word >= 2**31
            p = (np.where(upper, 2**32 - 1 - word, word) + 0.5) / 2**32
            deviate = np.where(upper, -got, got)
            q = exact.ppf(p)
            if "tukey_lambda" in fields:
                shape = float(np.float32(fields["tukey_lambda"]))
                error = np.abs(deviate - q) / (p ** (shape - 1) + (1 - p) ** (shape - 1))
            else:
                error = np.abs(special.ndtr(deviate) - p)
            worst, n = max(worst, float(error.max())), n + word.size
        yield Result(f"{name} word by word: largest error of the CDF", worst, limit=CDF_ERROR, count=n)


def line_variance(synth, size):
    """Row and column noise: one value along each line, and the variance of the lines."""
    for name, fields, axis in (("row", {"sigma_row": 2.0}, 1), ("column", {"sigma_col": 2.0}, 0)):
        shape = (1, size.lines, 64) if axis == 1 else (1, 64, size.lines)
        frame = field(synth, shape, seed=8, **fields)[0]
        spread = float(np.ptp(frame, axis=axis).max())
        yield Result(f"{name} noise: largest spread along a {name}", spread, limit=0, count=frame.size)
        lines = frame.mean(axis=axis)
        statistic = float((lines**2).sum() / 4.0)
        tail = stats.chi2(lines.size)
        p = 2 * min(tail.cdf(statistic), tail.sf(statistic))
        yield Result(f"{name} noise: variance / sigma^2", statistic / lines.size, float(p), count=lines.size)


def moments(synth, size):
    """Mean and variance of a frame with every component on, each against the model's."""
    fields = {
        "K": 2.0,
        "sigma_row": 0.7,
        "sigma_col": 0.5,
        "read": "gaussian",
        "sigma_read": 3.0,
        "shot": True,
    }
    frames = np.stack(list(draws(synth, size.moments, side=256, seed=9, level=30.0, **fields)))
    inside = frames - frames.mean(axis=2, keepdims=True) - frames.mean(axis=1, keepdims=True)
    inside += frames.mean(axis=(1, 2), keepdims=True)
    side, n = frames.shape[1], frames.size
    variance = 2.0 * 30.0 + 9.0  # K y + sigma_read^2: row and column noise is taken out with the line means
    degrees = len(frames) * (side - 1) ** 2
    measured = float((inside**2).sum() / degrees)
    # Variance of a sample variance: 2 + excess kurtosis of the Poisson part, K^4 * mean / variance^2.
    z = (measured / variance - 1) / np.sqrt((2 + 2.0**4 * 15.0 / variance**2) / degrees)
    yield Result("all components: variance at a site / model", measured / variance, two_sided(z), count=n)
    of_mean = variance / n + (0.49 + 0.25) / (side * len(frames))
    z = (frames.mean() - 30.0) / np.sqrt(of_mean)
    yield Result("all components: mean - model, DN", float(frames.mean() - 30.0), two_sided(z), count=n)


def rounding(synth, size):
    """What the converter adds: round is the nearest whole number, "uniform" is U(-1/2, 1/2)."""
    fields = {"read": "gaussian", "sigma_read": 5.0}
    n = 0
    added = {"round": [], "uniform": []}
    for i in range(max(1, size.moments // 2**16)):
        raw = field(synth, (1, 256, 256), seed=10, index=i, **fields)
        for mode, parts in added.items():
            parts.append(field(synth, (1, 256, 256), seed=10, index=i, quantize=mode, **fields) - raw)
        n += raw.size
    for mode, parts in added.items():
        values = np.concatenate(parts).ravel()
        # 1e-5 for uniform: the sum is rounded to float32 ulps of |raw| < 32.
        over = float(np.abs(values).max() - 0.5)
        yield Result(f"quantize {mode}: excess over 1/2 DN", over, limit=1e-5, count=n)
        z = values.mean() / np.sqrt(1 / 12 / n)
        yield Result(f"quantize {mode}: mean added, DN", float(values.mean()), two_sided(z), count=n)
        d = stats.kstest(values, stats.uniform(-0.5, 1.0).cdf)
        yield Result(
            f"quantize {mode}: Kolmogorov-Smirnov with U(-1/2, 1/2)",
            float(d.statistic),
            float(d.pvalue),
            count=n,
        )


TESTS = (poisson, read_noise, poisson_words, read_words, line_variance, moments, rounding)
