# SPDX-License-Identifier: Apache-2.0
"""Small whole files of every kind, made here, that the mutations start from."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from PIL import Image

from lrd_ext import load_profile, raw
from lrd_ext.calibration.frames import Levels, find_frames
from lrd_ext.calibration.statistics_store import StatisticsStore
from lrd_ext.calibration.survey import look_at
from lrd_ext.denoise import NAFNet, UNet
from lrd_ext.generator import LiteGenerator

MOSAIC = np.random.default_rng(0).integers(500, 4000, (64, 80)).astype(np.uint16)
#: The table that lists a mosaic under each name it is written to.
FRAMES = "file,kind,iso,exposure_s\n{name},dark,100,0.01\n"
LEVELS = Levels((512.0,) * 4, 4095.0, "RGGB")
_MATRIX = (0.6461, -0.1164, -0.0857, -0.3825, 1.1597, 0.2534, -0.0416, 0.154, 0.6039)


def recipe() -> bytes:
    """What lrd synth writes into a file's description."""
    params = load_profile("sony_a7s2").at(3200, 20.0).to_dict()
    fields = {
        "camera": "sony_a7s2",
        "iso": 3200,
        "ratio": 20.0,
        "seed": 7,
        "source_sha256": "0",
        "params": params,
    }
    return json.dumps(fields).encode()


def picture(description: str | None = None) -> raw.Raw:
    """A raw picture with every field set."""
    return raw.Raw(
        mosaic=MOSAIC, cfa="RGGB", black=(512, 510, 511, 513), white=4095, iso=3200, exposure_s=0.01,
        active_area=(8, 16, 64, 80), make="Test", model="Camera", orientation=6,
        color_matrix=np.reshape(_MATRIX, (3, 3)), as_shot_neutral=np.array([0.5, 1, 0.6]),
        noise_profile=np.array([[1e-4, 1e-6]]), description=description,
    )  # fmt: skip


def raw_files() -> list[bytes]:
    """DNGs of the library's own writer and of another: strips, tiles, tables, a float."""
    own = [raw.encode_dng(picture()), raw.encode_dng(picture(recipe().decode()))]
    shot = [(34855, 3, 1, 65535), (33434, 5, 1, (1, 100)), (51041, 12, 2, (1e-4, 1e-6))]
    table = (50712, 3, 4096, tuple(range(4096)))
    levels = [
        (50713, 3, 2, (2, 2)),
        (50714, 5, 4, (512, 1) * 4),
        (50717, 4, 1, 4095),
        (50829, 4, 4, (8, 16, 64, 80)),
    ]
    return [
        *own,
        _dng(), _dng(extra=levels, rowsperstrip=16), _dng(extra=levels, tile=(32, 32)), _dng(extra=[table]),
        _dng(extra=shot, byteorder=">"),
    ]  # fmt: skip


def _dng(extra: list[tuple] | tuple = (), **options: object) -> bytes:
    made = io.BytesIO()
    rationals = sum(((round(v * 10000), 10000) for v in _MATRIX), ())
    tags = [
        (271, 2, 0, "Canon and the like"), (272, 2, 0, "Test camera"), (33421, 3, 2, (2, 2)),
        (33422, 1, 4, (0, 1, 1, 2)), (50706, 1, 4, (1, 4, 0, 0)), (50708, 2, 0, "Test camera"),
        (50721, 10, 9, rationals), (50778, 3, 1, 21), (50728, 5, 3, (1, 2, 1, 1, 3, 5)), *extra,
    ]  # fmt: skip
    tifffile.imwrite(
        made, MOSAIC, photometric=32803, subfiletype=0, metadata=None, software=False,
        extratags=[(*tag, True) for tag in sorted(tags)], **options,
    )  # fmt: skip
    return made.getvalue()


def tiffs() -> list[bytes]:
    """Mosaics as TIFF: plain, both byte orders, strips, zlib tiles, several pages, BigTIFF."""
    made = []
    for options in ({}, {"byteorder": ">"}, {"rowsperstrip": 8}, {"tile": (32, 32), "compression": "zlib"},
                    {"bigtiff": True}, {"compression": "zlib", "predictor": True}):  # fmt: skip
        file = io.BytesIO()
        tifffile.imwrite(file, MOSAIC, **options)
        made.append(file.getvalue())
    return made


def arrays() -> list[bytes]:
    """Mosaics as .npy."""
    made = []
    for array in (MOSAIC, np.asfortranarray(MOSAIC), MOSAIC.astype(">u2"), MOSAIC.astype(np.int64)):
        file = io.BytesIO()
        np.save(file, array)
        made.append(file.getvalue())
    return made


def pngs() -> list[bytes]:
    """Mosaics as PNG: 16 bits, and a palette."""
    made = []
    for image in (Image.fromarray(MOSAIC), Image.fromarray((MOSAIC >> 4).astype(np.uint8)).convert("P")):
        file = io.BytesIO()
        image.save(file, "PNG")
        made.append(file.getvalue())
    return made


def tables() -> list[bytes]:
    """frames.csv of one and of several frames."""
    rows = "".join(
        f"f{i}.npy,{k},{iso},0.01\n" for i, (k, iso) in enumerate([("dark", 100), ("flat", 200)] * 3)
    )
    return [FRAMES.format(name="f.npy").encode(), f"file,kind,iso,exposure_s\n{rows}".encode()]


def profiles() -> list[bytes]:
    """Profiles of the library: rows, laws, both."""
    names = ("sony_a7s2_eld", "canon_70d", "google_pixel_4", "sony_imx686", "sony_a7s2")
    return [json.dumps(load_profile(name).to_dict()).encode() for name in names]


def eld_files() -> list[bytes]:
    """A camera in the form of ELD's releases, by every protocol of pickles."""
    law = {"slope": 0.5, "bias": np.float64(0.7), "sigma": 0.25}
    figures = {
        "Kmin": 0.1, "Kmax": np.float64(6.4), "G_shape": np.array([0.1, 0.2]),
        "color_bias": np.ones((2, 4), "f4"),
        "Profile-1": {"g_scale": law, "G_scale": law, "R_scale": law},
    }  # fmt: skip
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
    return [header.getvalue() + pickle.dumps(np.array(figures, dtype=object), p) for p in range(5)]


def generators(folder: Path) -> list[bytes]:
    """Generators of one and two hidden layers, as files."""
    return _net_files(
        folder, (lambda w=w: LiteGenerator(w, isos=(100, 1600), sigmas=(1.0, 9.0)) for w in ((16,), (32, 16)))
    )


def denoisers(folder: Path) -> list[bytes]:
    """Both denoisers, one of them told the noise, as files."""
    return _net_files(folder, (lambda: UNet(1, 2), lambda: NAFNet(2, (1, 1), conditioned=True, cfa="GBRG")))


def _net_files(folder: Path, nets: Iterable[Callable[[], Any]]) -> list[bytes]:
    torch.manual_seed(0)
    made = []
    for net in nets:
        path = folder / "seed.safetensors"
        net().save(path)
        made.append(path.read_bytes())
    return made


def pairs() -> list[bytes]:
    """Pairs of packed planes as .npz: floats with all there can be, and whole numbers packed tight."""
    planes = np.stack([MOSAIC[r::2, c::2] for r in (0, 1) for c in (0, 1)])
    made = []
    for save, noisy, more in (
        (np.savez, planes / 4096.0, {"ratio": 100.0, "iso": 800}),
        (np.savez_compressed, planes, {}),
    ):
        file = io.BytesIO()
        save(file, noisy=noisy, clean=noisy, **more)
        made.append(_undated(file.getvalue()))
    return made


def kept_statistics(folder: Path) -> tuple[Path, list[bytes]]:
    """Statistics of one frame as lrd calibrate keeps them: where, and the file."""
    (folder / "f.npy").write_bytes(arrays()[0])
    (folder / "frames.csv").write_text(FRAMES.format(name="f.npy"))
    store = StatisticsStore(folder / "kept.statistics")
    look_at(find_frames(folder, LEVELS)[0], store)
    [path] = (folder / "kept.statistics").glob("*.npz")
    return path, [_undated(path.read_bytes())]


def _undated(archive: bytes) -> bytes:
    """Pack an archive again without the time of its making."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name), old.read(name))
    return made.getvalue()
