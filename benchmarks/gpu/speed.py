# SPDX-License-Identifier: Apache-2.0
"""Time fused_synth on the GPU beside plain torch, its torch.compile and a device copy, by CUDA events.

``speed.py RESULT.json``; ``--one physics`` or ``--one generator`` makes five calls of one case, for a
profiler. Correctness is parity.py's. Bytes are counted as each input element read once and each output one
written once. What takes long to compile comes last, in case time runs out.
"""

from __future__ import annotations

import functools
import itertools
import json
import statistics
import sys
import traceback

import torch
from generators import lively_generator
from plain_torch import plain_generated, plain_synth

from lrd_ext import NoiseParams, fused_synth

SHAPES = {"batch 64 of 4x512x512": (64, 4, 512, 512), "one 12 MP frame": (1, 4, 1500, 2000)}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "uint16": torch.uint16}
STACKS = [(16, 16), (32, 32, 32)]
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


def camera(batch):
    """The parameters as plain torch takes them."""
    numbers = {k: torch.full((batch, 1, 1, 1), CAMERA[k], device="cuda") for k in ("K", "ratio", "white")}
    return numbers | {"black": torch.full((batch, 4, 1, 1), CAMERA["black"], device="cuda")}


def fused(clean, *, params, out, **options):
    """The op with seed and index on the device already, into memory that is reused."""
    return fused_synth(clean, params, out=out, backend="cuda", **options)


def identity(batch):
    """Seed and index on the device."""
    return {"seed": torch.tensor(7, device="cuda"), "index": torch.arange(batch, device="cuda")}


def physics(shape, dtype):
    """Yield (name, call of one input): shot, read, row and column noise."""
    options = {"output": "dn"} if dtype == torch.uint16 else {"dtype": dtype}
    out = torch.empty(shape, dtype=dtype, device="cuda")
    params = NoiseParams(**CAMERA, **NOISE).to("cuda")
    yield "copy", lambda clean: out.copy_(clean)
    yield "fused op", functools.partial(fused, params=params, out=out, **identity(shape[0]), **options)
    sigma = torch.tensor([NOISE[k] for k in ("sigma_read", "sigma_row", "sigma_col")], device="cuda")
    sigma = sigma.view(3, 1, 1, 1, 1).expand(3, shape[0], 1, 1, 1).contiguous()
    plain = functools.partial(plain_synth, **camera(shape[0]), sigma=sigma)
    yield "plain torch", plain
    torch._dynamo.reset()  # each shape and dtype gets code of its own
    yield "torch.compile of it", torch.compile(plain, dynamic=False)


def without_tf32(call, clean):
    """Make a call whose convolutions keep all bits of float32, as the fused op's do; the default may not."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        return call(clean)
    finally:
        torch.backends.cudnn.allow_tf32 = before


def generated(widths, shape, dtype):
    """Yield (name, call of one input): shot noise and a conv stack, in both precisions of its weights."""
    out = torch.empty(shape, dtype=dtype, device="cuda")
    params = NoiseParams(**CAMERA).to("cuda")
    stacks = {"float32": lively_generator(widths), "bfloat16": lively_generator(widths).bfloat16()}
    stacks = {name: stack.cuda().requires_grad_(False) for name, stack in stacks.items()}
    common = {"params": params, "out": out, "dtype": dtype, "sigma_init": 6.0} | identity(shape[0])
    yield "copy", lambda clean: out.copy_(clean)
    for name, stack in stacks.items():
        yield f"fused op, {name} stack", functools.partial(fused, generator=stack, **common)
    for name, stack in stacks.items():
        plain = functools.partial(plain_generated, **camera(shape[0]), sigma=6.0, generator=stack)
        if name == "float32":
            yield "plain torch, float32 stack without TF32", functools.partial(without_tf32, plain)
        yield f"plain torch, {name} stack", plain
        if name == "bfloat16" and widths == STACKS[0]:
            torch._dynamo.reset()
            yield f"torch.compile of it, {name} stack", torch.compile(plain, dynamic=False)


def graph_of(call, clean):
    """Capture one call, so that its replays are timed without the host's share."""
    call(clean)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call(clean)
    return graph


def measured(found, methods, sets):
    """Time every method; the fused op's calls as CUDA graphs too."""
    for name, call in methods:
        try:
            found[name] = timed(call, sets)
            if name.startswith("fused op"):
                graphs = [graph_of(call, clean) for clean in sets]
                found[f"{name}, CUDA graph"] = timed(lambda graph: graph.replay(), graphs)
        except Exception as error:  # a baseline that does not run here must not take the others with it
            traceback.print_exc()
            found[name] = {"not_run": f"{type(error).__name__}: {error}"[:200]}


def case(model, methods, shape_name, dtype_name):
    """Measure every method on one shape and dtype."""
    shape, dtype = SHAPES[shape_name], DTYPES[dtype_name]
    count = torch.Size(shape).numel()
    total = 2 * count * torch.empty(0, dtype=dtype).element_size()
    cache = getattr(torch.cuda.get_device_properties(0), "L2_cache_size", 64 << 20)
    sets = [frames(shape, dtype, seed) for seed in range(max(2, min(16, 8 * cache // total)))]
    found = {"model": model, "shape": shape_name, "dtype": dtype_name, "pixels": count, "bytes": total}
    found["methods"] = {}
    measured(found["methods"], methods(shape, dtype), sets)
    for result in found["methods"].values():
        if "median_ms" in result:
            result["GB_per_s"] = total / result["median_ms"] / 1e6
            result["Gpixel_per_s"] = count / result["median_ms"] / 1e6
    return found


def cases():
    """Yield the arguments of every case, what matters most first."""
    for shape, dtype in itertools.product(SHAPES, DTYPES):
        yield "shot, read, row, column", physics, shape, dtype
    for widths, shape in itertools.product(STACKS, SHAPES):
        yield f"shot, generator {widths}", functools.partial(generated, widths), shape, "float32"


def one(methods):
    """Make a few calls for a profiler."""
    shape, dtype = SHAPES["batch 64 of 4x512x512"], torch.float32
    clean = frames(shape, dtype)
    call = next(
        call for name, call in methods(shape, dtype) if name.startswith("fused op") and "32" not in name
    )
    for _ in range(5):
        call(clean)
    torch.cuda.synchronize()


def main():
    """Measure all cases, or make a few calls for a profiler."""
    if "--one" in sys.argv:
        one(physics if sys.argv[-1] == "physics" else functools.partial(generated, STACKS[0]))
        return 0
    found = []
    for arguments in cases():
        found.append(case(*arguments))
        with open(sys.argv[1], "w") as file:  # after each, in case time runs out
            json.dump(found, file, indent=1)
    fused_ones = [r for c in found for name, r in c["methods"].items() if name.startswith("fused op")]
    return 0 if all("median_ms" in r for r in fused_ones) else 1


if __name__ == "__main__":
    sys.exit(main())
