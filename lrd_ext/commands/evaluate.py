# SPDX-License-Identifier: Apache-2.0
"""`lrd evaluate`: what was made against what a camera recorded; here noise against dark frames."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrd_ext.outputs import check_target
from lrd_ext.plain_text import plain
from lrd_ext.version import __version__

from . import evaluate_denoiser, tables
from .json_output import add_json, print_json
from .progress import add_quiet, bar

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from lrd_ext.calibration import Levels
    from lrd_ext.evaluation import DarkSet, Evaluation, Fake, IsoEvaluation, Settings
    from lrd_ext.profiles import CameraProfile

_AGAINST = "gaussian,tukey_lambda,empirical,spectral"


def add_to(commands: Any) -> None:
    """Add the command's parser and that of its actions."""
    from .parser import Parser

    parser = Parser(description="Measure what was made against what a camera recorded.")
    commands.add_subcommand("evaluate", parser, help="made-up noise, and denoisers, against recorded frames")
    actions = parser.add_subcommands(dest="action", metavar="ACTION")
    noise = Parser(
        description="Compare made-up noise with real dark frames, each distance beside that of real darks "
        "from other real darks, and say which source to train with."
    )
    noise.add_argument("real", type=str, metavar="REAL", help="folder of darks: raw files, or frames.csv")
    noise.add_argument(
        "fake",
        type=str,
        metavar="FAKE",
        help="folder of darks, generator (.safetensors), camera profile (JSON or name), or a rival's name",
    )
    noise.add_argument(
        "--against",
        type=str,
        default=_AGAINST,
        metavar="NAMES",
        help=f"rivals fitted to the darks, of none, gaussian, tukey_lambda, empirical, spectral, darks "
        f"({_AGAINST})",
    )
    noise.add_argument(
        "--fit", type=str, metavar="FOLDER", help="darks to fit rivals to (every second of REAL)"
    )
    noise.add_argument(
        "--profile",
        type=str,
        metavar="JSON",
        help="camera profile that gives levels and the model rivals it knows",
    )
    noise.add_argument("--iso", type=str, metavar="N,N", help="compare at these ISOs alone")
    noise.add_argument("--metrics", type=str, metavar="NAMES", help="these distances alone")
    noise.add_argument(
        "--dark-shading",
        action="store_true",
        help="take the mean dark off first: fixed patterns do not count",
    )
    noise.add_argument(
        "--crop", type=int, default=1024, metavar="N", help="pixels a side of the middle (1024)"
    )
    noise.add_argument("--seed", type=int, default=0, metavar="S", help="seed of the draws (0)")
    add_json(noise)
    add_quiet(noise)
    noise.add_argument("--report", type=str, metavar="HTML", help="page to write, with its plots as PNG")
    noise.add_argument("--overwrite", action="store_true", help="replace an existing page")
    noise.add_argument(
        "--black", type=str, metavar="DN", help="black level, one number or four by site, comma between"
    )
    noise.add_argument("--white", type=float, metavar="DN", help="white level")
    noise.add_argument("--cfa", type=str, metavar="PHASE", help="RGGB, GRBG, GBRG, BGGR or MONO")
    actions.add_subcommand("noise", noise, help="made-up noise against real dark frames")
    actions.add_subcommand(
        "denoiser", evaluate_denoiser.parser(), help="a denoiser under one of the field's protocols"
    )


def run(options: Namespace) -> int:
    """Run the action and return the exit code: 1 if frames were left out."""
    actions = {"noise": _noise, "denoiser": evaluate_denoiser.run}
    return actions[options.action](options[options.action])


def _noise(options: Namespace) -> int:
    from lrd_ext.evaluation import evaluate_noise

    settings = _settings(options)
    page = _page_target(options)
    real, fit, candidates = _open(options)
    steps = len(real.stacks) * (1 + len(candidates))
    with bar(steps, "step") as move:
        found = evaluate_noise(real, candidates, settings, fit, move)
    if page is not None:
        _write_page(page, found)
    if options.json:
        print_json(as_json(found))
    else:
        tables.show(*_told(found), *([f"page: {page}"] if page else []))
    return _name_left_out([real, fit, *(c.frames for c in candidates)])


def _settings(options: Namespace) -> Settings:
    from lrd_ext.evaluation import Settings
    from lrd_ext.evaluation.noise import ALL_DISTANCES, check_distance

    names = _names(options.metrics, "--metrics") if options.metrics is not None else list(ALL_DISTANCES)
    for name in names:
        check_distance(name)
    return Settings(tuple(names), options.seed, options.dark_shading)


def _names(text: str, option: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if len(set(names)) < len(names):
        raise ValueError(f"{option} must name each once, got {text}")
    return names


def _page_target(options: Namespace) -> Path | None:
    """Return where the page goes, None for none; checked before any work."""
    from lrd_ext.report.page import plots_folder

    if options.report is None:
        return None
    page = check_target(options.report, "--report", suffix=".html", overwrite=options.overwrite)
    if plots_folder(page).exists() and not plots_folder(page).is_dir():
        raise ValueError(
            f"--report: the plots go to the folder {plots_folder(page)}, got a file of that name"
        )
    return page


def _open(options: Namespace) -> tuple[DarkSet, DarkSet | None, list[Fake]]:
    """Read all darks and open all candidates; what does not fit together is refused."""
    from lrd_ext import evaluation
    from lrd_ext.noise_sources import MODEL_RIVALS, check_rival
    from lrd_ext.profiles.summary import known_noise
    from lrd_ext.read_models import read_model

    rivals = _names(options.against, "--against")
    for name in rivals:
        check_rival(name)
    _check_another_folder(options)
    profile, levels = _profile_and_levels(options)
    folders = [options.real, *([options.fit] if options.fit else [])]
    folders += [options.fake] if os.path.isdir(options.fake) else []
    count = sum(len(evaluation.find_darks(folder, levels)) for folder in folders)
    crop = evaluation.fitting_crop(count, options.crop)
    with bar(count, "frame") as move:
        fake = evaluation.open_fake(options.fake, levels, crop, move)
        least = 1 if options.fit else 2
        real = _at_isos(
            evaluation.read_darks(options.real, levels, crop=crop, least=least, progress=move), options
        )
        fit = None
        if options.fit:
            fit = evaluation.read_darks(options.fit, levels, crop=crop, least=1, progress=move)
            evaluation.check_fits(evaluation.Fake(options.fit, frames=fit), real)
    candidates = [evaluation.at_camera(fake, profile, real.stacks) if profile else fake]
    for name in rivals:
        if name == fake.rival:
            continue
        if profile is not None and name in MODEL_RIVALS and read_model(name).figure in known_noise(profile):
            candidates.append(evaluation.of_profile(profile, name))
        else:
            candidates.append(evaluation.Fake(name))
    for candidate in candidates:
        evaluation.check_fits(candidate, real)
    return real, fit, candidates


def _check_another_folder(options: Namespace) -> None:
    if all(map(os.path.isdir, (options.fake, options.real))) and os.path.samefile(options.fake, options.real):
        raise ValueError(
            f"FAKE is the folder of the real darks, {options.real}: give another. The rival darks, which are "
            "those of REAL or --fit, is had by --against darks"
        )


def _profile_and_levels(options: Namespace) -> tuple[CameraProfile | None, Levels]:
    """Return the profile asked for and the levels given, which a profile completes for listed mosaics."""
    from lrd_ext.profiles import load_profile

    from .calibrate import read_levels

    levels = read_levels(options.black, options.white, options.cfa)
    if options.profile is None:
        return None, levels
    profile = load_profile(options.profile)
    if (Path(options.real) / "frames.csv").is_file():
        levels = dataclasses.replace(
            levels,
            black=levels.black or profile.black,
            white=levels.white or profile.white,
            cfa=levels.cfa or profile.cfa,
        )
    return profile, levels


def _at_isos(darks: DarkSet, options: Namespace) -> DarkSet:
    """Keep the ISOs asked for."""
    if options.iso is None:
        return darks
    wanted = set()
    for text in _names(options.iso, "--iso"):
        try:
            wanted.add(float(text))
        except ValueError:
            raise ValueError(f"--iso must be numbers, comma between, got {options.iso}") from None
    missing = sorted(wanted - set(darks.stacks))
    if missing:
        have = ", ".join(f"{iso:g}" for iso in darks.stacks)
        raise ValueError(f"--iso: {darks.folder} has darks of ISO {have}, none of {missing[0]:g}")
    return dataclasses.replace(darks, stacks={iso: s for iso, s in darks.stacks.items() if iso in wanted})


def _write_page(page: Path, found: Evaluation) -> None:
    from lrd_ext.outputs import write_files
    from lrd_ext.report.noise_page import noise_report_files
    from lrd_ext.report.page import plots_folder

    files = noise_report_files(page, found)
    plots_folder(page).mkdir(parents=True, exist_ok=True)
    write_files(files)


def _told(found: Evaluation) -> Iterator[Any]:
    """Give a table for each ISO and the verdict."""
    from lrd_ext.evaluation import verdict

    for at in found.isos:
        unused = f"; {at.unused} more were not needed" if at.unused else ""
        yield (
            f"ISO {at.iso:g}: {at.fitted} darks to fit to, {at.held} held out{unused}; "
            f"{at.shape[0]} x {at.shape[1]} pixels, standard deviation {at.real.std:.4g} DN"
        )
        yield _distances(at)
        yield ""
    yield (
        "floor: real darks from other real darks, mean and highest of splits, of tails at least what counts "
        "scatter; * lies beyond the highest"
    )
    yield from verdict(found)


def _distances(at: IsoEvaluation) -> Any:
    from lrd_ext.evaluation.advice import excess
    from lrd_ext.evaluation.noise import title_of

    made = tables.table("distance", "floor", "highest", *(c.name for c in at.candidates))
    for name, floor in at.floor.items():
        marked = (
            f"{tables.three(c.distances[name])}{'*' if excess(at, c, name) > 1 else ' '}"
            for c in at.candidates
        )
        made.add_row(title_of(name), tables.three(floor.mean), tables.three(floor.highest), *marked)
    return made


def as_json(found: Evaluation) -> dict[str, Any]:
    """Return the comparison by name."""
    from lrd_ext.evaluation import best, verdict

    return {
        "lrd_ext": __version__,
        "real": found.real,
        "fake": found.fake,
        "settings": {
            "metrics": list(found.settings.distances),
            "seed": found.settings.seed,
            "dark_shading": found.settings.dark_shading,
        },
        "isos": [_iso_as_json(at) for at in found.isos],
        "best": best(found),
        "verdict": verdict(found),
    }


def _iso_as_json(at: IsoEvaluation) -> dict[str, Any]:
    return {
        "iso": at.iso,
        "frames": {"fitted": at.fitted, "held_out": at.held, "unused": at.unused},
        "shape": list(at.shape),
        "range_dn": at.range_dn,
        "std_dn": at.real.std,
        "hot_pixels": at.hot,
        "floor": {n: {"mean": f.mean, "highest": f.highest} for n, f in at.floor.items()},
        "candidates": [
            {"name": c.name, "std_dn": c.summary.std, "distances": c.distances} for c in at.candidates
        ],
    }


def _name_left_out(sets: Sequence[DarkSet | None]) -> int:
    """Name the frames that were left out and return the exit code."""
    code = 0
    for darks in sets:
        for name, reason in darks.left_out.items() if darks else ():
            print(f"lrd evaluate: left out: {plain(name)}: {plain(reason)}", file=sys.stderr)
            code = 1
    return code
