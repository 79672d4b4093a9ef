# SPDX-License-Identifier: Apache-2.0
"""Jitter of a camera's figures, and made-up cameras that cover ranges."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from lrd_ext.augment import CameraRanges, LawRange, LowLightNoise, virtual_cameras

MANY = torch.arange(4000)
OWN_LEVELS = [(None, None, None)] * len(MANY)


def params_of(profile, *, iso=800, identities=MANY, **options):
    noise = LowLightNoise(profile, iso=iso, ratio=(50, 200), seed=7, **options)
    return noise.params(identities, OWN_LEVELS[: len(identities)])


def test_jitter_is_even_within_its_percent_and_of_the_identity():
    plain = params_of("nikon_d850")
    shaken = params_of("nikon_d850", gain_jitter=10, read_jitter=20)
    for name, percent in (("K", 10), ("sigma_read", 20)):
        factors = (getattr(shaken, name) / getattr(plain, name)).numpy()
        # Kolmogorov-Smirnov on 4,000 draws, significance 1e-3.
        even = stats.uniform(1 - percent / 100, 2 * percent / 100)
        assert stats.kstest(factors, even.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(shaken.K / plain.K, shaken.sigma_read / plain.sigma_read)[0, 1]) < 0.06
    assert torch.equal(shaken.sigma_row, plain.sigma_row)
    alone = params_of("nikon_d850", gain_jitter=10, read_jitter=20, identities=MANY[17:18])
    assert alone.to_dict() == shaken.select(17).to_dict()


def test_each_part_of_a_range_is_one_cameras():
    cameras = virtual_cameras(20, seed=3)
    laws = [camera.branches[0].laws for camera in cameras]
    ranges = CameraRanges()
    for name, own in (
        ("gaussian", ranges.gaussian),
        ("tukey_lambda", ranges.tukey_lambda),
        ("row", ranges.row),
    ):
        for figure in ("slope", "intercept", "spread"):
            low, high = getattr(own, figure)
            drawn = np.array([getattr(law[f"sigma_{name}"], figure) for law in laws])
            assert sorted(((drawn - low) / (high - low) * 20).astype(int)) == list(range(20))
    shapes = [camera.branches[0].tukey_lambda[0] for camera in cameras]
    assert min(shapes) < -0.22
    assert max(shapes) > 0.17
    assert virtual_cameras(20, seed=3) == cameras
    assert virtual_cameras(20, seed=4)[0].branches != cameras[0].branches


def test_their_gain_is_log_uniform_over_leds_range():
    params = params_of(virtual_cameras(7, seed=1), iso=(100, 30000))
    even = stats.uniform(np.log(0.1), np.log(300)).cdf
    assert stats.kstest(np.log(params.K.numpy()), even).pvalue > 1e-3
    assert len({round(v, 5) for v in params.tukey_lambda.tolist()}) == 7


def test_one_camera_in_ranges_of_ones_own():
    law = LawRange((0.5, 0.5), (1.0, 1.0), (0.0, 0.0))
    ranges = CameraRanges(gain=(1.0, 4.0), gaussian=law, row=law, bias=(0.0, 0.0))
    [camera] = virtual_cameras(1, seed=0, ranges=ranges, read="gaussian")
    params = camera.at(4000)
    assert params.K.item() == 4.0
    assert params.sigma_read.item() == pytest.approx(2 * np.e)
    assert not params.bias.any()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"count": 0}, "count must be at least 1"),
        ({"count": 2, "ranges": CameraRanges(bias=(1.0, 0.0))}, "low <= high"),
        ({"count": 2, "ranges": CameraRanges(shape=(-2.0, 0.0))}, "tukey_lambda"),
        ({"count": 2, "read": "none"}, "read"),
    ],
)
def test_ranges_that_make_no_camera_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        virtual_cameras(**options, seed=1)
