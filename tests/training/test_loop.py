# SPDX-License-Identifier: Apache-2.0
"""The training loop on a small task: resuming bit for bit, divergence, checkpoints on a full disk."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest
import torch
from torch import nn

from lrd_ext.training.checkpoints import NAME, read_checkpoint
from lrd_ext.training.loop import DivergedError, Place, train

fabric_package = pytest.importorskip("lightning_fabric")

STEPS = 24


class Fit:
    """Fits a line by Adam; draws come from the step's number and from torch's own generator."""

    name = "fit"
    steps = STEPS

    def __init__(self, fail_at=None, spoil_at=None):
        torch.manual_seed(3)
        self.net = nn.Sequential(nn.Linear(3, 8), nn.LeakyReLU(), nn.Linear(8, 1))
        self.optimizer = torch.optim.Adam(self.net.parameters(), 1e-2)
        self.fail_at, self.spoil_at = fail_at, spoil_at
        self.modules = {"net": self.net}

    def step(self, number):
        if number == self.fail_at:
            raise KeyboardInterrupt
        x = torch.randn(16, 3, generator=torch.Generator().manual_seed(number)) + torch.rand(1)
        loss = (self.net(x) - x.sum(1, keepdim=True)).square().mean()
        self.optimizer.zero_grad()
        (loss * (float("nan") if number == self.spoil_at else 1)).backward()
        self.optimizer.step()
        return {"loss": float(loss.detach())}

    def state(self):
        return {"optimizer": self.optimizer.state_dict()}

    def restore(self, state):
        self.optimizer.load_state_dict(state["optimizer"])

    def sheet(self):
        return None


@pytest.fixture(scope="module")
def fabric():
    return fabric_package.Fabric(accelerator="cpu", devices=1)


def weights(task):
    return torch.cat([w.detach().flatten() for w in task.net.parameters()])


def test_killed_at_ten_random_steps_and_resumed_gives_the_same_bits(tmp_path, fabric):
    whole = Fit()
    train(whole, fabric, Place(tmp_path / "whole", "f", 0))
    place = Place(tmp_path / "killed", "f", 0)
    for step in np.sort(np.random.default_rng(8).integers(1, STEPS, 10)):
        with pytest.raises(KeyboardInterrupt):
            train(Fit(fail_at=int(step)), fabric, place, resume=True)
    last = Fit()
    train(last, fabric, place, resume=True)
    assert torch.equal(weights(whole), weights(last))


def test_what_was_trained_already_is_not_trained_again(tmp_path, fabric):
    place = Place(tmp_path, "f", 0)
    first = Fit()
    train(first, fabric, place)
    again = Fit(fail_at=0)
    train(again, fabric, place, resume=True)
    assert torch.equal(weights(first), weights(again))


def test_nan_stops_and_keeps_the_last_good_checkpoint(tmp_path, fabric):
    with pytest.raises(
        DivergedError, match=r"fit: the loss or a weight is no longer a number at step 8 of 24"
    ):
        train(Fit(spoil_at=7), fabric, Place(tmp_path, "f", 0))
    kept = read_checkpoint(tmp_path / NAME, "f")
    assert kept.step == 7
    assert all(torch.isfinite(w).all() for w in kept.modules["net"].values())


def test_a_full_disk_leaves_the_earlier_checkpoint_whole(tmp_path, fabric, monkeypatch):
    place, calls = Place(tmp_path, "f", 0), []
    real = os.fsync

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        train(Fit(), fabric, place)
    assert str(caught.value.filename).endswith(NAME)
    assert read_checkpoint(tmp_path / NAME, "f").step == 4
    assert not list(tmp_path.glob(".*.part"))


def test_checkpoints_of_another_training_and_damaged_ones_are_refused(tmp_path, fabric):
    place = Place(tmp_path, "f", 0)
    train(Fit(), fabric, place)
    with pytest.raises(ValueError, match=r"last\.ckpt: belongs to a training of another configuration"):
        train(Fit(), fabric, Place(tmp_path, "g", 0), resume=True)
    data = (tmp_path / NAME).read_bytes()
    for keep in (0, 10, len(data) // 2):
        (tmp_path / NAME).write_bytes(data[:keep])
        with pytest.raises(ValueError, match=r"last\.ckpt: is no whole checkpoint"):
            train(Fit(), fabric, place, resume=True)
