# SPDX-License-Identifier: Apache-2.0
"""Bursts: frames of one setting, moved as told, each with noise of its own."""

from __future__ import annotations

import math

import pytest
import torch


@pytest.fixture(scope="module")
def bursts(example, tiles):
    settings = {"iso": [800, 3200], "ratio": (10, 50), "frames": 6, "size": 24, "shake": 3, "seed": 5}
    return example.Bursts(tiles, "sony_a7s2", **settings)


def test_frames_are_one_scene_moved(example, bursts):
    item = bursts[1]
    assert item["burst"].shape == item["clean"].shape == item["sigma"].shape == (6, 4, 24, 24)
    assert item["shifts"][0].tolist() == [0, 0]
    assert item["shifts"].abs().max() == 3
    shown = [example.aligned(f, s, 3) for f, s in zip(item["clean"], item["shifts"], strict=True)]
    assert all(torch.equal(frame, shown[0]) for frame in shown)
    assert not torch.equal(item["clean"][1], item["clean"][0])


def test_noise_is_of_the_level_told_and_no_frame_has_anothers(bursts):
    item = bursts[0]
    noise = (item["burst"] - item["clean"]) / item["sigma"]
    assert 0.9 < noise.std() < 1.1  # 13,824 values: 0.6 %, but for row noise and clipping
    together = torch.corrcoef(noise.flatten(1))
    assert (together - torch.eye(6)).abs().max() < 5 / math.sqrt(noise[0].numel())


def test_identities_never_share_noise(bursts):
    first, second, next_epoch = bursts[0], bursts[1], bursts[2**40]
    assert torch.equal(first["burst"], bursts[0]["burst"])
    for other in (second, next_epoch):
        a, b = ((item["burst"] - item["clean"]) / item["sigma"] for item in (first, other))
        for frame in a:
            alike = torch.corrcoef(torch.cat([frame[None], b]).flatten(1))[0, 1:]
            assert alike.abs().max() < 5 / math.sqrt(frame.numel())


def test_the_program_averages_noise_away(example, tiles, capsys):
    options = ["--frames", "8", "--size", "40", "--batch", "3", "--workers", "0"]
    one, mean = example.main(example.options_of([str(tiles), *options]))
    assert one / mean == pytest.approx(math.sqrt(8), rel=0.15)
    assert "8 frames (3, 8, 4, 40, 40)" in capsys.readouterr().out
