# SPDX-License-Identifier: Apache-2.0
"""Bursts: what frames of one body share, and what averaging them takes away."""

from __future__ import annotations

import pytest
import torch

from lrd_ext import NoiseParams, fused_synth
from lrd_ext.augment import burst

FIXED = {"sigma_dsnu": 1.5, "sigma_row_fixed": 0.5, "sigma_prnu": 0.01}
CAMERA = {"K": 1.0, "ratio": 1.0, "white": 16000.0, "black": 64.0, "read": "gaussian", "sigma_read": 4.0}
DN = {"output": "dn_float", "clip": "none"}


def test_the_average_falls_to_the_floor_that_the_parameters_predict():
    """1/sqrt(N) of the temporal noise, above what is fixed."""
    level, params = 100.0, NoiseParams(**CAMERA, **FIXED)
    scene = torch.full((512, 512), level / (16000 - 64))
    frames = burst(scene, params, seed=3, frames=16, clip_index=5, sensor=2, **DN)["noisy"].double()
    temporal = 1.0 * level + 4.0**2 + 1 / 12
    floor = 1.5**2 + 0.5**2 + (0.01 * level) ** 2
    for n in (1, 2, 4, 8, 16):
        assert frames[:n].mean(0).std().item() == pytest.approx((floor + temporal / n) ** 0.5, rel=0.02)


def test_frames_are_those_of_the_clips_index():
    scene, params = torch.rand(64, 64), NoiseParams(**CAMERA, **FIXED)
    made = burst(scene, params, seed=3, frames=3, clip_index=7, sensor=2)
    one = fused_synth(scene, params, seed=3, index=7 * 2**20 + 2, sensor=2)
    assert torch.equal(made["noisy"][2], one)
    assert not torch.equal(made["noisy"][0], made["noisy"][1])


def test_the_scene_moves_and_the_pattern_stays():
    scene = torch.rand(96, 80)
    silent = CAMERA | {"read": "none", "sigma_read": 0.0}
    params = NoiseParams(**silent, sigma_dsnu=3.0, shot=False)
    made = burst(scene, params, seed=3, frames=6, shake=8, quantize="none", **DN)
    pattern = made["noisy"] - made["clean"] * (16000 - 64)
    assert (pattern - pattern[0]).abs().max() < 0.01
    assert len({tuple(o) for o in made["offset"].tolist()}) > 2
    assert not (made["offset"] % 2).any()
    assert 0 <= made["offset"].min() <= made["offset"].max() <= 8
    row, col = made["offset"][4].tolist()
    assert torch.equal(made["clean"][4], scene[row : row + 88, col : col + 72])
    planes = torch.stack([scene[i::2, j::2] for i in (0, 1) for j in (0, 1)])
    packed = burst(planes, params, seed=3, frames=6, shake=8, quantize="none", **DN)
    assert torch.equal(packed["noisy"][4, 3], made["noisy"][4, 1::2, 1::2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": 0}, "frames must be a whole number"),
        ({"clip_index": -1}, "clip_index must be a whole number"),
        ({"shake": 3}, "shake must be even and less than the scene, 64, got 3"),
        ({"shake": 64}, "shake must be even"),
    ],
)
def test_bad_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        burst(torch.zeros(64, 64), NoiseParams(**CAMERA), **({"seed": 1, "frames": 2} | change))


def test_identities_are_those_of_the_clip():
    with pytest.raises(TypeError, match="multiple values for keyword argument 'index'"):
        burst(torch.zeros(64, 64), NoiseParams(**CAMERA), seed=1, frames=2, index=5)
