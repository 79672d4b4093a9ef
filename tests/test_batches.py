# SPDX-License-Identifier: Apache-2.0
"""Batches that mix cameras: joined NoiseParams, collate in worker processes, read noise by sample."""

from __future__ import annotations

import collections

import pytest
import torch
from scipy import stats

from lrd_ext import NoiseParams, collate

#: Five cameras: levels, gain, and one of three read models each.
CAMERAS = (
    {"K": 2.3, "white": 16383.0, "black": [512.0, 511.0, 513.0, 512.5], "read": "gaussian"},
    {"K": 0.7, "white": 4095.0, "black": 256.0, "read": "tukey_lambda", "tukey_lambda": -0.14},
    {"K": 11.0, "white": 1023.0, "black": 64.0, "read": "none", "bias": [0.5, 0.0, -0.5, 1.0]},
    {"K": 0.1, "white": 65535.0, "black": 2048.0, "read": "tukey_lambda", "tukey_lambda": 0.11},
    {"K": 40.0, "white": 15520.0, "black": 0.0, "read": "gaussian", "sigma_row": 3.0, "sigma_col": 2.0},
)


def camera(i):
    """The i-th of 16 samples from five cameras."""
    about = CAMERAS[i % 5]
    sigma_read = 0.0 if about["read"] == "none" else 2.0 + i
    return NoiseParams(**about, ratio=10.0 + 20 * i, sigma_read=sigma_read, iso=100.0 * (i + 1))


MIXED = NoiseParams.cat([camera(i) for i in range(16)])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"output": "dn"},
        {"dtype": torch.bfloat16, "quantize": "uniform", "clip": "none"},
        {"layout": "packed", "order": "rgbg", "cfa": "GBRG", "quantize": "none"},
    ],
    ids=str,
)
def test_a_mixed_batch_is_its_samples_one_by_one(synth, options):
    shape = (16, 4, 35, 67) if "layout" in options else (16, 70, 134)
    clean = torch.rand(shape, generator=torch.Generator().manual_seed(0)) ** 3
    together = synth(clean, MIXED, seed=7, index=2**40, **options)
    for i in range(16):
        for params in (camera(i), MIXED.select(i)):
            assert torch.equal(synth(clean[i], params, seed=7, index=2**40 + i, **options), together[i])


def test_cat_keeps_every_sample_as_it_was():
    assert len(MIXED) == 16
    assert MIXED.read == tuple(CAMERAS[i % 5]["read"] for i in range(16))
    for i in range(16):
        one, other = camera(i).to_dict(), MIXED.select(i).to_dict()
        assert one == other
    assert NoiseParams.cat([MIXED.select([0, 4]), camera(0)]).read == "gaussian"
    assert NoiseParams.cat(iter([MIXED, camera(2)])).read == (*MIXED.read, "none")


@pytest.mark.parametrize(
    ("batches", "error", "message"),
    [
        ([], ValueError, "needs at least one NoiseParams"),
        ([MIXED, MIXED.to_dict()], TypeError, "joins NoiseParams, got dict"),
        ([MIXED, MIXED.to("meta")], ValueError, "device must be the same in all, got cpu and meta. Use to"),
        (
            [camera(0), NoiseParams(K=1, ratio=1, white=2, black=0, shot=False)],
            ValueError,
            "shot must be the same in all, got False and True. Use one call per kind",
        ),
    ],
    ids=["nothing", "dict", "devices", "shot"],
)
def test_cat_refuses(batches, error, message):
    with pytest.raises(error, match=f"NoiseParams.cat: {message}"):
        NoiseParams.cat(batches)


def test_a_batch_prints_in_five_lines():
    shown = repr(MIXED)
    assert len(shown.splitlines()) <= 5
    for part in (
        "batch of 16 on cpu",
        "3 none, 7 gaussian, 6 tukey_lambda",
        "K 0.1 to 40 DN/e-",
        "iso 100 to 1600",
    ):
        assert part in shown
    widest = 13.0 * stats.tukeylambda.std(-0.14)  # of sample 11
    assert f"read noise std 0 to {widest:.6g} DN" in shown
    assert "read noise std 2 DN" in repr(camera(0))
    assert "bias" not in repr(camera(0))
    assert repr(MIXED.to("meta")).endswith("tukey_lambda)")


Item = collections.namedtuple("Item", "clean params")


class Samples(torch.utils.data.Dataset):
    """Samples of several cameras as a data set gives them."""

    def __len__(self):
        return 16

    def __getitem__(self, i):
        clean = torch.full((4, 6), float(i))
        raw = torch.full((2, 2), i, dtype=torch.uint16)
        nested = {"params": camera(i), "ratio": 10.0 + 20 * i, "pair": (raw, [clean])}
        return {"clean": clean, "id": f"frame {i}", "index": i, "params": camera(i), "about": nested}


def test_collate_joins_structures():
    batch = collate([Samples()[i] for i in (3, 4, 2)])
    assert batch["clean"].shape == (3, 4, 6)
    assert batch["id"] == ["frame 3", "frame 4", "frame 2"]
    assert batch["index"].tolist() == [3, 4, 2]
    assert batch["params"].read == ("tukey_lambda", "gaussian", "none")
    assert batch["about"]["params"].iso.tolist() == [400.0, 500.0, 300.0]
    assert batch["about"]["pair"][0].dtype == torch.uint16
    named = collate([Item(torch.ones(2), camera(i)) for i in range(2)])
    assert isinstance(named, Item)
    assert len(named.params) == 2
    assert len(collate([camera(0), camera(1)])) == 2
    with pytest.raises(TypeError, match="NoneType"):
        collate([{"dark": None}, {"dark": None}])


@pytest.mark.parametrize("context", ["fork", "spawn", "forkserver"])
def test_workers_yield_noise_params(context):
    options = {"batch_size": 5, "collate_fn": collate}
    alone = list(torch.utils.data.DataLoader(Samples(), **options))
    workers = torch.utils.data.DataLoader(
        Samples(), num_workers=2, multiprocessing_context=context, **options
    )
    for got, expected in zip(workers, alone, strict=True):
        assert got["params"].to_dict() == expected["params"].to_dict()
        assert got["about"]["params"].read == expected["params"].read
        assert torch.equal(got["clean"], expected["clean"])
        # The figures of what came out of another process are still views of its table.
        got["params"].K.fill_(3.0)
        assert got["params"].table[:, 0].tolist() == [3.0] * len(got["params"])
