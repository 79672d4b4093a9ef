# SPDX-License-Identifier: Apache-2.0
"""The statistical battery: every test on one synthesiser, corrected for their number."""

from __future__ import annotations

import dataclasses

import distributions
import independence

#: Chance that a perfect synthesiser fails any test at all; seeds are fixed, so a result never changes.
FAMILY = 1e-3


@dataclasses.dataclass(frozen=True)
class Size:
    """How many draws each test takes."""

    poisson: int  # for each mean
    read: int  # for each distribution
    tail: float  # probability beyond which tails are counted
    word_side: int  # word by word: frames of this side
    word_frames: int  # word by word: frames for each mean or shape
    lines: int
    moments: int
    side: int  # of the frames that are correlated
    spectra: int


TINY = Size(40_000, 20_000, 1e-3, 64, 1, 4096, 65_536, 128, 16)
SHORT = Size(250_000, 100_000, 1e-4, 128, 1, 16_384, 262_144, 256, 32)
LONG = Size(13 * 2**20, 2_000_000, 1e-5, 1024, 1, 262_144, 16_777_216, 1024, 256)


def run(synth, size):
    """All results of one synthesiser, a callable with fused_synth's arguments."""
    return [result for test in (*distributions.TESTS, *independence.TESTS) for result in test(synth, size)]


def level(results):
    """Bonferroni: the p value below which one test fails."""
    return FAMILY / sum(result.p is not None for result in results)


def passes(result, threshold):
    """Whether a result is green; a statistic that is not a number never is."""
    if result.p is not None:
        return result.p >= threshold
    return result.statistic <= result.limit


def failures(results):
    """The names of the tests that fail."""
    threshold = level(results)
    return [result.test for result in results if not passes(result, threshold)]


def table(results):
    """Results as a markdown table."""
    threshold = level(results)
    lines = ["| test | n | statistic | p | threshold | |", "|---|---:|---:|---:|---:|---|"]
    for r in results:
        p = "" if r.p is None else f"{r.p:.3g}"
        bound = f"<= {r.limit:g}" if r.p is None else f"p >= {threshold:.2g}"
        verdict = "pass" if passes(r, threshold) else "**FAIL**"
        lines.append(f"| {r.test} | {r.count} | {r.statistic:.6g} | {p} | {bound} | {verdict} |")
    return "\n".join(lines)
