# SPDX-License-Identifier: Apache-2.0
"""`lrd calibrate`: from a folder of dark and flat frames to a camera profile."""

from __future__ import annotations

import hashlib
import json
import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrd_ext.outputs import check_target, write_files
from lrd_ext.plain_text import plain

from .json_output import add_json, print_json
from .progress import add_quiet, bar

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from lrd_ext.calibration import Calibration, Frame, Levels
    from lrd_ext.profiles import CameraProfile


def add_to(commands: Any) -> None:
    """Add the command's parser."""
    from .parser import Parser

    parser = Parser(description="Calibrate a camera from dark frames and pairs of flats.")
    parser.add_argument(
        "folder", type=str, metavar="FOLDER", help="raw files, or frames.csv (file,kind,iso,exposure_s)"
    )
    parser.add_argument(
        "-o", "--output", required=True, type=str, metavar="JSON", help="camera profile to write"
    )
    parser.add_argument("--report", type=str, metavar="HTML", help="report to write, with its plots as PNG")
    parser.add_argument(
        "--black", type=str, metavar="DN", help="black level, one number or four by site, comma between"
    )
    parser.add_argument("--white", type=float, metavar="DN", help="white level")
    parser.add_argument("--cfa", type=str, metavar="PHASE", help="RGGB, GRBG, GBRG, BGGR or MONO")
    parser.add_argument(
        "--read-quantiles",
        type=str,
        default="advised",
        metavar="WHEN",
        help="write the measured quantiles of read noise, for read empirical: advised (where no curve comes "
        "near the darks), always or never (advised)",
    )
    for name, told in (("make", "maker"), ("model", "model"), ("licence", "licence of the figures")):
        parser.add_argument(f"--{name}", type=str, metavar="TEXT", help=f"{told} the profile names")
    parser.add_argument("--overwrite", action="store_true", help="replace files not made by this command")
    add_json(parser)
    add_quiet(parser)
    commands.add_subcommand("calibrate", parser, help="calibrate a camera from dark and flat frames")


def read_levels(black: str | None, white: float | None, cfa: str | None) -> Levels:
    """Check the levels and phase a user gave.

    Raises:
        ValueError: a level or phase is not accepted; the text names the option.
    """
    from lrd_ext.calibration import Levels
    from lrd_ext.cfa import check_cfa

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
    if cfa is not None:
        check_cfa(cfa, what="--cfa")
    return Levels(levels, white, cfa)


def run(options: Namespace) -> int:
    """Calibrate a folder, write profile, maps and report, all or none, print a summary.

    What is measured of frames is kept in a folder beside the profile (its name with ``.statistics``): a run
    that was killed goes on there, and ends with the same profile.

    Returns: exit code, 0 or, where frames were left out, 1.

    Raises:
        ValueError: an option or the frames are refused, before anything is written but kept statistics.
    """
    from lrd_ext.calibration import check_write_quantiles, find_frames

    check_write_quantiles(options.read_quantiles, "--read-quantiles")
    target = check_target(options.output, "--output", suffix=".json")
    page = check_target(options.report, "--report", suffix=".html") if options.report is not None else None
    levels = read_levels(options.black, options.white, options.cfa)
    named = _named(options)
    if not options.overwrite:
        _check_own(target)
    if page is not None:
        _check_own_report(page, options.overwrite)
    found = _with_progress(find_frames(options.folder, levels), target.with_suffix(".statistics"))
    profile = _write(found, target, page, named, options.read_quantiles)
    if options.json:
        print_json(values(found, profile) | {"profile": target, "report": page})
    else:
        told = [*summary(found, profile), f"profile: {target}", *([f"report: {page}"] if page else [])]
        print(*map(plain, told), sep="\n")
    _say_left_out(found)
    return 1 if found.left_out else 0


def _named(options: Namespace) -> dict[str, str]:
    """Return make, model and licence where the user told them."""
    given = {name: options[name] for name in ("make", "model", "licence") if options[name] is not None}
    for name, text in given.items():
        if not text.strip() or plain(text) != text:
            raise ValueError(f"--{name} must be plain text on one line, got {text!r}")
    return given


def _write(
    found: Calibration, target: Path, page: Path | None, named: dict[str, str], quantiles: str
) -> CameraProfile:
    """Write all files, or none; return the profile."""
    from lrd_ext.calibration import profile_of

    maps = _maps_of(target)
    data = _shading(found) if any(r.dark for r in found.measured) else None
    shading = _shading_entry(maps, data, found) if data else None
    profile = profile_of(found, target.stem, shading, named, quantiles)
    files = {target: profile.to_bytes()} | ({maps: data} if data else {})
    if page is not None:
        from lrd_ext.report.calibration_page import report_files

        files |= report_files(page, found, profile, shlex.join(["lrd", *sys.argv[1:]]))
    # The last to be written is the first to get its name: the profile appears after all it refers to.
    write_files(files)
    return profile


def _maps_of(target: Path) -> Path:
    return target.with_name(f"{target.stem}.dark_shading.safetensors")


def _say_left_out(found: Calibration) -> None:
    for name, reason in found.left_out.items():
        print(f"lrd calibrate: left out: {plain(name)}: {plain(reason)}", file=sys.stderr)
    for name in found.unpaired if found.measured else ():
        print(f"lrd calibrate: not used: {plain(name)}: no second frame like it", file=sys.stderr)


def _shading(found: Calibration) -> bytes:
    """Return the file of dark shading: (4, k, k) float32 by site and ISO, DN about the site's mean."""
    import numpy as np
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


def _check_own(target: Path) -> None:
    """Refuse to replace a profile that is not this command's, or maps that are not this profile's."""
    own, maps = _own_profile(target), _maps_of(target)
    if target.exists() and own is None:
        raise ValueError(f"{target}: exists and was not made by lrd calibrate. Say --overwrite to replace it")
    if maps.exists():
        named = (own or {}).get("dark_shading")
        if not isinstance(named, dict) or hashlib.sha256(maps.read_bytes()).hexdigest() != named.get(
            "sha256"
        ):
            raise ValueError(
                f"{maps}: exists and is not what {target.name} names. Say --overwrite to replace it"
            )


def _own_profile(target: Path) -> dict[str, Any] | None:
    """Return the JSON values of a profile this command made, None of any other file."""
    try:
        profile: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
        return profile if profile["calibration"]["command"] == "lrd calibrate" else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _check_own_report(page: Path, overwrite: bool) -> None:
    from lrd_ext.report.calibration_page import is_report, plots_folder

    folder = plots_folder(page)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--report: the plots go to the folder {folder}, got a file of that name")
    if overwrite:
        return
    if page.exists() and not is_report(page):
        raise ValueError(
            f"--report: {page} exists and was not made by lrd calibrate. Say --overwrite to replace it"
        )
    plots = () if page.exists() else sorted(folder.glob("*.png"))
    if plots:
        raise ValueError(
            f"--report: {plots[0]} exists, and no report beside it tells whose it is. Say --overwrite to "
            "replace it"
        )


def _with_progress(frames: list[Frame], statistics: Path) -> Calibration:
    from lrd_ext.calibration import calibrate

    with bar(2 * len(frames), "frame") as move:
        return calibrate(frames, statistics, move)


def values(found: Calibration, profile: CameraProfile) -> dict[str, Any]:
    """Return the figures of each ISO, the verdict and what was not used, by name."""
    from lrd_ext.calibration import verdict

    return {
        "isos": profile.rows,
        "bias": profile.bias,
        "sensor": profile.sensor,
        "verdict": verdict(found),
        "left_out": found.left_out,
        "unpaired": found.unpaired,
    }


def summary(found: Calibration, profile: CameraProfile) -> list[str]:
    """Return the figures in lines of text, and the verdict."""
    from lrd_ext.calibration import verdict

    lines = [
        f"{'ISO':>7} {'K DN/e-':>10} {'read DN':>9} {'read e-':>8} {'shape':>8} {'row DN':>8} {'col DN':>8}"
    ]
    for row in profile.rows:
        K = "-" if row.K is None else f"{row.K:.5g}"
        std = row.sigma_gaussian or 0.0
        electrons = "-" if row.K is None else f"{std / row.K:.3f}"
        shape = "-" if row.tukey_lambda is None else f"{row.tukey_lambda:+.4f}"
        row_dn, col_dn = ("-" if v is None else f"{v:.4g}" for v in (row.sigma_row, row.sigma_col))
        lines.append(f"{row.iso:>7g} {K:>10} {std:>9.4g} {electrons:>8} {shape:>8} {row_dn:>8} {col_dn:>8}")
    return [*lines, *verdict(found)]
