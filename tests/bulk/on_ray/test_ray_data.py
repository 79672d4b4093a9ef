# SPDX-License-Identifier: Apache-2.0
"""Noise in the batches of Ray Data: that of the direct call, whatever the batches and actors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lrd_ext.augment import LowLightNoise
from lrd_ext.augment.ray_data import Synthesize

ray = pytest.importorskip("ray")
data = pytest.importorskip("ray.data")

NOISE = {"iso": (800.0, 6400.0), "ratio": (10.0, 100.0), "seed": 7}


@pytest.fixture(scope="module")
def pictures():
    """Rows of packed pictures on a Ray of two processors; their identities are not their places."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            "local", num_cpus=2, object_store_memory=100 << 20, log_to_driver=False, include_dashboard=False
        )
        data.DataContext.get_current().enable_progress_bars = False
        try:
            clean = np.random.default_rng(1).random((6, 4, 8, 8), np.float32)
            yield data.from_items([{"clean": clean[i], "index": 3 * i} for i in range(6)]), clean
        finally:
            ray.shutdown()


@pytest.mark.parametrize(("size", "actors"), [(1, 2), (4, 1)])
def test_map_batches_gives_the_direct_call(pictures, size, actors):
    rows, clean = pictures
    made = rows.map_batches(
        Synthesize,
        fn_constructor_args=("sony_a7s2",),
        fn_constructor_kwargs=NOISE,
        compute=data.ActorPoolStrategy(size=actors),
        batch_size=size,
    ).take_all()
    assert sorted(row["index"] for row in made) == [0, 3, 6, 9, 12, 15]
    for row in made:
        wanted = LowLightNoise("sony_a7s2", **NOISE)(
            torch.from_numpy(clean[row["index"] // 3]), int(row["index"]), layout="packed"
        )
        assert np.array_equal(row["noisy"], wanted["noisy"].numpy())
        assert np.array_equal(row["clean"], wanted["clean"].numpy())
