# SPDX-License-Identifier: Apache-2.0
"""`lrd evaluate denoiser`: a denoiser on the field's data sets, under the field's protocols."""

from __future__ import annotations

import csv
import dataclasses
import importlib
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrd_ext.outputs import check_target
from lrd_ext.plain_text import plain
from lrd_ext.version import __version__

from . import tables
from .json_output import add_json, print_json
from .progress import add_quiet, bar

if TYPE_CHECKING:
    import numpy as np
    from jsonargparse import Namespace

    from lrd_ext.evaluation import DenoiserEvaluation, GroupScore, Protocol
    from lrd_ext.evaluation.denoiser import Denoise, NoiseLevel
    from lrd_ext.profiles import CameraProfile

    from .parser import Parser

#: Channels of what lrd_ext's own denoisers take.
_OWN_ORDER = "rggb"
#: Published input figures have two decimals.
_SAME_INPUT_DB = 0.02


def parser() -> Parser:
    """Make the command's parser."""
    from .parser import Parser

    made = Parser(
        description="Measure a denoiser on SID, ELD, LRD or LRID under a protocol whose every choice is "
        "printed, beside the published results. Without --net the input alone is measured, beside what "
        "others' loaders give."
    )
    made.add_argument("data", type=str, metavar="DATA", help="folder of the data set, or one that holds it")
    made.add_argument(
        "--protocol",
        required=True,
        type=str,
        metavar="NAME",
        help="eld_paper, sid_paper, pmn_full, lrd or lrid",
    )
    made.add_argument(
        "--net",
        type=str,
        metavar="NET",
        help="denoiser (.safetensors, or a name that ships), or package.module:factory of a torch net",
    )
    made.add_argument(
        "--camera",
        type=str,
        metavar="NAME|JSON",
        help="the camera's profile: its black-level error is taken off the input, and a conditioned net is "
        "told its noise",
    )
    made.add_argument(
        "--group", type=str, default="", metavar="TEXT", help="only groups whose names hold this, as SonyA7S2"
    )
    made.add_argument(
        "--order",
        type=str,
        metavar="ORDER",
        help="channels that a net of package.module:factory takes, rggb or rgbg (as the protocol's authors)",
    )
    made.add_argument("--device", type=str, default="cpu", metavar="D", help="where the net runs (cpu)")
    add_json(made)
    add_quiet(made)
    made.add_argument("--csv", type=str, metavar="CSV", help="numbers of every image")
    made.add_argument("--worst", type=str, metavar="PNG", help="sheet of the images of lowest PSNR")
    made.add_argument("--overwrite", action="store_true", help="replace existing files")
    return made


def run(options: Namespace) -> int:
    """Measure, print and write; 1 if images were left out."""
    from lrd_ext.evaluation import evaluate_denoiser, protocol_named

    protocol = protocol_named(options.protocol)
    table = _target(options.csv, "--csv", ".csv", options)
    sheet = _target(options.worst, "--worst", ".png", options)
    if sheet is not None and options.net is None:
        raise ValueError("--worst needs --net: without one there is nothing to show")
    net = _open_net(options, protocol)
    profile, dark = _camera(options)
    dataset = protocol.dataset(options.data, net.order, group=options.group, dark=dark)
    _check_one_camera(options, dataset)
    with bar(len(dataset), "image") as move:  # type: ignore[arg-type]
        found = evaluate_denoiser(net.denoise, dataset, protocol, noise_level=net.noise_level, progress=move)
    _write(found, table, sheet, net.order)
    shading = f"black-level error of {profile.name} taken off the input" if profile else "left in"
    choices = protocol.choices(net.order, shading)
    if options.json:
        print_json(as_json(found, options.net, choices))
    else:
        files = [f"{what}: {path}" for what, path in (("images", table), ("worst", sheet)) if path]
        tables.show(*_told(found, options.net, choices), *files)
    for reason in found.left_out:
        print(f"lrd evaluate: left out: {plain(reason)}", file=sys.stderr)
    return 1 if found.left_out else 0


@dataclasses.dataclass(frozen=True)
class _Net:
    denoise: Denoise | None
    order: str
    noise_level: NoiseLevel | None = None


def _open_net(options: Namespace, protocol: Protocol) -> _Net:
    """Load what --net names, with the channels it takes."""
    if options.order not in (None, "rggb", "rgbg"):
        raise ValueError(f"--order must be rggb or rgbg, got {options.order!r}")
    if options.net is None:
        return _Net(None, options.order or protocol.order)
    _check_device(options.device)
    if ":" in options.net and not Path(options.net).exists():
        return _Net(_from_factory(options.net, options.device), options.order or protocol.order)
    if options.order not in (None, _OWN_ORDER):
        raise ValueError(f"--order: {options.net} takes {_OWN_ORDER}, got {options.order}")
    return _own(options)


def _check_device(name: str) -> None:
    import torch

    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
        raise ValueError(f"--device: {name} cannot be used here ({error})") from error


def _own(options: Namespace) -> _Net:
    """Load a denoiser of this package; it takes the sites of an RGGB mosaic."""
    from lrd_ext.denoise import denoise_packed, load_denoiser

    net = load_denoiser(options.net).to(options.device).eval()
    if net.cfa != "RGGB":
        raise ValueError(f"--net: {options.net} was trained for {net.cfa}; the data sets are RGGB")
    if not net.conditioned:
        return _Net(lambda noisy: denoise_packed(net, noisy), _OWN_ORDER)
    if options.camera is None:
        raise ValueError(f"--net: {options.net} needs to know the noise: say --camera")
    return _Net(
        lambda noisy, level: denoise_packed(net, noisy, level), _OWN_ORDER, _noise_level(options.camera)
    )


def _noise_level(camera: str) -> NoiseLevel:
    from lrd_ext.denoise import noise_level
    from lrd_ext.profiles import load_profile

    profile = load_profile(camera)
    return lambda noisy, item: noise_level(noisy, profile.at(item["iso"], item["ratio"], cfa="RGGB"))


def _camera(options: Namespace) -> tuple[CameraProfile | None, Callable[[float], np.ndarray] | None]:
    """Return the profile asked for, and its black-level error by ISO."""
    from lrd_ext.profiles import load_profile

    if options.camera is None:
        return None, None
    profile = load_profile(options.camera)
    return profile, lambda iso: profile.at(iso, cfa="RGGB").bias[0].numpy()


def _check_one_camera(options: Namespace, dataset: Any) -> None:
    """Refuse one camera's profile for the pictures of several."""
    pairs = [pair for part in getattr(dataset, "datasets", [dataset]) for pair in part.pairs]
    cameras = list(dict.fromkeys(p.group.split()[1] for p in pairs if p.group.startswith("ELD ")))
    if options.camera is not None and len(cameras) > 1:
        raise ValueError(
            f"--camera is one camera, the pictures are of {', '.join(cameras)}: say --group {cameras[-1]}"
        )


def _from_factory(spec: str, device: str) -> Denoise:
    """Call package.module:factory, which gives a torch net or any function from tensor to tensor."""
    module, _, name = spec.partition(":")
    try:
        made = getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError) as error:
        raise ValueError(f"--net: {spec} cannot be made: {error}") from error
    if not callable(made):
        raise ValueError(f"--net: {spec} must give a net, got {type(made).__name__}")
    if hasattr(made, "eval"):
        made = made.to(device).eval()
    return lambda *planes: made(*(plane.to(device) for plane in planes))


def _target(given: str | None, option: str, suffix: str, options: Namespace) -> Path | None:
    if given is None:
        return None
    return check_target(given, option, suffix=suffix, overwrite=options.overwrite, make_folders=True)


def _write(found: DenoiserEvaluation, table: Path | None, sheet: Path | None, order: str) -> None:
    from lrd_ext.outputs import write_files
    from lrd_ext.report.denoiser_sheet import draw_worst
    from lrd_ext.report.png import write_png

    if table is not None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        fields = [field.name for field in dataclasses.fields(found.images[0])]
        writer.writerow(fields)
        writer.writerows([getattr(image, name) for name in fields] for image in found.images)
        write_files({table: text.getvalue().encode(errors="backslashreplace")})
    if sheet is not None:
        write_png(sheet, draw_worst(found, order))


def _told(found: DenoiserEvaluation, net: str | None, choices: dict[str, str]) -> Iterator[Any]:
    """Give the choices, the means, and the published results."""
    yield f"protocol {found.protocol.name}, {net or 'input alone'}"
    for name, choice in choices.items():
        yield f"  {name}: {choice}"
    yield ""
    yield _means(found)
    yield from _doubts(found)
    yield from _peers(found, Path(net).name if net else "this run")


def _means(found: DenoiserEvaluation) -> Any:
    from lrd_ext.evaluation import published_input

    ran = found.images[0].psnr is not None
    heads = ["group", "images", "input", "published input", *(["denoised", "gain, dB"] if ran else [])]
    made = tables.table(*heads)
    for group in found.groups:
        cells = [group.group, str(group.images), _pair(group.psnr_in, group.ssim_in)]
        cells.append(_pair(*(published_input(found.protocol.name, group.group) or (None, None))))
        if group.psnr is not None:
            cells += [_pair(group.psnr, group.ssim), f"{group.psnr - group.psnr_in:+.2f}"]
        made.add_row(*cells)
    return made


def _doubts(found: DenoiserEvaluation) -> Iterator[str]:
    """Say where the input is not what others' loaders give: figures cannot be set beside theirs."""
    from lrd_ext.evaluation import published_input

    known = {g.group: published_input(found.protocol.name, g.group) for g in found.groups}
    other = [
        g.group for g in found.groups if (k := known[g.group]) and abs(g.psnr_in - k[0]) > _SAME_INPUT_DB
    ]
    if other:
        yield (
            f"the input is not the published one (by more than {_SAME_INPUT_DB} dB) in {', '.join(other)}: "
            "files, levels or ratios are others"
        )


def _peers(found: DenoiserEvaluation, name: str) -> Iterator[Any]:
    """Give the published results with the run among them, a table for each source."""
    from lrd_ext.evaluation import published_of

    own = {group.group: group for group in found.groups}
    entries = [e for e in published_of(found.protocol.name) if set(e.figures) & set(own)]
    if not entries:
        yield ""
        yield "nobody's results under this protocol are known here"
        return
    for source in dict.fromkeys(e.source for e in entries):
        rows = [e for e in entries if e.source == source]
        groups = [g for g in rows[0].figures if g in own]
        lines = [(e.method, [e.figures[g] for g in groups]) for e in rows]
        lines += [(name, [(g.psnr, g.ssim) for g in map(own.__getitem__, groups) if g.psnr is not None])]
        lines = [line for line in lines if line[1]]
        yield ""
        yield f"published by {source}"
        made = tables.table("method", *(_short(g) for g in groups))
        # Where many groups stand beside one another, SSIM is left to --json.
        both = len(groups) <= 5
        for method, figures in sorted(lines, key=lambda line: line[1][0][0]):
            made.add_row(method, *(_pair(p, s if both else None) for p, s in figures))
        yield made


def _short(group: str) -> str:
    """Return a group's name for the head of a narrow column."""
    return group.replace("SonyA7S2 ", "A7S2 ").replace("LRID ", "")


def _pair(first: float | None, second: float | None) -> str:
    if first is None:
        return "-"
    return f"{first:.2f}" if second is None else f"{first:.2f}/{second:.4f}".replace("/0.", "/.")


def as_json(found: DenoiserEvaluation, net: str | None, choices: dict[str, str]) -> dict[str, Any]:
    """Return a run by name."""
    from lrd_ext.evaluation import published_input, published_of

    def group(score: GroupScore) -> dict[str, Any]:
        known = published_input(found.protocol.name, score.group)
        return dataclasses.asdict(score) | {"published_input": known and {"psnr": known[0], "ssim": known[1]}}

    return {
        "lrd_ext": __version__,
        "protocol": found.protocol.name,
        "choices": choices,
        "net": net,
        "groups": [group(score) for score in found.groups],
        "images": found.images,
        "left_out": found.left_out,
        "published": [
            {
                "method": entry.method,
                "source": entry.source,
                "figures": {g: {"psnr": p, "ssim": s} for g, (p, s) in entry.figures.items()},
            }
            for entry in published_of(found.protocol.name)
        ],
    }
