# SPDX-License-Identifier: Apache-2.0
"""Time fused_synth on the GPU beside plain torch, its torch.compile and a device copy, by CUDA events.

``speed.py RESULT.json PART...``, the parts being those of PARTS; ``speed.py --one SCENE`` makes five calls
on one scene for a profiler. Correctness is parity.py's. Bytes are counted as each input element read once and
each output one written once.
"""

from __future__ import annotations

import functools
import itertools
import json
import statistics
import subprocess
import sys
import time
import traceback

import torch
from generators import lively_generator
from plain_torch import plain_generated, plain_synth

from lrd_ext import NoiseParams, fused_synth

#: What is measured; the rehearsal in tests/cuda puts the CPU here.
DEVICE = "cuda"
BATCH, FRAME = "batch 64 of 4x512x512", "one 12 MP frame"
SHAPES = {BATCH: (64, 4, 512, 512), FRAME: (1, 4, 1500, 2000), "one patch": (1, 4, 512, 512)}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "uint16": torch.uint16}
STACKS = [(16, 16), (32, 32, 32)]
CAMERA = {"K": 2.3, "ratio": 100.0, "white": 16383.0, "black": 512.0}
GAUSSIAN = {"read": "gaussian", "sigma_read": 6.0, "sigma_row": 1.3, "sigma_col": 0.7}
TUKEY_LAMBDA = GAUSSIAN | {"read": "tukey_lambda", "tukey_lambda": -0.12}
#: Electrons of a flat scene; dark is raw = black. In others pixels are drawn one by one, or smooth.
FLAT = {f"flat {e:g} e": e for e in (0.1, 1, 5, 20, 1000)} | {"dark": 0.0}
#: So that clean stays in [0, 1].
RATIOS = {"flat 1000 e": 5.0}
SCENES = ("random", "smooth", *FLAT)
WARM_UP, REPEATS = 8, 40
HOST_CALLS = 200


def frames(shape, dtype, scene="random", seed=0):
    """Low-light signal of a scene: most of it dark, as raw training data are."""
    draw = torch.Generator(device=DEVICE).manual_seed(seed)
    span = CAMERA["white"] - CAMERA["black"]
    if scene in FLAT:
        ratio = RATIOS.get(scene, CAMERA["ratio"])
        clean = torch.full(shape, FLAT[scene] * CAMERA["K"] * ratio / span, device=DEVICE)
    elif scene == "smooth":
        grid = (*shape[:2], -(-shape[2] // 64), -(-shape[3] // 64))
        lights = torch.rand(grid, generator=draw, device=DEVICE) ** 3
        clean = torch.nn.functional.interpolate(lights, size=shape[2:], mode="bilinear")
    else:
        clean = torch.rand(shape, generator=draw, device=DEVICE) ** 3
    if dtype == torch.uint16:
        return (clean * span + CAMERA["black"]).round().to(torch.int32).to(torch.uint16)
    return clean.to(dtype)


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
    synchronize()
    low, median, high = statistics.quantiles([a.elapsed_time(b) for a, b in pairs], n=4)
    return {"median_ms": median, "quartiles_ms": [low, high], "repeats": REPEATS}


def camera(batch):
    """The parameters as plain torch takes them."""
    numbers = {k: torch.full((batch, 1, 1, 1), CAMERA[k], device=DEVICE) for k in ("K", "ratio", "white")}
    return numbers | {"black": torch.full((batch, 4, 1, 1), CAMERA["black"], device=DEVICE)}


def fused(clean, *, params, out, **options):
    """The op with seed and index on the device already, into memory that is reused."""
    return fused_synth(clean, params, out=out, backend=DEVICE, **options)


def identity(batch):
    """Seed and index on the device."""
    return {"seed": torch.tensor(7, device=DEVICE), "index": torch.arange(batch, device=DEVICE)}


def fused_physics(noise, shape, dtype):
    """Yield (name, call of one input): shot, read, row and column noise."""
    options = {"output": "dn"} if dtype == torch.uint16 else {"dtype": dtype}
    out = torch.empty(shape, dtype=dtype, device=DEVICE)
    params = NoiseParams(**(CAMERA | noise)).to(DEVICE)
    yield "copy", lambda clean: out.copy_(clean)
    yield "fused op", functools.partial(fused, params=params, out=out, **identity(shape[0]), **options)


def plain_physics(shape):
    """The same with Gaussian read noise as plain torch says it."""
    sigma = torch.tensor([GAUSSIAN[k] for k in ("sigma_read", "sigma_row", "sigma_col")], device=DEVICE)
    sigma = sigma.view(3, 1, 1, 1, 1).expand(3, shape[0], 1, 1, 1).contiguous()
    return functools.partial(plain_synth, **camera(shape[0]), sigma=sigma)


def eager_physics(shape, dtype):
    """Yield (name, call of one input)."""
    yield "plain torch", plain_physics(shape)


def compiled_physics(shape, dtype):
    """Yield (name, call of one input)."""
    torch._dynamo.reset()  # each shape and dtype gets code of its own
    yield "torch.compile of plain torch", torch.compile(plain_physics(shape), dynamic=False)


def without_tf32(call, clean):
    """Make a call whose convolutions keep all bits of float32, as the fused op's do; the default may not."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        return call(clean)
    finally:
        torch.backends.cudnn.allow_tf32 = before


def stacks_of(widths):
    """A generator in both precisions of its weights."""
    stacks = {"float32": lively_generator(widths), "bfloat16": lively_generator(widths).bfloat16()}
    return {name: stack.to(DEVICE).requires_grad_(False) for name, stack in stacks.items()}


def fused_generated(widths, shape, dtype):
    """Yield (name, call of one input): shot noise and a conv stack."""
    out = torch.empty(shape, dtype=dtype, device=DEVICE)
    sigma = torch.tensor([6.0], device=DEVICE)
    common = {"params": NoiseParams(**CAMERA).to(DEVICE), "out": out, "dtype": dtype, "sigma_init": sigma}
    for name, stack in stacks_of(widths).items():
        options = common | identity(shape[0]) | {"generator": stack}
        yield f"fused op, {name} stack", functools.partial(fused, **options)


def plain_stacks(widths, shape):
    """The same as plain torch says it, by precision."""
    common = camera(shape[0]) | {"sigma": 6.0}
    stacks = stacks_of(widths).items()
    return {name: functools.partial(plain_generated, **common, generator=stack) for name, stack in stacks}


def eager_generated(widths, shape, dtype):
    """Yield (name, call of one input)."""
    for name, plain in plain_stacks(widths, shape).items():
        if name == "float32":
            yield "plain torch, float32 stack without TF32", functools.partial(without_tf32, plain)
        yield f"plain torch, {name} stack", plain


def compiled_generated(widths, shape, dtype):
    """Yield (name, call of one input)."""
    torch._dynamo.reset()
    plain = plain_stacks(widths, shape)["bfloat16"]
    yield "torch.compile of plain torch, bfloat16 stack", torch.compile(plain, dynamic=False)


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


def case(model, methods, shape_name, dtype_name, scene="random"):
    """Measure every method on one shape, dtype and scene."""
    shape, dtype = SHAPES[shape_name], DTYPES[dtype_name]
    count = torch.Size(shape).numel()
    total = 2 * count * torch.empty(0, dtype=dtype).element_size()
    sets = [frames(shape, dtype, scene, seed) for seed in range(max(2, min(16, 8 * cache_bytes() // total)))]
    found = {"model": model, "shape": shape_name, "dtype": dtype_name, "scene": scene, "pixels": count}
    found |= {"bytes": total, "methods": {}}
    measured(found["methods"], methods(shape, dtype), sets)
    for result in found["methods"].values():
        if "median_ms" in result:
            result["GB_per_s"] = total / result["median_ms"] / 1e6
            result["Gpixel_per_s"] = count / result["median_ms"] / 1e6
    return found


def cache_bytes():
    """Bytes the cache holds, or a guess that is large enough."""
    if DEVICE == "cpu":
        return 0
    return getattr(torch.cuda.get_device_properties(0), "L2_cache_size", 64 << 20)


def fused_cases():
    """Yield the arguments of every case of the op, what matters most first."""
    gaussian = functools.partial(fused_physics, GAUSSIAN)
    tukey_lambda = functools.partial(fused_physics, TUKEY_LAMBDA)
    names = "shot, Gaussian read, row, column", "shot, Tukey-lambda read, row, column"
    for scene in ("smooth", "random", "flat 5 e", "dark"):
        yield names[0], gaussian, BATCH, "float32", scene
    for widths in STACKS:
        yield (
            f"shot, generator {widths}",
            functools.partial(fused_generated, widths),
            BATCH,
            "float32",
            "smooth",
        )
    for scene in ("smooth", "random", "dark"):
        yield names[1], tukey_lambda, BATCH, "float32", scene
    for shape, dtype in itertools.product(SHAPES, DTYPES):
        if (shape, dtype) != (BATCH, "float32"):
            yield names[0], gaussian, shape, dtype, "smooth"
    for scene in [name for name in FLAT if name not in ("flat 5 e", "dark")]:
        noise = GAUSSIAN | ({"ratio": RATIOS[scene]} if scene in RATIOS else {})
        yield names[0], functools.partial(fused_physics, noise), BATCH, "float32", scene
    yield from generator_cases(fused_generated, (FRAME, "one patch"))


def generator_cases(methods, shapes):
    """Yield the arguments of every stack on these shapes."""
    for widths, shape in itertools.product(STACKS, shapes):
        yield f"shot, generator {widths}", functools.partial(methods, widths), shape, "float32", "smooth"


def eager_cases():
    """Yield the arguments of every case of plain torch."""
    for shape, dtype in itertools.product((BATCH, FRAME), DTYPES):
        yield "shot, Gaussian read, row, column", eager_physics, shape, dtype, "smooth"
    for widths, shape in itertools.product(STACKS, (BATCH, FRAME)):
        yield (
            f"shot, generator {widths}",
            functools.partial(eager_generated, widths),
            shape,
            "float32",
            "smooth",
        )


def compiled_cases():
    """Yield the arguments of every case of plain torch under torch.compile."""
    for dtype in DTYPES:
        yield "shot, Gaussian read, row, column", compiled_physics, BATCH, dtype, "smooth"
    stack = functools.partial(compiled_generated, STACKS[0])
    yield f"shot, generator {STACKS[0]}", stack, BATCH, "float32", "smooth"


#: In this order, each by itself, as the time left allows.
PARTS = {"fused": fused_cases, "eager": eager_cases, "compiled": compiled_cases}


def host_us_per_call():
    """Microseconds of the host that a call takes, on 16 pixels so that the device never makes it wait."""
    shape, found = (1, 4, 2, 2), {}
    clean = frames(shape, torch.float32)
    tensors = dict(fused_physics(GAUSSIAN, shape, torch.float32))["fused op"]
    params = tensors.keywords["params"]
    calls = {"seed and index on the device, out=": tensors}
    calls["ints"] = lambda clean: fused_synth(clean, params, seed=7, index=3, backend=DEVICE)
    calls |= dict(fused_generated(STACKS[0], shape, torch.float32))
    for name, call in calls.items():
        for _ in range(WARM_UP):
            call(clean)
        rounds = []
        for _ in range(5):
            synchronize()
            begin = time.perf_counter()
            for _ in range(HOST_CALLS):
                call(clean)
            rounds.append((time.perf_counter() - begin) / HOST_CALLS * 1e6)
        found[name] = statistics.median(rounds)
    return found


def synchronize():
    """Wait for the device."""
    if DEVICE != "cpu":
        torch.cuda.synchronize()


def clocks():
    """Clock of the multiprocessors in MHz while they work, and its limit; None without nvidia-smi."""
    clean = frames(SHAPES[BATCH], torch.float32, "smooth")
    call = dict(fused_physics(GAUSSIAN, SHAPES[BATCH], torch.float32))["fused op"]
    for _ in range(400):  # half a second of work in the queue
        call(clean)
    query = ["nvidia-smi", "-i", "0", "--query-gpu=clocks.sm,clocks.max.sm", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
        now, most = (int(number) for number in said.split(","))
        return {"sm_mhz": now, "most_sm_mhz": most}
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    finally:
        synchronize()


def one(scene):
    """Make a few calls for a profiler; a scene of widths, such as 16,16, is a generator's in bfloat16."""
    if scene[0].isdigit():
        widths = tuple(int(width) for width in scene.split(","))
        methods, scene = functools.partial(fused_generated, widths), "smooth"
    else:
        methods = functools.partial(fused_physics, GAUSSIAN)
    calls = dict(methods(SHAPES[BATCH], torch.float32))
    call = calls.get("fused op") or calls["fused op, bfloat16 stack"]
    clean = frames(SHAPES[BATCH], torch.float32, scene)
    for _ in range(5):
        call(clean)
    synchronize()


def main():
    """Measure the parts named, or make a few calls for a profiler."""
    if sys.argv[1] == "--one":
        one(sys.argv[2])
        return 0
    path, *parts = sys.argv[1:]
    found = {"cases": []}
    for arguments in itertools.chain.from_iterable(PARTS[part]() for part in parts):
        found["cases"].append(case(*arguments))
        write(path, found)  # after each, in case time runs out
        if len(found["cases"]) == 4 and "fused" in parts:  # the first scenes are known
            found |= {"host_us_per_call": host_us_per_call(), "clocks": clocks()}
            write(path, found)
    fused_ones = [r for c in found["cases"] for n, r in c["methods"].items() if n.startswith("fused op")]
    return 0 if all("median_ms" in r for r in fused_ones) else 1


def write(path, found):
    """Write what is known so far."""
    with open(path, "w") as file:
        json.dump(found, file, indent=1)


if __name__ == "__main__":
    sys.exit(main())
