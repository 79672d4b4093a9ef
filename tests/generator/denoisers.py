# SPDX-License-Identifier: Apache-2.0
"""Denoisers that a configuration names as denoisers:factory."""

from __future__ import annotations

import torch
from torch import nn


class Recorder(nn.Module):
    """Returns what it gets times a weight, and keeps it."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.seen = []

    def forward(self, pictures):
        self.seen.append(pictures.detach().clone())
        return pictures * self.weight


def recorder():
    return Recorder()


def blur():
    net = nn.Conv2d(4, 4, 3, padding=1, groups=4, padding_mode="reflect")
    nn.init.constant_(net.weight, 1 / 9)
    nn.init.zeros_(net.bias)
    return net


def halved():
    return nn.MaxPool2d(2)


def broken():
    return nn.Conv2d(3, 3, 1)


def no_net():
    return 3
