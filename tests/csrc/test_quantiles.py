# SPDX-License-Identifier: Apache-2.0
"""Native quantiles against SciPy, word by word, on every instruction-set build."""

from __future__ import annotations

import numpy as np
import pytest
from poisson_cdf import PoissonTable
from quantile_tables import HUMP, SKEWED
from scipy import special, stats

from lrd_ext.reference.quantile_table import knot_probabilities

pytestmark = pytest.mark.native

WORDS = 2**32
CDF_ERROR = 1e-6  # the contract, design.md 3.2
TAIL_ERROR = 0.05  # relative error of the tail mass where that mass is 1e-6, also the contract

MEANS = (
    *(
        0.0,
        1e-6,
        0.01,
        0.3,
        1.0,
        3.7,
        9.99,
        10.0,
        10.01,
        12.0,
        15.0,
        17.9,
        18.1,
        20.0,
        40.0,
        40.2,
        41.0,
        42.0,
        60.0,
    ),
    *(200.0, 1e4, 1e6, 1e7, 1e8, np.inf, np.nan, -1.0),
)
# Shapes cameras have, 0 and what is near it, and the ends of what NoiseParams takes.
SHAPES = (
    -0.49,
    -0.3,
    -0.14,
    -0.1,
    -1e-3,
    -1e-12,
    0.0,
    1e-30,
    1e-3,
    0.1,
    0.14,
    0.3,
    0.5,
    1.0,
    2.5,
    5.0,
)


def stratified_words(count, seed):
    """One random word from each of ``count`` equal strata, and the outermost 2^14 words of both ends."""
    width = WORDS // count
    inner = np.arange(count, dtype=np.int64) * width + np.random.default_rng(seed).integers(0, width, count)
    edge = np.arange(2**14, dtype=np.int64)
    return np.unique(np.concatenate([edge, inner, WORDS - 1 - edge]))


def evaluate(native, which, words, argument, isa=""):
    argument = np.broadcast_to(np.float32(argument), words.shape)
    return native.quantile(which, words.astype(np.uint32), argument, isa)


def first_words_above(native, mean, counts):
    """Bisect the 2^32 words for the smallest one whose count exceeds each of ``counts``."""
    low, high = np.zeros(counts.size, np.int64), np.full(counts.size, WORDS - 1)
    while (low < high).any():
        middle = (low + high) // 2
        above = evaluate(native, "poisson", middle, mean) > counts
        low, high = np.where(above, low, np.minimum(middle + 1, high)), np.where(above, middle, high)
    return low


def effective_mean(mean):
    return 0.0 if not mean > 0 else min(float(np.float32(mean)), 1e7)


def steps(native, mean):
    """Every count k the native quantile passes, and the first word that gives more than k."""
    lowest, highest = evaluate(native, "poisson", np.array([0, WORDS - 1]), mean).astype(np.int64)
    counts = np.arange(lowest, highest)
    return counts, first_words_above(native, mean, counts)


def windows(words, reach, most=1500):
    """All words within ``reach`` of (at most ``most`` of) the given ones."""
    chosen = words[:: max(1, words.size // most)]
    return np.unique(np.clip(chosen[:, None] + np.arange(-reach, reach), 0, WORDS - 1))


@pytest.mark.parametrize("mean", MEANS)
def test_poisson_cdf_from_the_words_at_which_it_steps(native, mean):
    exact = PoissonTable(effective_mean(mean))
    counts, words = steps(native, mean)
    estimate = words / WORDS
    assert np.all(np.diff(words) >= 0)
    if counts.size:
        assert np.max(np.abs(estimate - exact.at(counts))) <= CDF_ERROR
    # Counts that no word gives must be as improbable as the contract allows.
    lowest, highest = evaluate(native, "poisson", np.array([0, WORDS - 1]), mean).astype(np.int64)
    assert exact.at(lowest - 1) <= CDF_ERROR
    assert exact.above(highest) <= CDF_ERROR


@pytest.mark.parametrize("mean", [m for m in MEANS if effective_mean(m) > 1e-6])
def test_poisson_tail_mass_at_1e_6(native, mean):
    exact = PoissonTable(effective_mean(mean))
    counts, words = steps(native, mean)
    upper, lower = exact.above(counts), exact.at(counts)
    # The step whose tail mass is nearest to 1e-6: a discrete tail need not come closer.
    k = np.argmin(np.abs(np.log(upper / 1e-6)))
    assert abs((WORDS - words[k]) / WORDS / upper[k] - 1) <= TAIL_ERROR
    if lower[0] < 1e-6:
        k = np.argmin(np.abs(np.log(lower / 1e-6)))
        assert abs(words[k] / WORDS / lower[k] - 1) <= TAIL_ERROR


@pytest.mark.parametrize("mean", MEANS)
def test_poisson_word_by_word(native, mean):
    """Needs no monotony, unlike bisection: any word's count may be off only within CDF_ERROR of a step."""
    exact = PoissonTable(effective_mean(mean))
    _, at_steps = steps(native, mean)
    words = np.union1d(stratified_words(2**17, seed=2), windows(at_steps, 64))
    k = evaluate(native, "poisson", words, mean).astype(np.int64)
    u = (words + 0.5) / WORDS
    assert np.max(u - exact.at(k)) <= CDF_ERROR
    assert np.max(exact.at(k - 1) - u) <= CDF_ERROR


@pytest.mark.parametrize("mean", [0.01, 0.3, 1.0, 3.7, 9.99, 10.0, 12.0, 20.0, 41.0, 200.0, 1e4])
def test_poisson_equals_scipy_ppf_away_from_steps(native, mean):
    mean = float(np.float32(mean))
    words = np.random.default_rng(3).integers(0, WORDS, 20_000)
    u = (words + 0.5) / WORDS
    expected = stats.poisson.ppf(u, mean)
    away = (np.abs(special.pdtr(expected, mean) - u) > CDF_ERROR) & (
        np.abs(stats.poisson.cdf(expected - 1, mean) - u) > CDF_ERROR
    )
    assert away.mean() > 0.995
    assert np.array_equal(evaluate(native, "poisson", words, mean)[away], expected[away])


def test_poisson_of_nothing_is_exactly_zero(native, isa):
    words = stratified_words(2**17, seed=4)
    for mean in (0.0, -0.0, -1.0, -np.inf, np.nan):
        assert not evaluate(native, "poisson", words, mean, isa).any()


def test_poisson_of_a_site_does_not_depend_on_its_neighbours(native, isa):
    # A block of 64 skips the methods none of its sites needs: mixed and uniform blocks must agree.
    draw = np.random.default_rng(5)
    means = np.array([0.0, 0.3, 9.99, 10.0, 12.0, 41.0, 1e4, 1e7, np.nan], np.float32)
    words = draw.integers(0, WORDS, (means.size, 40_000))
    # Far tails, where the exact method runs, are 1 word in 2000: make them 1 in 4.
    words[:, ::4] = np.where(
        draw.random(words[:, ::4].shape) < 0.5, words[:, ::4] >> 16, WORDS - 1 - (words[:, ::4] >> 16)
    )
    alone = np.stack([evaluate(native, "poisson", w, m, isa) for w, m in zip(words, means, strict=True)])
    order = draw.permutation(words.size)
    mixed = np.empty(words.size, np.float32)
    mixed[order] = native.quantile(
        "poisson", words.ravel()[order].astype(np.uint32), np.repeat(means, words.shape[1])[order], isa
    )
    assert np.array_equal(mixed, alone.ravel())


def lower_tail(words):
    folded = np.minimum(words, WORDS - 1 - words)
    return (folded + 0.5) / WORDS, np.where(words < WORDS // 2, 1.0, -1.0)


def ulps_off(deviate, exact):
    """Errors in float32 ulps of the exact deviate."""
    return np.abs(deviate - exact) / np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)


def inner(words):
    """All but each side's outermost word, which a polynomial of others gives, and where SciPy is coarse."""
    p, _ = lower_tail(words)
    return (p > 1 / WORDS) & (p < 0.4999)


def in_order(deviate):
    """Whether neighbours come in order, but for the last bit where two polynomials meet."""
    step = np.spacing(np.abs(deviate[1:]).astype(np.float32)).astype(np.float64)
    return np.all(np.diff(deviate) >= -step)


def test_normal_against_scipy(native):
    words = stratified_words(2**21, seed=6)
    p, side = lower_tail(words)
    deviate = side * evaluate(native, "normal", words, 0.0).astype(np.float64)
    assert in_order(side * deviate)
    error = np.abs(special.ndtr(deviate) - p)
    assert error.max() <= CDF_ERROR
    # Held to 5 % at 1e-6; in fact everywhere, down to the last word.
    assert (error / p).max() <= TAIL_ERROR
    assert (
        np.max(np.abs(deviate - stats.norm.ppf(p))) <= 5e-6
    )  # = CDF_ERROR / density, within |z| < 1.6; far tails too
    assert ulps_off(deviate, stats.norm.ppf(p))[inner(words)].max() <= 3


@pytest.mark.parametrize("shape", SHAPES)
def test_tukey_lambda_against_scipy(native, shape):
    shape = float(np.float32(shape))
    words = stratified_words(2**18, seed=7)
    p, side = lower_tail(words)
    deviate = side * evaluate(native, "tukey_lambda", words, shape).astype(np.float64)
    assert in_order(side * deviate)
    exact = stats.tukeylambda.ppf(p, shape)
    # The quantile's slope is known in closed form, so its error is one of probability without inverting it.
    slope = p ** (shape - 1) + (1 - p) ** (shape - 1)
    error = np.abs(deviate - exact) / slope
    assert error.max() <= CDF_ERROR
    at = p >= 1e-6
    assert (error / p)[at].max() <= TAIL_ERROR
    assert ulps_off(deviate, exact)[inner(words)].max() <= 6


@pytest.mark.parametrize("which", ["normal", "tukey_lambda"])
def test_quantiles_are_odd_about_one_half(native, isa, which):
    words = stratified_words(2**17, seed=8)
    for shape in (-0.3, 0.0, 1e-3, 0.14):
        one, other = (evaluate(native, which, w, shape, isa) for w in (words, WORDS - 1 - words))
        assert np.array_equal(one, -other)


def bits(values):
    return values.view(np.uint32)


def test_normal_and_tukey_lambda_have_the_same_bits_on_every_build(native):
    words = stratified_words(2**20, seed=9)
    cases = [("normal", 0.0), *(("tukey_lambda", shape) for shape in SHAPES)]
    for which, argument in cases:
        expected = evaluate(native, which, words, argument, native.isa_names()[0])
        for isa in native.isa_names()[1:]:
            assert np.array_equal(bits(evaluate(native, which, words, argument, isa)), bits(expected)), (
                which,
                argument,
                isa,
            )


@pytest.mark.parametrize("mean", MEANS)
def test_poisson_has_the_same_bits_on_every_build(native, mean):
    _, at_steps = steps(native, mean)
    words = np.union1d(stratified_words(2**17, seed=10), windows(at_steps, 32, most=50_000))
    expected = evaluate(native, "poisson", words, mean, native.isa_names()[0])
    for isa in native.isa_names()[1:]:
        assert np.array_equal(bits(evaluate(native, "poisson", words, mean, isa)), bits(expected)), isa


def test_poisson_has_the_same_bits_on_every_build_for_random_means(native):
    draw = np.random.default_rng(11)
    words = draw.integers(0, WORDS, 2**20).astype(np.uint32)
    means = np.exp(draw.uniform(np.log(1e-3), np.log(2e7), words.size)).astype(np.float32)
    expected = native.quantile("poisson", words, means, native.isa_names()[0])
    for isa in native.isa_names()[1:]:
        assert np.array_equal(bits(native.quantile("poisson", words, means, isa)), bits(expected)), isa


def test_probe_refuses_wrong_use(native):
    word, argument = np.zeros(2, np.uint32), np.zeros(2, np.float32)
    with pytest.raises(
        ValueError, match="which must be normal, tukey_lambda, poisson or empirical, got cauchy"
    ):
        native.quantile("cauchy", word, argument)
    with pytest.raises(ValueError, match="one argument per word"):
        native.quantile("normal", word, argument[:1])
    with pytest.raises(RuntimeError, match=r"must be one of baseline.*got mmx"):
        native.quantile("normal", word, argument, "mmx")
    with pytest.raises(ValueError, match="needs 4 counter and 2 key words"):
        native.philox([0, 0, 0], [0, 0])


@pytest.mark.parametrize("table", [HUMP, SKEWED], ids=["hump", "skewed"])
def test_empirical_quantiles_are_numpys_interpolation(native, table):
    knots, quantiles = knot_probabilities().numpy(), table.astype(np.float64)
    words = stratified_words(2**18, 5)
    edges = np.rint(knots * WORDS).astype(np.int64)  # at every knot, and where tail and middle meet
    seams = np.array([2**26, WORDS - 2**26])[:, None] + np.arange(-300, 300)
    words = np.unique(np.clip(np.concatenate([words, edges, edges - 1, seams.ravel()]), 0, WORDS - 1))
    found = [native.quantile("empirical", words.astype(np.uint32), table, isa) for isa in native.isa_names()]
    for other in found[1:]:
        assert np.array_equal(other, found[0])
    assert np.all(np.diff(found[0]) >= 0)
    u = (words + 0.5) / WORDS
    assert np.abs(found[0] - np.interp(u, knots, quantiles)).max() <= 2e-6  # of numbers up to 17
    assert np.max(np.abs(np.interp(found[0], quantiles, knots) - u)) <= CDF_ERROR
    for tail, own in ((u, found[0]), ((WORDS - words - 0.5) / WORDS, -found[0])):
        below = quantiles if own is found[0] else -quantiles[::-1]
        near = (tail > 5e-7) & (tail < 2e-6)
        assert near.sum() > 100
        mass = np.interp(own[near].astype(np.float64), below, knots)
        assert np.max(np.abs(mass / tail[near] - 1)) <= TAIL_ERROR


def test_an_empirical_quantile_wants_a_whole_table(native):
    with pytest.raises(ValueError, match="one argument per word is needed, or one table of quantiles"):
        native.quantile("empirical", np.zeros(3, np.uint32), HUMP[:100], "")
