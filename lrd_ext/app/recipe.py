# SPDX-License-Identifier: Apache-2.0
"""How to make a view's noise without the page: a command line, and a Python program."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from .picture import Picture
from .view import View


def file_name(source: Path, view: View) -> str:
    """Return a name for the DNG, of letters that every file system takes."""
    parts = [source.stem, Path(view.camera).stem, f"iso{view.iso:g}", f"ratio{view.ratio:g}"]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", "_".join(parts)).lstrip(".") + ".dng"


def command_line(source: Path, view: View) -> str:
    """Return the command that writes the whole picture under a view's noise."""
    words = ["lrd", "synth", _argument(source), "-o", file_name(source, view), "--camera", view.camera]
    words += ["--iso", f"{view.iso:.10g}", "--ratio", f"{view.ratio:.10g}", "--seed", str(view.seed)]
    if view.generator is not None:
        words += ["--generator", view.generator]
    if view.read is not None:
        words += ["--read", view.read]
    return shlex.join(words)


def python_program(picture: Picture, view: View, exposure_s: float | None = None) -> str:
    """Return a program that writes the same pixels; ``exposure_s`` where the camera has dark current."""
    raw = picture.raw
    read = "" if view.read is None else f"read={view.read!r}, "
    read += f"exposure_s={exposure_s!r}, " if exposure_s else ""
    mosaic = "clean.mosaic"
    if any(size % 2 for size in raw.mosaic.shape):
        mosaic = 'np.pad(clean.mosaic, [(0, n % 2) for n in clean.mosaic.shape], mode="edge")'
    lines = [
        "import math",
        "",
        *(["import numpy as np"] if mosaic.startswith("np") else []),
        "import torch",
        "",
        "import lrd_ext",
        "",
        f"clean = lrd_ext.raw.read({str(picture.path)!r})",
        f"profile = lrd_ext.load_profile({view.camera!r})",
        "levels = dict(black=clean.black.tolist(), white=clean.white, cfa=clean.cfa)",
        f"params = profile.at(iso={view.iso:.10g}, ratio={view.ratio:.10g}, {read}**levels)",
        f"mosaic = torch.from_numpy({mosaic})",
    ]
    if view.generator is None:
        lines.append(f'noisy = lrd_ext.fused_synth(mosaic, params, seed={view.seed}, output="dn")')
    else:
        lines += [
            "factor = (clean.white - float(clean.black.mean())) / (profile.white - sum(profile.black) / 4)",
            f"generator = lrd_ext.generator.load_generator({view.generator!r}).to_range(factor)",
            "noisy = lrd_ext.fused_synth(",
            f'    mosaic, params.shot_only(), seed={view.seed}, generator=generator, output="dn"',
            ")",
        ]
    lines += [
        "height, width = clean.mosaic.shape",
        f"shot = clean.replace(mosaic=noisy[:height, :width].numpy().copy(), iso={view.iso:.10g})",
        f"lrd_ext.raw.write_dng({file_name(picture.path, view)!r}, shot, "
        f"baseline_exposure=clean.baseline_exposure + math.log2({view.ratio:.10g}))",
    ]
    return "\n".join(lines) + "\n"


def _argument(path: Path) -> str:
    """Return a path that no command takes for an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)
