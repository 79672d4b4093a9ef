# SPDX-License-Identifier: Apache-2.0
"""`lrd train`: `generator`, a camera's noise learned from darks and pairs; `denoiser` stands beside."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import tables
from .calibrate import read_levels
from .parser import Parser
from .progress import add_quiet
from .train_denoiser import denoiser_parser, run_denoiser
from .train_options import add_configuration, add_resume, asked_configuration, asked_target

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from lrd_ext.generator import LiteGenerator, UNetGenerator
    from lrd_ext.generator.material import Camera


def add_to(commands: Any) -> None:
    """Add the command's parser and that of its action."""
    parser = Parser(description="Train a generator of noise, or a denoiser.")
    commands.add_subcommand("train", parser, help="learn a camera's noise, or to take it off")
    actions = parser.add_subcommands(dest="action", metavar="ACTION")
    actions.add_subcommand("generator", _generator_parser(), help="learn a camera's noise from darks")
    actions.add_subcommand("denoiser", denoiser_parser(), help="learn to take a camera's noise off")


def _generator_parser() -> Parser:
    parser = Parser(description="Learn the signal-independent noise of a camera from its dark frames.")
    parser.add_argument(
        "folders",
        nargs="+",
        type=str,
        metavar="FOLDER",
        help="darks: raw files, or frames.csv (file,kind,iso,exposure_s); pairs: pairs.csv "
        "(noisy,clean,iso,exposure_s,ratio); one folder for each camera",
    )
    parser.add_argument(
        "-o", "--output", required=True, type=str, metavar="FILE", help="generator to write, .safetensors"
    )
    parser.add_argument(
        "--profile",
        required=True,
        nargs="+",
        type=str,
        metavar="JSON",
        help="camera profile of each folder, in their order: a file, or a name of the library",
    )
    add_configuration(parser)
    parser.add_argument(
        "--dark-shading", action="store_true", help="take the profile's map of dark shading off the frames"
    )
    parser.add_argument(
        "--black", type=str, metavar="DN", help="black level, one number or four by site, comma between"
    )
    parser.add_argument("--white", type=float, metavar="DN", help="white level")
    parser.add_argument("--cfa", type=str, metavar="PHASE", help="RGGB, GRBG, GBRG, BGGR or MONO")
    parser.add_argument(
        "--keep-frames", action="store_true", help="leave the frames as they were read on disk"
    )
    add_resume(parser, "generator")
    add_quiet(parser)
    return parser


def run(options: Namespace) -> int:
    """Train and return the exit code: 1 if frames were left out."""
    actions = {"generator": _generator, "denoiser": run_denoiser}
    return actions[options.action](options[options.action])


def _generator(options: Namespace) -> int:
    from lrd_ext.generator.frame_store import check_free, remove_stores
    from lrd_ext.generator.image_domain import why_no_lpips
    from lrd_ext.generator.material import check_use, gather
    from lrd_ext.generator.train import fingerprint, train_generator
    from lrd_ext.training.checkpoints import latest, read_checkpoint
    from lrd_ext.training.configuration import Configuration
    from lrd_ext.training.machine import is_alone_yet, make_fabric

    target, folder = asked_target(options)
    kept = target.with_suffix(".frames")
    check_free(kept, options.folders)
    configuration = asked_configuration(Configuration, options)
    cameras = _cameras(options)
    check_use(cameras, configuration)
    if configuration.image_domain is not None and (note := why_no_lpips(configuration.image_domain)):
        print(f"lrd train generator: note: {note}", file=sys.stderr)
    fabric = make_fabric(configuration)
    material = None
    if is_alone_yet():  # what is refused is said once
        material = gather(cameras, kept, _Progress())
        checkpoint = latest(folder)
        if options.resume and checkpoint is not None:
            read_checkpoint(checkpoint, fingerprint(configuration, material))
    fabric.launch()  # --devices 2 starts this program once more
    with fabric.rank_zero_first():  # the others find the frames kept already
        material = material or gather(cameras, kept, _Progress())
    generator = train_generator(material, configuration, folder, fabric, resume=options.resume)
    fabric.barrier()  # the others have read the frames for the card too
    if not fabric.is_global_zero:
        return 0
    generator.save(target)
    if not options.keep_frames:
        remove_stores(kept)
    tables.show(*_summary(generator))
    for name, reason in material.left_out.items():
        print(f"lrd train generator: left out: {name}: {reason}", file=sys.stderr)
    print(f"generator: {target}\ncurves:    tensorboard --logdir {folder / 'curves'}")
    return 1 if material.left_out else 0


def _cameras(options: Namespace) -> list[Camera]:
    from lrd_ext.generator.material import Camera, read_dark_shading
    from lrd_ext.profiles import load_profile

    if len(options.folders) != len(options.profile):
        raise ValueError(
            f"--profile must be given once for each folder, got {len(options.profile)} for "
            f"{len(options.folders)} folders"
        )
    levels = read_levels(options.black, options.white, options.cfa)
    cameras = []
    for folder, name in zip(options.folders, options.profile, strict=True):
        profile = load_profile(name)
        maps = read_dark_shading(name, profile) if options.dark_shading else None
        cameras.append(Camera(folder, profile, levels, maps))
    return cameras


class _Progress:
    """A bar for each part of the preparation, on a terminal."""

    def __init__(self) -> None:
        self.bar: Any = None

    def __call__(self, what: str, done: int, total: int) -> None:
        from tqdm import tqdm

        if self.bar is None:
            self.bar = tqdm(desc=what, total=total, disable=not sys.stderr.isatty())
        self.bar.update()
        if done == total:
            self.bar.close()
            self.bar = None


def _summary(generator: LiteGenerator | UNetGenerator) -> Sequence[Any]:
    made = tables.table("frames", "sigma_init", "std real", "made", "KLD (adu)", "rows real", "made")
    for name, f in generator.card["against_the_darks"].items():
        made.add_row(
            name,
            tables.three(f["sigma_init"]),
            tables.three(f["std_real"]),
            tables.three(f["std_made"]),
            f"{f['kld_adu']:.5f}",
            f"{f['row_autocorrelation_real']:+.3f}",
            f"{f['row_autocorrelation_made']:+.3f}",
        )
    for name, f in generator.card.get("against_the_pairs", {}).items():
        deviations = (tables.three(f[key]) for key in ("sigma_init", "std_real", "std_made"))
        made.add_row(f"{name}, pairs", *deviations, f"{f['kld_adu']:.5f}", "-", "-")
    return [made, _LEGEND]


_LEGEND = "std in DN; rows: correlation of neighbouring row means. Compare with lrd evaluate noise."
