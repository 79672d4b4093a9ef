# SPDX-License-Identifier: Apache-2.0
"""The figures on a model card: of a generator that is right they are those of the frames."""

from __future__ import annotations

import numpy as np
import pytest
from test_dark_store import LEVELS, write_folder
from test_train_command import write_profile

from lrd_ext.generator import LiteGenerator
from lrd_ext.generator.cards import _distance, _pair_distance
from lrd_ext.generator.dark_store import Darks
from lrd_ext.generator.material import Camera, gather
from lrd_ext.generator.pairs import Member, Pairs
from lrd_ext.generator.train import fingerprint
from lrd_ext.profiles import load_profile
from lrd_ext.training.configuration import Configuration

SHAPE = (256, 256)
GAUSSIAN = LiteGenerator((16,))  # as it begins: N(0, sigma_init) at each site


@pytest.mark.parametrize("sigma", [0.5, 3.0])
def test_both_deviations_of_darks_hold_rounding(sigma):
    frames = np.rint(np.random.default_rng(1).normal(512.2, sigma, (4, *SHAPE))).astype(np.uint16)
    levels = np.stack([[f[r::2, c::2].mean() for r in (0, 1) for c in (0, 1)] for f in frames])
    found = _distance(GAUSSIAN, Darks(800.0, frames, levels), sigma)
    assert found["std_real"] == pytest.approx(np.hypot(sigma, 12**-0.5), rel=0.01)
    assert found["std_made"] == pytest.approx(found["std_real"], rel=0.01)


def pairs(saturated):
    """A pair of even light, 2000 DN, of which a share of the rows is beyond white."""
    draw, black = np.random.default_rng(1), (256.0,) * 4
    light = np.full(SHAPE, 2000.0)
    light[: int(saturated * SHAPE[0])] = 5000
    exposures = (light, draw.poisson(light / 20))
    clean, noisy = (
        np.rint(256 + e + draw.normal(0, 3, SHAPE)).clip(0, 4095).astype(np.uint16)[None] for e in exposures
    )
    return Pairs(800.0, noisy, clean, (Member(0, 0, 20.0, black, black),), 4095.0, sigma_init=3.0)


def test_saturated_pixels_of_pairs_do_not_count():
    whole, half = (_pair_distance(GAUSSIAN, pairs(share)) for share in (0.0, 0.5))
    for key in ("std_real", "std_made"):
        assert whole[key] == pytest.approx(np.hypot(10, 3), rel=0.02)
        assert half[key] == pytest.approx(whole[key], rel=0.02)
    assert half["kld_adu"] == pytest.approx(whole["kld_adu"], abs=2e-3)
    assert _pair_distance(GAUSSIAN, pairs(1.0)) == {}


def test_other_maps_of_dark_shading_are_another_training(tmp_path):
    draw = np.random.default_rng(1)
    frames = np.rint(draw.normal(512, 2, (3, *SHAPE))).astype(np.uint16)
    folder, profile = write_folder(tmp_path / "darks", {800: frames}), write_profile(tmp_path / "camera.json")
    told = []
    for scale in (None, 0.0, 0.1, 0.1):
        ramp = np.linspace(-1, 1, 8, dtype=np.float32) * np.ones((4, 8, 1), np.float32)
        maps = None if scale is None else {800.0: ramp * np.float32(scale)}
        camera = Camera(str(folder), load_profile(profile), LEVELS, maps)
        told.append(fingerprint(Configuration(), gather([camera], tmp_path / "kept")))
    assert told[2] == told[3]
    assert len(set(told)) == 3
