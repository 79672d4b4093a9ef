# SPDX-License-Identifier: Apache-2.0
"""LowLightTransform in torchvision's Compose and a DataLoader: the noise of the direct call."""

from __future__ import annotations

import pickle

import pytest
import torch

from lrd_ext.augment import LowLightNoise
from lrd_ext.datasets import EPOCH

pytest.importorskip("torchvision", reason="torchvision: not installed")
from torchvision import tv_tensors
from torchvision.transforms import v2

from lrd_ext.augment.adapters.torchvision import LowLightTransform

LEVELS = {"black": torch.full((4,), 512.0), "white": 16383.0, "cfa": "GBRG", "origin": (4, 6), "id": "a.dng"}


def items():
    for i in range(4):
        drawn = torch.randint(512, 16383, (4, 16, 24), generator=torch.Generator().manual_seed(i))
        yield LEVELS | {"clean": drawn.to(torch.uint16), "index": i + EPOCH}


def test_a_sample_gets_the_pair_of_the_direct_call(noise):
    pipeline = v2.Compose([LowLightTransform(noise), v2.Identity()])
    for item in items():
        made, direct = pipeline(item), noise.collate([item])
        assert torch.equal(made["noisy"], direct["noisy"][0])
        assert torch.equal(made["clean"], direct["clean"][0])
        assert made["params"].to_dict() == direct["params"].to_dict()
        assert (made["id"], made["index"]) == ("a.dng", item["index"])


def test_transforms_behind_it_move_both_pictures_alike(noise):
    pipeline = v2.Compose([LowLightTransform(noise), v2.RandomCrop(8), v2.RandomHorizontalFlip(0.5)])
    [item, *_] = items()
    direct = noise.collate([item])
    for _ in range(5):
        made = pipeline(item)
        assert isinstance(made["noisy"], tv_tensors.Image)
        assert made["noisy"].shape == (4, 8, 8)
        places = [
            (r, c, flip)
            for r in range(9) for c in range(17) for flip in (False, True)
            if torch.equal(made["clean"], cut(direct["clean"][0], r, c, flip))
        ]  # fmt: skip
        assert any(torch.equal(made["noisy"], cut(direct["noisy"][0], *place)) for place in places)


def cut(picture, row, column, flip):
    crop = picture[:, row : row + 8, column : column + 8]
    return crop.flip(-1) if flip else crop


def test_workers_change_nothing(noise):
    samples = [{name: item[name] for name in ("clean", "index")} for item in items()]
    data = Transformed(samples, v2.Compose([LowLightTransform(noise)]))
    for sample, made in zip(samples, torch.utils.data.DataLoader(data, None, num_workers=2), strict=True):
        direct = noise(sample["clean"][None], sample["index"])
        assert torch.equal(made["noisy"], direct["noisy"][0])


class Transformed(torch.utils.data.Dataset):
    def __init__(self, samples, transform):
        self.samples, self.transform = samples, transform

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        return self.transform(self.samples[i])


def test_iso_and_ratio_of_the_sample():
    noise = LowLightNoise("nikon_d850", iso="item", ratio="item", seed=3)
    [item, *_] = items()
    made = pickle.loads(pickle.dumps(LowLightTransform(noise)))(item | {"iso": 1600.0, "ratio": 33.0})
    assert (made["params"].iso.item(), made["params"].ratio.item()) == (1600.0, 33.0)
