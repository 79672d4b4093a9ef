# SPDX-License-Identifier: Apache-2.0
"""Which read-noise model is advised, and that the sentence fits its own numbers."""

from __future__ import annotations

import re
import types

import pytest

from lrd_ext.calibration.model_advice import advise
from lrd_ext.estimators.tukey_lambda import Agreement


def reads(gaussian: tuple[float, float, float], tukey: tuple[float, float, float]):
    """One ISO of such KLD, KS and r^2 for each model."""
    models = {"gaussian": gaussian, "tukey_lambda": tukey}
    own = {name: Agreement(kld=v[0], ks=v[1], r2=v[2]) for name, v in models.items()}
    return [types.SimpleNamespace(models=own)]


@pytest.mark.parametrize(
    ("gaussian", "tukey", "model", "reason"),
    [
        ((0.01, 0.02, 0.99), (0.001, 0.005, 0.999), "tukey_lambda", "nearer to the darks by KLD, KS and QQ"),
        ((0.01, 0.02, 0.99), (0.001, 0.03, 0.999), "tukey_lambda", "nearer to the darks by KLD and QQ"),
        ((0.01, 0.02, 0.999), (0.001, 0.03, 0.99), "gaussian", "nearer by KLD alone, not by KS and QQ"),
        ((0.00109, 0.01, 0.99), (0.001, 0.005, 0.999), "gaussian", "gains less than 0.0001 nats"),
        ((0.001, 0.01, 0.999), (0.002, 0.02, 0.99), "gaussian", "nearer to the darks by KLD, KS and QQ"),
    ],
)
def test_the_rule(gaussian, tukey, model, reason):
    advice = advise(reads(gaussian, tukey))
    first = next(advice.sentences())
    assert advice.model == model
    assert first.startswith("Use the Tukey" if model == "tukey_lambda" else "Use the Gaussian")
    assert reason in first.rpartition(": ")[2]


def test_figures_that_differ_are_written_apart():
    first = next(advise(reads((0.00251, 0.0101, 0.99901), (0.00249, 0.01009, 0.99902))).sentences())
    said = re.match(r"Use the Gaussian .*KLD (\S+) nats, KS (\S+), .*against (\S+) nats, (\S+),", first)
    assert said is not None
    assert float(said[1]) > float(said[3])
    assert float(said[2]) > float(said[4])
