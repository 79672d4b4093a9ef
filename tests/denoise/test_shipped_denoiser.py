# SPDX-License-Identifier: Apache-2.0
"""The denoiser that ships: what its card tells is so, on a picture it was not trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lrd_ext import cli, fused_synth, load_profile, raw
from lrd_ext.denoise import denoise_packed, list_denoisers, load_denoiser
from lrd_ext.denoise import shipped as shipped_module
from lrd_ext.denoise.train import psnr

CHART = Path(__file__).parents[1] / "data" / "canon550d_ml_colorchart.dng"


@pytest.fixture(scope="module")
def net():
    return load_denoiser("low_light")


@pytest.fixture(scope="module")
def clean():
    """192 x 256 cells of the chart, (1, 4, 192, 256), signal in [0, 1]."""
    chart = raw.read(CHART)
    cut = chart.whole_cells[300:684, 600:1112].astype(np.float32)
    packed = raw.pack((cut - chart.black[0]) / (chart.white - chart.black[0]))
    return torch.from_numpy(packed)[None].clamp(0, 1)


def noisy(clean, iso, ratio, camera="sony_a7s2"):
    params = load_profile(camera).at(iso, ratio).without_bias()
    return fused_synth(clean, params, seed=11, layout="packed")


def test_one_ships_small_and_tells_what_it_is(net):
    assert list_denoisers() == ["low_light"]
    assert (shipped_module._LIBRARY / "low_light.safetensors").stat().st_size < 2_000_000
    card = net.card
    told = {"configuration", "data", "schedule", "held_out", "lrd_ext", "commit", "can", "cannot"}
    assert told <= card.keys()
    assert not any("colorchart" in picture["file"] for picture in card["data"]["clean"])
    assert len(card["held_out"]) == 4 * 2 * 2


@pytest.mark.parametrize("camera", ["sony_a7s2", "canon_5d4", "canon_70d", "nikon_d850"])
def test_it_gains_on_a_picture_it_has_not_seen(net, clean, camera):
    dark = noisy(clean, 3200, 20, camera)
    assert psnr(denoise_packed(net, dark), clean) > psnr(dark, clean) + 6


def test_it_keeps_the_mean(net, clean):
    made = denoise_packed(net, noisy(clean, 3200, 20))
    assert (made - clean).mean().abs() < 0.003


def test_two_tilings_agree(net, clean):
    dark = noisy(clean, 6400, 20)
    whole = denoise_packed(net, dark, tile=None)
    for tile in (64, 96):
        assert (denoise_packed(net, dark, tile=tile) - whole).abs().max() < 1e-5


def test_the_demos_picture(tmp_path, capsys):
    """What `make demo` writes, denoised as a user would."""
    words = ["--camera", "sony_a7s2", "--iso", "6400", "--ratio", "20", "--seed", "7"]
    assert cli.main(["synth", str(CHART), "-o", str(tmp_path / "noisy.dng"), *words]) == 0
    target = tmp_path / "denoised.dng"
    assert cli.main(["denoise", str(tmp_path / "noisy.dng"), "-o", str(target)]) == 0
    assert "low_light, trained for RGGB; ratio 20, of the file's BaselineExposure" in capsys.readouterr().out
    clean, before, after = (raw.read(p) for p in (CHART, tmp_path / "noisy.dng", target))
    found = [
        psnr(torch.from_numpy(_signal(r, 20)), torch.from_numpy(_signal(clean, 1))) for r in (before, after)
    ]
    assert found[1] > found[0] + 8


def _signal(picture, ratio):
    black = picture.black[0]
    return ((picture.active - black) / (picture.white - black) * ratio).astype(np.float32)
