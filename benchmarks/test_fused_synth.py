# SPDX-License-Identifier: Apache-2.0
"""fused_synth and its peers on the same work in the same run. Each is checked before it is timed."""

from __future__ import annotations

import functools
import math
import shutil
import time

import peers
import pytest
import torch
from scipy import stats
from workloads import ELD, POISSON_GAUSSIAN, WORKLOADS

from lrd_ext import ops

SECONDS = 1.0  # of timing per benchmark, where the fewest rounds do not take longer
ROUNDS = (3, 30)


@functools.cache
def compiled_synth():
    """Torch's compiler on the eager peer; compiled once, at the first workload."""
    return torch.compile(peers.torch_synth, dynamic=True)


CONTENDERS = {
    "numpy": lambda: peers.numpy_synth,
    "torch": lambda: peers.torch_synth,
    "torch.compile": compiled_synth,
    "lrd_ext": lambda: peers.fused_synth,
    "lrd_ext, out=": lambda: peers.fused_synth_into,
}
CASES = [
    *((ELD, name) for name in ("numpy", "torch", "torch.compile", "lrd_ext", "lrd_ext, out=")),
    *((POISSON_GAUSSIAN, name) for name in ("numpy", "torch", "lrd_ext", "lrd_ext, out=")),
]


def skip_what_cannot_run(model, name, workload, threads, sizes):
    """Skip with a reason: peers that need what is missing, and what the chosen sizes leave out."""
    if sizes == "quick" and workload is not WORKLOADS[0]:
        pytest.skip("--sizes quick: the first workload only")
    if sizes != "full" and not name.startswith("lrd_ext") and not workload.small:
        pytest.skip("peers run on 64 patches with --sizes full")
    if sizes == "default" and model is POISSON_GAUSSIAN and workload is not WORKLOADS[1]:
        pytest.skip("Poisson-Gaussian runs on 8 patches; everywhere with --sizes full")
    if name == "numpy" and threads > 1:
        pytest.skip("NumPy's generators run on one thread")
    if name.startswith("lrd_ext") and ops.NATIVE is None:
        pytest.skip(f"no compiled executor: {ops.WHY_NOT_NATIVE}")
    if name == "torch.compile" and not (shutil.which("g++") or shutil.which("clang++")):
        pytest.skip("torch.compile needs a C++ compiler")


def assert_right_noise(synth, model):
    """Mean and variance of a flat field against the model's, at 6 standard errors."""
    torch.manual_seed(0)
    clean = torch.full((1, 4, 512, 512), 0.2)
    above = synth(clean, model).double() * (model.span / model.ratio)  # DN above black
    signal = 0.2 * model.span / model.ratio
    spread, tails = 1.0, 3.0  # variance in units of sigma_read^2, and kurtosis
    if model.read == "tukey_lambda":
        spread, excess = (float(v) for v in stats.tukeylambda.stats(model.tukey_lambda, moments="vk"))
        tails = 3 + excess
    read = model.sigma_read**2 * spread
    site = model.K * signal + read + model.sigma_col**2 + (1 / 12 if model.quantize == "round" else 0.0)
    row = model.sigma_row**2
    rows, n = 1024, clean.numel()
    assert abs(above.mean() - signal) < 6 * math.sqrt(site / n + row / rows + model.sigma_col**2 / 1024)
    inner = above - above.view(1, 2, 2, 512, 512).mean((2, 4), keepdim=True).expand(
        1, 2, 2, 512, 512
    ).reshape(clean.shape)
    error = math.sqrt(
        ((tails - 3) * read**2 + model.K**3 * signal + 2 * site**2) / n + 2 * model.sigma_col**4 / 1024
    )
    assert abs(inner.var() * (1 + 1 / 1024) - site) < 6 * error
    lines = above.view(2, 2, 512, 512).mean((1, 3)).var()
    assert abs(lines - row - site / 1024) < 6 * math.sqrt(2 / rows) * (row + site / 1024)


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda w: w.name)
@pytest.mark.parametrize(("model", "name"), CASES, ids=lambda v: getattr(v, "name", v))
def test_synthesis(benchmark, medians, bandwidth, request, model, name, workload, threads):
    sizes = request.config.getoption("--sizes")
    skip_what_cannot_run(model, name, workload, threads, sizes)
    synth = CONTENDERS[name]()
    try:
        assert_right_noise(synth, model)
    except torch._dynamo.exc.TorchDynamoException as error:  # no working C++ compiler
        pytest.skip(f"torch.compile does not work here: {type(error).__name__}")
    clean = workload.clean()
    start = time.perf_counter()
    synth(clean, model)  # warm-up, and how long one round takes
    once = time.perf_counter() - start
    benchmark.group = f"{model.name}, {workload.name}, {threads} thread{'s' * (threads > 1)}"
    rounds = min(max(ROUNDS[0], round(SECONDS / once)), ROUNDS[1])
    benchmark.pedantic(synth, (clean, model), rounds=rounds, warmup_rounds=0)
    record(benchmark, medians, bandwidth, model, name, workload, threads)


def record(benchmark, medians, bandwidth, model, name, workload, threads):
    """Put what a reader compares into extra_info."""
    benchmark.extra_info.update(model=model.name, contender=name, workload=workload.name, threads=threads)
    if benchmark.stats is None:  # --benchmark-disable
        return
    median = benchmark.stats.stats.median
    medians[model.name, name, workload.name, threads] = median
    benchmark.extra_info.update(
        pixels=workload.pixels,
        ns_per_pixel=median / workload.pixels * 1e9,
        copy_gb_per_s=bandwidth(threads) / 1e9,
        # float32 read once and written once, the least any of this can do, as a part of a plain copy's speed.
        part_of_copy_bandwidth=8 * workload.pixels / median / bandwidth(threads),
    )
    if name.startswith("lrd_ext"):
        for peer in ("numpy", "torch", "torch.compile"):
            # NumPy has one thread only; its ratio at two threads is against that one.
            other = medians.get((model.name, peer, workload.name, 1 if peer == "numpy" else threads))
            if other is not None:
                benchmark.extra_info[f"times_faster_than_{peer}"] = other / median
