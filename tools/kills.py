# SPDX-License-Identifier: Apache-2.0
"""Kill commands that write files at random moments of their work, and run them once more.

    python tools/kills.py --kills 10 --seed 1

gives each command 10 SIGTERM and 10 SIGKILL. The run after each must leave exactly the files of a run that
was not killed, byte for byte. The exit code is the number of kills after which it did not.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import lrd_main
from lrd_ext import raw
from lrd_ext.datasets import prepare_tiles

FORK = multiprocessing.get_context("fork")
Run = multiprocessing.context.ForkProcess
COMMANDS = {
    "synth": "synth clean.dng -o out/noisy.dng --preview out/noisy.png --camera sony_a7s2 --iso 3200 "
    "--ratio 8 --seed 1 --overwrite",
    "denoise": "denoise clean.dng -o out/denoised.dng --preview out/denoised.png --ratio 4 --overwrite",
    "train": "train denoiser tiles -o out/net.safetensors --config quick.yaml --camera sony_a7s2 "
    "--iso 800:6400 --ratio 10,100 --resume",
    "generator": "train generator frames -o out/net.safetensors --config short.yaml --profile camera.json "
    "--resume",
    "calibrate": "calibrate frames -o out/camera.json --report out/camera.html --white 4095 --cfa RGGB "
    "--overwrite",
    "prepare": f"data prepare {' '.join(f'shots/{i:02d}.dng' for i in range(12))} -o out/store --jobs 2",
}


def make_inputs(folder: Path) -> None:
    """Write a clean picture, darks and pairs of flats, and small raw files to prepare."""
    rng = np.random.default_rng(1)
    mosaic = rng.integers(512, 16000, (2000, 3000)).astype(np.uint16)
    raw.write_dng(folder / "clean.dng", raw.Raw(mosaic=mosaic, cfa="RGGB", black=512, white=16383))
    prepare_tiles([folder / "clean.dng"], folder / "tiles")
    (folder / "quick.yaml").write_text(
        "steps: 24\npatch: 32\nwidth: 4\nlevels: 3\nthreads: 1\ncheckpoint_s: 0\n"
    )
    (folder / "short.yaml").write_text(
        "widths: [16]\nrounds: [[1, 8]]\nsettling: 4\nthreads: 1\ncheckpoint_s: 0\n"
    )
    (folder / "frames").mkdir()
    rows = ["file,kind,iso,exposure_s"]
    for k in range(24):
        light = 0 if k < 12 else 300 * (k // 2 - 5)
        frame = np.rint(256 + 2 * rng.poisson(light / 2, (300, 400)) + rng.normal(0, 3, (300, 400)))
        np.save(folder / "frames" / f"{k:02d}.npy", frame.clip(0, 4095).astype(np.uint16))
        rows.append(f"{k:02d}.npy,{'flat' if light else 'dark'},100,{light or 10}")
    (folder / "frames" / "frames.csv").write_text("\n".join(rows))
    (folder / "shots").mkdir()
    for k in range(12):
        shot = rng.integers(512, 16000, (300, 400)).astype(np.uint16)
        raw.write_dng(
            folder / "shots" / f"{k:02d}.dng", raw.Raw(mosaic=shot, cfa="RGGB", black=512, white=16383)
        )


def make_profile(folder: Path) -> None:
    """Calibrate, for the commands that need a profile of the frames."""
    out = emptied(folder / "out")
    if ended(start("calibrate", folder)):
        raise RuntimeError("calibrate fails without a kill")
    shutil.copyfile(out / "camera.json", folder / "camera.json")


def start(command: str, folder: Path) -> Run:
    """Start a command in a folder; a fork spares it the time to load."""
    run = FORK.Process(target=lrd, args=(command, folder))
    run.start()
    return run


def lrd(command: str, folder: Path) -> None:
    """Be the command."""
    os.chdir(folder)
    sys.argv = ["lrd", *COMMANDS[command].split()]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.exit(lrd_main.main())


def ended(run: Run) -> int | None:
    """Wait for a run and return its exit code."""
    run.join()
    return run.exitcode


def wait_for_work(run: Run, out: Path) -> None:
    """Wait until a first file or folder of a run appears, or it ends."""
    while run.is_alive() and not any(out.iterdir()):
        time.sleep(0.0005)


def time_of_work(run: Run, out: Path) -> float:
    """Return the seconds from the first file of a run to its last new name."""
    wait_for_work(run, out)
    first = last = time.monotonic()
    names: set[str] = set()
    while run.is_alive():
        # Unlike rglob it does not mind a folder that goes.
        now = {os.path.join(at, name) for at, folders, files in os.walk(out) for name in (*folders, *files)}
        if now != names:
            names, last = now, time.monotonic()
        time.sleep(0.0005)
    if ended(run):
        raise RuntimeError("the command fails without a kill")
    return last - first


def contents(out: Path) -> dict[str, str]:
    """Return the checksum of every file in a folder by its name."""
    # Curves are stamped by the clock, and a checkpoint of the same content is not of the same bytes.
    files = (p for p in sorted(out.rglob("*")) if p.is_file() and "net.training" not in p.parts)
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def emptied(out: Path) -> Path:
    """Make a folder anew."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    return out


def kills_of(command: str, folder: Path, kills: int, rng: random.Random) -> int:
    """Kill a command, print what came of it, and return how many kills left something."""
    out = emptied(folder / "out")
    working, expected = time_of_work(start(command, folder), out), contents(out)
    failed = 0
    for number in [signal.SIGTERM, signal.SIGKILL] * kills:
        emptied(out)
        run = start(command, folder)
        wait_for_work(run, out)
        time.sleep(working * rng.uniform(0, 1) ** 3)  # early above all: the writing itself is short
        os.kill(run.pid or 0, number)
        code = ended(run)
        left = contents(out)
        parts = sum(name.endswith(".part") for name in left)
        # A run killed behind its last file left all there is, and `data prepare` refuses to make it again.
        again = 0 if left == expected else ended(start(command, folder))
        same = again == 0 and contents(out) == expected
        failed += not same
        print(f"{command} {number.name}: exit {code}, {len(left)} files left, {parts} of them .part; "
              f"then exit {again}, {'as unkilled' if same else 'NOT as unkilled'}", flush=True)  # fmt: skip
    return failed


def main() -> int:
    """Kill every command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("commands", nargs="*", default=list(COMMANDS), help="which ones (default: all)")
    parser.add_argument("--kills", type=int, default=10, help="of each signal and command")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_inputs(Path(folder))
        make_profile(Path(folder))
        rng = random.Random(options.seed)
        return sum(kills_of(command, Path(folder), options.kills, rng) for command in options.commands)


if __name__ == "__main__":
    sys.exit(main())
