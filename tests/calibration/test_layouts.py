# SPDX-License-Identifier: Apache-2.0
"""lrd calibrate on X-Trans, quad-Bayer and monochrome files: the figures of the camera that shot them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lrd_ext import NoiseParams, fused_synth, raw
from lrd_ext.calibration.frames import Levels, find_frames
from lrd_ext.calibration.statistics_store import StatisticsStore
from lrd_ext.calibration.survey import look_at
from lrd_ext.cfa import PATTERNS
from lrd_ext.profiles import load_profile

pytestmark = pytest.mark.native

SHAPE = (192, 240)
LIGHT = {"R": 0.45, "G": 1.0, "B": 0.65, "Y": 0.8}
BIAS = [1.0, -1.0, 0.5, 2.0]
CAMERA = NoiseParams(
    K=0.8, ratio=1.0, white=16383, black=512, bias=[BIAS], read="gaussian", sigma_read=4.0, sigma_row=0.6
)


def shoot(folder, cfa, **fields):
    """Write 8 darks and 4 flats at each of 4 levels, each colour of its own brightness."""
    light = np.vectorize(LIGHT.get)(PATTERNS[cfa].letters(*SHAPE)).astype(np.float32)
    shots = [("dark", 0.0)] * 8 + [("flat", level) for level in (0.1, 0.25, 0.45, 0.7) for _ in range(4)]
    for index, (kind, level) in enumerate(shots):
        drawn = fused_synth(torch.from_numpy(light * level), CAMERA, seed=5, index=index, output="dn")
        (folder / kind).mkdir(parents=True, exist_ok=True)
        told = {"black": 512, "white": 16383, "iso": 800, "exposure_s": level / 10 or 0.02} | fields
        raw.write_dng(folder / kind / f"{index:02d}.dng", raw.Raw(drawn.numpy(), cfa, **told))


@pytest.mark.parametrize("cfa", ["XTRANS@1,2", "QUAD@1,0", "MONO"])
def test_a_camera_of_any_pattern_is_measured(lrd, tmp_path, cfa):
    shoot(tmp_path / "frames", cfa, active_area=(1, 2, 192, 240))
    target = tmp_path / "camera.json"
    code, out, err = lrd("calibrate", tmp_path / "frames", "-o", target, "--report", tmp_path / "r.html")
    assert (code, err) == (0, "")
    found = load_profile(str(target))
    row = found.rows[0]
    assert found.cfa == cfa
    assert row.figures["sigma_gaussian"] == pytest.approx(4.0, rel=0.01)
    assert row.figures["sigma_row"] == pytest.approx(0.6, rel=0.1)
    low, high = row.interval95["K"]
    assert low <= 0.8 <= high
    assert (high - low) / 0.8 < 0.03
    # 8 darks of 1e4 pixels a site leave 0.014 DN of read noise and 0.02 DN of row noise.
    assert found.bias[0].dn == pytest.approx(BIAS, abs=0.12)
    assert ("no PRNU: a site of" in out) == (cfa != "MONO")
    again = found.at(800, cfa=cfa).bias[0].tolist()
    assert again == pytest.approx(list(found.bias[0].dn), abs=1e-6)


def test_flats_of_unlike_colours_do_not_look_noisy(tmp_path):
    shoot(tmp_path, "XTRANS@1,2")
    brightest = find_frames(tmp_path, Levels())[-1]  # 0.7 of the range
    light = np.array([LIGHT[c] for c in PATTERNS["XTRANS@1,2"].letters(6, 6).ravel()]) * 0.7
    expected = np.sqrt(np.mean(0.8 * light * 15871) + 4.0**2 + 1 / 12)
    assert look_at(brightest, StatisticsStore(None)).std == pytest.approx(expected, rel=0.03)


def test_black_levels_beyond_2x2_and_another_cfa_are_refused_by_name(lrd, tmp_path):
    offsets = np.zeros((6, 6))
    offsets[0, 0], offsets[0, 2] = 1, -1
    shoot(tmp_path / "frames", "XTRANS", black_offsets=offsets)
    code, _, err = lrd("calibrate", tmp_path / "frames", "-o", tmp_path / "c.json")
    assert code == 2
    assert "its black level differs over 6 x 6 pixels; figures of a profile are by 2x2 site" in err
    code, _, err = lrd("calibrate", tmp_path / "frames", "-o", tmp_path / "c.json", "--cfa", "RGBW")
    assert code == 2
    assert "--cfa must be one of RGGB, GRBG, GBRG, BGGR, MONO, XTRANS, QUAD, or a phase such as" in err
    code, _, err = lrd("calibrate", tmp_path / "frames", "-o", tmp_path / "c.json", "--cfa", "RGGB")
    assert code == 2
    assert not (tmp_path / "c.json").exists()
