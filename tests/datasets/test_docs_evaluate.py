# SPDX-License-Identifier: Apache-2.0
"""The programs in docs/evaluate_denoisers.md and docs/coming_from.md run, and their tables are the code's."""

from __future__ import annotations

import re
from pathlib import Path

import published_trees
import pytest

from lrd_ext import datasets
from lrd_ext.evaluation import PROTOCOLS

pytest.importorskip("skimage")
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("docs")
    published_trees.sid(root / "SID" / "Sony", "train", "eval")
    return root


@pytest.mark.parametrize("page", ["evaluate_denoisers.md", "coming_from.md"])
def test_its_programs_run(page, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    if page == "coming_from.md":
        assert names["batch"]["noisy"].shape == (1, 4, 8, 8)
    else:
        out = capsys.readouterr().out.splitlines()
        assert [line.split()[:3] for line in out[:3]] == [["SID", f"x{r}", "15"] for r in (100, 250, 300)]
        assert out[3] == "20005_00_0.1s 100.0 torch.Size([4, 12, 16])"


def test_every_protocol_and_data_set_is_in_the_tables():
    text = (DOCS / "evaluate_denoisers.md").read_text("utf-8")
    assert re.search(r"^\| \| (.*) \|$", text, re.MULTILINE)[1].split(" | ") == [f"`{n}`" for n in PROTOCOLS]
    rows = {
        row[0]: row[1:] for row in (line.strip("| ").split(" | ") for line in text.splitlines()) if row[1:]
    }
    protocols = list(PROTOCOLS.values())
    assert rows["input below black"] == ["cut" if p.clip_black else "kept" for p in protocols]
    corrected = [cell.split()[0] for cell in rows["illuminance correction"]]
    assert corrected == ["yes" if p.illuminance else "no" for p in protocols]
    channels = {"rgbg": "R G B G", "rggb": "R G G B"}
    assert rows["channels of the authors' nets"] == [channels[p.order] for p in protocols]
    for name in ("SID", "ELD", "LRD", "LRID", "AIM2025", "PairFolder", "EldLmdb"):
        assert f"| `{name}(root" in text
        assert hasattr(datasets, name)
