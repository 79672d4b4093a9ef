# SPDX-License-Identifier: Apache-2.0
"""The kinds of file that are tried: where each starts from, how it is damaged, and what reads it.

A reader goes as far as the program does with such a file, printing included. It may raise what its room
promises, a ValueError or OSError of one line; anything else is a finding.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import random
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from lrd_ext import NoiseParams, fused_synth, inspection, metrics, raw
from lrd_ext.calibration.frames import find_frames
from lrd_ext.calibration.statistics_store import StatisticsStore
from lrd_ext.calibration.survey import look_at
from lrd_ext.commands import inspect_tables, profile_tables, tables
from lrd_ext.datasets import PairFolder
from lrd_ext.denoise import denoise_packed, load_denoiser
from lrd_ext.generator import LiteGenerator
from lrd_ext.profiles import load_profile, to_noise_profile
from lrd_ext.profiles.importers import import_eld, read_eld_file
from lrd_ext.profiles.summary import low_middle_high

from . import mutations as m
from . import seeds

Read = Callable[[bytes], None]
Mutation = Callable[[random.Random, bytes], bytes]


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of input.

    ``seeds`` gives whole files, ``own`` the mutations that know the format, ``reader`` what reads a content,
    given a folder for the files it needs; ``refusals`` are the errors promised for bad content.
    """

    name: str
    seeds: Callable[[], Sequence[bytes]]
    own: Sequence[Mutation]
    reader: Callable[[Path], Read]
    refusals: tuple[type[BaseException], ...] = (ValueError, OSError)

    def mutated(self, rng: random.Random, files: Sequence[bytes]) -> bytes:
        """Return one damaged file: three of four by the format's own ways."""
        data = rng.choice(files)
        try:
            made = rng.choice(self.own)(rng, data) if rng.random() < 0.75 else data
        except (ValueError, KeyError, OverflowError):  # this seed has no such part
            made = data
        way = rng.random()
        if made is data or way < 0.1:
            general = (m.any_bytes, m.any_bytes, m.truncated, lambda r, d: m.spliced(r, d, r.choice(files)))
            made = rng.choice(general)(rng, made)
        return made


def _print(data: bytes, parts: Callable[[], Sequence[Any]]) -> None:
    """Print what a command would of one input in eight: it takes longer than reading."""
    if zlib.crc32(data) % 8 == 0:
        with contextlib.redirect_stdout(io.StringIO()):
            tables.show(*parts())


def _raw(folder: Path) -> Read:
    path = folder / "a.dng"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        found = raw.read(path)
        _print(data, lambda: inspect_tables.file(str(path), found))

    return read


def _recipe(folder: Path) -> Read:
    whole = seeds.picture()

    def read(data: bytes) -> None:
        noisy = dataclasses.replace(whole, description=data.decode("utf-8", "surrogateescape"))
        if inspection.read_recipe(noisy) is not None:
            inspection.find_ratio(whole, noisy)
            _print(data, lambda: inspect_tables.file("a.dng", noisy))

    return read


def _mosaic(name: str) -> Callable[[Path], Read]:
    def reader(folder: Path) -> Read:
        (folder / "frames.csv").write_text(seeds.FRAMES.format(name=name))

        def read(data: bytes) -> None:
            (folder / name).write_bytes(data)
            look_at(find_frames(folder, seeds.LEVELS)[0], StatisticsStore(None))

        return read

    return reader


def _table(folder: Path) -> Read:
    (folder / "f.npy").write_bytes(seeds.arrays()[0])

    def read(data: bytes) -> None:
        (folder / "frames.csv").write_bytes(data)
        for frame in find_frames(folder, seeds.LEVELS)[:4]:
            look_at(frame, StatisticsStore(None))

    return read


def _profile(folder: Path) -> Read:
    path = folder / "camera.json"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        profile = load_profile(path)
        _print(data, lambda: profile_tables.camera(profile))
        if not profile.dark_only:
            profile.sample(2, iso=list(low_middle_high(profile)), ratio=(1, 300), seed=1)
        for iso in low_middle_high(profile):
            to_noise_profile(profile.at(iso, 20.0), profile.cfa)

    return read


def _eld(folder: Path) -> Read:
    path = folder / "a.npy"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        about = {"name": "x", "make": "x", "model": "x", "black": 512, "white": 16383, "file": "a.npy"}
        import_eld(read_eld_file(path), **about)

    return read


def _generator(folder: Path) -> Read:
    path = folder / "g.safetensors"
    params = NoiseParams(K=1.0, ratio=10.0, white=4095.0, black=512.0, iso=200.0)

    def read(data: bytes) -> None:
        path.write_bytes(data)
        generator = LiteGenerator.load(path)
        fused_synth(torch.full((8, 8), 0.1), params, seed=1, generator=generator.to_range(2.0))

    return read


def _denoiser(folder: Path) -> Read:
    path = folder / "d.safetensors"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        net = load_denoiser(path)
        noisy = torch.full((4, 9, 9), 0.1)
        denoise_packed(net, noisy, torch.full((4, 9, 9), 0.01) if net.conditioned else None)

    return read


def _statistics(folder: Path) -> Read:
    path, _ = seeds.kept_statistics(folder)
    [frame] = find_frames(folder, seeds.LEVELS)

    def read(data: bytes) -> None:
        path.write_bytes(data)
        found = look_at(frame, StatisticsStore(path.parent))
        json.dumps([found.error, found.level, found.std, found.name])

    return read


def _pairs(folder: Path) -> Read:
    path = folder / "f.npz"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        item = PairFolder(folder)[0]
        metrics.psnr(item["noisy"].nan_to_num(), item["clean"].nan_to_num())

    return read


def _in_folder(make: Callable[[Path], Sequence[bytes]]) -> Callable[[], Sequence[bytes]]:
    def seeds_of() -> Sequence[bytes]:
        with tempfile.TemporaryDirectory() as folder:
            return make(Path(folder))

    return seeds_of


_TIFF = (m.ifd_entries, m.ifd_entries, m.ifd_entries, m.truncated)

KINDS = (
    Kind("raw", seeds.raw_files, _TIFF, _raw),
    Kind("recipe", lambda: [seeds.recipe()], (m.json_file,), _recipe),
    Kind("tif", seeds.tiffs, _TIFF, _mosaic("f.tif")),
    Kind("npy", seeds.arrays, (m.npy_header,), _mosaic("f.npy")),
    Kind("png", seeds.pngs, (m.png_chunks,), _mosaic("f.png")),
    Kind("frames.csv", seeds.tables, (m.table_cells,), _table),
    Kind("profile", seeds.profiles, (m.json_file,), _profile),
    Kind("eld", seeds.eld_files, (m.pickle_opcodes,), _eld),
    Kind("generator", _in_folder(seeds.generators), (m.headed_json,), _generator),
    Kind("denoiser", _in_folder(seeds.denoisers), (m.headed_json,), _denoiser),
    Kind("pairs", seeds.pairs, (m.zip_members,), _pairs),
    Kind("statistics", _in_folder(lambda f: seeds.kept_statistics(f)[1]), (m.zip_members,), _statistics),
)
