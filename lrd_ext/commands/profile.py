# SPDX-License-Identifier: Apache-2.0
"""`lrd profile`: what is known of cameras, draws from it, and profiles made of other projects' files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import profile_import, tables
from .json_output import add_json, print_json
from .plots import add_plot, plot_target, told

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from lrd_ext.profiles import CameraProfile


def add_to(commands: Any) -> None:
    """Add the command's parser and those of its five actions."""
    parser = _parser("Camera noise profiles: list, show, sample, compare, import.")
    commands.add_subcommand("profile", parser, help="list, show, sample, compare and import camera profiles")
    actions = parser.add_subcommands(metavar="ACTION", dest="action")
    listing = _parser("List the cameras of the library.")
    add_json(listing)
    actions.add_subcommand("list", listing, help="list the library")
    actions.add_subcommand("show", _show_parser(), help="all figures, sources and doubts of one camera")
    actions.add_subcommand("sample", _sample_parser(), help="draw parameters from a camera's joint law")
    actions.add_subcommand("compare", _compare_parser(), help="cameras side by side")
    actions.add_subcommand("import", profile_import.parser(), help="make a profile of an ELD .npy or a DNG")


def run(options: Namespace) -> int:
    """Carry out the action and return the exit code."""
    action = {"list": _list, "show": _show, "sample": _sample, "compare": _compare}
    return (action | {"import": profile_import.run})[options.action](options[options.action])


def _parser(description: str) -> ArgumentParser:
    from .parser import Parser

    return Parser(description=description)


def _show_parser() -> ArgumentParser:
    parser = _parser("Show the figures of one camera over its ISOs, its sources, notes and doubtful entries.")
    parser.add_argument("camera", metavar="NAME|FILE", type=str, help="camera of the library, or a JSON file")
    add_plot(parser, "draw the figures over ISO")
    add_json(parser)
    return parser


def _sample_parser() -> ArgumentParser:
    parser = _parser("Draw parameters jointly, as training does. LOW:HIGH is a range, A,B,C are choices.")
    parser.add_argument("camera", metavar="NAME|FILE", type=str, help="camera of the library, or a JSON file")
    parser.add_argument("-n", "--n", type=int, default=8, help="number of draws (default 8)")
    parser.add_argument(
        "--iso", type=str, metavar="ISO", help="ISO, LOW:HIGH or A,B,C (default: all the camera answers for)"
    )
    parser.add_argument("--ratio", type=str, default="1", help="ratio, LOW:HIGH or A,B,C (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draws (default 0)")
    parser.add_argument(
        "--exposure-s",
        type=str,
        metavar="S",
        help="exposure, LOW:HIGH or A,B,C, for dark current (default: off)",
    )
    parser.add_argument(
        "--temperature-c",
        type=str,
        metavar="C",
        help="temperature of the sensor, LOW:HIGH or A,B,C (default: that the camera was measured at)",
    )
    parser.add_argument("--jsonl", action="store_true", help="one JSON object a line instead of a table")
    add_json(parser)
    return parser


def _compare_parser() -> ArgumentParser:
    parser = _parser("Compare cameras: gain, read noise in electrons, shape, row noise, gain breaks.")
    parser.add_argument(
        "cameras", nargs="*", metavar="NAME|FILE", type=str, help="cameras (default: the whole library)"
    )
    parser.add_argument(
        "--iso", nargs=3, type=float, metavar="ISO", help="read noise at these (default: each camera's own)"
    )
    add_plot(parser, "draw the figures over ISO")
    add_json(parser)
    return parser


def _list(options: Namespace) -> int:
    from lrd_ext.profiles import list_profiles, load_profile

    from . import profile_tables

    profiles = [load_profile(name) for name in list_profiles()]
    if options.json:
        print_json([profile_tables.named(p) for p in profiles])
    else:
        tables.show(*profile_tables.library(profiles))
    return 0


def _show(options: Namespace) -> int:
    from lrd_ext.profiles import load_profile

    from . import profile_tables

    plot, profile = plot_target(options), load_profile(options.camera)
    _draw([profile], plot)
    if options.json:
        print_json({"profile": profile.to_dict(), "answers": profile_tables.answers(profile), "plot": plot})
    else:
        tables.show(*profile_tables.camera(profile), *told(plot))
    return 0


def _sample(options: Namespace) -> int:
    from lrd_ext.profiles import load_profile
    from lrd_ext.profiles.summary import widest_range

    from . import profile_tables

    profile = load_profile(options.camera)
    iso = widest_range(profile) if options.iso is None else read_choice("--iso", options.iso)
    conditions: dict[str, Any] = {
        name: read_choice(f"--{name.replace('_', '-')}", options[name])
        for name in ("exposure_s", "temperature_c")
        if options[name] is not None
    }
    ratio = read_choice("--ratio", options.ratio)
    drawn = profile.sample(options.n, iso=iso, ratio=ratio, seed=options.seed, **conditions)
    if not (options.json or options.jsonl):
        tables.show(*profile_tables.draws(drawn, profile.bias))
        return 0
    columns = drawn.to_dict()
    rows = [{k: v[i] if isinstance(v, list) else v for k, v in columns.items()} for i in range(options.n)]
    if options.json:
        print_json(rows)
    else:
        print(*map(json.dumps, rows), sep="\n")
    return 0


def _compare(options: Namespace) -> int:
    from lrd_ext.profiles import list_profiles, load_profile

    from . import profile_tables

    plot = plot_target(options)
    profiles = [load_profile(name) for name in options.cameras or list_profiles()]
    compared = profile_tables.comparison(profiles, options.iso)
    _draw(profiles, plot)
    if options.json:
        found = [
            profile_tables.named(p) | {"answers": profile_tables.answers(p, options.iso)} for p in profiles
        ]
        print_json({"cameras": found, "plot": plot})
    else:
        tables.show(*compared, *told(plot))
    return 0


def _draw(profiles: list[CameraProfile], target: Path | None) -> None:
    if target is not None:
        from lrd_ext.report import draw_cameras, write_png

        write_png(target, draw_cameras(profiles))


def read_choice(name: str, text: str) -> float | tuple[float, float] | list[float]:
    """Read "3200", "800:12800" (a range) or "800,1600" (choices).

    Raises:
        ValueError: it is none of these.
    """
    try:
        if ":" in text:
            low, high = text.split(":")
            return float(low), float(high)
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            f"{name} must be a number, a range LOW:HIGH or choices A,B,C, got {text!r}"
        ) from None
    return values if len(values) > 1 else values[0]
