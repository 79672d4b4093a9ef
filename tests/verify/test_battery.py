# SPDX-License-Identifier: Apache-2.0
"""The short form of the battery on both executors, and its teeth: each planted fault turns it red."""

from __future__ import annotations

import battery
import pytest
from faults import FAULTS

import lrd_ext


def test_short_battery(synth):
    on_reference = getattr(synth, "__name__", "") == "reference_synth"
    results = battery.run(synth, battery.TINY if on_reference else battery.SHORT)
    assert battery.failures(results) == [], "\n" + battery.table(results)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_planted_fault_turns_the_battery_red(fault):
    failed = battery.failures(battery.run(fault(lrd_ext.fused_synth), battery.TINY))
    assert failed


def test_a_statistic_that_is_not_a_number_fails():
    results = [
        battery.distributions.Result("nan", float("nan"), limit=0.0),
        battery.distributions.Result("p", 0.0, 1.0),
    ]
    assert battery.failures(results) == ["nan"]
