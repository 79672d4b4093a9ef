# SPDX-License-Identifier: Apache-2.0
"""A profile of very many ISOs is summarised by a bounded number of them; real cameras are shown whole."""

from __future__ import annotations

import json

from lrd_ext import cli, load_profile
from lrd_ext.profiles import profile_from_dict
from lrd_ext.profiles.summary import MOST_ISOS, typical_isos


def test_summaries_show_a_bounded_number_of_isos(tmp_path, capsys):
    data = load_profile("google_pixel").to_dict() | {"doubtful": []}
    row = data["rows"][0]
    data["rows"] = [row | {"iso": 100 + i / 4, "K": 0.001 * (100 + i / 4)} for i in range(2000)]
    data["branches"] = [{"name": "all", "iso": [100, 700]}]
    isos = typical_isos(profile_from_dict(data))
    assert len(isos) == MOST_ISOS == len(set(isos))
    assert (isos[0], isos[-1]) == (100, 700)
    path = tmp_path / "many.json"
    path.write_text(json.dumps(data))
    assert cli.main(["profile", "show", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "500 of its 2000 ISOs are shown." in shown
    assert len(shown.splitlines()) < MOST_ISOS + 40


def test_a_camera_is_shown_whole():
    profile = load_profile("sony_a7s2")
    assert {row.iso for row in profile.rows} <= set(typical_isos(profile))
