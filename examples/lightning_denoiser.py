# SPDX-License-Identifier: Apache-2.0
"""Train a small denoiser with Lightning on fresh crops and noise; stop it at any step and start it again.

    lrd data prepare shots/*.CR2 -o tiles
    python examples/lightning_denoiser.py tiles --camera sony_a7s2 --steps 1000 --out run

The order of samples goes into the checkpoint, so a run that is started again in mid-epoch goes on with the
samples it had not seen, and with their noise: its weights are those of a run that was not stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lrd_ext.augment import LowLightNoise
from lrd_ext.datasets import IdentitySampler, RawTiles


class Denoiser(lightning.LightningModule):
    """Three convolutions that predict the noise; put your own network here."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(4, width, 3, padding=1), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(),
            nn.Conv2d(width, 4, 3, padding=1),
        )  # fmt: skip

    def forward(self, noisy: Tensor) -> Tensor:
        """Return the clean picture, (B, 4, h, w)."""
        return noisy - self.net(noisy)

    def training_step(self, batch: dict[str, Any], number: int) -> Tensor:
        """Return the loss of a batch."""
        loss = nn.functional.l1_loss(self(batch["noisy"]), batch["clean"])
        self.log("loss", loss, prog_bar=True, batch_size=len(batch["noisy"]))
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return what moves the weights."""
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class LowLightPairs(lightning.LightningDataModule):
    """Fresh crops with fresh noise, in an order that is saved with the weights."""

    def __init__(self, tiles: RawTiles, noise: LowLightNoise, batch: int, workers: int) -> None:
        super().__init__()
        self.tiles, self.noise, self.batch, self.workers = tiles, noise, batch, workers
        self.sampler = IdentitySampler(len(tiles))

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the loader; LowLightNoise draws whole batches in its workers."""
        return DataLoader(
            self.tiles, self.batch, sampler=self.sampler, num_workers=self.workers,
            collate_fn=self.noise.collate, persistent_workers=self.workers > 0, drop_last=True,
        )  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        """Tell what training has used, not what workers have fetched ahead."""
        steps = self.trainer.global_step
        epoch, used = divmod(steps, len(self.tiles) // self.batch)
        return self.sampler.state_at(epoch, used * self.batch)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on behind what training has used."""
        self.sampler.load_state(state)


def train(options: argparse.Namespace) -> Denoiser:
    """Train up to a step, from the last checkpoint in the folder if there is one."""
    lightning.seed_everything(0)
    tiles = RawTiles(options.tiles, size=options.size, samples=options.samples)
    noise = LowLightNoise(options.camera, iso=(800, 3200), ratio=(100, 300), seed=7)
    saved = lightning.callbacks.ModelCheckpoint(
        options.out, save_last=True, save_top_k=0, every_n_train_steps=options.save_every
    )
    trainer = lightning.Trainer(
        accelerator=options.accelerator, max_steps=options.steps, callbacks=[saved], logger=False,
        enable_progress_bar=options.verbose, enable_model_summary=options.verbose,
        use_distributed_sampler=False, limit_train_batches=len(tiles) // options.batch,
    )  # fmt: skip
    denoiser, last = Denoiser(), Path(options.out) / "last.ckpt"
    data = LowLightPairs(tiles, noise, options.batch, options.workers)
    trainer.fit(denoiser, datamodule=data, ckpt_path=last if last.is_file() else None)
    return denoiser


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tiles", help="folder that lrd data prepare made")
    parser.add_argument("--camera", nargs="+", default=["sony_a7s2"], help="names, or profile files")
    parser.add_argument("--size", type=int, default=256, help="side of crops, 2x2 cells")
    parser.add_argument("--samples", type=int, help="samples in an epoch (default: tiles)")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--save-every", type=int, default=100, help="steps between checkpoints")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--accelerator", default="auto")
    parser.add_argument("--out", default="run", help="folder of the checkpoints")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    train(options_of())
