# SPDX-License-Identifier: Apache-2.0
"""`lrd inspect`: what is in a raw file; whether the noise between two is what a camera profile predicts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import tables
from .json_output import add_json, print_json
from .plots import add_plot, plot_target, told

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from lrd_ext.inspection import Prediction, Recipe
    from lrd_ext.raw import Raw


def add_to(commands: Any) -> None:
    """Add the command's parser."""
    from .parser import Parser

    parser = Parser(
        description="Tell what is in a raw file: levels, masked border against the tags, noise profile. With "
        "a clean and a noisy file of one scene: measure the noise between them and compare it with a profile."
    )
    parser.add_argument("file", metavar="FILE", type=str, help="raw file; with two, the clean one")
    parser.add_argument(
        "noisy", nargs="?", metavar="NOISY", type=str, help="the noisy file of the same scene"
    )
    parser.add_argument(
        "--camera", type=str, metavar="NAME|FILE", help="profile that predicts (default: what NOISY carries)"
    )
    parser.add_argument("--iso", type=float, help="ISO of NOISY (default: as it says)")
    parser.add_argument(
        "--ratio", type=float, help="how many times less light NOISY got (default: as the files say)"
    )
    parser.add_argument(
        "--exposure-s", type=float, metavar="S", help="exposure of NOISY (default: as it says)"
    )
    parser.add_argument(
        "--temperature-c",
        type=float,
        metavar="C",
        help="temperature of the sensor (default: that the camera was measured at)",
    )
    add_plot(parser, "draw the noise between the two files")
    add_json(parser)
    commands.add_subcommand("inspect", parser, help="what is in a raw file; the noise between two")


def run(options: Namespace) -> int:
    """Print the report and return the exit code: 0, whatever the verdict."""
    if options.noisy is None:
        return _one(options)
    return _two(options)


def _one(options: Namespace) -> int:
    from lrd_ext import raw

    from . import inspect_tables

    for name in ("camera", "iso", "ratio", "exposure_s", "temperature_c", "plot"):
        if options[name] is not None:
            raise ValueError(f"--{name.replace('_', '-')} needs two files, a clean and a noisy one")
    picture = raw.read(options.file)
    if options.json:
        print_json({"file": options.file} | inspect_tables.file_values(picture))
    else:
        tables.show(*inspect_tables.file(options.file, picture))
    return 0


def _two(options: Namespace) -> int:
    from lrd_ext import inspection, raw

    from . import inspect_tables

    plot = plot_target(options)
    clean, noisy = raw.read(options.file), raw.read(options.noisy)
    recipe = inspection.read_recipe(noisy)
    with _naming(options.file, options.noisy):
        ratio, origin = inspection.find_ratio(clean, noisy, options.ratio)
    prediction, factor = _prediction(options, noisy, recipe, ratio)
    with _naming(options.file, options.noisy):
        response = prediction.sigma_prnu if prediction else 0.0
        report = inspection.inspect_pair(clean, noisy, ratio, response)
    if plot is not None:
        from lrd_ext.report import draw_pair, write_png

        write_png(plot, draw_pair(report, prediction, noisy.cfa))
    if options.json:
        said = {"clean": options.file, "noisy": options.noisy, "ratio": ratio, "range_factor": factor}
        print_json(said | inspect_tables.pair_values(report, prediction, noisy) | {"plot": plot})
        return 0
    tables.show(
        f"clean {options.file}, noisy {options.noisy}",
        f"ratio {ratio:g} {origin}; prediction: {prediction.title if prediction else 'none'}",
        *_other_source(options.file, recipe), *_scaled(factor), "",
        *inspect_tables.pair(report, prediction, noisy), *told(plot),
    )  # fmt: skip
    return 0


@contextmanager
def _naming(*files: str) -> Iterator[None]:
    """Put the files before what is wrong with the pair of them."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{', '.join(files)}: {error}") from None


def _prediction(
    options: Namespace, noisy: Raw, recipe: Recipe | None, ratio: float
) -> tuple[Prediction | None, float]:
    """Return what predicts and the factor from its range to the file's.

    It is the camera asked for, else the file's recipe, else its NoiseProfile.
    """
    from lrd_ext import inspection
    from lrd_ext.profiles import load_profile
    from lrd_ext.synth_files import range_factor

    step = inspection.step_of_values(noisy)
    if options.camera is not None:
        iso = options.iso if options.iso is not None else noisy.iso
        if iso is None:
            raise ValueError("iso must be given (--iso): the noisy file does not say its own")
        profile = load_profile(options.camera)
        levels: dict[str, Any] = {"black": noisy.black.tolist(), "white": noisy.white, "cfa": noisy.cfa}
        exposure = options.exposure_s if options.exposure_s is not None else noisy.exposure_s
        conditions = {"exposure_s": exposure, "temperature_c": options.temperature_c}
        prediction = inspection.predict(
            profile.at(iso, ratio, **conditions, **levels), f"{profile.name} at ISO {iso:g}", step
        )
        return prediction, range_factor(profile, noisy)
    for name in ("iso", "exposure_s", "temperature_c"):
        if options[name] is not None:
            raise ValueError(f"--{name.replace('_', '-')} chooses a profile's figures and needs --camera")
    if recipe is not None:
        title = f"{recipe.camera} at ISO {recipe.iso:g}, as written in the file"
        return inspection.predict(recipe.params, title, step), 1.0
    if noisy.noise_profile is not None:
        return inspection.predict_from_noise_profile(noisy.noise_profile, noisy.black, noisy.white), 1.0
    return None, 1.0


def _scaled(factor: float) -> list[str]:
    return [] if factor == 1 else [f"profile to file range: K, sigmas and bias x {factor:.6g}"]


def _other_source(clean: str, recipe: Recipe | None) -> list[str]:
    if recipe is None or hashlib.sha256(Path(clean).read_bytes()).hexdigest() == recipe.source_sha256:
        return []
    return ["warning: the clean file is not the one the noisy file was made of (its SHA-256 differs)"]
