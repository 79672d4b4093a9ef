# SPDX-License-Identifier: Apache-2.0
"""`lrd data`: raw files prepared for training, and the check of what was prepared."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .progress import add_quiet, bar

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from .parser import Parser


def add_to(commands: Any) -> None:
    """Add the command's parser and those of its actions."""
    parser = _parser("Raw files as training data: prepare, verify.")
    commands.add_subcommand("data", parser, help="prepare raw files for training")
    actions = parser.add_subcommands(metavar="ACTION", dest="action")
    actions.add_subcommand("prepare", _prepare_parser(), help="decode raw files into a store, once")
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
    parser.add_argument("--overwrite", action="store_true", help="make a finished store anew")
    add_quiet(parser)
    return parser


def _verify_parser() -> Parser:
    parser = _parser("Check every mosaic of a store against its checksum.")
    parser.add_argument("store", type=str, metavar="DIR", help="folder that lrd data prepare made")
    add_quiet(parser)
    return parser


def run(options: Namespace) -> int:
    """Carry out the action; 1 if some inputs were left out or some mosaics are damaged."""
    return {"prepare": _prepare, "verify": _verify}[options.action](options[options.action])


def _prepare(options: Namespace) -> int:
    from lrd_ext.datasets import prepare_tiles

    with bar(len(options.inputs), "file") as move:
        done = prepare_tiles(
            options.inputs,
            options.output,
            tile=options.tile,
            jobs=options.jobs,
            overwrite=options.overwrite,
            progress=move,
        )
    for path, reason in done.left_out.items():
        text = reason if reason.startswith(path) else f"{path}: {reason}"
        print(f"lrd data: left out: {text}", file=sys.stderr)
    print(f"{options.output}: {done.tiles} mosaics of {done.sources} files")
    return 1 if done.left_out else 0


def _verify(options: Namespace) -> int:
    from lrd_ext.datasets import verify_tiles
    from lrd_ext.datasets.tiles import read_index

    tiles = read_index(options.store)
    with bar(len(tiles), "mosaic") as move:
        damaged = verify_tiles(options.store, progress=move)
    for tile in damaged:
        print(f"lrd data: damaged: {tile.source}, its mosaic at {tile.origin}", file=sys.stderr)
    if damaged:
        print(
            f"{options.store}: {len(damaged)} of {len(tiles)} mosaics are damaged; "
            "make the store anew with lrd data prepare --overwrite"
        )
        return 1
    print(f"{options.store}: {len(tiles)} mosaics are as they were stored")
    return 0
