# SPDX-License-Identifier: Apache-2.0
"""What `lrd calibrate` does: checks before any work, progress, profile and report, a summary."""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
import warnings
from pathlib import Path

import numpy as np

from lrd_ext import raw as raw_files
from lrd_ext.profiles import CameraProfile

from .calibrate import calibrate
from .frames import Frame, Levels, find_frames
from .profile import profile_of
from .results import Calibration
from .verdict import verdict


def read_levels(black: str | None, white: float | None, cfa: str | None) -> Levels:
    """Check the levels and phase a user gave.

    Raises:
        ValueError: a level or phase is not accepted; the text names the option.
    """
    levels = None
    if black is not None:
        try:
            levels = tuple(float(part) for part in black.replace(",", " ").split())
        except ValueError:
            levels = ()
        if len(levels) not in (1, 4) or not all(math.isfinite(v) and v >= 0 for v in levels):
            raise ValueError(f"--black must be one number or four, at least 0, got {black!r}")
        levels = levels * 4 if len(levels) == 1 else levels
    if white is not None and not 1 <= white <= 65535:
        raise ValueError(f"--white must be in 1..65535, got {white:g}")
    if levels and white is not None and max(levels) >= white:
        raise ValueError(f"--black must be below --white, got {max(levels):g} and {white:g}")
    accepted = (*raw_files.BAYER, raw_files.MONO)
    if cfa is not None and cfa not in accepted:
        raise ValueError(f"--cfa must be one of {', '.join(accepted)}, got {cfa!r}")
    return Levels(levels, white, cfa)


def run(
    folder: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    report: str | os.PathLike[str] | None = None,
    levels: Levels | None = None,
    overwrite: bool = False,
) -> int:
    """Calibrate a folder, write profile, maps and report, all or none, print a summary.

    What is measured of frames is kept in a folder beside the profile (its name with ``.statistics``): a run
    that was killed goes on there, and ends with the same profile.

    Args:
        folder: raw files, or a frames.csv.
        output: profile to write, .json.
        report: report to write, .html; its plots go to a folder beside it.
        levels: levels and phase in place of the files' own.
        overwrite: replace an existing profile or report that this command did not make.

    Returns: exit code, 0 or, where frames were left out, 1.

    Raises:
        ValueError: an argument or the frames are refused, before anything is written but kept statistics.
    """
    target = _target(output, ".json", "--output")
    page = _target(report, ".html", "--report") if report is not None else None
    _check_own(target, overwrite)
    if page is not None:
        _check_own_report(page, overwrite)
    frames = find_frames(folder, levels or Levels())
    found = _with_progress(frames, target.with_name(f"{target.stem}.statistics"))
    maps = target.with_name(f"{target.stem}.dark_shading.safetensors")
    data = _shading(found) if any(r.dark for r in found.measured) else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        profile = profile_of(found, target.stem, _shading_entry(maps, data, found) if data else None)
    files = {target: profile.to_bytes()} | ({maps: data} if data else {})
    if page is not None:
        from lrd_ext.report.calibration_page import plots_folder, report_files

        files |= report_files(page, found, profile)
        plots_folder(page).mkdir(exist_ok=True)
    # The last to be written is the first to get its name: the profile appears after all it refers to.
    raw_files.write_files(files)
    for line in [*summary(found, profile), *(f"note: {w.message}" for w in caught)]:
        print(line)
    for name, reason in found.left_out.items():
        print(f"lrd calibrate: left out: {name}: {reason}", file=sys.stderr)
    for name in found.unpaired if found.measured else ():
        print(f"lrd calibrate: not used: {name}: no second frame like it", file=sys.stderr)
    print(f"profile: {target}" + (f"\nreport: {page}" if page else ""))
    return 1 if found.left_out else 0


def _shading(found: Calibration) -> bytes:
    """Return the file of dark shading: (4, k, k) float32 by site and ISO, DN about the site's mean."""
    from safetensors.numpy import save

    maps = {
        f"iso_{r.iso:g}": np.ascontiguousarray(r.dark.statistics.shading, np.float32)
        for r in found.measured
        if r.dark is not None
    }
    return bytes(save(maps))


def _shading_entry(path: Path, data: bytes, found: Calibration) -> dict[str, object]:
    return {
        "file": path.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "content": "iso_N: (4, k, k) means over k x k cells by site, DN about the mean of the site",
        "sensor": list(found.sensor.shape),
    }


def _target(path: str | os.PathLike[str], suffix: str, option: str) -> Path:
    target = Path(path)
    if target.suffix.lower() != suffix:
        raise ValueError(f"{option} must end in {suffix}, got {target}")
    if target.is_dir() or not target.parent.is_dir():
        raise ValueError(f"{option} must be a file in an existing folder, got {target}")
    if not os.access(target.parent, os.W_OK):
        raise ValueError(f"{option}: {target.parent} cannot be written to")
    return target


def _check_own(target: Path, overwrite: bool) -> None:
    if overwrite or not target.exists():
        return
    try:
        made_by = json.loads(target.read_text(encoding="utf-8"))["calibration"]["command"]
    except (OSError, ValueError, KeyError, TypeError):
        made_by = None
    if made_by != "lrd calibrate":
        raise ValueError(f"{target}: exists and was not made by lrd calibrate. Say --overwrite to replace it")


def _check_own_report(page: Path, overwrite: bool) -> None:
    from lrd_ext.report.calibration_page import is_report, plots_folder

    folder = plots_folder(page)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--report: the plots go to the folder {folder}, got a file of that name")
    if page.exists() and not overwrite and not is_report(page):
        raise ValueError(
            f"--report: {page} exists and was not made by lrd calibrate. Say --overwrite to replace it"
        )


def _with_progress(frames: list[Frame], statistics: Path) -> Calibration:
    from tqdm import tqdm

    with tqdm(total=2 * len(frames), unit="frame", disable=not sys.stderr.isatty()) as bar:

        def progress(event: str) -> None:
            bar.set_description(event, refresh=False)
            bar.update()

        return calibrate(frames, statistics, progress)


def summary(found: Calibration, profile: CameraProfile) -> list[str]:
    """Return the figures in lines of text, and the verdict."""
    lines = [
        f"{'ISO':>7} {'K DN/e-':>10} {'read DN':>9} {'read e-':>8} {'lambda':>8} {'row DN':>8} {'col DN':>8}"
    ]
    for row in profile.rows:
        K = "-" if row.K is None else f"{row.K:.5g}"
        std = row.sigma_gaussian or 0.0
        electrons = "-" if row.K is None else f"{std / row.K:.3f}"
        shape = "-" if row.tukey_lambda is None else f"{row.tukey_lambda:+.4f}"
        row_dn, col_dn = ("-" if v is None else f"{v:.4g}" for v in (row.sigma_row, row.sigma_col))
        lines.append(f"{row.iso:>7g} {K:>10} {std:>9.4g} {electrons:>8} {shape:>8} {row_dn:>8} {col_dn:>8}")
    return [*lines, *verdict(found)]
