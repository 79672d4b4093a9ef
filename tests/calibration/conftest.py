# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from synthetic_camera import SyntheticCamera

from lrd_ext.calibration import Frame
from lrd_ext.cli import main


@pytest.fixture(scope="session")
def camera():
    """A made-up camera of 14 bits, switch between ISO 800 and 1600."""
    return SyntheticCamera(7)


@pytest.fixture(scope="session")
def frames(camera) -> list[Frame]:
    return camera.frames()


@pytest.fixture
def lrd(capsys):
    """Run the program in this process; give its exit code, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as stop:  # the parser's own refusals
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def write_csv(folder, frames: list[Frame]) -> None:
    """Write frames as .npy with a frames.csv."""
    folder.mkdir(exist_ok=True)
    rows = ["file,kind,iso,exposure_s"]
    for frame in frames:
        picture = frame.load()
        np.save(folder / f"{frame.name}.npy", picture.mosaic)
        rows.append(f"{frame.name}.npy,{frame.kind},{picture.iso:g},{picture.exposure_s:g}")
    (folder / "frames.csv").write_text("\n".join(rows) + "\n")


@pytest.fixture
def small_folder(tmp_path):
    """Folder with frames.csv: an ISO of 8 darks and 4 levels of flats, 96 x 128, its levels as options."""
    camera = SyntheticCamera(7, shape=(96, 128))
    own = [
        f
        for f in camera.frames(darks=8, levels=(0.1, 0.25, 0.45, 0.7))
        if f"_{camera.truth.isos[1]:05d}" in f.name
    ]
    write_csv(tmp_path / "frames", own)
    t = camera.truth
    return tmp_path / "frames", ["--black", t.black, "--white", t.white, "--cfa", "RGGB"]
