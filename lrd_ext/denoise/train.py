# SPDX-License-Identifier: Apache-2.0
"""A denoiser trained on clean raw tiles with made-up noise, or on recorded pairs."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lrd_ext.training.configuration import DenoiserConfiguration
from lrd_ext.training.descent import descend, follow, set_cosine_rate
from lrd_ext.training.loop import Place, train
from lrd_ext.version import __version__, commit

from .batches import Batches
from .denoiser import Denoiser
from .nafnet import NAFNet
from .unet import UNet

if TYPE_CHECKING:
    from lightning_fabric import Fabric

#: Pictures of a sample sheet.
_SHOWN = 4


class Denoising:
    """Training of a denoiser as a task of the training loop: L1 to the clean picture, by Adam.

    An average of the weights over steps is what is kept in the end. Every step depends on its number alone.

    Args:
        net: trained in place.
        batches: of noisy and clean pictures, in the net's phase.
        configuration: rate, steps and average.
        fabric: launched; averages over processes and casts.

    Source: Chen et al., CVPR 2018 (SID), and Wei et al., CVPR 2020 (ELD), for L1 and Adam; the average and
        the cosine are our choices.
    """

    name = "denoiser"

    def __init__(
        self, net: Denoiser, batches: Batches, configuration: DenoiserConfiguration, fabric: Fabric
    ) -> None:
        self.net, self.batches, self.configuration, self.fabric = net, batches, configuration, fabric
        self.average = copy.deepcopy(net)
        self.optimizer = torch.optim.Adam(net.parameters(), configuration.rate)
        #: From which step on the rate followed a cosine over how many, pair by pair.
        self.schedule = [[0, configuration.steps]]
        self._done, self._seen = 0, list[Tensor]()

    @property
    def steps(self) -> int:
        """How many steps the task takes."""
        return self.configuration.steps

    @property
    def modules(self) -> dict[str, nn.Module]:
        """What is trained, and the average that is kept."""
        return {"denoiser": self.net, "average": self.average}

    def step(self, number: int) -> dict[str, float]:
        """Take step ``number`` and return the loss and the PSNR of the batch, dB, before and after."""
        set_cosine_rate([self.optimizer], self.configuration.rate, number, self.steps)
        batch = {name: x.to(self.fabric.device) for name, x in self.batches.at(number).items()}
        noisy, clean = batch["noisy"], batch["clean"]
        with self.fabric.autocast():
            made = self.net(noisy, batch.get("noise_level")).float()
        loss = functional.l1_loss(made, clean)
        descend(self.fabric, self.net, self.optimizer, loss)
        follow(self.average, self.net, self.configuration.ema, number)
        self._done, self._seen = number + 1, [noisy, made.detach(), clean]
        return {"loss": float(loss.detach()), "psnr_in": psnr(noisy, clean), "psnr": psnr(made, clean)}

    def state(self) -> dict[str, Any]:
        """Return the optimizer's state, and the schedule that led there."""
        return {"optimizer": self.optimizer.state_dict(), "done": self._done, "schedule": self.schedule}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; to the end of a longer or shorter schedule, if the configuration has one."""
        self.optimizer.load_state_dict(state["optimizer"])
        self._done, self.schedule = state["done"], state["schedule"]
        if self.schedule[-1][1] != self.steps:
            self.schedule = [*self.schedule, [self._done, self.steps]]

    def sheet(self) -> np.ndarray | None:
        """Return crops of the last batch, noisy above denoised above clean, (H, W, 3) uint8."""
        if not self._seen:
            return None
        rows = [torch.cat(list(x[:_SHOWN].float().cpu()), 2) for x in self._seen]
        # Each crop as bright as its clean picture allows; the greens as one.
        scale = torch.stack([x.quantile(0.99).clamp(min=1e-4) for x in self._seen[2][:_SHOWN].float().cpu()])
        wide = scale.repeat_interleave(self._seen[2].shape[3])
        planes = torch.cat(rows, 1) / wide
        red, green, blue = planes[0], (planes[1] + planes[2]) / 2, planes[3]
        picture = torch.stack([red, green, blue], -1).clamp(0, 1) ** (1 / 2.2)
        return (picture * 255).to(torch.uint8).numpy()


def train_denoiser(
    batches: Batches,
    configuration: DenoiserConfiguration,
    folder: Path,
    fabric: Fabric,
    *,
    data: Mapping[str, Any],
    cfa: str = "RGGB",
    resume: bool = False,
) -> Denoiser:
    """Train a denoiser.

    Args:
        batches: of noisy and clean pictures of the phase ``cfa``.
        configuration: what to train, and how.
        folder: for checkpoints and curves.
        fabric: launched.
        data: tells what the batches are made of, values JSON takes; a checkpoint of other data is refused.
        cfa: phase whose sites the planes hold.
        resume: go on from the checkpoint in ``folder``.

    Returns: the average of the weights over steps, on the CPU; its card tells configuration, data and
        schedule.

    Raises:
        ValueError: the checkpoint is refused, or training diverged.
        OSError: a checkpoint cannot be written; the one before it is whole.
    """
    net = fresh(configuration, cfa).to(fabric.device)
    task = Denoising(net, batches, configuration, fabric)
    place = Place(
        folder, fingerprint(configuration, data), configuration.checkpoint_s, configuration.sheet_every
    )
    train(task, fabric, place, resume=resume)
    net = task.average.cpu().eval()
    net.card = card_of(net, configuration, data) | {"schedule": task.schedule}
    return net


def card_of(net: Denoiser, configuration: DenoiserConfiguration, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the card: plain values that JSON takes. It names no path."""
    return {
        "made_by": "lrd train denoiser",
        "lrd_ext": __version__,
        "commit": commit(),
        "configuration": dataclasses.asdict(configuration),
        "data": dict(data),
        "takes": "packed raw in site order of "
        f"{net.cfa}: (value - black) / (white - black) * ratio, nothing cut off below black",
    }


def fresh(configuration: DenoiserConfiguration, cfa: str) -> Denoiser:
    """Return the net a configuration asks for, with weights drawn by its seed.

    Raises:
        ValueError: a size out of range.
    """
    c = configuration
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(c.seed)
        if c.net == "nafnet":
            return NAFNet(c.width, c.blocks, conditioned=c.conditioned, cfa=cfa)
        return UNet(c.width, c.levels, residual=c.residual, conditioned=c.conditioned, cfa=cfa)


def fingerprint(configuration: DenoiserConfiguration, data: Mapping[str, Any]) -> str:
    """Return what tells this training from others: configuration and data."""
    content = json.dumps([configuration.told(), data], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def psnr(made: Tensor, clean: Tensor) -> float:
    """Return the peak signal-to-noise ratio of a batch as one picture, dB, values cut to [0, 1]."""
    error = (made.detach().float().clamp(0, 1) - clean.clamp(0, 1)).square().mean()
    return float(-10 * torch.log10(error.clamp(min=1e-12)))
