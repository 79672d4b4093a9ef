# SPDX-License-Identifier: Apache-2.0
"""Pairs for training from 12 MP frames by two workers: CPU time a patch of lrd_ext's loader and of its peers.

What a training process pays is CPU time, of itself and of its workers: ``extra_info`` holds it a patch, and
how many times that of lrd_ext a peer takes in the same run. ``python benchmarks/loader_report.py run.json``
writes the table.
"""

from __future__ import annotations

import time

import pytest
import torch
from loaders import CAMERA, CONTENDERS, UNet, cpu_s, make_store

from lrd_ext import fused_synth, ops
from lrd_ext.augment import LowLightNoise
from lrd_ext.datasets import RawTiles

WORKERS, BATCH = 2, 4
#: (height, width) of the frames, their number, cells of a crop, batches measured: of --sizes quick, and else.
SIZES = {"quick": ((1024, 1536), 2, 128, 4), "default": ((2848, 4256), 4, 512, 40)}

pytestmark = pytest.mark.skipif(ops.NATIVE is None, reason="no compiled executor")


@pytest.fixture(scope="module")
def sizes(request):
    """What --sizes asks for."""
    return SIZES.get(request.config.getoption("--sizes"), SIZES["default"])


@pytest.fixture(scope="module")
def store(tmp_path_factory, sizes):
    """The frames, prepared."""
    shape, frames, _, _ = sizes
    return make_store(tmp_path_factory.mktemp("frames"), frames, shape)


@pytest.fixture(autouse=True)
def one_thread():
    """Workers have one thread each; so has the process that they serve, for a fair sum."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def cpu_ms():
    """CPU ms a patch of what has run, by contender."""
    return {}


@pytest.mark.parametrize("name", reversed(CONTENDERS))
def test_loader(benchmark, store, sizes, cpu_ms, name):
    _, _, size, batches = sizes
    batches = batches if name == "lrd_ext" else max(2, batches // 4)
    ahead = min(8 * WORKERS, 4 * batches)  # until every block of memory that will be used again is there
    loader = CONTENDERS[name](store, size, BATCH * (batches + ahead + 4 * WORKERS), BATCH, WORKERS)
    batch = iter(loader)
    for _ in range(ahead):
        pair = next(batch)
    assert pair["noisy"].shape == pair["clean"].shape == (BATCH, 4, size, size)
    assert pair["noisy"].dtype == pair["clean"].dtype == torch.float32
    workers = [worker.pid for worker in batch._workers]
    before = cpu_s(workers)
    benchmark.group = "loader"
    benchmark.pedantic(lambda: next(batch), rounds=batches, warmup_rounds=0)
    cpu_ms[name] = 1e3 * (cpu_s(workers) - before) / (batches * BATCH)
    benchmark.extra_info.update(contender=name, cpu_ms_per_patch=cpu_ms[name], patch=f"4x{size}x{size}")
    if benchmark.stats is not None:
        benchmark.extra_info["patches_per_s"] = BATCH / benchmark.stats.stats.mean
    if name != "lrd_ext":
        benchmark.extra_info["times_lrd_ext"] = cpu_ms[name] / cpu_ms["lrd_ext"]


def cpu_of(work, rounds):
    """Median CPU ms of a call, after one to warm up."""
    seen = []
    for i in range(rounds + 1):
        begin = time.process_time()
        work(i)
        seen.append(1e3 * (time.process_time() - begin))
    return sorted(seen[1:])[rounds // 2]


def test_where_the_time_goes(benchmark, store, sizes):
    """The steps of a batch in this process, CPU ms a patch."""
    _, _, size, batches = sizes
    data, noise = RawTiles(store, size, BATCH), LowLightNoise(**CAMERA)
    items = [data[i] for i in range(BATCH)]
    clean = torch.stack([item["clean"] for item in items])
    params = noise.collate(items)["params"]
    levels = [(tuple(item["black"].tolist()), item["white"], item["cfa"]) for item in items]
    identities = torch.arange(BATCH)
    out, target, level = (torch.zeros(clean.shape) for _ in range(3))
    call = {"seed": 7, "index": identities, "out": out}
    steps = {
        "crop and pack": lambda i: [data[n] for n in range(BATCH)],
        "stack": lambda i: torch.stack([item["clean"] for item in items]),
        "draw parameters": lambda i: noise.params(identities, levels),
        "noise alone": lambda i: fused_synth(clean, params, **call),
        "noise and clean target": lambda i: fused_synth(clean, params, **call, clean_out=target),
        "noise, clean target, noise level": lambda i: fused_synth(
            clean, params, **call, clean_out=target, sigma_out=level
        ),
        "collate, in the main process": lambda i: noise.collate(items),
    }
    rounds = max(3, batches // 2)
    benchmark.extra_info["steps"] = {name: cpu_of(step, rounds) / BATCH for name, step in steps.items()}
    benchmark.pedantic(steps["collate, in the main process"], (0,), rounds=rounds)


def test_training_step(benchmark, sizes):
    """A step of SID's network at batch 1 on one thread: what the noise is a part of."""
    size = sizes[2]
    net = UNet()
    optimizer = torch.optim.Adam(net.parameters(), 1e-4)
    noisy, clean = torch.rand(2, 1, 4, size, size)

    def step(i=0):
        optimizer.zero_grad()
        torch.nn.functional.l1_loss(net(noisy), clean).backward()
        optimizer.step()

    benchmark.extra_info["cpu_ms"] = cpu_of(step, 3)
    benchmark.pedantic(step, rounds=1)
