# SPDX-License-Identifier: Apache-2.0
"""Bursts for a denoiser of several frames: one scene that moves by hand shake, other noise in every frame.

    lrd data prepare shots/*.CR2 -o tiles
    python examples/burst_dataset.py tiles --camera sony_a7s2 --frames 8

All frames of a burst have one camera setting, and the noise of each is its own: its identity is the burst's
times the number of frames, plus its own number. The picture moves by whole cells over a sensor that stays, so
noise does not move with it, and the CFA phase stays; shift the crops by fractions of a pixel before they are
mosaicked if your frames need it.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

import lrd_ext
from lrd_ext.datasets import IdentitySampler, RawTiles


class Bursts(Dataset[dict[str, Any]]):
    """Bursts of crops of prepared tiles, by identity, so that every epoch has other ones.

    Args:
        tiles: folder that ``lrd data prepare`` made.
        camera: name or file of the profile.
        iso, ratio: a number, a range or a list, as ``profile.sample`` takes them.
        frames: in a burst.
        size: height and width of a frame, 2x2 cells.
        shake: how far a frame is off the first one, 2x2 cells, at most.
        seed: of crops, settings, shake and noise.

    Items: ``burst`` (frames, 4, size, size) float32, normalized and times the ratio; ``clean`` likewise, each
    frame without noise, of which a denoiser is asked for the first; ``sigma`` likewise, the noise level at
    each site; ``shifts`` (frames, 2) int64, (row, column) in cells by which each frame is off the first;
    ``params``; ``index``.
    """

    def __init__(
        self, tiles: str, camera: str, *, iso: Any, ratio: Any, frames: int, size: int, shake: int, seed: int
    ) -> None:
        self.scenes = RawTiles(tiles, size=size + 2 * shake, seed=seed)
        self.profile = lrd_ext.load_profile(camera)
        self.iso, self.ratio, self.seed = iso, ratio, seed
        self.frames, self.size, self.shake = frames, size, shake

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, identity: int) -> dict[str, Any]:
        scene = self.scenes[identity]
        params = self.profile.sample(
            1, iso=self.iso, ratio=self.ratio, seed=self.seed, index=identity,
            black=scene["black"].tolist(), white=float(scene["white"]), cfa=scene["cfa"],
        )  # fmt: skip
        shifts = self._shifts(identity)
        crops = torch.stack([aligned(scene["clean"], -shift, self.shake) for shift in shifts])
        clean, sigma = torch.empty(crops.shape), torch.empty(crops.shape)
        epoch, index = identity >> 40, identity % 2**40
        burst = lrd_ext.fused_synth(
            crops, params, seed=self.seed, index=(epoch << 40) + index * self.frames,
            clean_out=clean, sigma_out=sigma,
        )  # fmt: skip
        return {
            "burst": burst, "clean": clean, "sigma": sigma, "shifts": shifts,
            "params": params, "index": identity,
        }  # fmt: skip

    def _shifts(self, identity: int) -> torch.Tensor:
        """Walk at random from the middle, as a hand does, and stay within the reach of the scene."""
        steps = np.random.default_rng([self.seed, identity]).normal(0, self.shake / 3, (self.frames, 2))
        steps[0] = 0
        walk = np.clip(np.cumsum(steps, 0).round(), -self.shake, self.shake)
        return torch.from_numpy(walk.astype(np.int64))


def aligned(frame: torch.Tensor, shift: torch.Tensor, shake: int) -> torch.Tensor:
    """Return the middle of a frame (4, h, w) moved back by its shift: what all frames of a burst show."""
    top, left = (shake - shift).tolist()
    height, width = frame.shape[-2:]
    return frame[:, top : top + height - 2 * shake, left : left + width - 2 * shake]


def loader_of(bursts: Bursts, batch: int, workers: int) -> DataLoader[Any]:
    """Return a loader whose batches hold (B, frames, 4, size, size)."""
    order = IdentitySampler(len(bursts))
    return DataLoader(bursts, batch, sampler=order, num_workers=workers, collate_fn=lrd_ext.collate)


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tiles", help="folder that lrd data prepare made")
    parser.add_argument("--camera", default="sony_a7s2", help="a name, or a profile file")
    parser.add_argument("--iso", nargs="+", type=float, default=[800, 1600, 3200], help="choices")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--size", type=int, default=64, help="side of a frame, 2x2 cells")
    parser.add_argument("--shake", type=int, default=4, help="cells a frame may be off")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args(arguments)


def main(options: argparse.Namespace) -> tuple[float, float]:
    """Print the noise of one frame, and of the mean of all, which must be the root of their number less."""
    bursts = Bursts(
        options.tiles, options.camera, iso=options.iso, ratio=(10, 50), frames=options.frames,
        size=options.size, shake=options.shake, seed=7,
    )  # fmt: skip
    batch = next(iter(loader_of(bursts, options.batch, options.workers)))
    noise = torch.stack([
        torch.stack([aligned(f, s, options.shake) for f, s in zip(frames, shifts, strict=True)])
        for frames, shifts in zip(batch["burst"] - batch["clean"], batch["shifts"], strict=True)
    ])  # fmt: skip
    one, mean = noise[:, 0].std().item(), noise.mean(1).std().item()
    shape = tuple(batch["burst"].shape)
    print(f"{options.frames} frames {shape}: noise of one {one:.4f}, of their mean {mean:.4f}")
    return one, mean


if __name__ == "__main__":
    main(options_of())
