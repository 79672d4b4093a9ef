# SPDX-License-Identifier: Apache-2.0
"""DarkFrameBank: a camera's own dark frames as the noise that light does not cause."""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from lrd_ext.cfa import BY_SITE, MONO, SITES, check_cfa, shift_cfa, to_phase
from lrd_ext.datasets import RawTiles, Tile, prepare_tiles
from lrd_ext.datasets.prepare import is_prepared
from lrd_ext.datasets.tiles import INDEX
from lrd_ext.outputs import replacing
from lrd_ext.params import NoiseParams
from lrd_ext.profiles import CameraProfile, load_profile
from lrd_ext.profiles.draws import Choice, Word, parameter_uniform
from lrd_ext.synth import fused_synth

from .dark_files import find_darks, iso_of_folder, read_dark

Shading = Literal["keep", "subtract"]


class DarkFrameBank:
    """Dark frames on disk, of which :class:`LowLightNoise` draws one for each sample.

    The frame is of the ISO nearest to the sample's in log2, and of the same gain branch of the profile. Which
    frame, and where it is cut, depends on (seed, identity) only.

    Args:
        root: folder of dark frames: raw files, or .npy mosaics (H, W) of whole raw DN in the profile's levels
            and phase, in any depth; or a camera's folder of the AIM 2025 kit. A folder named iso800 tells the
            ISO of what lies in it. Or a store that was made of them.
        profile: of the camera: its gain branches, and levels where files tell none.
        store: folder of the store of values, made once and again when the dark frames, the ISOs their
            folders tell or the profile's levels change; default, ``root`` with ".tiles" added to its name.
            Where several processes train, let one make it first.
        shading: "keep" leaves dark shading and black-level error in, as the camera's pictures have them;
            "subtract" takes the mean of the darks of an ISO off, for pictures it is taken off before as well.
            The rest is scaled by sqrt(n / (n - 1)), since each frame is a part of the mean of n.
        high_bit: add U(-1/2, 1/2) DN in place of the bits that rounding took, so that sums with shot noise do
            not come in steps. Where there is no light rounding gives the dark back; elsewhere it is 1/12 DN^2
            more variance.
        aligned: a dark is cut where the picture's crop lies on the sensor, so that fixed patterns keep their
            places; False cuts anywhere on the phase of the colour filters, for pictures of another camera.
        stops: farthest that the ISO of a dark may be from the sample's, log2.
        jobs: files that are decoded at the same time.

    Raises:
        ValueError: there are no darks, one cannot be read, got light or is cut off at black, they are not of
            one camera, size and phase, an ISO is outside the profile's range, or has one frame only where
            shading is subtracted.

    Source: Zhang et al., ICCV 2021 (SFRN: recorded darks, aligned crops, recovery of bits); Feng et al.,
    TPAMI 2023 (PMN: dark shading); Li et al., CVPR 2025 (NMOH: darks without dark shading).
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        profile: CameraProfile | str,
        *,
        store: str | os.PathLike[str] | None = None,
        shading: Shading = "keep",
        high_bit: bool = True,
        aligned: bool = True,
        stops: float = 1.0,
        jobs: int = 1,
    ) -> None:
        if shading not in get_args(Shading):
            raise ValueError(f"shading must be one of {', '.join(get_args(Shading))}, got {shading!r}")
        if not stops >= 0:
            raise ValueError(f"stops must be 0 or more, got {stops}")
        self.profile = profile if isinstance(profile, CameraProfile) else load_profile(profile)
        self.shading, self.high_bit, self.aligned, self.stops = shading, high_bit, aligned, stops
        self.frames = RawTiles(_stored(Path(root), store, self.profile, jobs), size=None)
        self.cfa, self.shape = _one_kind(self.frames)
        self._darks = _by_iso(self.frames)
        self._branch = {iso: int(self.profile.answers.index(np.array([iso]))[0]) for iso in self._darks}
        if shading == "subtract":
            self._check_numbers()
            for iso in self._darks:
                self._mean(iso)

    @property
    def isos(self) -> tuple[float, ...]:
        """ISOs there are darks of, rising."""
        return tuple(self._darks)

    def __len__(self) -> int:
        return len(self.frames)

    def match(self, iso: float) -> float:
        """Return the ISO whose darks serve another one: the nearest in log2 in its gain branch.

        Raises:
            ValueError: the ISO is outside the profile's range, or its branch has no darks within ``stops``.
        """
        branch = int(self.profile.answers.index(np.array([iso]))[0])
        own = [known for known in self._darks if self._branch[known] == branch]
        nearest = min(own, key=lambda known: abs(math.log2(known / iso)), default=None)
        if nearest is None or abs(math.log2(nearest / iso)) > self.stops + 1e-9:
            name = self.profile.answers.branches[branch].branch.name
            there = f"those there are of ISO {_listed(own)}" if own else "there are none at all"
            raise ValueError(
                f"dark: ISO {iso:g} lies in the gain branch {name!r} and needs darks of ISO "
                f"{iso / 2**self.stops:.0f} to {iso * 2**self.stops:.0f} of that branch; {there}"
            )
        return nearest

    def check(self, iso: Choice) -> None:
        """Refuse a number, a range (low, high) or a list of ISOs if one of them has no darks.

        Raises:
            ValueError: as :meth:`match`.
        """
        isos = list(iso) if isinstance(iso, (tuple, list)) else [iso]
        if isinstance(iso, tuple):  # what is farthest from any darks lies between two, or where branches meet
            starts = [own.branch.iso[0] for own in self.profile.answers.branches]
            inner = [*starts, *(math.nextafter(start, 0) for start in starts)]
            inner += [math.sqrt(a * b) for a, b in itertools.pairwise(self._darks)]
            isos += [i for i in inner if iso[0] < i < iso[1]]
        for one in isos:
            self.match(one)

    def draw(
        self,
        params: NoiseParams,
        identities: Tensor,
        size: tuple[int, int],
        *,
        seed: int,
        cfas: Sequence[str | None],
        origins: Sequence[tuple[int, int]] | None = None,
    ) -> Tensor:
        """Draw the darks of a batch.

        Args:
            params: of the samples: ISO, and the levels whose DN the darks come in.
            identities: (B,) int64.
            size: (height, width) of the pictures in sites, even.
            seed: any int, bits taken mod 2^64.
            cfas: phase of each picture, None for that of the profile.
            origins: (row, column) of each picture's first site on the active area, even.

        Returns: (B, 4, height / 2, width / 2) float32, DN above black, by site of the picture's phase.

        Raises:
            ValueError: an ISO has no darks, a picture reaches beyond them or is of another phase, or
                ``origins`` are needed and not given.
        """
        names = identities.cpu().numpy()
        matched = [self.match(float(iso)) for iso in params.iso.tolist()]
        which = parameter_uniform(seed, names, Word.DARK_FRAME)
        tiles = [
            self._darks[iso][int(u * len(self._darks[iso]))] for iso, u in zip(matched, which, strict=True)
        ]
        corners = self._corners(seed, names, size, cfas, origins)
        darks = torch.empty((len(names), 4, size[0] // 2, size[1] // 2))
        for dark, tile, corner in zip(darks, tiles, corners, strict=True):
            _cut(self.frames.mosaic(tile), corner, dark)
            dark -= _black_at(tile, corner)
        if self.high_bit:
            darks = _with_lost_bits(darks, seed, identities.cpu())
        if self.shading == "subtract":
            for dark, tile, iso, corner in zip(darks, tiles, matched, corners, strict=True):
                mean, n = torch.empty_like(dark), len(self._darks[iso])
                _cut(self._mean(iso), corner, mean)
                dark.sub_(mean.sub_(_black_at(tile, corner))).mul_(math.sqrt(n / (n - 1)))
        own = torch.tensor([tile.white - sum(tile.black) / 4 for tile in tiles])
        factors = (params.white.cpu() - params.black.cpu().mean(1)) / own
        return darks if bool((factors == 1).all()) else darks.mul_(factors[:, None, None, None])

    def _corners(
        self,
        seed: int,
        names: np.ndarray,
        size: tuple[int, int],
        cfas: Sequence[str | None],
        origins: Sequence[tuple[int, int]] | None,
    ) -> list[tuple[int, int]]:
        shifts = [self._shift(cfa or self.profile.cfa) for cfa in cfas]
        if not self.aligned:
            draws = [parameter_uniform(seed, names, w) for w in (Word.DARK_FRAME_ROW, Word.DARK_FRAME_COLUMN)]
            return [
                (self._place(u, shift[0], size[0], 0), self._place(v, shift[1], size[1], 1))
                for u, v, shift in zip(*draws, shifts, strict=True)
            ]
        if origins is None:
            raise ValueError("origin must tell where the pictures lie on the sensor: dark is aligned")
        for (row, column), shift in zip(origins, shifts, strict=True):
            if shift != (0, 0):
                raise ValueError(f"dark: its frames are {self.cfa}, the picture is of another phase")
            if row % 2 or column % 2 or row < 0 or column < 0:
                raise ValueError(f"origin must be even and not below 0, got {(row, column)}")
            if row + size[0] > self.shape[0] or column + size[1] > self.shape[1]:
                raise ValueError(
                    f"dark: its frames are {self.shape[1]} x {self.shape[0]} sites, and a picture of "
                    f"{size[1]} x {size[0]} lies at row {row}, column {column}; aligned=False cuts anywhere"
                )
        return [(int(row), int(column)) for row, column in origins]

    def _shift(self, cfa: str) -> tuple[int, int]:
        """Return the first place in a dark frame that has a phase."""
        check_cfa(cfa, among=BY_SITE, what="dark: the picture's cfa")
        places = [place for place in SITES if MONO in (cfa, self.cfa) or shift_cfa(self.cfa, *place) == cfa]
        return places[0]

    def _place(self, u: float, shift: int, size: int, axis: int) -> int:
        places = (self.shape[axis] - shift - size) // 2 + 1
        if places < 1:
            raise ValueError(
                f"dark: its frames are {self.shape[1]} x {self.shape[0]} sites, smaller than the pictures"
            )
        return shift + 2 * int(u * places)

    def _check_numbers(self) -> None:
        alone = [iso for iso, tiles in self._darks.items() if len(tiles) < 2]
        if alone:
            raise ValueError(
                f'shading="subtract" needs two darks of an ISO at least, got 1 of ISO {alone[0]:g}'
            )

    @functools.cached_property
    def _means(self) -> dict[float, np.ndarray]:
        return {}

    def _mean(self, iso: float) -> np.ndarray:
        """Map the mean of the darks of an ISO, (H, W) float32, raw DN; worked out once and kept on disk."""
        if iso not in self._means:
            of = hashlib.sha256("".join(tile.sha256 for tile in self._darks[iso]).encode()).hexdigest()
            values = self.frames.root / f"mean-{of[:16]}.f32"
            if not values.is_file() or values.stat().st_size != 4 * math.prod(self.shape):
                with replacing(values) as file:
                    file.write(_mean_of([self.frames.mosaic(tile) for tile in self._darks[iso]]).tobytes())
            self._means[iso] = np.memmap(values, "<f4", "r").reshape(self.shape)
        return self._means[iso]

    def __getstate__(self) -> dict[str, object]:
        # A worker maps the files itself, as RawTiles does.
        return {name: value for name, value in self.__dict__.items() if name != "_means"}


def _stored(root: Path, store: str | os.PathLike[str] | None, profile: CameraProfile, jobs: int) -> Path:
    """Return the store of a folder's dark frames, made anew if they, their ISOs or the levels are others."""
    if (root / INDEX).is_file():
        return root
    folder = Path(store) if store is not None else root.with_name(f"{root.resolve().name}.tiles")
    paths = find_darks(root)
    given = {
        "isos": [iso_of_folder(path) for path in paths],
        "levels": [*profile.black, profile.white],
        "cfa": profile.cfa,
    }
    if not is_prepared(paths, folder, given):
        read = functools.partial(read_dark, profile=profile)
        done = prepare_tiles(paths, folder, jobs=jobs, overwrite=True, read=read, given=given)
        for old in folder.glob("mean-*.f32"):
            old.unlink()
        for path, reason in done.left_out.items():
            raise ValueError(reason if reason.startswith(path) else f"{path}: {reason}")
    return folder


def _one_kind(frames: RawTiles) -> tuple[str, tuple[int, int]]:
    """Return the phase and the size that all frames share.

    Raises:
        ValueError: they differ.
    """
    first = frames.tiles[0]
    for tile in frames.tiles:
        for name in ("camera", "cfa", "height", "width", "white"):
            if getattr(tile, name) != getattr(first, name):
                raise ValueError(
                    f"{frames.root}: dark frames must be of one camera and size: {name} of {tile.source} is "
                    f"{getattr(tile, name)}, that of {first.source} {getattr(first, name)}"
                )
    return first.cfa, (first.height, first.width)


def _by_iso(frames: RawTiles) -> dict[float, list[Tile]]:
    darks: dict[float, list[Tile]] = {}
    for tile in frames.tiles:
        if tile.iso is None:
            raise ValueError(f"{frames.root}: nothing tells the ISO of {tile.source}")
        darks.setdefault(tile.iso, []).append(tile)
    return dict(sorted(darks.items()))


def _cut(mosaic: np.ndarray, corner: tuple[int, int], planes: Tensor) -> None:
    """Copy a crop of a mosaic into planes (4, h, w) by site."""
    height, width = 2 * planes.shape[1], 2 * planes.shape[2]
    crop = mosaic[corner[0] : corner[0] + height, corner[1] : corner[1] + width]
    by_site = planes.numpy()
    for plane, (row, column) in zip(by_site, SITES, strict=True):
        plane[...] = crop[row::2, column::2]


def _black_at(tile: Tile, corner: tuple[int, int]) -> Tensor:
    """Return the black level by site of a crop, (4, 1, 1) float32."""
    black = to_phase(np.array(tile.black), tile.cfa, shift_cfa(tile.cfa, *corner))
    return torch.from_numpy(black.astype(np.float32))[:, None, None]


def _with_lost_bits(darks: Tensor, seed: int, identities: Tensor) -> Tensor:
    """Add U(-1/2, 1/2): the words of component QUANTIZE, which rounding in what follows leaves unused."""
    nothing = NoiseParams(K=1, ratio=1, white=65535, black=0, shot=False)
    return fused_synth(
        torch.zeros_like(darks), nothing, seed=seed, index=identities, dark=darks, output="dn_float",
        quantize="uniform", clip="none", layout="packed" if darks.ndim == 3 else "auto",
    )  # fmt: skip


def _mean_of(mosaics: Sequence[np.ndarray]) -> np.ndarray:
    total = np.zeros(mosaics[0].shape, np.float64)
    for mosaic in mosaics:
        total += mosaic
    return (total / len(mosaics)).astype("<f4")


def _listed(isos: Sequence[float]) -> str:
    return ", ".join(f"{iso:g}" for iso in isos)
