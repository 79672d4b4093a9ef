# SPDX-License-Identifier: Apache-2.0
"""The Lightning example trains, and stopped in mid-epoch ends with the weights of a run that was not."""

from __future__ import annotations

import warnings

import pytest
import torch

pytest.importorskip("pytorch_lightning", reason="pytorch_lightning: not installed")


def run(example, tiles, out, *, steps, workers=0):
    arguments = [str(tiles), "--size", "16", "--samples", "10", "--batch", "2", "--out", str(out)]
    arguments += [
        "--steps",
        str(steps),
        "--save-every",
        "1",
        "--workers",
        str(workers),
        "--accelerator",
        "cpu",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning advises on workers, loggers and mid-epoch checkpoints
        return example.train(example.options_of(arguments)).state_dict()


def test_a_run_stopped_in_mid_epoch_goes_on_as_if_it_had_not_been(example, tiles, tmp_path):
    whole = run(example, tiles, tmp_path / "whole", steps=8)
    run(example, tiles, tmp_path / "stopped", steps=3)
    resumed = run(example, tiles, tmp_path / "stopped", steps=8, workers=2)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    other = run(example, tiles, tmp_path / "other", steps=7)
    assert not all(torch.equal(whole[name], other[name]) for name in whole)
