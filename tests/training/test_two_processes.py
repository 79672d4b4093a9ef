# SPDX-License-Identifier: Apache-2.0
"""Stage 1 over two processes (gloo): the same weights on both, and the loss of one with as much data."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lrd_ext.generator import LiteGenerator
from lrd_ext.generator.dark_store import Darks
from lrd_ext.generator.matching import Matching
from lrd_ext.generator.start import start
from lrd_ext.generator.targets import in_common_unit, measure
from lrd_ext.generator.train import _mean_over

sys.path.insert(0, str(Path(__file__).parents[1] / "generator"))
import simulated_sensor

fabric_package = pytest.importorskip("lightning_fabric")

STEPS = 3


def losses(fabric, crops, seed):
    """Train and return the losses, and the last weights of every process."""
    torch.set_num_threads(1)
    frames = simulated_sensor.darks(1600, 8, (192, 192), 4)
    levels = np.stack([[f[r::2, c::2].mean() for r in (0, 1) for c in (0, 1)] for f in frames])
    own = measure(Darks(1600.0, frames, levels), simulated_sensor.read_sigma(1600), "1600")
    targets, unit = in_common_unit([own])
    generator = LiteGenerator((16,))
    start(generator, targets, torch.Generator().manual_seed(0))
    task = Matching(
        generator,
        targets,
        [(crops, STEPS)],
        seed,
        dn=1 / unit,
        mean_over_processes=_mean_over(fabric),
        rank=fabric.global_rank,
        processes=fabric.world_size,
    )
    found = [task.step(number)["loss"] for number in range(STEPS)]
    weights = torch.cat([w.detach().flatten() for w in generator.parameters()])
    return found, fabric.all_gather(weights).tolist()  # tensors do not outlive their process


def test_two_processes_agree_and_learn_what_one_learns():
    two = fabric_package.Fabric(accelerator="cpu", devices=2, strategy="ddp_spawn")
    found, weights = two.launch(losses, 2, 0)
    assert len(weights) == 2
    assert weights[0] == weights[1]
    one = fabric_package.Fabric(accelerator="cpu", devices=1)
    alone = np.array([losses(one, 4, seed)[0] for seed in range(3)])
    spread = alone.max(0) - alone.min(0)
    off = np.abs(np.array(found) - alone.mean(0))
    assert (off <= 2 * spread + 0.05 * alone.mean(0)).all(), (found, alone)
