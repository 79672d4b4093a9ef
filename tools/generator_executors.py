# SPDX-License-Identifier: Apache-2.0
"""A generator on every executor: the same distances from the sensor's darks, and the time of each.

    python tools/generator_executors.py [--write docs/results/generator_executors.md]

The fused CPU builds run in a process of their own each (LRD_EXT_ISA), the CUDA kernel on the host emulator
of tests/cuda, which a C++ compiler builds here, and plain torch as LiteGenerator.forward.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from lrd_ext import NoiseParams, fused_synth
from lrd_ext.cfa import unpack
from lrd_ext.generator import LiteGenerator, load_generator
from lrd_ext.metrics import kld, ks, line_autocorrelation, psd_distance, site_covariance
from lrd_ext.ops import NATIVE

ROOT = Path(__file__).parents[1]
NAME, ISO, SEED = "simulated_sensor", 1600, 3  # the emulator's seed
FRAMES, SIDE = 4, 256
#: Frame on which times are taken, pixels a side, and how often; the least counts.
TIMED_SIDE, REPEATS = 1024, 7
#: As tests/cuda/test_emulator.py has them; the emulator's fibers need the sanitizer.
FLAGS = ["-std=c++17", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-w"]


def fused(generator: LiteGenerator, frames: int, side: int) -> np.ndarray:
    """Return noise (frames, side, side) of the compiled op, DN."""
    params = NoiseParams(K=1.0, ratio=1.0, black=0.0, white=65535.0, iso=float(ISO), shot=False)
    dark = torch.zeros(frames, side, side)
    made = fused_synth(
        dark,
        params,
        seed=SEED,
        generator=generator,
        layout="mosaic",
        output="dn_float",
        quantize="none",
        clip="none",
    )
    return made.numpy()


@torch.no_grad()
def plain(generator: LiteGenerator, frames: int, side: int) -> np.ndarray:
    """Return the same noise in plain torch, N_init by Philox in torch too."""
    n_init = generator.n_init(SEED, torch.arange(frames), side // 2, side // 2)
    return np.asarray(unpack(generator(n_init, generator.sigma_init(ISO)).numpy()))


@torch.no_grad()
def forward_ns(generator: LiteGenerator) -> float:
    """Return the time of the layers alone, N_init given, ns per pixel."""
    n_init = torch.randn(1, 8, *(2 * (TIMED_SIDE // 2 + 2 * generator.halo,)))
    return least_ns(lambda: generator(n_init, 3.0))


def least_ns(run: Callable[[], object]) -> float:
    """Return the least processor time of several runs, ns per pixel."""
    times = []
    for _ in range(REPEATS):
        began = time.process_time()
        run()
        times.append(time.process_time() - began)
    return min(times) / TIMED_SIDE**2 * 1e9


def weighing(precision: str) -> LiteGenerator:
    """Return the generator with weights in that precision."""
    generator = load_generator(NAME)
    return generator if precision == "float32" else LiteGenerator.bfloat16(generator)


def of_build(target: Path, precision: str) -> None:
    """Write the noise of the build that LRD_EXT_ISA names, and its time."""
    torch.set_num_threads(1)
    generator = weighing(precision)
    nanoseconds = least_ns(lambda: fused(generator, 1, TIMED_SIDE))
    np.savez(target, noise=fused(generator, FRAMES, SIDE), ns=nanoseconds)


def build_noise(isa: str, precision: str, work: Path) -> tuple[np.ndarray, float]:
    """Run one CPU build in a process of its own."""
    target = work / f"{isa}_{precision}.npz"
    environment = os.environ | {"LRD_EXT_ISA": isa}
    subprocess.run([sys.executable, __file__, "--build", str(target), precision], env=environment, check=True)
    with np.load(target) as found:
        return found["noise"], float(found["ns"])


def emulator(work: Path) -> Path:
    """Compile the emulated kernel."""
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        raise SystemExit("no C++ compiler for the emulator")
    program = work / "emulated_stack"
    command, objects = [*compiler.split(), *FLAGS], []
    for source in sorted((ROOT / "csrc" / "cpu").glob("*.cpp")):
        objects.append(str(work / f"{source.stem}.o"))
        subprocess.run([*command, "-O1", "-c", str(source), "-o", objects[-1]], check=True)
    source = ROOT / "tests" / "cuda" / "emulated_stack.cpp"
    sanitized = ["-O1", "-fsanitize=address", "-fno-strict-aliasing"]
    subprocess.run([*command, *sanitized, str(source), *objects, "-o", str(program)], check=True)
    return program


def emulated(program: Path, generator: LiteGenerator, precision: str) -> np.ndarray:
    """Return the noise of the CUDA kernel on the emulator."""
    sigma = generator.sigma_init(ISO)
    own = weighing(precision)
    weights, drawn = program.with_name("weights"), program.with_name("drawn")
    weights.write_bytes(own.packed_weights_for_cuda().numpy().tobytes())
    stack = [str(weights), str(max(own.widths)), str(len(own.widths)), precision, "0"]
    cells = str(SIDE // 2)
    done = [str(program), *stack, "draw", cells, cells, str(FRAMES), repr(sigma), str(drawn)]
    subprocess.run(done, env=os.environ | {"ASAN_OPTIONS": "detect_leaks=0"}, check=True)
    noise = np.fromfile(drawn, np.float32).reshape(FRAMES, SIDE, SIDE)
    bias = 0.1 - 0.2 * np.arange(4, dtype=np.float32).reshape(2, 2)  # of the emulator's parameter table
    return noise - np.tile(bias, (SIDE // 2, SIDE // 2))


def distances(real: np.ndarray, made: np.ndarray) -> list[str]:
    """Return the table's distances of noise, DN about 0, from real noise."""
    rounded = np.rint(made)
    rows = np.abs(line_autocorrelation(real, "row") - line_autocorrelation(rounded, "row")).max()
    sites = [site_covariance(x) for x in (real, rounded)]
    off = np.abs(sites[0] - sites[1]).max() / np.abs(sites[0]).max()
    found = (kld(real, rounded, "adu"), ks(real, rounded), psd_distance(real, rounded), rows, off)
    return [f"{float(value):.5f}" for value in found]


def rows_of(work: Path) -> list[str]:
    """Run every executor and return the table."""
    sys.path.insert(0, str(ROOT / "tests" / "generator"))
    import simulated_sensor as sensor

    torch.set_num_threads(1)
    generator = load_generator(NAME)
    darks = sensor.darks(ISO, 2 * FRAMES, (SIDE, SIDE), 5).astype(np.float32) - np.float32(sensor.BLACK)
    real, other = darks[::2], darks[1::2]
    reference = plain(generator, FRAMES, SIDE)
    layers, whole = forward_ns(generator), least_ns(lambda: plain(generator, 1, TIMED_SIDE))
    found = [("plain torch", reference, f"{layers:.0f} the layers, {whole:.0f} with N_init")]
    isas = NATIVE.isa_names()
    for isa, precision in [*((isa, "float32") for isa in isas), (isas[-1], "bfloat16")]:
        noise, ns = build_noise(isa, precision, work)
        found.append((f"fused, {isa}, {precision}", noise, f"{ns:.0f}"))
    program = emulator(work)
    for precision in ("float32", "bfloat16"):
        found.append((f"CUDA kernel emulated, {precision}", emulated(program, generator, precision), "-"))
    sigma = generator.sigma_init(ISO)
    lines = [
        "| executor | KLD (adu), nats | KS | PSD, dB | row means | sites | from plain torch | ns a pixel |",
        "|---|---|---|---|---|---|---|---|",
        f"| real from real | {' | '.join(distances(real, other))} | | |",
    ]
    for name, noise, ns in found:
        apart = float(np.abs(noise - reference).max()) / sigma
        lines.append(f"| {name} | {' | '.join(distances(real, noise))} | {apart:.1e} | {ns} |")
    return lines


TEXT = f"""# A generator on every executor

Made by `tools/generator_executors.py`: `{NAME}` at ISO {ISO}, {FRAMES} frames of {SIDE} x {SIDE} of one seed,
against as many darks of the simulated sensor that were not trained on; the first row is those darks against
others. Row means: largest difference of their autocorrelation; sites: largest difference of the covariance of
a cell's sites, share of the largest. From plain torch: largest difference of a value, in sigma_init.

Times are the least processor time of {REPEATS} runs, one thread, {TIMED_SIDE} x {TIMED_SIDE} pixels, the
generator's noise alone. Plain torch draws N_init by the reference's Philox in float64; the layers alone are
what the net costs there once it has its N_init, which fused builds draw too. An emulated kernel's time says
nothing of a GPU. The emulated kernel adds black-level errors that are taken off again, which rounds; bfloat16
rounds weights too. On the CPU bfloat16 runs on Intel's matrix unit (AMX) where there is one, as here.

TABLE
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--build", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.build is not None:
        return of_build(Path(options.build[0]), options.build[1])
    with tempfile.TemporaryDirectory() as work:
        lines = "\n".join(rows_of(Path(work)))
    print(lines)
    if options.write:
        options.write.write_text(TEXT.replace("TABLE", lines), encoding="utf-8")


if __name__ == "__main__":
    main()
