# SPDX-License-Identifier: Apache-2.0
"""Read-noise models: every entry is right by SciPy, and a new one is right in every room that asks."""

from __future__ import annotations

import dataclasses
import math
from typing import get_args

import numpy as np
import pytest
import torch
from quantile_tables import HUMP, SKEWED
from scipy import stats

from lrd_ext import NoiseParams, inspection, read_models
from lrd_ext.calibration import results
from lrd_ext.calibration.model_advice import advise
from lrd_ext.estimators.intervals import Estimate
from lrd_ext.estimators.tukey_lambda import ResidualHistogram, distribution_of
from lrd_ext.profiles import ProfileError, load_profile, profile_from_dict, self_test, to_noise_profile
from lrd_ext.profiles.summary import figures_at, known_noise
from lrd_ext.read_models import READ_MODELS, ReadModel, ReadName, profile_models, read_model
from lrd_ext.reference.quantile_table import knot_probabilities


def of_table(table):
    """What a table says of a distribution: a histogram with the mass between knots in each of its bins."""
    share = np.diff(knot_probabilities().numpy())
    return stats.rv_histogram(
        (share / np.diff(table.astype(np.float64)), table.astype(np.float64)), density=True
    )


SCIPY = {
    "gaussian": lambda shape: stats.norm(),
    "tukey_lambda": stats.tukeylambda,
    "empirical": of_table,
}
SHAPES = {"gaussian": (0.0,), "tukey_lambda": (-0.2, 0.0, 0.14, 0.5), "empirical": (HUMP, SKEWED)}
CASES = [(name, shape) for name, shapes in SHAPES.items() for shape in shapes]


def test_names_are_those_type_checkers_know():
    assert get_args(ReadName) == tuple(READ_MODELS)
    assert {model.name for model in profile_models()} == set(SCIPY)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_moments_and_distribution_are_scipys(name, shape):
    model, true = READ_MODELS[name], SCIPY[name](shape)
    assert model.std(3.0, shape) == pytest.approx(3 * true.std(), rel=1e-7)
    assert true.mean() == pytest.approx(0, abs=1e-7)
    assert model.kurtosis(shape) == pytest.approx(float(true.stats(moments="k")), rel=1e-6, abs=1e-9)
    x = true.ppf(np.array([1e-6, 1e-3, 0.2, 0.5, 0.9, 0.9999]))
    assert model.cdf(2 * x, 2.0, shape) == pytest.approx(true.cdf(x), rel=2e-4)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_the_specified_quantile_is_scipys(name, shape):
    folded = torch.cat([torch.arange(1000), torch.arange(2**20, 2**31, 2**21 - 1)])
    p = (folded.double().numpy() + 0.5) * 2.0**-32  # of the lower tail, where float64 resolves it
    shapes = torch.tensor(shape, dtype=torch.float64)
    below, above = (READ_MODELS[name].quantile(w, shapes).numpy() for w in (folded, 2**32 - 1 - folded))
    if READ_MODELS[name].tabled:  # NumPy's interpolation is its specification
        knots, u = knot_probabilities().numpy(), np.concatenate([p, 1 - p])
        expected = np.interp(u, knots, shape.astype(np.float64))
        np.testing.assert_allclose(np.concatenate([below, above]), expected, rtol=0, atol=1e-9)
        return
    assert np.array_equal(above, -below)
    np.testing.assert_allclose(below, SCIPY[name](shape).ppf(p), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_the_distribution_function_inverts_the_specified_quantile(name, shape):
    word = torch.arange(2**20, 2**32, 2**24 - 1)
    deviates = READ_MODELS[name].quantile(word, torch.tensor(shape, dtype=torch.float64)).numpy()
    u = (word.double().numpy() + 0.5) * 2.0**-32
    assert READ_MODELS[name].cdf(deviates, 1.0, shape) == pytest.approx(u, rel=2e-4)


def test_no_read_noise_is_a_step_at_zero():
    none = READ_MODELS["none"]
    assert (none.std(5.0), none.kurtosis(0.0), none.figure) == (0.0, 0.0, None)
    assert none.cdf([-1.0, 0.0, 1.0], 1.0).tolist() == [0.0, 1.0, 1.0]
    assert READ_MODELS["gaussian"].cdf([-1.0, 0.0], 0.0).tolist() == [0.0, 1.0]


# A distribution nobody has: uniform on [-1, 1] at scale 1.
UNIFORM = ReadModel(
    name="uniform",
    label="Uniform",
    short="U",
    figure="sigma_uniform",
    unit_std=lambda shape: 1 / math.sqrt(3),
    kurtosis=lambda shape: -1.2,
    unit_cdf=lambda x, shape: np.clip((x + 1) / 2, 0, 1),
    quantile=lambda word, shape: 2 * ((word.double() + 0.5) * 2.0**-32) - 1,
)


@pytest.fixture
def uniform(monkeypatch):
    monkeypatch.setitem(read_models.READ_MODELS, "uniform", UNIFORM)


@pytest.fixture
def profile(uniform):
    data = load_profile("google_pixel").to_dict() | {"name": "made up", "read": "uniform", "doubtful": []}
    data["rows"] = [
        {"iso": 100, "K": 0.1, "sigma_gaussian": 2.0, "sigma_uniform": 2 * math.sqrt(3), "sigma_row": 0.5},
        {"iso": 400, "K": 0.4, "sigma_gaussian": 4.0, "sigma_uniform": 4 * math.sqrt(3), "sigma_row": 0.5},
    ]
    data["rows"][0]["spread"] = {"sigma_uniform": 0.1}
    data["branches"] = [{"name": "all", "iso": [100, 400], "K": {"per_iso": 1e-3}}]
    data["branches"][0]["laws"] = {"sigma_uniform": {"slope": 0.5, "intercept": 2.0}}
    return profile_from_dict(data)


def test_a_new_model_is_answered_drawn_and_saved(profile):
    at = profile.at(400)
    assert (at.read, at.sigma_read.item()) == ("uniform", np.float32(4 * math.sqrt(3)))
    assert profile.at(200, read="uniform").sigma_read.item() == pytest.approx(math.sqrt(24), rel=1e-6)
    drawn = profile.sample(4, iso=100, ratio=1, seed=1).sigma_read
    assert drawn.unique().numel() == 4
    assert profile_from_dict(profile.to_dict()) == profile
    assert profile.to_dict()["rows"][0]["sigma_uniform"] == 2 * math.sqrt(3)


def test_a_new_model_has_its_own_deviation_in_every_summary(profile):
    at = profile.at(400)
    pairs = to_noise_profile(at)
    assert pairs[0, 1] * (1023 - 64) ** 2 == pytest.approx(16 + 0.25 + 1 / 12, rel=1e-6)
    found = inspection.predict(at, "made up")
    assert (found.read_std, found.read_c4) == (pytest.approx(4.0), pytest.approx(-1.2 * 4**4))
    assert figures_at(profile, 400).read_std == pytest.approx(4.0)
    assert known_noise(profile) == ["sigma_gaussian", "sigma_uniform", "sigma_row"]


def test_a_new_model_is_held_against_the_others(profile):
    assert self_test(profile) == ()
    rows = [dataclasses.replace(r, figures={**r.figures, "sigma_uniform": 2.0}) for r in profile.rows]
    found = self_test(dataclasses.replace(profile, rows=tuple(rows)))
    assert found[0].field == "sigma_uniform"
    assert found[0].reason == "Uniform std 1.155 DN, Gaussian fit 2 DN at ISO 100"


def test_a_new_model_needs_its_figure_and_takes_part_in_doubt(profile):
    data = profile.to_dict()
    data["doubtful"] = [{"field": "sigma_uniform", "reason": "made up"}]
    with pytest.warns(UserWarning, match="sigma_uniform is doubtful here: made up"):
        profile_from_dict(data).at(400)
    del data["branches"][0]["laws"]
    for row in data["rows"]:
        row.pop("sigma_uniform")
        row.pop("spread", None)
    with pytest.raises(ProfileError, match="no sigma_uniform in a law or a row, though read is 'uniform'"):
        profile_from_dict(data)
    with pytest.raises(ValueError, match="read must be one of gaussian, none in the branch 'all'"):
        profile_from_dict(data | {"read": "gaussian"}).at(400, read="uniform")


def test_calibration_fits_and_advises_a_new_model(uniform):
    """Darks of a uniform distribution: its KLD is the lowest, and its scale follows from the deviation."""
    rng = np.random.default_rng(5)
    darks = np.round(rng.uniform(-12, 12, (4, 200_000)) + 0.3)
    edges = np.arange(-40.5, 41.5)
    counts = np.stack([np.histogram(d - 0.3, edges)[0] for d in darks])
    hist = ResidualHistogram(counts, 1.0, 1.0)
    std = 12 / math.sqrt(3)
    read = _read_noise(
        Estimate(std, std - 0.1, std + 0.1, 0.05),
        {m.name: distribution_of(hist, m, std, 0.0) for m in profile_models() if not m.tabled},
    )
    kld = {name: agreement.kld for name, agreement in read.models.items()}
    assert kld["uniform"] < 0.01 < min(kld["gaussian"], kld["tukey_lambda"])
    assert read.scale(UNIFORM).value == pytest.approx(12)
    assert read.scale(UNIFORM).spread == pytest.approx(0.05 * math.sqrt(3))
    advice = advise([read])
    assert advice.model == "uniform"
    assert "Use the Uniform distribution for it: KLD 0.00" in " ".join(advice.sentences())


def _read_noise(gaussian, distributions):
    fields = {f.name: None for f in dataclasses.fields(results.ReadNoise)}
    return results.ReadNoise(**fields | {"gaussian": gaussian, "distributions": distributions})


@pytest.mark.parametrize(
    "ask",
    [
        lambda: read_model("unheard_of"),
        lambda: NoiseParams(K=1, ratio=1, white=100, black=0, read="unheard_of"),
        lambda: load_profile("sony_a7s2").at(800, read="unheard_of"),
        lambda: load_profile("sony_a7s2").sample(1, iso=800, ratio=1, seed=1, read="unheard_of"),
        lambda: figures_at(load_profile("sony_a7s2"), 800, "unheard_of"),
        lambda: profile_from_dict(load_profile("sony_a7s2").to_dict() | {"read": "unheard_of"}),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(ask):
    with pytest.raises(ValueError, match=r"read must be one of .*gaussian, tukey_lambda.*, got 'unheard_of'"):
        ask()
