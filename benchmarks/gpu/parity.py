# SPDX-License-Identifier: Apache-2.0
"""fused_synth on the GPU against the CPU over shapes, layouts, dtypes and modes.

Bit for bit, with a generator in float32 too; with one in bfloat16 within a bound.
``parity.py RESULT.json GROUP...``, the groups being those of GROUPS. NaN equals NaN: its sign and payload are
the processor's own.
"""

from __future__ import annotations

import copy
import itertools
import json
import sys
import traceback

import torch
from generators import STACKS, lively_generator, noise

from lrd_ext import NoiseParams, fused_synth
from lrd_ext.cfa import BAYER
from lrd_ext.read_models import READ_MODELS, table_of

#: What is compared with the CPU; the rehearsal in tests/cuda puts the CPU here.
DEVICE = "cuda"

CAMERA = {
    "ratio": 100.0,
    "white": 16383.0,
    "black": [512.0, 511.0, 513.0, 512.5],
    "sigma_read": 6.0,
    "tukey_lambda": -0.14,
    "bias": [0.1, -0.2, 0.3, 0.05],
}
LINES = {"sigma_row": 1.3, "sigma_col": 0.7}
SENSOR = {
    "sigma_prnu": 0.02, "sigma_dsnu": 3.0, "sigma_row_fixed": 2.0, "sigma_col_fixed": 1.5, "sigma_drift": 3.0,
    "dark_current": 3.0, "dark_current_spread": 0.8, "hot_fraction": 0.03, "hot_current": 50.0,
    "blink_fraction": 0.3, "exposure_s": 2.0, "row_taps": [0.8, 0.6], "col_taps": [0.6, 0.0, -0.8],
    "row_waves": [[5.0, 7.3], [2.0, 31.0]], "col_waves": [[4.0, 9.0]],
}  # fmt: skip
SHAPES = [(2, 2), (6, 130), (3, 66, 126), (2, 1, 34, 258), (1, 4, 32, 64), (3, 4, 17, 65), (2, 4, 33, 68)]
DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.uint16]
FLOATS = DTYPES[:3]
BITS = {torch.float32: torch.int32, torch.float16: torch.int16, torch.bfloat16: torch.int16}


def scene(shape, dtype, seed=0):
    """Signal over decades with zeros, highlights, negatives and a few NaN."""
    draw = torch.Generator().manual_seed(seed)
    clean = torch.rand(shape, generator=draw) ** 3
    pick = torch.rand(shape, generator=draw)
    clean[pick < 0.02] = 0.0
    clean[pick > 0.98] = 1.7
    clean[(pick > 0.5) & (pick < 0.51)] = -0.01
    if dtype == torch.uint16:
        return (clean * 15000 + 600).clamp(0, 65535).to(torch.int32).to(torch.uint16)
    clean[(pick > 0.6) & (pick < 0.605)] = float("nan")
    return clean.to(dtype)


def differing(got, expected):
    """Count elements whose bits differ, a NaN against a NaN apart."""
    got, expected = got.cpu(), expected.cpu()
    if expected.dtype == torch.uint16:
        return int((got.to(torch.int32) != expected.to(torch.int32)).sum())
    same = got.view(BITS[got.dtype]) == expected.view(BITS[got.dtype])
    return int((~(same | (got.isnan() & expected.isnan()))).sum())


def drawn(backend, clean, params, **options):
    """Draw; return the noisy frames, and the clean target and noise level that come with them."""
    dtype = torch.float32 if options.get("output") == "dn" else options.get("dtype", torch.float32)
    buffers = {
        name: torch.empty(clean.shape, dtype=dtype, device=backend) for name in ("clean_out", "sigma_out")
    }
    return fused_synth(clean, params, backend=backend, **options, **buffers), *buffers.values()


def both(clean, params, **options):
    """Draw on both devices; return (elements that differ, elements)."""
    expected = drawn("cpu", clean, params, **options)
    movable = (torch.Tensor, torch.nn.Module)
    moved = {k: copy.deepcopy(v).to(DEVICE) if isinstance(v, movable) else v for k, v in options.items()}
    got = drawn(DEVICE, clean.to(DEVICE), params.to(DEVICE), **moved)
    return sum(map(differing, got, expected)), sum(x.numel() for x in expected)


def modes(shape):
    """Every mode and output dtype on one frame."""
    outputs = [("dn", torch.float32), *itertools.product(("normalized", "dn_float"), FLOATS)]
    for read, shot, quantize, clip, (output, dtype) in itertools.product(
        READ_MODELS, (True, False), ("round", "uniform", "none"),
        ("adc", "black", "none"), outputs,
    ):  # fmt: skip
        silent = {"sigma_read": 0.0} if read == "none" else {}
        if READ_MODELS[read].tabled:
            silent["read_table"] = torch.from_numpy(table_of(READ_MODELS["tukey_lambda"], -0.2))
        params = NoiseParams(K=2.3, **(CAMERA | LINES | silent), read=read, shot=shot)
        options = {"quantize": quantize, "clip": clip, "output": output, "dtype": dtype}
        yield f"{read} {shot} {options}", (scene(shape, torch.float32), params), {"seed": 5} | options


def sensors():
    """What a sensor adds, in every shape and rounding, with a step of 1 DN and another."""
    reads = itertools.cycle(("gaussian", "tukey_lambda"))
    for shape, quantize, step in itertools.product(SHAPES, ("round", "uniform", "none"), (1.0, 2.5)):
        params = NoiseParams(K=2.3, **(CAMERA | LINES | SENSOR | {"step": step}), read=next(reads))
        options = {"seed": -1, "index": 2**40 + 3, "origin": (6, -10), "sensor": 2**55 + 1}
        options |= {"quantize": quantize} | ({"layout": "mosaic"} if len(shape) == 3 else {})
        yield f"sensor {shape} {quantize} {step}", (scene(shape, torch.float32), params), options


def shapes():
    """Shapes that fill no tile, all input dtypes, dark frames, a crop, parameters per sample, sensors."""
    yield from sensors()
    for n, (shape, dtype) in enumerate(itertools.product(SHAPES, DTYPES)):
        params = NoiseParams(K=2.3, **CAMERA, **LINES, read="tukey_lambda")
        options = {"seed": -1, "index": 2**40 + 3, "origin": (6, -10)}
        options |= {"layout": "mosaic"} if len(shape) == 3 else {}
        options |= {"order": ("rgbg", "rggb")[n % 2], "cfa": BAYER[n % 4]} if shape[-3:-2] == (4,) else {}
        yield f"{shape} {dtype}", (scene(shape, dtype, n), params), options
        dark = 40 * torch.randn(shape, generator=torch.Generator().manual_seed(n))
        yield f"{shape} {dtype} dark", (scene(shape, dtype, n), params), options | {"dark": dark}
    wide = scene((3, 70, 150), torch.float32)
    mosaics = {"seed": 1, "output": "dn", "layout": "mosaic"}
    yield "crop", (wide[:, 2:66, 6:140], NoiseParams(K=2.3, **CAMERA, read="gaussian")), mosaics
    camera = CAMERA | {"tukey_lambda": [0.0, 0.12, -0.3]}
    camera |= {"sigma_read": [6.0, 6.0, 0.0]}
    mixed = NoiseParams(K=[0.02, 7.0, 120.0], **camera, **LINES, read=["tukey_lambda", "gaussian", "none"])
    yield "per sample", (wide, mixed), mosaics | {"index": torch.tensor([0, 2**32, 2**56 - 1])}


def large():
    """Many words through every method of the Poisson quantile."""
    for K, ratio in itertools.product((0.001, 0.02, 0.3, 1.0, 7.7, 120.0), (1.0, 30.0, 250.0)):
        params = NoiseParams(K=K, **(CAMERA | {"ratio": ratio}), read="gaussian")
        yield f"K {K} ratio {ratio}", (scene((1, 2048, 2048), torch.float32), params), {"seed": 3}


#: Largest error of a bfloat16 stack, in units of sigma_init, on weights that keep the size of what passes.
BFLOAT16_BOUND = 0.04


def generators():
    """Every stack in float32, as part of the whole model and alone: (name, arguments, options) as above."""
    sigma = torch.tensor([0.7, 3.0, 11.0])
    for (widths, log_sigma), shape in itertools.product(STACKS, [(3, 34, 70), (3, 4, 75, 131)]):
        options = {"generator": lively_generator(widths, log_sigma), "seed": -3, "origin": (-6, 62)}
        options |= {"index": torch.tensor([3, 2**40, 0]), "sigma_init": sigma}
        options |= {"layout": "mosaic"} if len(shape) == 3 else {"order": "rgbg", "cfa": "GBRG"}
        params = NoiseParams(K=2.3, **(CAMERA | LINES | {"sigma_read": 0.0}))
        yield f"{widths} {shape}", (scene(shape, torch.float32), params), options
        half = {"dtype": torch.bfloat16, "quantize": "none", "clip": "none", "output": "dn_float"}
        yield f"{widths} {shape} bfloat16 out", (scene(shape, torch.uint16), params), options | half
        body = NoiseParams(K=2.3, **(CAMERA | LINES | SENSOR | {"sigma_read": 0.0, "step": 2.5}))
        bodies = {"sensor": torch.tensor([5, 2**55 + 1, 5])}
        yield f"{widths} {shape} sensor", (scene(shape, torch.float32), body), options | bodies
        yield f"{widths} {shape} sensor, bfloat16 out", (scene(shape, torch.uint16), body), options | half


def bfloat16_generators():
    """Yield (name, largest error in units of sigma_init, from the CPU's float32 sums of the same weights)."""
    for (widths, log_sigma), sensor in itertools.product(STACKS, ({}, SENSOR)):
        generator = lively_generator(widths, log_sigma).bfloat16()
        params = NoiseParams(K=2.0, ratio=50.0, white=16383.0, black=0.0, **sensor)
        expected = noise(generator, 2, 150, 262, sigma_init=3.0, backend="cpu", params=params)
        on_gpu = {"params": params.to(DEVICE), "clean": torch.zeros(2, 150, 262, device=DEVICE)}
        on_gpu |= {"sigma_init": 3.0, "backend": DEVICE}
        got = noise(generator.to(DEVICE), **on_gpu).cpu()
        name = f"{widths} sensor" if sensor else f"{widths}"
        yield name, float((got - expected).abs().max() / 3.0)
        again = noise(generator, **on_gpu).cpu()
        yield f"{name} again", 0.0 if torch.equal(got, again) else float("inf")


def windows():
    """Yield (name, elements that differ) of crops and samples of a stack's noise, on the GPU itself."""
    for widths, log_sigma in STACKS:
        for precision in (torch.float32, torch.bfloat16):
            generator = lively_generator(widths, log_sigma).to(precision).to(DEVICE)
            options = {"sigma_init": 3.0, "backend": DEVICE}
            options["params"] = NoiseParams(K=2.0, ratio=50.0, white=16383.0, black=0.0).to(DEVICE)
            whole = noise(generator, clean=torch.zeros(3, 260, 380, device=DEVICE), **options)
            clean = torch.zeros(190, 250, device=DEVICE)
            crop = noise(generator, clean=clean, origin=(6, 34), index=4, **options)
            yield f"{widths} {precision}", differing(crop, whole[1, 6:196, 34:284])


class Calls:
    """The op as torch code uses it: with seed and index on the device, with and without a generator."""

    def __init__(self):
        """Draw what every call shares."""
        self.clean = scene((2, 4, 40, 70), torch.float32).to(DEVICE)
        self.seed, self.index = torch.tensor(7, device=DEVICE), torch.tensor([3, 4], device=DEVICE)
        self.out = torch.empty_like(self.clean)
        physics = NoiseParams(K=2.3, **CAMERA, **LINES, read="gaussian").to(DEVICE)
        shot = NoiseParams(K=2.3, **(CAMERA | {"sigma_read": 0.0})).to(DEVICE)
        self.options = {"physics": {"params": physics}}
        for name, generator in (("float32", lively_generator()), ("bfloat16", lively_generator().bfloat16())):
            options = {"params": shot, "sigma_init": torch.tensor([2.0], device=DEVICE)}
            self.options[name] = options | {"generator": generator.to(DEVICE).requires_grad_(False)}

    def call(self, name, clean=None, **options):
        """Make one call."""
        clean = self.clean if clean is None else clean
        return fused_synth(clean, seed=self.seed, index=self.index, **self.options[name], **options)


def use_in_torch():
    """Yield (name, elements that differ): no waiting, CUDA graphs, another stream, against the plain call."""
    calls = Calls()
    for name in calls.options:
        expected = calls.call(name)
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        calls.call(name, out=calls.out)
        torch.cuda.set_sync_debug_mode("default")
        yield f"{name}, no wait", differing(calls.out, expected)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            calls.call(name, out=calls.out)
        calls.seed.fill_(-9)
        graph.replay()
        yield f"{name}, graph", differing(calls.out, calls.call(name))
        calls.seed.fill_(7)
        with torch.cuda.stream(torch.cuda.Stream()):
            other = calls.call(name)
        torch.cuda.synchronize()
        yield f"{name}, stream", differing(other, expected)


def first_in_a_graph():
    """Yield (name, elements that differ) where the process's first call is one that is captured."""
    calls = Calls()
    for name in calls.options:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            calls.call(name, out=calls.out)
        graph.replay()
        yield name, differing(calls.out, calls.call(name))


def use_compiled():
    """Yield (name, elements that differ) of torch.compile in one graph, with a torch op before."""
    calls = Calls()
    for name in calls.options:
        compiled = torch.compile(lambda clean, name=name: calls.call(name, clean * 0.5), fullgraph=True)
        yield name, differing(compiled(calls.clean), calls.call(name, calls.clean * 0.5))


def compared(cases):
    """Count what differs between GPU and CPU over cases."""
    counted = {"cases": 0, "elements": 0, "differing": 0, "red": []}
    for name, arguments, options in cases:
        wrong, elements = both(*arguments, **options)
        counted["cases"] += 1
        counted["elements"] += elements
        counted["differing"] += wrong
        counted["red"] += [name] if wrong else []
    return counted


def told(results, most):
    """Keep every figure; red is what exceeds most."""
    figures = dict(results)
    return figures | {"red": [name for name, figure in figures.items() if not figure <= most]}


#: What each name on the command line runs. A fault on the device ends the other groups of the process.
GROUPS = {
    "shapes": lambda: compared(shapes()),
    "modes": lambda: compared(modes((2, 66, 134))),
    "large": lambda: compared(large()),
    "generators": lambda: compared(generators()),
    "bfloat16 generators": lambda: told(bfloat16_generators(), BFLOAT16_BOUND),
    "windows": lambda: told(windows(), 0),
    "in torch": lambda: told(use_in_torch(), 0),
    "first in a graph": lambda: told(first_in_a_graph(), 0),
    "compiled": lambda: told(use_compiled(), 0),
}


def main():
    """Run the groups named; return the exit status."""
    path, *names = sys.argv[1:]
    result = {}
    for name in names:
        try:
            result[name] = GROUPS[name]()
        except Exception as error:  # what came before is still worth reporting
            traceback.print_exc()
            result[name] = {"red": [f"{type(error).__name__}: {error}"[:300]]}
        with open(path, "w") as file:
            json.dump(result, file, indent=1)
    print(json.dumps(result, indent=1)[:3000])
    return 1 if any(group["red"] for group in result.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
