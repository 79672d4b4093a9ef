# SPDX-License-Identifier: Apache-2.0
"""Work shared out by Ray: actors write the bytes of one process, though one is lost on the way."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from shard_files import contents

from lrd_ext.augment import LowLightNoise
from lrd_ext.augment.ray_data import Synthesize
from lrd_ext.bulk import synthesize

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module", autouse=True)
def ray_here():
    """Ray on this machine, with two processors whatever it has."""
    ray.init("local", num_cpus=2, log_to_driver=False, logging_level="error", include_dashboard=False)
    yield
    ray.shutdown()


def actors():
    """Process numbers of the actors at work, as the system names them."""
    named = {p: p.joinpath("cmdline") for p in Path("/proc").iterdir() if p.name.isdigit()}
    found = []
    for process, line in named.items():
        with contextlib.suppress(OSError):
            if line.read_bytes().startswith(b"ray::MapWorker"):
                found.append(int(process.name))
    return found


def test_actors_write_the_bytes_of_one_process_though_one_is_killed(tmp_path, sources, recipe):
    synthesize(sources, str(tmp_path / "alone"), recipe())
    killed = []

    def kill(source):
        if not killed:
            killed.append(actors()[0])
            os.kill(killed[0], signal.SIGKILL)

    done = synthesize(sources, str(tmp_path / "ray"), recipe(), ray="local", actors=2, progress=kill)
    assert done.left_out == {}
    assert len(killed) == 1
    assert contents(tmp_path / "ray") == contents(tmp_path / "alone")


def test_a_disk_that_is_full_for_an_actor_ends_the_run(tmp_path, sources, recipe):
    out = tmp_path / "out"
    (out / "000001-scene1-0000-0000.npz").mkdir(parents=True)  # no file can take this name
    with pytest.raises(OSError, match=r"[Dd]irectory"):
        synthesize(sources, str(out), recipe(), ray="local")
    (out / "000001-scene1-0000-0000.npz").rmdir()
    synthesize(sources, str(out), recipe(), ray="local", resume=True)
    synthesize(sources, str(tmp_path / "alone"), recipe())
    assert contents(out) == contents(tmp_path / "alone")


def test_map_batches_gives_the_direct_call():
    noise = {"iso": 1600.0, "ratio": 50.0, "seed": 7}
    clean = np.random.default_rng(1).random((6, 4, 8, 8), np.float32)
    data = ray.data.from_items([{"clean": clean[i], "index": 3 * i} for i in range(6)])
    for size in (1, 4):
        rows = data.map_batches(
            Synthesize,
            fn_constructor_args=("sony_a7s2",),
            fn_constructor_kwargs=noise,
            compute=ray.data.ActorPoolStrategy(size=1),
            batch_size=size,
        ).take_all()
        for row in rows:
            wanted = LowLightNoise("sony_a7s2", **noise)(
                torch.from_numpy(clean[row["index"] // 3]), int(row["index"])
            )
            assert np.array_equal(row["noisy"], wanted["noisy"].numpy())


def test_columns_that_lack_are_named():
    with pytest.raises(ValueError, match="batch must have the columns index, iso, got clean"):
        Synthesize("sony_a7s2", iso="item", ratio=10.0, seed=1)({"clean": np.zeros((1, 4, 8, 8))})
