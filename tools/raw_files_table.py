# SPDX-License-Identifier: Apache-2.0
"""`lrd synth` on every raw file of a folder; each output read again by readers that are not this project's.

    python tools/raw_files_table.py [DATA] [--write docs/results/raw_files.md]

Headerless roses are rewritten as DNG first. Readers: LibRaw (rawpy), the tags alone (tifffile), Adobe's DNG
SDK (`pip install dngpy`) and `exiftool -validate`; one that is not installed is named and left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rawpy
import tifffile

from lrd_ext import cli, raw

CAMERAS = ("sony_a7s2", "nikon_d850", "canon_70d")
ISOS = (400, 1600, 6400)
RATIO = 20
DATA = Path(__file__).parents[1] / "tests" / "data"
INTRODUCTION = f"""\
Every file that LibRaw opens, for {", ".join(CAMERAS)} at ISO {", ".join(map(str, ISOS))} each, ratio {RATIO}.
A reader passes a shot that has the input's CFA, black and white level, the ISO asked for and the pixels that
were written (the binding of the DNG SDK tells no levels); exiftool one without error or warning. The roses
have no header and were rewritten as DNG first. Made by `python tools/raw_files_table.py DATA`.
"""
PHASES = {f"nikon_rose_768x512_{cfa.lower()}_u16le.raw": cfa for cfa in raw.BAYER}


def opens_in_rawpy(path: Path) -> bool:
    """Tell whether LibRaw opens a file, be it by a guess."""
    try:
        with rawpy.imread(str(path)):
            return True
    except rawpy.LibRawError:
        return False


def as_dng(path: Path, folder: Path) -> Path:
    """Rewrite a headerless rose as DNG; any other file stays what it is."""
    cfa = PHASES.get(path.name)
    if cfa is None:
        return path
    mosaic = np.fromfile(path, "<u2").reshape(512, 768)
    target = folder / f"{path.stem}.dng"
    raw.write_dng(target, raw.Raw(mosaic=mosaic, cfa=cfa, black=600, white=15520, iso=100, exposure_s=0.5))
    return target


def by_rawpy(path: Path, want: raw.Raw) -> list[str]:
    """What LibRaw reads otherwise than ``want``."""
    with rawpy.imread(str(path)) as got:
        sites = [got.raw_color(row, column) for row, column in raw.SITES]
        return differing(
            cfa=("".join("RGBG"[s] for s in sites), want.cfa),
            black=([got.black_level_per_channel[s] for s in sites], want.black.tolist()),
            white=(got.white_level, want.white),
            iso=(got.other.iso_speed, want.iso),
            pixels=(np.array_equal(got.raw_image, want.mosaic), True),
        )


def by_tags(path: Path, want: raw.Raw) -> list[str]:
    """What the tags say otherwise than ``want``; patterns start at the active area's corner."""
    top, left = want.active_area[:2]
    black = np.roll(want.black.reshape(2, 2), (-top % 2, -left % 2), (0, 1)).ravel().tolist()
    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages[0].tags
        return differing(
            cfa=("".join("RGB"[c] for c in tags[33422].value), want.active_cfa),
            black=(list(tags[50714].value), black),
            white=(tags[50717].value, want.white),
            iso=(tags[34665].value["ISOSpeedRatings"], want.iso),
            pixels=(np.array_equal(tiff.asarray(), want.mosaic), True),
        )


def by_dng_sdk(path: Path, want: raw.Raw) -> list[str]:
    """What Adobe's DNG SDK reads otherwise than ``want``; its binding does not tell the levels."""
    from dngpy import Dng

    got = Dng(str(path))
    return differing(
        cfa=(got.get_bayer_pattern(), want.active_cfa),
        iso=(got.exif.iso, want.iso),
        pixels=(np.array_equal(got.raw_pixels.squeeze(), want.mosaic), True),
    )


def by_exiftool(path: Path, want: raw.Raw) -> list[str]:
    """Return what ``exiftool -validate`` complains of."""
    command = ["exiftool", "-validate", "-warning", "-error", "-a", "-S", str(path)]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    return [] if lines == ["Validate: OK"] else lines or ["no answer"]


def differing(**figures: tuple[object, object]) -> list[str]:
    """Name the figures whose two values differ."""
    return [f"{name} {got}, not {want}" for name, (got, want) in figures.items() if got != want]


READERS: dict[str, Callable[[Path, raw.Raw], list[str]]] = {
    "rawpy": by_rawpy,
    "tags (tifffile)": by_tags,
    "DNG SDK (dngpy)": by_dng_sdk,
    "exiftool -validate": by_exiftool,
}


def installed_readers() -> list[str]:
    """Return the readers that can run here, naming the others."""
    missing = [] if importlib.util.find_spec("dngpy") else ["DNG SDK (dngpy)"]
    missing += [] if shutil.which("exiftool") else ["exiftool -validate"]
    for name in missing:
        print(f"not installed: {name}", file=sys.stderr)
    return [name for name in READERS if name not in missing]


def shots_of(source: Path, readers: list[str], folder: Path) -> dict[str, list[str]]:
    """Synthesise one file for every camera and ISO; return each reader's complaints."""
    complaints: dict[str, list[str]] = {name: [] for name in readers}
    clean = raw.read(source)
    for camera in CAMERAS:
        for iso in ISOS:
            target = folder / "out.dng"
            setting = ("--camera", camera, "--iso", str(iso), "--ratio", str(RATIO))
            if cli.main(["synth", str(source), "-o", str(target), "--overwrite", *setting]):
                raise SystemExit(f"lrd synth failed on {source} for {camera} at ISO {iso}")
            want = clean.replace(mosaic=raw.read(target).mosaic, iso=iso)
            for name in readers:
                complaints[name] += [f"{camera} {iso}: {c}" for c in READERS[name](target, want)]
    return complaints


def line_of(path: Path, readers: list[str], folder: Path) -> str:
    """One line of the table: the file, what was read of it, and each reader's verdict on its shots."""
    source = as_dng(path, folder)
    try:
        clean = raw.read(source)
    except raw.RawFileError as error:
        return f"| {path.name} | refused: {str(error).removeprefix(f'{source}: ')} |" + " |" * len(readers)
    height, width = clean.mosaic.shape
    black = " ".join(f"{v:g}" for v in clean.black)
    figures = f"{width} x {height} {clean.cfa}, black {black}, white {clean.white:g}"
    verdicts = shots_of(source, readers, folder).values()
    all_shots = f"all {len(CAMERAS) * len(ISOS)}"
    cells = ["; ".join(found) or all_shots for found in verdicts]
    return f"| {path.name} | {figures} | {' | '.join(cells)} |"


def table_of(data: Path) -> str:
    """Return the results as Markdown."""
    readers = installed_readers()
    files = [p for p in sorted(data.rglob("*")) if p.is_file() and (p.name in PHASES or opens_in_rawpy(p))]
    with tempfile.TemporaryDirectory() as folder:
        lines = [line_of(path, readers, Path(folder)) for path in files]
    return "\n".join(
        [
            "# `lrd synth` on raw files, its output read by others",
            "",
            INTRODUCTION,
            f"| file | as read | {' | '.join(readers)} |",
            "|---" * (2 + len(readers)) + "|",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "data", type=Path, nargs="?", default=DATA, help="folder that is searched (default: tests/data)"
    )
    parser.add_argument("--write", type=Path, help="file the table goes to; else it is printed")
    options = parser.parse_args()
    text = table_of(options.data)
    if options.write:
        options.write.write_text(text, "utf-8")
    else:
        print(text)
