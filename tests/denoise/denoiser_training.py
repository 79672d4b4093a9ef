# SPDX-License-Identifier: Apache-2.0
"""A training of seconds, as the tests of `lrd train denoiser` run it, and whether two ended alike."""

from __future__ import annotations

import torch

from lrd_ext.cli import main
from lrd_ext.denoise import load_denoiser

STEPS = 12
QUICK = (
    f"steps: {STEPS}\nbatch: 2\npatch: 8\nwidth: 2\nlevels: 2\ncheckpoint_s: 0\nthreads: 1\nsheet_every: 5\n"
)
NOISE = ("--camera", "sony_a7s2", "canon_70d", "--iso", "800:3200", "--ratio", "10,100")


def train(place, output, *more, noise=NOISE, tiles="tiles", config="quick.yaml"):
    words = ["train", "denoiser", place / tiles, "-o", place / output, "--config", place / config]
    return main([str(w) for w in (*words, *more, *noise)])


def same(place, one, other):
    weights = [load_denoiser(place / name).state_dict() for name in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    return all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
