# SPDX-License-Identifier: Apache-2.0
"""`lrd train denoiser`: a net that takes off the noise of a camera, from clean raws or recorded pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import tables
from .parser import Parser
from .profile import read_choice
from .progress import add_quiet
from .train_options import add_configuration, add_resume, asked_configuration, asked_target

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from lrd_ext.augment import DarkFrameBank, LowLightNoise
    from lrd_ext.datasets import RawTiles
    from lrd_ext.denoise.batches import Batches, Collate
    from lrd_ext.generator import LiteGenerator
    from lrd_ext.profiles.draws import Choice
    from lrd_ext.training.configuration import DenoiserConfiguration


def denoiser_parser() -> Parser:
    """Return the parser of the action."""
    parser = Parser(
        description="Train a denoiser on clean raws with the noise of cameras, drawn anew for every crop, or "
        "on recorded pairs."
    )
    parser.add_argument(
        "tiles", type=str, metavar="TILES", help="clean raws, a folder that lrd data prepare made"
    )
    parser.add_argument(
        "-o", "--output", required=True, type=str, metavar="FILE", help="denoiser to write, .safetensors"
    )
    parser.add_argument(
        "--camera",
        nargs="+",
        type=str,
        metavar="NAME|FILE",
        help="whose noise: cameras of the library, or profiles; each sample gets one of them",
    )
    parser.add_argument("--iso", type=str, metavar="ISO", help="ISO, LOW:HIGH or A,B,C")
    parser.add_argument("--ratio", type=str, metavar="R", help="ratio, LOW:HIGH or A,B,C")
    parser.add_argument(
        "--generator",
        type=str,
        metavar="NAME|FILE",
        help="learned noise in place of the profile's read, row and column noise",
    )
    parser.add_argument(
        "--darks",
        type=str,
        metavar="FOLDER",
        help="the camera's own dark frames in place of the profile's read, row and column noise",
    )
    parser.add_argument(
        "--noisy",
        type=str,
        metavar="TILES",
        help="recorded short exposures of the same scenes, in the same order, in place of --camera; --ratio, "
        "if the files do not tell it",
    )
    parser.add_argument(
        "--held", type=str, metavar="TILES", help="other clean raws, to measure the denoiser on in the end"
    )
    parser.add_argument("--cfa", type=str, default="RGGB", metavar="PHASE", help="phase to train for")
    add_configuration(parser)
    add_resume(parser, "denoiser")
    add_quiet(parser)
    return parser


def run_denoiser(options: Namespace) -> int:
    """Train and return the exit code."""
    from lrd_ext.cfa import BY_SITE, check_cfa
    from lrd_ext.denoise.card import held_out
    from lrd_ext.denoise.train import fresh, train_denoiser
    from lrd_ext.training.configuration import DenoiserConfiguration
    from lrd_ext.training.machine import make_fabric

    target, folder = asked_target(options)
    check_cfa(options.cfa, among=BY_SITE, what="--cfa")
    configuration = asked_configuration(DenoiserConfiguration, options)
    fresh(configuration, options.cfa)  # refuse its size before anything is read
    noise = _noise(options, configuration)
    held = _held(options, noise)
    fabric = make_fabric(configuration)
    fabric.launch()
    batches, data = _batches(options, configuration, noise, fabric.global_rank, fabric.world_size)
    net = train_denoiser(
        batches, configuration, folder, fabric, data=data, cfa=options.cfa, resume=options.resume
    )
    if not fabric.is_global_zero:
        return 0
    if held is not None and noise is not None:
        isos, ratios = (_ends(choice) for choice in (noise.iso, noise.ratio))
        net.card["held_out"] = held_out(net, held, noise, isos, ratios, seed=configuration.seed + 1)
    net.save(target)
    tables.show(*_summary(net.card))
    print(f"denoiser: {target}\ncurves:   tensorboard --logdir {folder / 'curves'}")
    return 0


def _noise(options: Namespace, configuration: DenoiserConfiguration) -> LowLightNoise | None:
    """Return what draws the noise, None for recorded pairs."""
    from lrd_ext.augment import LowLightNoise

    if (options.camera is None) == (options.noisy is None):
        raise ValueError("say one of --camera, for made-up noise, and --noisy, for recorded pairs")
    if options.noisy is not None:
        for name in ("iso", "generator", "darks", "held"):
            if getattr(options, name) is not None:
                raise ValueError(f"--{name} belongs to --camera; recorded pairs bring their noise")
        if configuration.conditioned:
            raise ValueError("conditioned: needs --camera; the noise level of recorded pairs is not known")
        return None
    for name in ("iso", "ratio"):
        if getattr(options, name) is None:
            raise ValueError(f"--{name} must be given with --camera: a number, LOW:HIGH or A,B,C")
    if configuration.conditioned and (options.generator or options.darks):
        raise ValueError("conditioned: tells the profile's read noise, which --generator and --darks replace")
    iso = read_choice("--iso", options.iso)
    return LowLightNoise(
        options.camera,
        iso=iso,
        ratio=read_choice("--ratio", options.ratio),
        seed=configuration.seed,
        generator=_generator(options, iso),
        dark=_bank(options),
        bias=configuration.bias,
    )


def _generator(options: Namespace, iso: Choice) -> LiteGenerator | None:
    from lrd_ext.generator import for_camera, load_generator
    from lrd_ext.profiles import load_profile

    if not options.generator:
        return None
    isos = [iso] if isinstance(iso, float) else iso
    return for_camera(load_generator(options.generator), load_profile(options.camera[0]), isos)


def _bank(options: Namespace) -> DarkFrameBank | None:
    if options.darks is None:
        return None
    from lrd_ext.augment import DarkFrameBank
    from lrd_ext.profiles import load_profile

    if len(options.camera) != 1:
        raise ValueError(f"--darks are of one camera, got {len(options.camera)} in --camera")
    # The pictures are of other cameras, as a rule: their places are not those of the darks.
    return DarkFrameBank(options.darks, load_profile(options.camera[0]), shading="subtract", aligned=False)


def _batches(
    options: Namespace, c: DenoiserConfiguration, noise: LowLightNoise | None, rank: int, world: int
) -> tuple[Batches, dict[str, Any]]:
    """Return the batches, and what tells the data."""
    from lrd_ext.datasets import RawTiles
    from lrd_ext.datasets.tiles import read_index
    from lrd_ext.denoise.batches import Batches, InPhase, PairedTiles, join_pairs, samples_for
    from lrd_ext.denoise.card import digest_of, told_of

    # One cell more than asked for: bringing a crop to the phase takes one.
    size, samples = c.patch + 1, samples_for(len(read_index(options.tiles)), c.batch, world)
    dataset: RawTiles | PairedTiles
    pairs: Collate
    if noise is None:
        ratio = None if options.ratio is None else _number("--ratio", options.ratio)
        dataset = PairedTiles(options.tiles, options.noisy, size, samples, seed=c.seed, ratio=ratio)
        noisy = dataset.noisy.tiles
        told = {"noisy": told_of(noisy), "noisy_sha256": digest_of(noisy), "ratios": dataset.ratios}
        pairs = join_pairs
    else:
        dataset, pairs = RawTiles(options.tiles, size, samples, seed=c.seed), noise.collate
        told = _told_of_noise(noise)
    clean = {"clean": told_of(dataset.tiles), "clean_sha256": digest_of(dataset.tiles)}
    told = clean | {"cfa": options.cfa} | told
    collate = InPhase(pairs, options.cfa, c.flips, c.conditioned, c.seed)
    batches = Batches(dataset, collate, c.batch, seed=c.seed, rank=rank, world=world, workers=c.workers)
    return batches, told


def _told_of_noise(noise: LowLightNoise) -> dict[str, Any]:
    """Return what a card tells of the noise; the checksums tell one file from another of its name."""
    cameras = [{"profile": p.name, "sha256": _sha256(p.to_bytes())} for p in noise.profiles]
    told: dict[str, Any] = {"cameras": cameras}
    for name in ("iso", "ratio"):
        choice = getattr(noise, name)  # JSON would write a range as it writes a list of choices
        told[name] = {"range": list(choice)} if isinstance(choice, tuple) else choice
    if noise.generator is not None:
        weights = noise.generator.packed_weights().numpy().tobytes()
        told["generator"] = {"sha256": _sha256(weights), "cameras": noise.generator.card.get("cameras")}
    if noise.bank is not None:
        sums = "".join(tile.sha256 for tile in noise.bank.frames.tiles)
        told["darks"] = {
            "isos": noise.bank.isos,
            "frames": len(noise.bank),
            "sha256": _sha256(sums.encode()),
        }
    return told


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _number(name: str, text: str) -> float:
    value = read_choice(name, text)
    if not isinstance(value, float) or not 0 < value < 1e6:
        raise ValueError(f"{name} must be one number above 0 for recorded pairs, got {text!r}")
    return value


def _held(options: Namespace, noise: LowLightNoise | None) -> RawTiles | None:
    """Return the held-out pictures; what they would be refused for in the end is refused now."""
    from lrd_ext.datasets import RawTiles

    if options.held is None or noise is None:
        return None
    held = RawTiles(options.held, None)
    kinds = {(tile.cfa, tile.height, tile.width): number for number, tile in enumerate(held.tiles)}
    for number in kinds.values():
        noise.collate([held[number]])
    return held


def _ends(choice: Any) -> list[float]:
    values = [choice] if isinstance(choice, (int, float)) else list(choice)
    return list(dict.fromkeys([float(min(values)), float(max(values))]))


def _summary(card: dict[str, Any]) -> Sequence[Any]:
    if "held_out" not in card:
        return ["no --held: how well it does on other pictures was not measured"]
    made = tables.table("camera", "ISO", "ratio", "noisy, dB", "denoised, dB")
    for f in card["held_out"]:
        row = (f"{f['iso']:g}", f"{f['ratio']:g}", f"{f['psnr_in']:.2f}", f"{f['psnr']:.2f}")
        made.add_row(f["camera"], *row)
    return [made, "PSNR on the pictures of --held, whole, values cut to [0, 1]"]
