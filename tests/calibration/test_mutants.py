# SPDX-License-Identifier: Apache-2.0
"""Facts that small slips of the code would change without another test noticing."""

from __future__ import annotations

import types

import numpy as np
import pytest

from lrd_ext.calibration.calibrate import _drift
from lrd_ext.calibration.photon_transfer import pair_point
from lrd_ext.report.calibration_tables import left_out_table


def test_variance_of_a_pair_is_exact():
    """A gain 0.2 % off would hide in the scatter of any drawn flat."""
    rng = np.random.default_rng(1)
    first, second = (rng.integers(900, 1100, (40, 60)).astype(np.uint16) for _ in range(2))
    a, b = first.astype(float), second.astype(float)
    gain = (a.mean() - 64) / (b.mean() - 64)
    d = a - gain * b
    d = d - d.mean(axis=1, keepdims=True) - d.mean(axis=0, keepdims=True) + d.mean()
    expected = (d**2).sum() / (39 * 59) / (1 + gain**2)
    point = pair_point(first, second, 0, "", 64, 4095)
    assert point.variance == pytest.approx(expected, rel=1e-4)
    assert point.mean == pytest.approx((a.mean() + b.mean()) / 2 - 64, rel=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_dark_level_that_rises_drifts_upwards(sign):
    drift = _drift(512 + sign * np.linspace(0, 3, 16))
    assert drift is not None
    assert drift.value == pytest.approx(3 * sign)


def test_names_of_frames_are_text_in_the_report():
    found = types.SimpleNamespace(
        left_out={"<script>a</script>.dng": "1 < 2 & more"}, measured=True, unpaired=("<i>b.dng",)
    )
    _, rows = left_out_table(found)
    assert rows[0] == ["&lt;script&gt;a&lt;/script&gt;.dng", "1 &lt; 2 &amp; more"]
    assert rows[1][0] == "&lt;i&gt;b.dng"
