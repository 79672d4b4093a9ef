# SPDX-License-Identifier: Apache-2.0
"""Stage 1 as a task: what it keeps beside the weights."""

from __future__ import annotations

import numpy as np
import simulated_sensor
import torch

from lrd_ext.generator import UNetGenerator, matching
from lrd_ext.generator.dark_store import Darks
from lrd_ext.generator.targets import in_common_unit, measure


def test_the_curvature_of_a_large_net_is_remembered_within_a_limit(monkeypatch):
    frames = simulated_sensor.darks(1600, 2, (128, 128), 4)
    levels = np.stack([[f[r::2, c::2].mean() for r in (0, 1) for c in (0, 1)] for f in frames])
    own = measure(Darks(1600.0, frames, levels), simulated_sensor.read_sigma(1600), "1600")
    targets, unit = in_common_unit([own])
    torch.manual_seed(0)
    net = UNetGenerator(2)
    numbers = sum(w.numel() for w in net.parameters())
    monkeypatch.setattr(matching, "_REMEMBERED_NUMBERS", 6 * numbers)
    task = matching.Matching(net, targets, [(1, 1)], 0, dn=1 / unit)
    task.step(0)
    kept = task.optimizer.state[next(net.parameters())]
    assert len(kept["old_dirs"]) == len(kept["old_stps"]) == 3
