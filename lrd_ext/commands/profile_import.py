# SPDX-License-Identifier: Apache-2.0
"""`lrd profile import`: a profile JSON from an ELD .npy file or a DNG's NoiseProfile."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import tables
from .json_output import add_json, print_json
from .progress import add_quiet

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from lrd_ext.profiles import CameraProfile

_UNDERSTATED = (
    "note: makers' profiles understate the noise of many cameras. Check this one on a clean and a noisy shot "
    "of one scene: lrd inspect CLEAN NOISY --camera {target}"
)

#: Options that state what a file may not say, by field of the profile.
_STATED = ("name", "make", "model", "black", "white", "bits", "cfa")


def parser() -> ArgumentParser:
    """Make the parser of the action."""
    from .parser import Parser

    made = Parser(
        description="Make a camera profile of an ELD camera_params .npy (read without executing it) or of "
        "the NoiseProfile in a DNG. An .npy gives no levels: say --black and --white, or --camera.",
    )
    made.add_argument("file", metavar="FILE", type=str, help="ELD .npy, or DNG")
    made.add_argument("-o", "--output", required=True, type=str, metavar="JSON", help="profile to write")
    made.add_argument("--camera", type=str, metavar="NAME|FILE", help="take name and levels of this camera")
    for name, kind, text in (
        ("name", str, "name of the profile (default: the output's)"),
        ("make", str, "maker of the camera"),
        ("model", str, "model of the camera"),
        ("black", float, "black level, raw DN"),
        ("white", float, "white level, raw DN"),
        ("bits", int, "bit depth (default: what white needs)"),
        ("cfa", str, "RGGB, GRBG, GBRG, BGGR or MONO"),
        ("licence", str, "licence of the figures"),
    ):
        made.add_argument(f"--{name}", type=kind, help=text)
    made.add_argument("--iso", type=float, help="ISO of a DNG that does not say its own")
    made.add_argument("--law", type=str, default="Profile-1", help="which law of an ELD file (Profile-1)")
    made.add_argument("--overwrite", action="store_true", help="replace an existing output")
    add_json(made)
    add_quiet(made)
    return made


def run(options: Namespace) -> int:
    """Write the profile and return the exit code."""
    from lrd_ext.outputs import check_target, write_files
    from lrd_ext.profiles.camera_profile import describe_bias
    from lrd_ext.profiles.self_test import undeclared

    target = check_target(
        options.output, "--output", suffix=".json", overwrite=options.overwrite, make_folders=True
    )
    source = Path(options.file)
    stated = _stated(options)
    is_array = source.suffix.lower() == ".npy"
    profile = _from_eld(source, options, stated) if is_array else _from_dng(source, options, stated)
    write_files({target: profile.to_bytes()})
    doubts = list(undeclared(profile))
    if options.json:
        print_json({"profile": profile.to_dict(), "written": target, "doubtful": doubts})
        return 0
    tables.show(
        f"{source} -> {target}",
        f"  {profile.name}: {profile.iso_ranges()}, read {profile.read}, {describe_bias(profile.bias)}",
        *(f"doubtful: {found.field}: {found.reason}" for found in doubts),
        *([] if is_array else [_UNDERSTATED.format(target=target)]),
    )
    return 0


def _stated(options: Namespace) -> dict[str, Any]:
    """Return what --camera and the other options state, the latter first."""
    fields: dict[str, Any] = {}
    if options.camera is not None:
        from lrd_ext.profiles import load_profile

        camera = load_profile(options.camera)
        fields = {name: getattr(camera, name) for name in _STATED if name != "name"}
        fields["black"] = list(camera.black)
    fields |= {name: options[name] for name in _STATED if options[name] is not None}
    fields.setdefault("name", Path(options.output).stem)
    return fields


def _from_eld(source: Path, options: Namespace, stated: dict[str, Any]) -> CameraProfile:
    from lrd_ext.profiles import ProfileError
    from lrd_ext.profiles.importers import import_eld, read_eld_file

    for level in ("black", "white"):
        if level not in stated:
            raise ValueError(
                f"--{level} is needed: ELD's files give no levels. Say it, or --camera NAME to take a "
                "library camera's"
            )
    figures = read_eld_file(source)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    about = {"make": "unknown", "model": source.stem.removesuffix("_params")} | stated
    about.setdefault("bits", _bits(about["white"]))
    note = f"Imported from {source.name}, SHA-256 {digest}; black and white were stated at import."
    try:
        return import_eld(figures, file=source.name, law=options.law, notes=[note], **about)
    except ProfileError as error:
        raise ProfileError(f"{source}: {error}") from None


def _from_dng(source: Path, options: Namespace, stated: dict[str, Any]) -> CameraProfile:
    from lrd_ext import raw
    from lrd_ext.profiles import from_noise_profile

    picture = raw.read(source)
    if picture.noise_profile is None:
        odd = next((r for r in picture.remarks if "NoiseProfile" in r), None)
        raise ValueError(f"{source}: {odd or 'has no NoiseProfile (DNG tag 51041) to import'}")
    iso = options.iso if options.iso is not None else picture.iso
    if iso is None:
        raise ValueError(f"--iso is needed: {source} does not say its ISO")
    read = {
        "make": picture.make or "unknown",
        "model": picture.model or "unknown",
        "black": picture.black.tolist(),
        "white": picture.white,
        "cfa": picture.cfa,
        "licence": options.licence or "unknown",
    }
    about = read | stated
    about.setdefault("bits", _bits(about["white"]))
    title = f"NoiseProfile of {source.name}"
    try:
        return from_noise_profile(picture.noise_profile, iso=iso, source=title, **about)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None


def _bits(white: float) -> int:
    return max(1, int(white).bit_length())
