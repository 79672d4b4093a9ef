# SPDX-License-Identifier: Apache-2.0
"""``python tests/verify/every_word.py [--write FILE]``: each quantile on every one of the 2^32 words.

Poisson counts are counted out, so the distribution function they give is known exactly, not estimated.
Of the read noise the lower half of the words is enough: tests/csrc/test_quantiles.py holds it odd about 1/2.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import sys
import time
from pathlib import Path

import numpy as np
from distributions import CDF_ERROR, POISSON_MEANS
from provenance import commit
from scipy import special

sys.path.insert(0, str(Path(__file__).parents[1]))
from poisson_cdf import PoissonTable

from lrd_ext import ops

WORDS = 2**32
CHUNK = 2**22
TAIL = 1e-6
TAIL_ERROR = 0.05  # of the tail mass where it is 1e-6: the contract
SHAPES = (-0.1, 0.14)
#: Beside those of the battery: both sides of where methods change, and where the asymptotic form is off most.
MEANS = sorted((*POISSON_MEANS, 3.999, 4.0, 7.7, 24.9, 25.0))
HEAD = "| quantile | words | sup of the CDF's error | mass at 1e-6 / exact, low | high | words out of order |"


def evaluate(which, first, argument):
    """CHUNK quantiles from a first word on, float32."""
    words = np.arange(first, first + CHUNK, dtype=np.int64).astype(np.uint32)
    return ops.NATIVE.quantile(which, words, np.full(CHUNK, argument, np.float32))


def counts_of(mean, first):
    """How often each count comes, from the chunk's lowest on, and how many words give less than the last."""
    k = evaluate("poisson", first, mean).astype(np.int32)
    lowest = int(k.min())
    return lowest, np.bincount(k - lowest), int((k[1:] < k[:-1]).sum())


def poisson(pool, mean):
    """A row of the table: F of all words against the sum of probabilities."""
    exact = PoissonTable(float(np.float32(mean)))
    histogram, disorder = np.zeros(exact.cdf.size + exact.first, np.int64), 0
    for lowest, counts, swapped in pool.map(functools.partial(counts_of, mean), range(0, WORDS, CHUNK)):
        histogram[lowest : lowest + counts.size] += counts
        disorder += swapped
    k = np.arange(histogram.size)
    below = np.cumsum(histogram)
    error = np.abs(below / WORDS - exact.at(k)).max()
    tails = [tail_ratio(below, exact.at(k)), tail_ratio(WORDS - below, exact.above(k))]
    return f"Poisson mean {mean:g}", WORDS, error, *tails, disorder


def tail_ratio(words, mass):
    """Share of the words over the mass nearest to 1e-6; None where no mass of a tail is near."""
    with np.errstate(divide="ignore"):
        distance = np.abs(np.log10(mass / TAIL))
    k = int(np.argmin(distance))
    return words[k] / WORDS / mass[k] if distance[k] <= 1 else None


def read_errors(which, shape, first):
    """Of a chunk: the CDF's largest error, the same relative to p from 1e-6 on, and words out of order."""
    got = evaluate(which, first, shape or 0.0)
    p = (np.arange(first, first + CHUNK) + 0.5) / WORDS
    deviate = got.astype(np.float64)
    if which == "normal":
        error = np.abs(special.ndtr(deviate) - p)
    else:
        log_p, log_q = np.log(p), np.log1p(-p)
        exact = (np.expm1(shape * log_p) - np.expm1(shape * log_q)) / shape if shape else log_p - log_q
        # The slope of the quantile turns its error into one of probability.
        error = np.abs(deviate - exact) / (np.exp((shape - 1) * log_p) + np.exp((shape - 1) * log_q))
    at_tail = np.abs(p / TAIL - 1) < 0.5
    relative = (error / p)[at_tail].max() if at_tail.any() else 0.0
    return float(error.max()), float(relative), int((got[1:] < got[:-1]).sum())


def read(pool, which, shape=None):
    """A row of the table; the tail is given as 1 + its largest relative error."""
    shape = None if shape is None else float(np.float32(shape))
    parts = list(pool.map(functools.partial(read_errors, which, shape), range(0, WORDS // 2, CHUNK)))
    name = "normal" if shape is None else f"Tukey-lambda {shape:.4g}"
    tail = 1 + max(part[1] for part in parts)
    return name, WORDS // 2, max(part[0] for part in parts), tail, tail, sum(part[2] for part in parts)


def line_of(row):
    """(markdown, whether it keeps the contract)."""
    name, words, error, low, high, disorder = row
    kept = error <= CDF_ERROR and all(t is None or abs(t - 1) <= TAIL_ERROR for t in (low, high))
    tails = " | ".join("" if t is None else f"{t:.4f}" for t in (low, high))
    return f"| {name} | {words} | {error:.3g} | {tails} | {disorder} |", kept


def main():
    """Run, print, perhaps write; exit code 1 where the contract is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, help="markdown file to write")
    arguments = parser.parse_args()
    if ops.NATIVE is None:
        sys.exit(f"every_word: no native executor: {ops.WHY_NOT_NATIVE}")
    start, broken = time.monotonic(), 0
    lines = [
        "# Every word",
        "",
        f"Commit {commit()}, native build {ops.NATIVE.isa()} (all builds give the same bits).",
        f"The contract: errors of the CDF up to {CDF_ERROR:g}, the mass of a tail at 1e-6 within 5 %.",
        "",
        HEAD,
        "|---|---:|---:|---:|---:|---:|",
    ]
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        rows = [functools.partial(poisson, pool, mean) for mean in MEANS]
        rows += [functools.partial(read, pool, "normal")]
        rows += [functools.partial(read, pool, "tukey_lambda", shape) for shape in SHAPES]
        for row in rows:
            line, kept = line_of(row())
            broken += not kept
            lines.append(line)
            print(line, f"{time.monotonic() - start:.0f} s", file=sys.stderr)
    text = "\n".join([*lines, ""])
    print(text)
    if arguments.write:
        arguments.write.write_text(text)
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
