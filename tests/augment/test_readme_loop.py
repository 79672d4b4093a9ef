# SPDX-License-Identifier: Apache-2.0
"""The training loop of the README runs as printed, but for its number of epochs."""

from __future__ import annotations

import re
from pathlib import Path

from tile_files import write_raw

from lrd_ext import cli

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_loop_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i in range(3):
        write_raw(tmp_path / f"{i}.dng", height=600, width=640, first=i)
    assert cli.main(["data", "prepare", "0.dng", "1.dng", "2.dng", "-o", "tiles"]) == 0
    [block] = [b for b in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "DataLoader" in b]
    assert "range(100)" in block
    loop = block.replace("range(100)", "range(2)").replace("...", "seen.append(batch)")
    seen = []
    exec(compile(loop, "README.md", "exec"), {"seen": seen})
    first, second = seen
    assert first["noisy"].shape == first["clean"].shape == (3, 4, 256, 256)
    assert len(first["params"]) == 3
    assert set(first["index"].tolist()) == {0, 1, 2}
    assert set(second["index"].tolist()) == {2**40, 2**40 + 1, 2**40 + 2}
