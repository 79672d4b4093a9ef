# SPDX-License-Identifier: Apache-2.0
"""Train SID's U-Net, raw to raw, on the long exposures of SID with made-up noise in place of the short ones.

    lrd data prepare SID/Sony/long/0*.ARW -o tiles   # the scenes of training; those of test begin with 1
    python examples/sid_unet.py tiles --steps 200000 --out sid_unet.safetensors
    lrd evaluate denoiser SID --protocol sid_paper --net sid_unet.safetensors

As in SID and ELD: crops of 512 x 512 cells, turned and mirrored, times the ratio and cut at white, one a
step, mean absolute error, Adam at 1e-4 and from the middle on at 1e-5. Not as there: every step has a fresh
crop with fresh noise. For a run that goes on after a stop, and for all else, there is lrd train denoiser.
"""

from __future__ import annotations

import argparse
import itertools

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from lrd_ext.augment import LowLightNoise
from lrd_ext.datasets import IdentitySampler, RawTiles
from lrd_ext.denoise import UNet


def turned(pictures: Tensor, way: int) -> Tensor:
    """Return (B, 4, h, w) mirrored in one of 8 ways; rows and columns of cells move, channels stay."""
    for bit, dim in ((1, -1), (2, -2)):
        pictures = pictures.flip(dim) if way & bit else pictures
    return pictures.transpose(-1, -2) if way & 4 else pictures


def train(options: argparse.Namespace) -> list[float]:
    """Train, write the net, and return the loss of every step."""
    torch.manual_seed(options.seed)
    tiles = RawTiles(options.tiles, size=options.size, order="rggb", samples=options.samples)
    noise = LowLightNoise(
        options.camera, iso=tuple(options.iso), ratio=(100, 300), seed=options.seed, clamp=(None, 1.0)
    )
    loader = DataLoader(
        tiles, options.batch, sampler=IdentitySampler(len(tiles)), num_workers=options.workers,
        collate_fn=noise.collate, persistent_workers=options.workers > 0,
    )  # fmt: skip
    net = UNet(options.width, options.levels).to(options.device)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [options.steps // 2], 0.1)
    losses = []
    epochs = itertools.chain.from_iterable(loader for _ in itertools.count())  # IdentitySampler counts them
    for step, batch in enumerate(itertools.islice(epochs, options.steps)):
        noisy, clean = (turned(batch[k], step % 8).to(options.device) for k in ("noisy", "clean"))
        loss = (net(noisy) - clean).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % 1000 == 0:
            print(f"step {step}: {losses[-1]:.5f}")
    net.save(options.out)
    return losses


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tiles", help="folder that lrd data prepare made")
    parser.add_argument("--camera", default="sony_a7s2", help="a name, or a profile file")
    parser.add_argument("--iso", nargs=2, type=float, default=[100, 25600], help="lowest and highest")
    parser.add_argument("--size", type=int, default=512, help="side of crops, 2x2 cells")
    parser.add_argument("--samples", type=int, help="samples in an epoch (default: tiles)")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--width", type=int, default=32, help="channels of the U-Net's first level")
    parser.add_argument("--levels", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", default="sid_unet.safetensors")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    train(options_of())
