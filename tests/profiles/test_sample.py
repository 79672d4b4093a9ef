# SPDX-License-Identifier: Apache-2.0
"""Joint sampling: determinism, and the distributions against the published law."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats

from lrd_ext.profiles import draws, load_profile, profile_from_dict
from lrd_ext.profiles.draws import parameter_words
from lrd_ext.reference.philox import Component, words

ALPHA = 1e-4  # significance of each distribution test; seeds are fixed, so a pass stays a pass

# ELD, Sony A7S2, Profile-1: slope, intercept and spread of ln sigma over ln K.
ELD_A7S2_SCALE, ELD_A7S2_ROW = (0.46210, 0.56571, 0.26337), (0.52754, -0.59170, 0.29429)


@pytest.fixture(scope="module")
def a7s2():
    return load_profile("sony_a7s2")


@pytest.fixture(scope="module")
def eld():
    return load_profile("sony_a7s2_eld")


def assert_equal(a, b):
    assert a.to_dict() == b.to_dict()


def test_draw_depends_on_seed_and_index_only(a7s2):
    arguments = {"iso": (800, 12800), "ratio": (100, 300), "seed": 7}
    sixteen = a7s2.sample(16, **arguments)
    assert_equal(sixteen.select(slice(0, 8)), a7s2.sample(8, **arguments))
    assert_equal(sixteen.select([5, 2]), a7s2.sample(2, index=[5, 2], **arguments))
    assert_equal(sixteen.select(slice(4, 8)), a7s2.sample(4, index=4, **arguments))
    assert_equal(sixteen, a7s2.sample(16, **arguments | {"seed": 7 - 2**64}))
    other = a7s2.sample(16, **arguments | {"seed": 8})
    assert (sixteen.K != other.K).all()
    later_epoch = a7s2.sample(16, index=torch.arange(16) + 2**40, **arguments)
    assert (sixteen.K != later_epoch.K).all()


def test_a_sample_is_pinned(a7s2):
    # Changing these numbers changes every seeded run of every user.
    drawn = a7s2.sample(2, iso=(800, 12800), ratio=(100, 300), seed=7)
    np.testing.assert_allclose(drawn.iso, PINNED_ISO, rtol=1e-6)
    np.testing.assert_allclose(drawn.ratio, PINNED_RATIO, rtol=1e-6)
    np.testing.assert_allclose(drawn.sigma_read, PINNED_READ, rtol=1e-6)


PINNED_ISO, PINNED_RATIO, PINNED_READ = (
    [1847.240967, 3664.006836],
    [134.005936, 116.476578],
    [3.612048, 2.372436],
)


def test_iso_is_log_uniform_and_ratio_uniform(eld):
    drawn = eld.sample(20000, iso=(100, 6400), ratio=(100, 300), seed=1)
    log_iso = np.log(drawn.iso.double().numpy())
    assert stats.kstest(log_iso, stats.uniform(math.log(100), math.log(64)).cdf).pvalue > ALPHA
    assert stats.kstest(drawn.ratio.numpy(), stats.uniform(100, 200).cdf).pvalue > ALPHA
    assert abs(np.corrcoef(log_iso, drawn.ratio)[0, 1]) < 4 / math.sqrt(20000)


def test_sigmas_follow_the_published_joint_law_independently(eld):
    drawn = eld.sample(20000, iso=(100, 6400), ratio=1, seed=2)
    log_K = np.log(drawn.K.double().numpy())
    assert stats.kstest(log_K, stats.uniform(math.log(0.0939161), math.log(64)).cdf).pvalue > ALPHA
    residuals = []
    for sigma, (slope, intercept, spread) in (
        (drawn.sigma_read, ELD_A7S2_SCALE),
        (drawn.sigma_row, ELD_A7S2_ROW),
    ):
        residuals.append((np.log(sigma.double().numpy()) - slope * log_K - intercept) / spread)
        assert stats.kstest(residuals[-1], "norm").pvalue > ALPHA
    together = np.corrcoef([*residuals, log_K])[np.triu_indices(3, 1)]
    assert np.abs(together).max() < 4 / math.sqrt(20000)


def test_shapes_are_drawn_from_the_published_list(eld):
    drawn = eld.sample(9000, iso=(100, 6400), ratio=1, seed=3).tukey_lambda.double().numpy()
    low_isos = [0.114286, 0.128571, 0.057143, 0.042857, 0, 0, -0.042857, -0.057143, -0.085714]
    published = np.array(low_isos + [-0.085714] * 3 + [-0.114286] * 2 + [-0.142857] * 3 + [-0.128571])
    values, expected = np.unique(published, return_counts=True)
    nearest = np.abs(drawn[:, None] - values).argmin(1)
    assert np.abs(drawn - values[nearest]).max() < 1e-5
    observed = np.bincount(nearest, minlength=len(values))
    assert stats.chisquare(observed, expected * 9000 / 18).pvalue > ALPHA


def test_gain_jitter_of_the_a7s2_is_uniform_within_one_percent(a7s2):
    drawn = a7s2.sample(20000, iso=3200, ratio=1, seed=4)
    relative = drawn.K.double().numpy() / 3.06016
    assert stats.kstest(relative, stats.uniform(0.99, 0.02).cdf).pvalue > ALPHA


def test_median_of_a_sample_is_what_at_answers(a7s2):
    drawn, mean = a7s2.sample(20001, iso=6400, ratio=1, seed=5), a7s2.at(6400)
    for name in ("sigma_read", "sigma_row"):
        spread = getattr(drawn, name).double().log().std().item()
        error = 1.2533 * spread / math.sqrt(20001)  # standard error of a median
        assert abs(math.log(getattr(drawn, name).median() / getattr(mean, name))) < 4 * error


def test_choices_are_drawn_evenly_and_bring_the_bias_of_the_nearest_iso(a7s2):
    isos = [800, 1600, 3200]
    drawn = a7s2.sample(6000, iso=isos, ratio=[100, 250, 300], seed=6)
    for values, choices in ((drawn.iso, isos), (drawn.ratio, [100, 250, 300])):
        counts = [int((values == choice).sum()) for choice in choices]
        assert sum(counts) == 6000
        assert stats.chisquare(counts).pvalue > ALPHA
    for iso in isos:
        assert torch.equal(drawn.bias[drawn.iso == iso].unique(dim=0), a7s2.at(iso).bias)
    between = a7s2.sample(1, iso=1900, ratio=1, seed=1).bias  # of the same gain branch: 1600, not 2000
    assert torch.equal(between, a7s2.at(1600).bias)


def test_spread_of_the_rows_goes_before_that_of_the_law(a7s2):
    # PMN's own sampler draws N(sigTL, sigTLsig) at a tabled ISO; from 1600 to 2000 the law has 0.00712.
    drawn = a7s2.sample(20000, iso=1600, ratio=1, seed=8)
    z = np.log(drawn.sigma_read.double().numpy() / 3.2283993) / (0.09118158 / 3.2283993)
    assert stats.kstest(z, "norm").pvalue > ALPHA
    gap = a7s2.sample(20000, iso=1800, ratio=1, seed=8).sigma_read.double().numpy()
    z = np.log(gap / a7s2.at(1800).sigma_read.item()) / 0.00712
    assert stats.kstest(z, "norm").pvalue > ALPHA


def test_a_range_with_an_unanswerable_gap_is_refused_whatever_is_drawn(minimal):
    minimal["rows"] = [{"iso": iso, "K": iso / 1000, "sigma_gaussian": 1.0} for iso in (100, 400, 800)]
    minimal["branches"] = [{"name": "a", "iso": [100, 100]}, {"name": "b", "iso": [400, 800]}]
    profile = profile_from_dict(minimal)
    assert len(profile.sample(3, iso=[100, 400], ratio=1, seed=1)) == 3
    for seed in range(5):
        with pytest.raises(ValueError, match="not known between ISO 100 and 400, got 100 to 800; the camera"):
            profile.sample(1, iso=(100, 800), ratio=1, seed=seed)


def test_spread_over_frames_where_there_is_no_law(minimal):
    minimal["rows"][0] |= {"spread": {"sigma_gaussian": 0.15}}
    drawn = profile_from_dict(minimal).sample(20000, iso=100, ratio=1, seed=7)
    z = np.log(drawn.sigma_read.double().numpy() / 1.5) / 0.1
    assert stats.kstest(z, "norm").pvalue > ALPHA


def test_sampling_without_gain_is_refused_with_the_reason(minimal):
    minimal["rows"][0]["K"] = None
    with pytest.raises(ValueError, match=r"sample needs the gain K, .* darks alone"):
        profile_from_dict(minimal).sample(1, iso=100, ratio=1, seed=1)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"iso": (800, 51200)}, ValueError, "iso must be in the range ISO 50 to 1600"),
        ({"iso": (12800, 800)}, ValueError, r"iso as a tuple must be \(low, high\)"),
        ({"iso": []}, ValueError, "iso as a list must hold at least one"),
        ({"iso": "auto"}, TypeError, "iso must be a number, a tuple"),
        ({"ratio": (0, 300)}, ValueError, "ratio must be above 0 and below"),
        ({"n": 0}, ValueError, "n must be at least 1"),
        ({"n": 2.0}, TypeError, "n must be an int"),
        ({"seed": None}, TypeError, "seed must be an int"),
        ({"index": [1, 2, 3]}, ValueError, r"index must be an int or have shape \(2,\)"),
        ({"index": -1}, ValueError, "index must be in"),
        ({"index": 0.5}, TypeError, "index must be integers"),
    ],
)
def test_bad_arguments_are_named(a7s2, changed, error, message):
    arguments = {"n": 2, "iso": (800, 12800), "ratio": (100, 300), "seed": 7} | changed
    with pytest.raises(error, match=message):
        a7s2.sample(arguments.pop("n"), **arguments)


@pytest.mark.parametrize("native", [pytest.param(draws.NATIVE, marks=pytest.mark.native), None])
def test_words_are_those_of_the_reference(native, monkeypatch):
    monkeypatch.setattr(draws, "NATIVE", native)
    rng = np.random.default_rng(1)
    for seed in (0, 7, -3, 2**64 - 1, 2**40 + 5):
        identities = rng.integers(0, 2**56, 50)
        cells = torch.arange(2)
        wrapped = torch.tensor((seed + 2**63) % 2**64 - 2**63)
        expected = words(wrapped, torch.from_numpy(identities), Component.PARAMETERS, cells[:1], cells)
        expected = expected.permute(0, 3, 1, 2).reshape(50, 8).numpy()
        np.testing.assert_array_equal(parameter_words(seed, identities), expected)
        for i in range(50):
            np.testing.assert_array_equal(parameter_words(seed, identities[i : i + 1]), expected[i : i + 1])


def test_bias_is_left_out_when_asked(a7s2):
    drawn = a7s2.sample(8, iso=(800, 12800), ratio=1, seed=7)
    without = a7s2.sample(8, iso=(800, 12800), ratio=1, seed=7, bias=False)
    assert drawn.bias.abs().min() > 0
    assert_equal(without, drawn.without_bias())


def test_no_two_figures_share_a_random_word(eld):
    """Scales of read, row and column noise scatter about their laws each by itself, and so does the shape."""
    data = eld.to_dict()
    laws = data["branches"][0]["laws"]
    laws["sigma_col"] = dict(laws["sigma_row"])
    data["branches"][0]["K"]["jitter"] = 0.4
    profile = profile_from_dict(data)
    drawn = profile.sample(4000, iso=(100, 6400), ratio=(100.0, 300.0), seed=11)
    log_iso = torch.log(drawn.iso.double())  # K before its jitter is in proportion to it
    residuals = {
        name: (torch.log(getattr(drawn, figure).double()) - laws[law]["slope"] * log_iso).numpy()
        for name, figure, law in (
            ("read", "sigma_read", "sigma_tukey_lambda"),
            ("row", "sigma_row", "sigma_row"),
            ("col", "sigma_col", "sigma_col"),
        )
    }
    residuals |= {"shape": drawn.tukey_lambda.numpy(), "ratio": drawn.ratio.numpy(), "iso": drawn.iso.numpy()}
    residuals["gain"] = (drawn.K / drawn.iso).numpy()
    for a, b in itertools.combinations(residuals, 2):
        assert stats.spearmanr(residuals[a], residuals[b]).pvalue > ALPHA / 21, (a, b)


def test_scatter_of_a_figure_that_may_be_zero_is_no_spread(minimal):
    """Noise far below what the darks tell: the scatter is the estimate's own error, six times the figure."""
    figure, law = {"sigma_col": 0.013}, {"slope": 1.0, "intercept": 0.0, "spread": 5.0}
    minimal["rows"][0] |= figure | {"spread": {"sigma_col": 0.08}}
    minimal["branches"][0] |= {"laws": {"sigma_col": law}}
    for interval in ({}, {"interval95": {"sigma_col": [0.0, 0.039]}}):
        minimal["rows"][0] |= interval
        drawn = profile_from_dict(minimal).sample(500, iso=100, ratio=1, seed=7).sigma_col
        assert torch.equal(drawn, torch.full_like(drawn, 0.013))
    minimal["rows"][0] |= {"spread": {"sigma_col": 0.001}}  # small, of a figure that may be zero
    assert profile_from_dict(minimal).sample(500, iso=100, ratio=1, seed=7).sigma_col.unique().numel() == 1
    minimal["rows"][0] |= {"interval95": {"sigma_col": [0.012, 0.014]}}
    assert profile_from_dict(minimal).sample(500, iso=100, ratio=1, seed=7).sigma_col.unique().numel() > 1


def test_a_row_keeps_its_own_shape_with_its_scale(minimal):
    """A list beside the rows' own shapes, as earlier calibrations wrote it, pairs no scale anew."""
    shapes = {100: 0.14, 400: -0.1}
    minimal["rows"] = [
        {"iso": iso, "K": 0.4, "sigma_tukey_lambda": 1.0, "tukey_lambda": shape}
        for iso, shape in shapes.items()
    ]
    minimal["branches"] = [{"name": "single", "iso": [100, 400], "tukey_lambda": list(shapes.values())}]
    minimal["read"] = "tukey_lambda"
    profile = profile_from_dict(minimal)
    for iso, shape in shapes.items():
        drawn = profile.sample(200, iso=iso, ratio=1, seed=3).tukey_lambda
        assert torch.equal(drawn, torch.full_like(drawn, shape))
