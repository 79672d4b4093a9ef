# SPDX-License-Identifier: Apache-2.0
"""The loop of docs/training_loop.md runs as printed; stopped in mid-epoch it goes on to the same weights."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import torch
from tile_files import write_raw

from lrd_ext import cli

PAGE = (Path(__file__).parents[2] / "docs" / "training_loop.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SMALLER = {
    "range(order.epoch, 100)": "range(order.epoch, 2)",
    "size=256, samples=1600": "size=16, samples=48",
    "used % 320": "used % 16",
    "persistent_workers=True": "persistent_workers=WORKERS > 0",
    "num_workers=2": "num_workers=WORKERS",
    "optimizer.step()": "optimizer.step(); count()",
}


def loop():
    block = BLOCKS[0]
    code = [line for line in block.splitlines() if line and not line.startswith(("import", "from"))]
    assert len(code) <= 20
    for printed, smaller in SMALLER.items():
        assert block.count(printed) == 1, printed
        block = block.replace(printed, smaller)
    return compile(block, "docs/training_loop.md", "exec")


def run(stop_after, workers=0):
    torch.manual_seed(0)
    steps = []

    def count():
        steps.append(None)
        if len(steps) == stop_after:
            raise KeyboardInterrupt

    names = {"count": count, "WORKERS": workers}
    try:
        exec(loop(), names)
    except KeyboardInterrupt:
        return None, len(steps)
    return names["net"].state_dict(), len(steps)


def test_the_loop_of_the_page_goes_on_in_mid_epoch(tmp_path, monkeypatch):
    for i in range(3):
        write_raw(tmp_path / f"{i}.dng", first=i)
    shots = [str(tmp_path / f"{i}.dng") for i in range(3)]
    assert cli.main(["data", "prepare", *shots, "-o", str(tmp_path / "tiles")]) == 0
    weights = {}
    for name, stops in (("whole", (0,)), ("stopped", (2, 4, 0))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tiles").symlink_to(tmp_path / "tiles")
        monkeypatch.chdir(tmp_path / name)
        for stop in stops:
            weights[name], steps = run(stop)
    assert steps == 2  # of 6: one is saved by the first run, three by the second
    assert all(torch.equal(weights["whole"][name], weights["stopped"][name]) for name in weights["whole"])


def test_it_runs_with_workers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_raw(tmp_path / "0.dng")
    assert cli.main(["data", "prepare", "0.dng", "-o", "tiles"]) == 0
    _, steps = run(0, workers=2)
    assert steps == 6


def test_two_processes_share_the_samples_and_end_with_equal_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_raw(tmp_path / "0.dng")
    assert cli.main(["data", "prepare", "0.dng", "-o", "tiles"]) == 0
    block = BLOCKS[1]
    for printed, smaller in {
        "range(100)": "range(1)",
        "size=256, samples=1600": "size=16, samples=8",
        "loader = DataLoader(tiles, 16,": "loader = DataLoader(tiles, 2,",
        "num_workers=2": "num_workers=0",
        "    for batch in loader:\n": "    for batch in loader:\n        seen += batch['index'].tolist()\n",
        "torch.distributed.destroy_process_group()": "print(sorted(seen), net.module.weight.sum().item())",
    }.items():
        assert block.count(printed) == 1, printed
        block = block.replace(printed, smaller)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    place = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", f"seen = []\n{block}"],
            env=place | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    told = [run.communicate(timeout=300)[0].strip().rpartition(" ") for run in runs]
    assert told[0][2] == told[1][2] != ""
    assert sorted(eval(told[0][0]) + eval(told[1][0])) == list(range(8))
