# SPDX-License-Identifier: Apache-2.0
"""Calibrate the scientific CCD and the EMVA 1288 reference camera; the data lie outside the project.

    python tests/calibration/real_data.py DATA WORK

writes WORK/ccd/ and WORK/emva/, folders with frames.csv for `lrd calibrate`, and prints what the reference
implementation emva1288 says of the second where it is installed. What came of them is in
docs/results/calibration_real_data.md.
"""

from __future__ import annotations

import gzip
import shutil
import sys
from pathlib import Path

import numpy as np

#: Windows of the four taps LL, LR, UL, UR: they become the four sites of a mosaic.
TAPS = [(rows, columns) for rows in ((100, 400), (640, 940)) for columns in ((200, 900), (1250, 1950))]
CCD = {
    "msfc_led_ESIS1_04803": ("flat", 1.999),
    "msfc_led_ESIS1_04804": ("flat", 1.999),
    "msfc_led_ESIS1_04860": ("dark", 1.999),
    "msfc_led_ESIS1_04861": ("dark", 1.999),
    "msfc_dark_current_ESIS1_01829": ("dark", 11.999),
    "msfc_darks_ESIS1_00099": ("dark", 9.999),
}


def read_fits(path: Path) -> np.ndarray:
    """Read a 16-bit FITS picture with BZERO 32768, (H, W) uint16."""
    data = gzip.decompress(path.read_bytes())
    cards = [data[i : i + 80].decode("ascii", "replace") for i in range(0, 2880 * 16, 80)]
    size = [
        int(next(c for c in cards if c.startswith(key)).split("=")[1].split("/")[0])
        for key in ("NAXIS2", "NAXIS1")
    ]
    start = (next(i for i, c in enumerate(cards) if c.startswith("END ")) * 80 // 2880 + 1) * 2880
    values = np.frombuffer(data, ">i2", size[0] * size[1], start).reshape(size)
    return (values.astype(np.int32) + 32768).astype(np.uint16)


def taps_as_sites(frame: np.ndarray) -> np.ndarray:
    """Lay the windows of the four taps out as the sites of a mosaic, (600, 1400)."""
    mosaic = np.empty((600, 1400), np.uint16)
    for site, ((r0, r1), (c0, c1)) in enumerate(TAPS):
        mosaic[site // 2 :: 2, site % 2 :: 2] = frame[r0:r1, c0:c1]
    return mosaic


def make_ccd(data: Path, folder: Path) -> None:
    """Make the CCD's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["file,kind,iso,exposure_s"]
    for name, (kind, exposure) in CCD.items():
        np.save(folder / f"{name}.npy", taps_as_sites(read_fits(data / "msfc_ccd_esis1" / f"{name}.fit.gz")))
        rows.append(f"{name}.npy,{kind},100,{exposure}")
    (folder / "frames.csv").write_text("\n".join(rows) + "\n")


def make_emva(data: Path, folder: Path) -> None:
    """Make the folder of the EMVA set: its text file names kind, exposure (ns) and pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    source = data / "emva1288_ccd12_subset"
    rows, kind, exposure, photons = ["file,kind,iso,exposure_s,photons"], "", 0.0, ""
    for line in (source / "EMVA1288_Data.txt").read_text().splitlines():
        words = line.split()
        if words and words[0] in "bd" and len(words) > 1:
            kind, exposure = ("flat" if words[0] == "b" else "dark"), float(words[1]) * 1e-9
            photons = words[2] if kind == "flat" else ""
        elif words and words[0] == "i":
            name = Path(words[1].replace("\\", "/")).name
            shutil.copyfile(source / "images" / name, folder / name)
            rows.append(f"{name},{kind},100,{exposure},{photons}")
    (folder / "frames.csv").write_text("\n".join(rows) + "\n")


def print_emva_reference(data: Path) -> None:
    """Print the quantities of the EMVA set by the package emva1288 (1.0.2, from the package index)."""
    try:
        from emva1288.process import Data1288, LoadImageData, ParseEmvaDescriptorFile, Results1288
    except ImportError:
        print("emva1288 is not installed: no reference to compare with")
        return
    if not hasattr(np, "asfarray"):  # NumPy 2 took away what emva1288 1.0.2 calls
        np.asfarray = lambda values, dtype=float: np.asarray(values, dtype)
    table = ParseEmvaDescriptorFile(str(data / "emva1288_ccd12_subset" / "EMVA1288_Data.txt"))
    found = Results1288(Data1288(LoadImageData(table.images).data).data)
    print(f"K {found.K:.5f} DN/e-, temporal dark noise {found.sigma_y_dark:.4f} DN")
    print(f"linearity error {found.LE_min:+.3f} to {found.LE_max:+.3f} %, saturation {found.u_e_sat:.0f} e-")
    print(f"SNR max {found.SNR_max_dB():.2f} dB, dynamic range {found.DR_dB():.2f} dB, QE {found.QE:.2f} %")
    print(f"sensitivity threshold {found.u_e_min:.2f} e-")
    print(f"DSNU {found.DSNU1288_DN():.4f} DN, of pixels {found.DSNU1288_pixel} e-")
    print(f"PRNU {found.PRNU1288:.4f} %, of pixels {found.PRNU1288_pixel:.4f} %")


if __name__ == "__main__":
    make_ccd(Path(sys.argv[1]), Path(sys.argv[2]) / "ccd")
    make_emva(Path(sys.argv[1]), Path(sys.argv[2]) / "emva")
    print_emva_reference(Path(sys.argv[1]))
