# SPDX-License-Identifier: Apache-2.0
"""`lrd data`: raw files prepared for training, and the check of what was prepared."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from lrd_ext.plain_text import plain

from .calibrate import read_levels
from .profile import read_choice
from .progress import add_quiet, bar

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from .parser import Parser


def add_to(commands: Any) -> None:
    """Add the command's parser and those of its actions."""
    parser = _parser("Raw files as training data: prepare, synthesize, verify.")
    commands.add_subcommand("data", parser, help="prepare raw files for training")
    actions = parser.add_subcommands(metavar="ACTION", dest="action")
    actions.add_subcommand("prepare", _prepare_parser(), help="decode raw files into a store, once")
    actions.add_subcommand(
        "synthesize",
        _synthesize_parser(),
        help="write noisy and clean pairs ahead of training",
    )
    actions.add_subcommand("verify", _verify_parser(), help="check a store against its checksums")


def _parser(description: str) -> Parser:
    from .parser import Parser

    return Parser(description=description)


def _prepare_parser() -> Parser:
    parser = _parser(
        "Decode raw files once into one flat file, of which lrd_ext.datasets.RawTiles cuts fresh crops. A "
        "run that was stopped goes on when it is started again with the same inputs."
    )
    parser.add_argument("inputs", nargs="+", type=str, metavar="IN", help="raw files")
    parser.add_argument("-o", "--output", required=True, type=str, metavar="DIR", help="folder of the store")
    parser.add_argument(
        "--tile",
        type=int,
        metavar="CELLS",
        help="square tiles of this many 2x2 cells (default: whole frames)",
    )
    parser.add_argument("--jobs", type=int, default=1, help="files decoded at the same time (default 1)")
    parser.add_argument(
        "--black", type=str, metavar="DN", help="black level, one number or four by site, comma between"
    )
    parser.add_argument("--overwrite", action="store_true", help="make a finished store anew")
    add_quiet(parser)
    return parser


def _synthesize_parser() -> Parser:
    parser = _parser(
        "Write noisy and clean pairs of every crop of many pictures, for programs that cannot draw noise "
        "while they train. Noise goes by the number of a picture and of its crop: the same call makes the "
        "same bytes."
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        type=str,
        metavar="IN",
        help="raw files, folders of them, stores of lrd data prepare, lists (.csv, .parquet; column path)",
    )
    parser.add_argument(
        "-o", "--output", required=True, type=str, metavar="OUT", help="folder, or such as s3://bucket/folder"
    )
    parser.add_argument(
        "--camera",
        required=True,
        nargs="+",
        type=str,
        metavar="NAME|FILE",
        help="cameras of the library, or profile JSONs; each pair has the noise of one of them",
    )
    parser.add_argument("--iso", required=True, type=str, help="800, a range 800:6400, or choices 800,3200")
    parser.add_argument("--ratio", type=str, default="1", help="likewise: how many times darker (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise (default 0)")
    parser.add_argument("--copies", type=int, default=1, help="pairs of each crop (default 1)")
    parser.add_argument(
        "--size",
        type=int,
        metavar="CELLS",
        help="square crops of this many 2x2 cells (default: whole frames)",
    )
    parser.add_argument(
        "--format", type=str, default="npz", help="npz, webdataset, parquet, tiles or dng (default npz)"
    )
    parser.add_argument("--device", type=str, default="cpu", help="cpu or cuda (default cpu): the same noise")
    parser.add_argument(
        "--ray",
        type=str,
        metavar="ADDRESS",
        help="share the work out by Ray: local, auto, or HOST:PORT of a cluster; the same bytes",
    )
    parser.add_argument(
        "--actors", type=int, metavar="N", help="processes of Ray (default: one for each processor or GPU)"
    )
    add_quiet(parser)
    parser.add_argument("--resume", action="store_true", help="go on with an output that is not finished")
    parser.add_argument("--overwrite", action="store_true", help="make an existing output anew")
    return parser


def _verify_parser() -> Parser:
    parser = _parser(
        "Check every mosaic of a store, or every file of synthesized pairs, against its checksum."
    )
    parser.add_argument(
        "store", type=str, metavar="DIR", help="folder that lrd data prepare or synthesize made"
    )
    add_quiet(parser)
    return parser


def run(options: Namespace) -> int:
    """Carry out the action; 1 if some inputs were left out or some mosaics are damaged."""
    actions = {"prepare": _prepare, "synthesize": _synthesize, "verify": _verify}
    return actions[options.action](options[options.action])


def _prepare(options: Namespace) -> int:
    from lrd_ext.datasets import prepare_tiles

    black = read_levels(options.black, None, None).black
    with bar(len(options.inputs), "file") as move:
        done = prepare_tiles(
            options.inputs,
            options.output,
            tile=options.tile,
            jobs=options.jobs,
            overwrite=options.overwrite,
            progress=move,
            black=black,
        )
    _say_left_out(done.left_out)
    print(f"{options.output}: {done.tiles} mosaics of {done.sources} files")
    return 1 if done.left_out else 0


def _synthesize(options: Namespace) -> int:
    from lrd_ext.bulk import Recipe, find_sources, synthesize
    from lrd_ext.profiles import load_profile

    recipe = Recipe(
        tuple(load_profile(name) for name in options.camera),
        read_choice("--iso", options.iso),
        read_choice("--ratio", options.ratio),
        options.seed,
        options.copies,
        options.size,
        options.format,
    )
    sources = find_sources(options.inputs, output=options.output)
    with bar(len(sources), "file") as move:
        done = synthesize(
            sources,
            options.output,
            recipe,
            resume=options.resume,
            overwrite=options.overwrite,
            device=options.device,
            ray=options.ray,
            actors=options.actors,
            progress=lambda source: move(source.name),
        )
    _say_left_out(done.left_out)
    print(f"{options.output}: {done.samples} pairs of {done.sources} pictures")
    return 1 if done.left_out else 0


def _say_left_out(left_out: dict[str, str]) -> None:
    for path, reason in left_out.items():
        text = reason if reason.startswith(path) else f"{path}: {reason}"
        print(f"lrd data: left out: {plain(text)}", file=sys.stderr)


def _verify(options: Namespace) -> int:
    from lrd_ext.bulk.manifest import is_synthesized

    return _verify_pairs(options.store) if is_synthesized(options.store) else _verify_tiles(options.store)


def _verify_pairs(url: str) -> int:
    from lrd_ext.bulk import read_manifest, verify_shards

    manifest, _ = read_manifest(url)
    with bar(manifest["sources"], "file") as move:
        damaged = verify_shards(url, progress=move)
    for name in damaged:
        print(f"lrd data: damaged: {plain(name)}", file=sys.stderr)
    if damaged:
        print(
            f"{url}: {len(damaged)} files are damaged or gone; "
            "make them anew with lrd data synthesize --overwrite"
        )
        return 1
    print(f"{url}: {manifest['samples']} pairs of {manifest['sources']} pictures are as they were written")
    return 0


def _verify_tiles(root: str) -> int:
    from lrd_ext.datasets import verify_tiles
    from lrd_ext.datasets.tiles import read_index

    tiles = read_index(root)
    with bar(len(tiles), "mosaic") as move:
        damaged = verify_tiles(root, progress=move)
    for tile in damaged:
        print(f"lrd data: damaged: {tile.source}, its mosaic at {tile.origin}", file=sys.stderr)
    if damaged:
        print(
            f"{root}: {len(damaged)} of {len(tiles)} mosaics are damaged; "
            "make the store anew with lrd data prepare --overwrite"
        )
        return 1
    print(f"{root}: {len(tiles)} mosaics are as they were stored")
    return 0
