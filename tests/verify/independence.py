# SPDX-License-Identifier: Apache-2.0
"""Independence: of sites, channels, lines, frames, seeds and components; and the spectrum."""

from __future__ import annotations

import itertools

import numpy as np
from measure import Result, field, two_sided
from scipy import stats

GAUSSIAN = {"read": "gaussian", "sigma_read": 1.0}
COMPONENTS = {
    "shot": {"shot": True, "level": 10.0},
    "read": GAUSSIAN,
    "quantize": {"quantize": "uniform"},
}
LAGS = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (2, 2))


def correlation(name, one, other):
    """Pearson's r of two fields; r sqrt(n) is standard normal where they are independent."""
    one, other = (v.ravel() - v.mean() for v in (one, other))
    r = float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum()))
    return Result(f"correlation {name}", r, two_sided(r * np.sqrt(one.size)), count=one.size)


def shifted(frame, lag):
    """The two overlapping parts of a frame and of itself moved by ``lag``."""
    dy, dx = lag
    height, width = frame.shape
    first = frame[: height - dy, max(0, -dx) : width - max(0, dx)]
    return first, frame[dy:, max(0, dx) : width + min(0, dx)]


def sites(synth, size):
    """Neighbours on the mosaic, for every component drawn per site."""
    for name, options in COMPONENTS.items():
        frame = field(synth, (1, size.side, size.side), seed=20, **options)[0]
        for lag in LAGS:
            yield correlation(f"{name}: sites {lag[0]}, {lag[1]} apart", *shifted(frame, lag))


def channels(synth, size):
    """The four CFA sites of a cell."""
    frame = field(synth, (1, size.side, size.side), seed=21, **GAUSSIAN)[0]
    planes = {(i, j): frame[i::2, j::2] for i in (0, 1) for j in (0, 1)}
    for one, other in itertools.combinations(planes, 2):
        yield correlation(f"read: channels {one} {other}", planes[one], planes[other])


def lines(synth, size):
    """Row against row, column against column, rows against columns, the two rows of a cell included."""
    rows = field(synth, (1, size.lines, 2), seed=22, sigma_row=1.0)[0][:, 0]
    columns = field(synth, (1, 2, size.lines), seed=22, sigma_col=1.0)[0][0]
    for name, values in (("rows", rows), ("columns", columns)):
        yield correlation(f"the two {name} of a cell", values[::2], values[1::2])
        for lag in (1, 2):
            yield correlation(f"{name} {lag} apart", values[:-lag], values[lag:])
    yield correlation("row noise and column noise", rows, columns)
    # With everything on, what the left and the right site of a row share must be the row noise alone.
    frame = field(synth, (1, size.side, size.side), seed=23, sigma_row=1.0, **GAUSSIAN)[0]
    shared = frame[:, ::2].mean(axis=1) * frame[:, 1::2].mean(axis=1)
    # Each mean is the row value plus N(0, 2 / side): E = 1, the variance of the product 2 + small.
    noise = 2.0 / size.side
    z = (shared.mean() - 1.0) / np.sqrt((2 + 2 * noise + noise**2) / shared.size)
    yield Result(
        "covariance of left and right sites / sigma_row^2",
        float(shared.mean()),
        two_sided(z),
        count=shared.size,
    )


def identities(synth, size):
    """Frames, indices, seeds: the same site under another identity."""
    shape = (1, size.side, size.side)
    for name, options in COMPONENTS.items():
        base = field(synth, shape, seed=24, index=1000, **options)
        for label, other in (
            ("next index", {"index": 1001}),
            ("index + 2^32", {"index": 1000 + 2**32}),
            ("index + 2^40", {"index": 1000 + 2**40}),
            ("next seed", {"seed": 25}),
            ("seed + 2^32", {"seed": 24 + 2**32}),
        ):
            changed = field(synth, shape, **({"seed": 24, "index": 1000} | options | other))
            yield correlation(f"{name}: {label}", base, changed)
    pair = field(synth, (2, size.side, size.side), seed=26, **GAUSSIAN)
    yield correlation("read: two frames of a batch", pair[0], pair[1])
    for name, fields in (("row", {"sigma_row": 1.0}), ("column", {"sigma_col": 1.0})):
        shape = (1, size.lines, 2) if name == "row" else (1, 2, size.lines)
        cut = np.s_[:, 0] if name == "row" else np.s_[0, :]
        one, other = (field(synth, shape, seed=27, index=i, **fields)[0][cut] for i in (0, 1))
        yield correlation(f"{name} noise: next index", one, other)


def components(synth, size):
    """Different components at the same site, index and seed; alone, and as what each adds to the other."""
    shape = (1, size.side, size.side)
    fields = {name: field(synth, shape, seed=28, **options) for name, options in COMPONENTS.items()}
    for one, other in itertools.combinations(fields, 2):
        yield correlation(f"{one} and {other}", fields[one], fields[other])
    both = field(synth, shape, seed=28, shot=True, level=10.0, **GAUSSIAN)
    yield correlation("shot and what read noise adds to it", fields["shot"], both - fields["shot"])


def spectrum(synth, size):
    """Flat everywhere but on the two axes, where row and column noise stand with the power they must have."""
    side, frames = 128, size.spectra
    noise = field(synth, (frames, side, side), seed=29, sigma_row=0.5, sigma_col=0.25, **GAUSSIAN)
    power = (np.abs(np.fft.rfft2(noise)) ** 2 / side**2).sum(axis=0)  # sum over frames: Gamma(frames)
    inner = power[1:, 1 : side // 2]
    inner = np.delete(inner, side // 2 - 1, axis=0)[: side - 2]  # without the Nyquist row
    statistic = float(((inner - frames) ** 2 / frames).sum())
    # Gamma(m) has variance m and fourth central moment 3 m^2 + 6 m, so squares have variance 2 + 6 / m.
    z = (statistic / inner.size - 1) / np.sqrt((2 + 6 / frames) / inner.size)
    yield Result(
        "spectrum off the axes: scatter / expected", statistic / inner.size, two_sided(z), count=noise.size
    )
    blocks = inner[:120, :60].reshape(15, 8, 15, 4).mean(axis=(1, 3))
    chi2 = float(((blocks - frames) ** 2 / (frames / 32)).sum())
    yield Result(
        "spectrum off the axes: flatness over 225 blocks",
        chi2,
        float(stats.chi2.sf(chi2, 225)),
        count=noise.size,
    )
    for name, line, expected in (
        ("rows", power[1 : side // 2, 0], 1 + side * 0.25),
        ("columns", power[0, 1 : side // 2], 1 + side * 0.0625),
    ):
        total = float(line.sum() / expected)
        tail = stats.gamma(frames * line.size)
        p = 2 * min(tail.cdf(total), tail.sf(total))
        yield Result(
            f"spectrum: power of {name} / model", total / (frames * line.size), float(p), count=line.size
        )


TESTS = (sites, channels, lines, identities, components, spectrum)
