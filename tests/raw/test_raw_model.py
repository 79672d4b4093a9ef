# SPDX-License-Identifier: Apache-2.0
"""Raw: its defaults, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from dng_files import MOSAIC

from lrd_ext import raw


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"mosaic": MOSAIC.astype(np.float32)}, TypeError, "uint16"),
        ({"mosaic": MOSAIC.astype(np.int32) + 70000}, TypeError, "uint16"),
        ({"mosaic": [[1, 2], [3, 4]]}, TypeError, "list"),
        ({"mosaic": MOSAIC[0]}, ValueError, r"\(H, W\)"),
        ({"mosaic": MOSAIC[:0]}, ValueError, "not empty"),
        ({"cfa": "RGBG"}, ValueError, "'RGBG'"),
        ({"black": [1, 2, 3]}, ValueError, r"\(3,\)"),
        ({"black": [0, 0, 0, 4000]}, ValueError, "below white 4000"),
        ({"black": -1}, ValueError, "black"),
        ({"white": np.nan}, ValueError, "white"),
        ({"white": "high"}, TypeError, "white"),
        ({"iso": 0}, ValueError, "iso"),
        ({"exposure_s": -1}, ValueError, "exposure_s"),
        ({"orientation": 0}, ValueError, "orientation"),
        ({"active_area": (0, 0, 33, 40)}, ValueError, "active_area"),
        ({"active_area": (5, 0, 5, 40)}, ValueError, "active_area"),
        ({"color_matrix": np.ones(9)}, ValueError, "color_matrix"),
        ({"as_shot_neutral": (0, 1, 1)}, ValueError, "as_shot_neutral"),
        ({"opcode_lists": {1: b""}}, ValueError, "opcode_lists"),
    ],
)
def test_raw_refuses_what_makes_no_sense(change, error, says):
    with pytest.raises(error, match=says):
        raw.Raw(**{"mosaic": MOSAIC, "cfa": "RGGB", "black": 64, "white": 4000} | change)


def test_raw_replace_checks_again_and_leaves_the_first_alone():
    first = raw.Raw(mosaic=MOSAIC, cfa="RGGB", black=64, white=4000)
    assert first.active_area == (0, 0, 32, 40)
    assert first.replace(iso=400).iso == 400
    assert first.iso is None
    with pytest.raises(ValueError, match="black"):
        first.replace(white=60)


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS Kiss X4", "Canon EOS Kiss X4"),
        ("Sony", "ILCE-7SM2", "Sony ILCE-7SM2"),
        ("Sony", None, "Sony"),
        (None, "ILCE-7SM2", "ILCE-7SM2"),
        (None, None, None),
    ],
)
def test_the_camera_is_named_with_its_maker_once(make, model, camera):
    assert raw.Raw(mosaic=MOSAIC, cfa="RGGB", black=0, white=4000, make=make, model=model).camera == camera
