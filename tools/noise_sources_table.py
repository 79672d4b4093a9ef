# SPDX-License-Identifier: Apache-2.0
"""All noise sources against the real darks of two cameras; the data lie outside the project.

    python tools/noise_sources_table.py DATA WORK [GENERATOR...]

lays the darks out in WORK and prints the tables of docs/results/noise_sources.md. Generators are of the first
camera, trained on WORK/emva_fit; their files' names head their columns.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lrd_ext.calibration import Levels
from lrd_ext.evaluation import (
    Evaluation,
    Settings,
    check_fits,
    evaluate_noise,
    open_fake,
    read_darks,
    verdict,
)
from lrd_ext.evaluation.advice import excess
from lrd_ext.evaluation.noise import title_of
from lrd_ext.noise_sources import RIVALS

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "calibration"))
from real_data import read_fits, taps_as_sites

#: A bar inside a cell of a table.
BAR = "\\|"
#: Darks of the scientific CCD of one session and exposure; the first is fitted to, the second held out.
CCD_DARKS = ("msfc_led_ESIS1_04860", "msfc_led_ESIS1_04861")


def write_table(folder: Path, names: Sequence[str]) -> None:
    """Write frames.csv for darks of one exposure."""
    rows = [f"{name},dark,100,2" for name in names]
    (folder / "frames.csv").write_text("\n".join(["file,kind,iso,exposure_s", *rows]) + "\n")


def make_emva(data: Path, work: Path) -> tuple[Path, Path]:
    """Lay out 18 spatial darks of the EMVA set to fit to and 6 held out."""
    pictures = sorted((data / "emva1288_ccd12_subset" / "images").glob("d_s_*.png"))
    folders = work / "emva_fit", work / "emva_held"
    for folder, part in zip(folders, (pictures[:18], pictures[18:]), strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        for picture in part:
            shutil.copyfile(picture, folder / picture.name)
        write_table(folder, [p.name for p in part])
    return folders


def make_ccd(data: Path, work: Path) -> tuple[Path, Path]:
    """Lay out one dark of the CCD to fit to and one held out, its four taps as the sites of a mosaic."""
    folders = work / "ccd_fit", work / "ccd_held"
    for folder, name in zip(folders, CCD_DARKS, strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        frame = taps_as_sites(read_fits(data / "msfc_ccd_esis1" / f"{name}.fit.gz"))
        np.save(folder / f"{name}.npy", frame)
        write_table(folder, [f"{name}.npy"])
    return folders


def compare(
    folders: tuple[Path, Path], given: Sequence[str], levels: Levels, dark_shading: bool
) -> Evaluation:
    """Compare all rivals, and what else is given as ``lrd evaluate noise`` takes it, with the held out."""
    fit, held = (read_darks(folder, levels, least=1) for folder in folders)
    fakes = [open_fake(one, levels) for one in (*given, *RIVALS)]
    for fake in fakes:
        check_fits(fake, held)
    return evaluate_noise(held, fakes, Settings(dark_shading=dark_shading), fit)


def table(found: Evaluation) -> list[str]:
    """Return the distances in Markdown; bold is what lies beyond the highest of the floor."""
    (at,) = found.isos
    names = [c.name for c in at.candidates]
    lines = [f"| distance | floor | highest | {' | '.join(names)} |", f"|---{'|---' * (len(names) + 2)}|"]
    for name, floor in at.floor.items():
        cells = [f"{floor.mean:.2g}", f"{floor.highest:.2g}"]
        for c in at.candidates:
            value = f"{c.distances[name]:.3g}"
            cells.append(f"**{value}**" if excess(at, c, name) > 1 else value)
        lines.append(f"| {title_of(name).replace('|', BAR)} | {' | '.join(cells)} |")
    stds = " | ".join(f"{c.summary.std:.3f}" for c in at.candidates)
    return [*lines, f"| standard deviation, DN | {at.real.std:.3f} | | {stds} |"]


def main(data: Path, work: Path, generators: Sequence[str]) -> None:
    """Print the tables of both cameras, with and without what is fixed in the frames."""
    cameras = (
        ("EMVA 1288 reference set", make_emva(data, work), Levels((0.0,) * 4, 4095.0, "MONO")),
        ("Scientific CCD", make_ccd(data, work), Levels((3400.0,) * 4, 65535.0, "MONO")),
    )
    for i, (title, folders, levels) in enumerate(cameras):
        for dark_shading in (False, True) if i == 0 else (False,):
            found = compare(folders, () if i else generators, levels, dark_shading)
            print(f"## {title}{', mean dark taken off' if dark_shading else ''}\n")
            print("\n".join([*table(found), "", *(f"- {line}" for line in verdict(found)), ""]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
