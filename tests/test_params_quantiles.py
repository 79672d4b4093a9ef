# SPDX-License-Identifier: Apache-2.0
"""Quantiles of read noise in the table of NoiseParams: where they go, and what is refused."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest
import torch
from quantile_tables import HUMP, SKEWED

from lrd_ext import NoiseParams
from lrd_ext.reference.quantile_table import KNOTS

LEVELS = {"K": 1.5, "ratio": 100.0, "white": 1023.0, "black": 64.0}


def empirical(**more):
    return NoiseParams(**LEVELS, sigma_read=2.0, read="empirical", read_table=HUMP, **more)


def test_a_table_of_quantiles_goes_wherever_the_figures_go():
    one = empirical()
    assert one.table.shape == (1, 17 + KNOTS)
    assert torch.equal(one.read_table, torch.from_numpy(HUMP)[None])
    both = NoiseParams.cat([NoiseParams(**LEVELS), one, empirical().to_range(64, 2046)])
    assert both.read == ("none", "empirical", "empirical")
    assert [bool(row.any()) for row in both.read_table] == [False, True, True]
    assert torch.equal(both.read_table[1], both.read_table[2])  # quantiles at scale 1 know no range
    assert torch.equal(both.select(1).read_table, one.read_table)
    for copied in (
        pickle.loads(pickle.dumps(both)),
        copy.deepcopy(both),
        NoiseParams.from_dict(both.to_dict()),
    ):
        assert torch.equal(copied.table.nan_to_num(), both.table.nan_to_num())
        assert copied.read == both.read
    assert dataclasses.replace(one, sigma_row=1.0).read_table.shape == (1, KNOTS)
    assert one.with_figures(sigma_read=torch.ones(1)).read_table is not None
    assert one.shot_only().read_table is None
    assert one.shot_only().table.shape == (1, 17)
    assert NoiseParams(**LEVELS).read_table is None
    assert "read_table" not in NoiseParams(**LEVELS).to_dict()


def test_tables_make_the_batch_and_belong_to_their_samples():
    two = NoiseParams(
        **LEVELS, sigma_read=[0.0, 1.0], read=["none", "empirical"], read_table=np.stack([SKEWED, HUMP])
    )
    assert not two.read_table[0].any()
    assert torch.equal(two.read_table[1], torch.from_numpy(HUMP))
    assert len(NoiseParams(**LEVELS, sigma_read=1.0, read="empirical", read_table=np.stack([HUMP] * 3))) == 3
    three = np.stack([HUMP] * 3)
    with pytest.raises(ValueError, match=r"batch sizes must agree \(or be 1\), got 2 and read_table of 3"):
        NoiseParams(**LEVELS, sigma_read=[1.0, 2.0], read="empirical", read_table=three)


MALFORMED = [
    (
        HUMP[:100],
        ValueError,
        r"must hold 929 quantiles, one for each of knot_probabilities\(\), got shape \(100,\)",
    ),
    (np.zeros((1, 2, KNOTS)), ValueError, r"must hold 929 quantiles.*got shape \(1, 2, 929\)"),
    (np.where(np.arange(KNOTS) == 7, np.nan, HUMP), ValueError, "must be finite, got nan"),
    (np.where(np.arange(KNOTS) == 928, np.inf, HUMP), ValueError, "must be finite, got inf"),
    (HUMP[::-1].copy(), ValueError, "must not fall, got .* after .* at knot 1"),
    (2 * HUMP, ValueError, "must have standard deviation 1, got 2"),
    (HUMP + 0.5, ValueError, "must have mean 0, got 0.5"),
    ("table", TypeError, "must be real numbers, got str"),
    ([[1.0], [2.0, 3.0]], TypeError, "must be real numbers, got list"),
    (None, ValueError, "needs read_table"),
]


@pytest.mark.parametrize(("table", "error", "message"), MALFORMED)
def test_a_malformed_table_of_quantiles_is_named(table, error, message):
    with pytest.raises(error, match=f"NoiseParams: (read_table|read 'empirical') {message}"):
        NoiseParams(**LEVELS, sigma_read=1.0, read="empirical", read_table=table)


def test_a_table_for_another_model_is_refused():
    with pytest.raises(ValueError, match="read_table belongs to read 'empirical', got read 'gaussian'"):
        NoiseParams(**LEVELS, sigma_read=1.0, read="gaussian", read_table=HUMP)
