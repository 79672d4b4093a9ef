# SPDX-License-Identifier: Apache-2.0
"""A denoiser trained by a process on each of two machines: what one learns from as much data."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
from tile_files import write_raw

from lrd_ext.cli import main
from lrd_ext.denoise import load_denoiser

pytest.importorskip("lightning_fabric")

STEPS, BATCH = 4, 4
CONFIG = "steps: 4\nbatch: {}\npatch: 8\nwidth: 2\nlevels: 2\nthreads: 1\nsheet_every: 9\n"
#: Runs the program and tells which identities each process drew, step by step, and the losses it plots.
TOLD = """
import os, sys
import lrd_main
from lrd_ext.denoise.batches import InPhase
from lrd_ext.training import loop

cut, plot = InPhase.__call__, loop._plot
def call(self, items):
    rank = 2 * int(os.environ.get("NODE_RANK", 0)) + int(os.environ.get("LOCAL_RANK", 0))
    with open(sys.argv[0] + f".drawn{rank}", "a") as told:
        print(*[int(item["index"]) for item in items], file=told)
    return cut(self, items)
def told_plot(writer, task, number, values, place):
    with open(sys.argv[0] + ".losses", "a") as told:
        print(repr(values["loss"]), file=told)
    plot(writer, task, number, values, place)
InPhase.__call__, loop._plot = call, told_plot
if __name__ == "__main__":
    sys.exit(lrd_main.main())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    for i in range(3):
        write_raw(folder / f"{i}.dng", first=i)
    assert main(["data", "prepare", *(f"{folder}/{i}.dng" for i in range(3)), "-o", f"{folder}/tiles"]) == 0
    return folder


def start(folder, name, batch, *more, **environment):
    """Start the program; its files begin with its name."""
    (folder / f"{batch}.yaml").write_text(CONFIG.format(batch))
    (folder / f"{name}.py").write_text(TOLD)
    words = f"{name}.py train denoiser tiles -o {name}.safetensors --config {batch}.yaml".split()
    words += ["--camera", "sony_a7s2", "--iso", "800:3200", "--ratio", "10,100", *more]
    given = {k: v for k, v in os.environ.items() if k not in ("LOCAL_RANK", "NODE_RANK")} | environment
    return subprocess.Popen(
        [sys.executable, *words], cwd=folder, env=given, stderr=subprocess.PIPE, text=True
    )


def ended(*runs):
    for run in runs:
        assert run.wait(300) == 0, run.stderr.read()


def told(folder, name):
    """Identities of each step, over processes, and the losses."""
    drawn = [
        [list(map(int, line.split())) for line in path.read_text().splitlines()]
        for path in sorted(folder.glob(f"{name}.py.drawn*"))
    ]
    steps = [[identities[k] for identities in drawn] for k in range(STEPS)]
    return steps, np.array((folder / f"{name}.py.losses").read_text().split(), float)


def weights(folder, name):
    net = load_denoiser(folder / f"{name}.safetensors")
    return torch.cat([w.flatten() for w in net.state_dict().values()])


def test_two_nodes_share_the_identities_and_learn_what_one_learns(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    nodes = [start(folder, "nodes", BATCH // 2, "--nodes", "2", **place, NODE_RANK=str(k)) for k in (0, 1)]
    ended(start(folder, "one", BATCH), *nodes)
    (alone, losses), (shared, same) = told(folder, "one"), told(folder, "nodes")
    for step, whole in zip(shared, alone, strict=True):
        assert len(step) == 2
        assert sorted(step[0] + step[1]) == sorted(whole[0])  # the same samples, none of them twice
    np.testing.assert_allclose(same, losses, rtol=1e-5)
    torch.testing.assert_close(weights(folder, "nodes"), weights(folder, "one"), rtol=1e-3, atol=1e-5)


def test_nodes_that_cannot_find_each_other_are_told_what_they_need(folder, capsys, monkeypatch):
    for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NODE_RANK", "1")
    words = ["train", "denoiser", f"{folder}/tiles", "-o", f"{folder}/no.safetensors", "--nodes", "2"]
    assert main([*words, "--camera", "sony_a7s2", "--iso", "800", "--ratio", "10"]) == 2
    assert "nodes: 2 needs MASTER_ADDR, MASTER_PORT in the environment" in capsys.readouterr().err
    assert main([*words, "--camera", "sony_a7s2", "--iso", "800", "--ratio", "10", "--devices", "0"]) == 2
    assert "devices must be at least 1, got 0" in capsys.readouterr().err
