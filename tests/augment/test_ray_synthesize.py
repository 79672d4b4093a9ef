# SPDX-License-Identifier: Apache-2.0
"""What Ray Data calls with batches, called as it would be: no Ray is needed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lrd_ext.augment import LowLightNoise
from lrd_ext.augment.ray_data import Synthesize

LEVELS = {"black": 600.0, "white": 4095.0, "cfa": "GBRG"}


@pytest.mark.parametrize("shape", [(4, 8, 8), (1, 16, 16), (16, 16)])
def test_a_row_is_the_direct_call_in_any_batch(shape):
    clean = np.random.default_rng(1).integers(600, 4000, (5, *shape), np.uint16)
    index, iso = np.array([9, 2, 2**50, 4, 0]), np.array([800.0, 1600.0, 800.0, 3200.0, 1600.0])
    batch = {"clean": clean, "index": index, "iso": iso, "name": np.array(list("abcde"))}
    synthesize = Synthesize("sony_a7s2", iso="item", ratio=(10.0, 100.0), seed=7, **LEVELS)
    made = synthesize(batch)
    assert list(made["name"]) == list("abcde")
    assert made["noisy"].shape == made["clean"].shape == clean.shape
    noise = LowLightNoise("sony_a7s2", iso="item", ratio=(10.0, 100.0), seed=7)
    for i in range(5):
        alone = synthesize({name: values[i : i + 1] for name, values in batch.items()})
        layout = "packed" if len(shape) == 3 and shape[0] == 4 else "mosaic"
        picture = torch.from_numpy(clean[i].reshape(shape if layout == "packed" else shape[-2:]))
        wanted = noise(picture, int(index[i]), iso=float(iso[i]), layout=layout, **LEVELS)
        for name in ("noisy", "clean"):
            assert np.array_equal(made[name][i], alone[name][0])
            assert np.array_equal(made[name][i], wanted[name].numpy().reshape(shape))


def test_columns_that_lack_are_named():
    with pytest.raises(ValueError, match="batch must have the columns clean, index, iso, got clean"):
        Synthesize("sony_a7s2", iso="item", ratio=10.0, seed=1)({"clean": np.zeros((1, 4, 8, 8))})
