# SPDX-License-Identifier: Apache-2.0
"""Frames whose reader raises what its parts raise: one of them must not end the calibration of the others."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

pytestmark = pytest.mark.native


def cut_deflate(path, mosaic) -> None:
    tifffile.imwrite(path, mosaic, compression="zlib")
    path.write_bytes(path.read_bytes()[:-4000])


def no_rows_in_a_strip(path, mosaic) -> None:
    tifffile.imwrite(path, mosaic, compression="zlib", rowsperstrip=16)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["RowsPerStrip"].overwrite(0)


def broken_header(path, mosaic) -> None:
    np.save(path, mosaic)
    path.write_bytes(path.read_bytes().replace(b"'shape': (96, 128)", b"'shape': (96, 128 "))


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [(".tif", cut_deflate), (".tif", no_rows_in_a_strip), (".npy", broken_header)],
    ids=lambda v: getattr(v, "__name__", v),
)
def test_the_frame_is_named_and_the_rest_calibrated(lrd, small_folder, tmp_path, suffix, damage):
    folder, levels = small_folder
    victim = sorted(folder.glob("dark*.npy"))[2]
    damage(folder / f"damaged{suffix}", np.load(victim))
    table = (folder / "frames.csv").read_text().replace(victim.name, f"damaged{suffix}")
    (folder / "frames.csv").write_text(table)
    code, _, err = lrd("calibrate", folder, "-o", tmp_path / "cam.json", *levels)
    assert code == 1
    assert f"left out: damaged{suffix}: truncated or broken" in err
    assert (tmp_path / "cam.json").exists()
