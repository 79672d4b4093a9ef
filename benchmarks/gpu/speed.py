# SPDX-License-Identifier: Apache-2.0
"""Time fused_synth on the GPU beside plain torch, its torch.compile and a device copy, by CUDA events.

``speed.py RESULT.json``; ``--one`` makes five calls of one case, for a profiler. Correctness is parity.py's.
Bytes are counted as each input element read once and each output element written once.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import traceback

import torch
from plain_torch import plain_synth

from lrd_ext import NoiseParams, fused_synth

SHAPES = {"batch 64 of 4x512x512": (64, 4, 512, 512), "one 12 MP frame": (1, 4, 1500, 2000)}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "uint16": torch.uint16}
CAMERA = {"K": 2.3, "ratio": 100.0, "white": 16383.0, "black": 512.0}
NOISE = {"read": "gaussian", "sigma_read": 6.0, "sigma_row": 1.3, "sigma_col": 0.7}
WARM_UP, REPEATS = 8, 40


def frames(shape, dtype, seed=0):
    """Low-light signal: most of it dark, as raw training data are."""
    draw = torch.Generator(device="cuda").manual_seed(seed)
    clean = torch.rand(shape, generator=draw, device="cuda") ** 3
    return (
        (clean * 15871 + 512).to(torch.int32).to(torch.uint16) if dtype == torch.uint16 else clean.to(dtype)
    )


def timed(call, sets):
    """Return median and quartiles of ``call(one of sets)`` in ms; the sets together outgrow the cache."""
    for i in range(WARM_UP):
        call(sets[i % len(sets)])
    pairs = []
    for i in range(REPEATS):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        call(sets[i % len(sets)])
        end.record()
        pairs.append((begin, end))
    torch.cuda.synchronize()
    low, median, high = statistics.quantiles([a.elapsed_time(b) for a, b in pairs], n=4)
    return {"median_ms": median, "quartiles_ms": [low, high], "repeats": REPEATS}


def methods(shape, dtype):
    """Yield (name, call of one input) for everything that is compared."""
    params = NoiseParams(**CAMERA, **NOISE).to("cuda")
    output = {"output": "dn"} if dtype == torch.uint16 else {"dtype": dtype}
    seed = torch.tensor(7, device="cuda")
    index = torch.arange(shape[0], device="cuda")
    out = torch.empty(shape, dtype=dtype, device="cuda")

    def fused(clean):
        return fused_synth(clean, params, seed=seed, index=index, out=out, backend="cuda", **output)

    numbers = {k: torch.full((shape[0], 1, 1, 1), CAMERA[k], device="cuda") for k in ("K", "ratio", "white")}
    numbers["black"] = torch.full((shape[0], 4, 1, 1), CAMERA["black"], device="cuda")
    sigma = torch.tensor([NOISE[k] for k in ("sigma_read", "sigma_row", "sigma_col")], device="cuda")
    numbers["sigma"] = sigma.view(3, 1, 1, 1, 1).expand(3, shape[0], 1, 1, 1).contiguous()
    yield "copy", lambda clean: out.copy_(clean)
    yield "fused op", fused
    yield "plain torch", lambda clean: plain_synth(clean, **numbers)
    torch._dynamo.reset()  # each shape and dtype gets code of its own
    compiled = torch.compile(plain_synth, dynamic=False)
    yield "torch.compile of it", lambda clean: compiled(clean, **numbers)


def graph_of(call, clean):
    """Capture one call, so that its replays are timed without the host's share."""
    call(clean)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call(clean)
    return graph


def case(shape_name, dtype_name):
    """Measure every method on one shape and dtype."""
    shape, dtype = SHAPES[shape_name], DTYPES[dtype_name]
    count = torch.Size(shape).numel()
    total = 2 * count * torch.empty(0, dtype=dtype).element_size()
    cache = getattr(torch.cuda.get_device_properties(0), "L2_cache_size", 64 << 20)
    sets = [frames(shape, dtype, seed) for seed in range(max(2, min(16, 8 * cache // total)))]
    found = {"shape": shape_name, "dtype": dtype_name, "pixels": count, "bytes": total, "methods": {}}
    for name, call in methods(shape, dtype):
        try:
            found["methods"][name] = timed(call, sets)
            if name == "fused op":
                graphs = [graph_of(call, clean) for clean in sets]
                found["methods"]["fused op, CUDA graph"] = timed(lambda graph: graph.replay(), graphs)
        except Exception as error:  # a baseline that does not run here must not take the others with it
            traceback.print_exc()
            found["methods"][name] = {"not_run": f"{type(error).__name__}: {error}"[:200]}
    for result in found["methods"].values():
        if "median_ms" in result:
            result["GB_per_s"] = total / result["median_ms"] / 1e6
            result["Gpixel_per_s"] = count / result["median_ms"] / 1e6
    return found


def main():
    """Measure all cases, or make a few calls for a profiler."""
    if "--one" in sys.argv:
        shape, dtype = SHAPES["batch 64 of 4x512x512"], torch.float32
        clean = frames(shape, dtype)
        call = dict(methods(shape, dtype))["fused op"]
        for _ in range(5):
            call(clean)
        torch.cuda.synchronize()
        return 0
    found = []
    for shape, dtype in itertools.product(SHAPES, DTYPES):
        found.append(case(shape, dtype))
        with open(sys.argv[1], "w") as file:  # after each, in case time runs out
            json.dump(found, file, indent=1)
    return 0 if all("median_ms" in c["methods"]["fused op"] for c in found) else 1


if __name__ == "__main__":
    sys.exit(main())
