# SPDX-License-Identifier: Apache-2.0
"""benchmarks/gpu/parity.py and speed.py fit the package: rehearsed with the CPU in the GPU's place."""

from __future__ import annotations

import importlib
import itertools
import json
import sys
import time
from pathlib import Path

import pytest
import torch

GPU = Path(__file__).parents[2] / "benchmarks" / "gpu"

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(not GPU.is_dir(), reason="no benchmarks next to these tests"),
]


def program(monkeypatch, name):
    """Import one with the CPU as its device."""
    monkeypatch.syspath_prepend(str(GPU))
    monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module(name)
    monkeypatch.setattr(module, "DEVICE", "cpu")
    return module


CASES = {
    "shapes": lambda parity: itertools.islice(parity.shapes(), 0, None, 7),
    "modes": lambda parity: itertools.islice(parity.modes((2, 66, 134)), 0, None, 29),
    "generators": lambda parity: itertools.islice(parity.generators(), 0, None, 5),
}


@pytest.mark.parametrize("group", CASES)
def test_parity_compares_every_kind_of_call(monkeypatch, group):
    parity = program(monkeypatch, "parity")
    counted = parity.compared(CASES[group](parity))
    assert counted["cases"] > 3
    assert counted["elements"] > 10_000
    assert not counted["red"]


def test_parity_sees_a_difference(monkeypatch):
    parity = program(monkeypatch, "parity")
    one, other = torch.tensor([0.0, float("nan"), 1.0]), torch.tensor([-0.0, float("nan"), 1.5])
    assert parity.differing(one, other) == 2
    assert parity.told([("a", 0.0), ("b", float("nan")), ("c", 2.0)], 1.0)["red"] == ["b", "c"]


class Event:
    """Stands for torch.cuda.Event."""

    def __init__(self, enable_timing):
        assert enable_timing

    def record(self):
        self.at = time.perf_counter()

    def elapsed_time(self, end):
        return (end.at - self.at) * 1e3


class Graph:
    """Stands for torch.cuda.CUDAGraph."""

    def __init__(self, call, clean):
        self.replay = lambda: call(clean)


def test_every_part_of_speed_measures_its_cases(monkeypatch, tmp_path):
    speed = program(monkeypatch, "speed")
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch, "compile", lambda call, dynamic: call)
    monkeypatch.setattr(speed, "SHAPES", {name: (1, 4, 2, 2) for name in speed.SHAPES})
    for name, few in {"WARM_UP": 1, "REPEATS": 3, "HOST_CALLS": 2}.items():
        monkeypatch.setattr(speed, name, few)
    monkeypatch.setattr(speed, "graph_of", Graph)
    monkeypatch.setattr(sys, "argv", ["speed.py", str(tmp_path / "speed.json"), *speed.PARTS])
    assert speed.main() == 0
    found = json.loads((tmp_path / "speed.json").read_text())
    methods = [result for case in found["cases"] for result in case["methods"].values()]
    assert all("median_ms" in method for method in methods), found
    assert {case["scene"] for case in found["cases"]} == set(speed.SCENES)
    assert {case["dtype"] for case in found["cases"]} == set(speed.DTYPES)
    assert len(found["host_us_per_call"]) == 4
    for scene in ("smooth", "flat 5 e", "16,16"):
        speed.one(scene)


def test_scenes_hold_the_light_they_are_named_for(monkeypatch):
    speed = program(monkeypatch, "speed")
    span, K = 16383.0 - 512.0, speed.CAMERA["K"]
    for scene, electrons in speed.FLAT.items():
        clean, ratio = speed.frames((1, 4, 8, 8), torch.float32, scene), 5.0 if electrons == 1000 else 100.0
        assert torch.allclose(clean * span / ratio / K, torch.tensor(float(electrons)))
    assert speed.frames((1, 4, 8, 8), torch.uint16, "dark").to(torch.int32).unique().tolist() == [512]
    assert speed.frames((1, 4, 128, 96), torch.float32, "smooth").diff(dim=-1).abs().max() < 0.05
