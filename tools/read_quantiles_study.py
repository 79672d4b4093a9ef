# SPDX-License-Identifier: Apache-2.0
"""Read noise drawn out of measured quantiles, against held out darks, beside the fitted curves.

    python tools/read_quantiles_study.py WORK [DATA] --write docs/results/read_quantiles.md

WORK receives the frames and may hold those of tools/generator_study.py already; DATA holds the darks of two
real cameras, as tools/noise_sources_table.py takes them, which lie outside the project.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import generator_study
import noise_sources_table as real_darks
import numpy as np
import torch

from lrd_ext import fused_synth
from lrd_ext.calibration import Levels, calibrate, find_frames, profile_of
from lrd_ext.evaluation import Fake, Settings, evaluate_noise, read_darks
from lrd_ext.metrics import kld
from lrd_ext.profiles import CameraProfile
from lrd_ext.read_models import profile_models

sensor = generator_study.sensor

#: Of the sensor with a hump: frames, deviation [DN], and share, place and width of the hump, deviations.
HUMP_FRAMES, HUMP_SIGMA, HUMP_SHARE, HUMP_PLACE, HUMP_WIDTH = 32, 5.0, 0.04, 4.0, 0.5
BLACK, WHITE = 512.0, 16383.0
DRAWN = 96
#: What the KLD may be at most, in floors.
AIM = 1.5
MODELS = [model.name for model in profile_models()]
#: The darks that were measured, as a candidate like the models.
DARKS = "darks"

Row = tuple[str, str, float, dict[str, float]]


def write_hump(folder: Path, seed: int) -> None:
    """Write darks of normal noise of which some sites, others in each frame, lie far off."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    lines = ["file,kind,iso,exposure_s"]
    for k in range(HUMP_FRAMES):
        noise = rng.standard_normal(generator_study.SHAPE)
        away = HUMP_PLACE + HUMP_WIDTH * rng.standard_normal(generator_study.SHAPE)
        noise = np.where(rng.random(generator_study.SHAPE) < HUMP_SHARE, away, noise)
        rows = 0.3 * rng.standard_normal((generator_study.SHAPE[0], 1))
        frame = np.rint(BLACK + HUMP_SIGMA * (noise + rows)).clip(0, WHITE).astype(np.uint16)
        np.save(folder / f"dark_00800_{k:02d}.npy", frame)
        lines.append(f"dark_00800_{k:02d}.npy,dark,800,0.01")
    (folder / "frames.csv").write_text("\n".join(lines) + "\n")


def measured(folder: Path) -> CameraProfile:
    """Calibrate from the darks of a folder, with quantiles."""
    frames = find_frames(folder, Levels((BLACK,) * 4, WHITE, "RGGB"))
    found = calibrate(frames, folder.with_suffix(".statistics"))
    return profile_of(found, "study", quantiles="always")


def of_iso(folder: Path, iso: float) -> np.ndarray:
    """Read the darks (n, H, W) of an ISO."""
    return np.array([np.load(path) for path in sorted(folder.glob(f"dark_{iso:05.0f}_*.npy"))])


def compare(name: str, folders: tuple[Path, Path], profile: CameraProfile, iso: float) -> Row:
    """Compare darks of every model, and those they were measured from, with those held out."""
    of_fit, held = (of_iso(folder, iso) for folder in folders)
    dark = torch.zeros(DRAWN, *held.shape[1:])
    found = {DARKS: kld(held, of_fit, "adu")} if len(of_fit) else {}
    for read in MODELS:
        params = profile.at(iso, read=read)
        drawn = fused_synth(dark, params, seed=11, output="dn", layout="mosaic").numpy()
        found[read] = kld(held, drawn, "adu")
    half = len(held) // 2
    return name, f"{iso:g}", kld(held[:half], held[half:], "adu"), found


def simulated(work: Path) -> list[Row]:
    """Compare on the simulated sensor, from 64 darks at each ISO; the last ISO is between two of those."""
    if not (work / "darks" / "frames.csv").exists() or not (work / "held" / "frames.csv").exists():
        generator_study.write_frames(work)
    folders = work / "darks", work / "held"
    profile = measured(folders[0])
    return [compare("simulated sensor", folders, profile, iso) for iso in generator_study.ISOS]


def hump(work: Path) -> list[Row]:
    """Compare on the sensor with a hump."""
    for name, seed in (("hump", 1), ("hump_held", 2)):
        if not (work / name / "frames.csv").exists():
            write_hump(work / name, seed)
    folders = work / "hump", work / "hump_held"
    return [compare("hump at +4 sigma", folders, measured(folders[0]), 800)]


def real(data: Path, work: Path) -> list[Row]:
    """Compare on real darks: models fitted to one part, the other held out; the floor is a mean."""
    rows = []
    emva = Levels((0.0,) * 4, 4095.0, "MONO")
    ccd = Levels((3400.0,) * 4, 65535.0, "MONO")
    for name, folders, levels, shading in (
        ("EMVA 1288 set, 18 darks", real_darks.make_emva(data, work), emva, False),
        ("the same, mean dark taken off", real_darks.make_emva(data, work), emva, True),
        ("scientific CCD, 1 dark", real_darks.make_ccd(data, work), ccd, False),
    ):
        fit, held = (read_darks(folder, levels, least=1) for folder in folders)
        settings = Settings(distances=("kld_adu",), dark_shading=shading)
        (at,) = evaluate_noise(held, [Fake(name) for name in (*MODELS, DARKS)], settings, fit).isos
        found = {c.name: c.distances["kld_adu"] for c in at.candidates}
        rows.append((name, f"{at.iso:g}", at.floor["kld_adu"].mean, found))
    return rows


def table(rows: Sequence[Row]) -> list[str]:
    """Return the rows in Markdown."""
    names = [DARKS, *MODELS]
    lines = [f"| darks | ISO | floor | {' | '.join(names)} | empirical in floors |", f"|{'---|' * 8}"]
    for name, iso, floor, found in rows:
        cells = " | ".join(f"{found[model]:.6f}" if model in found else "-" for model in names)
        lines.append(f"| {name} | {iso} | {floor:.6f} | {cells} | {found['empirical'] / floor:.2f} |")
    return lines


ABOUT = f"""# Read noise out of measured quantiles

Made by `tools/read_quantiles_study.py`: KLD (adu), nats, of drawn from held out darks, beside that of
real darks from other real darks, the floor. At most {AIM} floors was aimed at. The column darks holds
the very darks that were measured.

Simulated sensor (`tests/generator/simulated_sensor.py`): `lrd calibrate --read-quantiles always` on 64
darks of 768 x 512 at each ISO; 32 held out. Hump: 32 darks of normal noise of 5 DN in which 4 % of the
sites, others in every frame, lie at +4 sigma with half the spread; 32 held out. Of both 96 frames are
drawn, and the floor is one half of those held out against the other. Real darks: as
[noise_sources.md](noise_sources.md), fitted to one part, the other held out; the floor is the mean over
splits.
"""

EMVA = """EMVA: what is missed lies in the converter, as far as the histograms tell. Neighbouring codes hold
about a percent more or fewer values than noise that moves over them with row and level would give,
and quantiles know nothing of codes. With the mean dark taken off the values lie on multiples of
1/18 or 1/24 DN, by how many darks went into the mean, and bins of 1 DN tell these apart: real darks
do not come to the floor themselves.
"""

BETWEEN = """There the strength is what is off, not the shape: sigma goes log-log from ISO to ISO,
whatever the model.
"""


def page(work: Path, data: Path | None) -> str:
    """Return the whole page."""
    *made, between = simulated(work)
    held = [*made, *hump(work), *(real(data, work) if data else [])]
    reached = sum(row[3]["empirical"] <= AIM * row[2] for row in held)
    told = f"Reached in {reached} of {len(held)} rows."
    parts = [ABOUT, *table(held), "", told, "", *([EMVA] if data else [])]
    return "\n".join(
        [*parts, "Between calibrated ISOs, 1600 and 3200 here:", "", *table([between]), "", BETWEEN]
    )


def main() -> None:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*K is unknown")  # nothing here needs K
    made = page(options.work, options.data)
    if options.write:
        options.write.write_text(made, "utf-8")
    else:
        print(made, end="")


if __name__ == "__main__":
    main()
