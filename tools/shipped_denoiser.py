# SPDX-License-Identifier: Apache-2.0
"""Train the denoiser that ships, on the bundled rose and on drawn pictures without any noise.

    python tools/shipped_denoiser.py WORK [--config YAML]

writes lrd_ext/denoise/library/low_light.safetensors, in a few minutes of one core. (The one committed was
begun for 6000 steps and, from step 1680 on, ended at 3000, as its card tells.) The pictures: dead leaves,
shapes of all sizes that hide one another, known to teach denoisers (Achddou, Gousseau, Ladjal, SSVM 2021),
and the rose at three exposures. The colour chart is held out: its figures on the card are of a picture the
net has not seen.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from lrd_ext import cli, raw
from lrd_ext.denoise import load_denoiser

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data"
TARGET = ROOT / "lrd_ext" / "denoise" / "library" / "low_light.safetensors"
BLACK, WHITE = 512, 16383
SIDE, LEAVES, SHAPES = 1024, 9, 1500  # sites a side of a picture, pictures, shapes in each
CAMERAS = ("sony_a7s2", "canon_5d4", "canon_70d", "nikon_d850")
ISO, RATIO = "400:6400", "1,2,4,8,16,32,64,128"

#: What a user should know, beside the figures.
CARD = {
    "can": "shot, read and row noise like that of four still cameras (Sony A7S II, Canon 5D IV and 70D, "
    "Nikon D850) at ISO 400 to 6400, in pictures up to 128 times darker than a well-exposed one; any Bayer "
    "phase",
    "cannot": "it is small and saw one photograph and drawn shapes: in strong noise fine texture goes with "
    "the noise, and of pictures with hardly any noise (above 52 dB) it takes more than it gives. It does not "
    "know hot pixels, fixed patterns, banding beyond independent rows, or a wrong black level, and was not "
    "measured on recorded pairs. Train a larger one for your camera",
}


def rose() -> tuple[np.ndarray, float, float]:
    """Return the bundled rose, RGGB, and its levels."""
    mosaic = np.fromfile(DATA / "nikon_rose_768x512_rggb_u16le.raw", "<u2").reshape(512, 768)
    return mosaic, 600.0, 15520.0


def leaves(seed: int, side: int = SIDE, shapes: int = SHAPES) -> np.ndarray:
    """Draw a picture of dead leaves as a sensor without noise gives it, (side, side) uint16, RGGB.

    Large shapes cover the ground; over them lie others whose radii follow r^-3 from 4 to side / 4 sites. A
    third of the shapes are striped, the others shaded.
    """
    rng = np.random.default_rng(seed)
    big = 2 * side  # drawn twice as fine, so that edges are not jagged
    picture = np.zeros((big, big, 3), np.float32)
    low, high = 8.0, big / 4
    u = rng.random(shapes)
    radii = 1 / np.sqrt(1 / low**2 + u * (1 / high**2 - 1 / low**2))
    ground = rng.uniform(big / 8, big / 3, 60)
    for radius in (*ground, *np.sort(radii)[::-1]):
        _paint(picture, float(radius), rng)
    fine = picture.reshape(side, 2, side, 2, 3).mean((1, 3))
    fine *= rng.uniform((0.3, 0.8, 0.3), (0.8, 1.0, 0.8)) * rng.uniform(0.2, 1.0)  # light, and exposure
    colours = np.array([[0, 1], [1, 2]])
    rows, columns = np.indices((side, side))
    mosaic = np.take_along_axis(fine, colours[rows % 2, columns % 2][..., None], 2)[..., 0]
    return np.rint(BLACK + mosaic.clip(0, 1) * (WHITE - BLACK)).astype(np.uint16)


def _paint(picture: np.ndarray, radius: float, rng: np.random.Generator) -> None:
    side = len(picture)
    y0, x0 = rng.uniform(0, side, 2)
    rows = slice(max(int(y0 - radius), 0), min(int(y0 + radius) + 1, side))
    columns = slice(max(int(x0 - radius), 0), min(int(x0 + radius) + 1, side))
    y, x = np.mgrid[rows, columns].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    along = (x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)
    across = (y - y0) * np.cos(angle) - (x - x0) * np.sin(angle)
    if rng.random() < 0.5:
        inside = along**2 + across**2 <= radius**2
    else:
        inside = (np.abs(along) <= 0.7 * radius) & (np.abs(across) <= rng.uniform(0.1, 0.7) * radius)
    if rng.random() < 0.35:
        shade = 1 + rng.uniform(0, 0.5) * np.sin(across * rng.uniform(0.05, 1.5) + rng.uniform(0, 6))
    else:
        shade = 1 + rng.uniform(-0.5, 0.5) * along / radius
    colour = rng.beta(0.8, 1.6) * rng.uniform(0.5, 1.0, 3)  # dark ones are the more frequent
    picture[rows, columns][inside] = (shade[..., None] * colour)[inside]


def write_pictures(work: Path) -> list[Path]:
    """Write what is trained on as DNG files."""
    work.mkdir(parents=True, exist_ok=True)
    paths = []
    mosaic, black, white = rose()
    for part in (1, 2, 4):
        values = np.rint(black + (mosaic.astype(np.float64) - black) / part).clip(0).astype(np.uint16)
        paths.append(work / f"rose_{part}.dng")
        raw.write_dng(paths[-1], raw.Raw(values, "RGGB", black, white, make="Nikon", model="rose"))
    for seed in range(LEAVES):
        paths.append(work / f"leaves_{seed}.dng")
        raw.write_dng(paths[-1], raw.Raw(leaves(seed), "RGGB", BLACK, WHITE, make="drawn", model="leaves"))
    return paths


def main() -> int:
    """Prepare the pictures and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--write", type=Path, default=TARGET)
    options = parser.parse_args()
    work, more = options.work, ["--config", str(options.config)] if options.config else []
    paths = [str(path) for path in write_pictures(work)]
    chart = str(DATA / "canon550d_ml_colorchart.dng")
    cli.main(["data", "prepare", *paths, "-o", str(work / "tiles"), "--overwrite"])
    cli.main(["data", "prepare", chart, "-o", str(work / "held"), "--overwrite"])
    words = ["train", "denoiser", str(work / "tiles"), "-o", str(options.write), "--held", str(work / "held")]
    words += ["--iso", ISO, "--ratio", RATIO, "--resume", "--overwrite", *more, "--camera", *CAMERAS]
    code = cli.main(words)
    if code == 0:
        net = load_denoiser(options.write)
        net.card |= CARD
        net.save(options.write)
    return code


if __name__ == "__main__":
    sys.exit(main())
