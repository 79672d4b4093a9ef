# SPDX-License-Identifier: Apache-2.0
"""Training over two processes (gloo): the same weights on both, and the loss of one with as much data."""

from __future__ import annotations

import functools
import os
import subprocess
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
from lrd_ext.training.descent import mean_over

sys.path.insert(0, str(Path(__file__).parents[1] / "generator"))
import simulated_pairs
import simulated_sensor
from test_dark_store import write_folder
from test_pairs import with_gain

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
        mean_over_processes=functools.partial(mean_over, fabric),
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


TWO = """
widths: [16, 16]
rounds: [[1, 1]]
settling: 1
devices: 2
threads: 1
adversarial: {critic: pixel, width: 16, epochs: 1, steps_per_epoch: 2, batch: 2, patch: 16, critic_steps: 1}
"""
#: Runs the program with a step that tells which crops each process drew and what became of the weights. The
#: second process comes late to the frames it reads last.
TOLD = """
import sys, time
import lrd_main, torch
from lrd_ext.generator import train
from lrd_ext.generator.adversarial import NoiseAlignment

card_of = train.card_of
def late(*arguments):
    time.sleep(torch.distributed.get_rank())
    return card_of(*arguments)
train.card_of = late

real = NoiseAlignment.step
def step(self, number):
    values = real(self, number)
    drawn = torch.Generator().manual_seed((self.seed * 1_000_003 + number) * 4096 + self.fabric.global_rank)
    weights = [w.detach().double().sum().item() for w in self.generator.parameters()]
    with open(f"process_{self.fabric.global_rank}", "a") as told:
        print(number, self._crops(drawn).real.sum().item(), sum(weights), file=told)
    return values
NoiseAlignment.step = step
if __name__ == "__main__":
    sys.exit(lrd_main.main())
"""


def lrd(tmp_path, folder):
    (tmp_path / "two.yaml").write_text(TWO)
    (tmp_path / "told.py").write_text(TOLD)
    words = ["told.py", "train", "generator", folder, "-o", "made.safetensors", "--profile", "camera.json"]
    environment = {k: v for k, v in os.environ.items() if k != "LOCAL_RANK"}
    return subprocess.run(
        [sys.executable, *map(str, words), "--config", "two.yaml"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def test_the_program_starts_its_second_process(tmp_path):
    with_gain(tmp_path / "camera.json")
    folder = simulated_pairs.write_pairs(
        tmp_path / "pairs", {"a": simulated_pairs.picture((128, 160), 1)}, (800, 3200), 20.0, 3
    )
    write_folder(folder, {iso: simulated_sensor.darks(iso, 3, (160, 160), 1) for iso in (800, 3200)})
    done = lrd(tmp_path, folder)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr
    assert not (tmp_path / "made.frames").exists()
    assert LiteGenerator.load(tmp_path / "made.safetensors").card["configuration"]["devices"] == 2
    first, second = (
        [line.split() for line in (tmp_path / f"process_{rank}").read_text().splitlines()] for rank in (0, 1)
    )
    assert [number for number, _, _ in first] == ["0", "1"]
    for (number, crops, weights), (other_number, other_crops, other_weights) in zip(
        first, second, strict=True
    ):
        assert number == other_number
        assert crops != other_crops
        assert weights == other_weights


def test_what_is_refused_is_said_once(tmp_path):
    with_gain(tmp_path / "camera.json")
    folder = write_folder(tmp_path / "darks", {800: simulated_sensor.darks(800, 1, (160, 160), 1)})
    done = lrd(tmp_path, folder)
    assert done.returncode == 2
    assert done.stderr.count("error") == 1
    assert "at least 2 dark frames are needed at each ISO, got 1" in done.stderr
