# SPDX-License-Identifier: Apache-2.0
"""Profile, maps and report: all of one run or none, and no file of another's is replaced unasked."""

from __future__ import annotations

import pytest

import lrd_ext.calibration

pytestmark = pytest.mark.native


def files_in(folder) -> dict[str, bytes]:
    """What the files hold, kept statistics aside."""
    found = (p for p in folder.rglob("*") if p.is_file() and "statistics" not in str(p))
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


@pytest.fixture
def calibrate(lrd, small_folder, tmp_path):
    """Calibrate the small folder into an empty one, given first; more options may follow."""
    folder, levels = small_folder
    made = tmp_path / "made"
    made.mkdir()

    def run(*more: object):
        report = ("--report", made / "notes.html")
        return lrd("calibrate", folder, "-o", made / "cam.json", *report, *levels, *more)

    return made, run


def test_a_page_of_other_origin_is_not_replaced(calibrate):
    made, run = calibrate
    (made / "notes.html").write_text("notes\n")
    code, _, err = run()
    assert code == 2
    assert "--report" in err
    assert "was not made by lrd calibrate. Say --overwrite to replace it" in err
    assert [p.name for p in made.iterdir()] == ["notes.html"]
    assert (made / "notes.html").read_text() == "notes\n"
    assert run("--overwrite")[0] == 0
    assert b"<h2>Verdict</h2>" in (made / "notes.html").read_bytes()


def test_a_report_is_replaced_by_the_next(calibrate):
    made, run = calibrate
    assert run()[0] == 0
    first = files_in(made)
    (made / "notes.html").write_bytes(first["notes.html"].replace(b"Verdict", b"Earlier"))
    assert run()[0] == 0
    assert files_in(made) == first


def test_a_file_where_the_plots_go_is_refused_before_any_work(calibrate):
    made, run = calibrate
    (made / "notes_plots").write_text("mine")
    code, _, err = run()
    assert code == 2
    assert "--report: the plots go to the folder" in err
    assert [p.name for p in made.iterdir()] == ["notes_plots"]


@pytest.mark.parametrize("failing", ["profile_of", "report_files"])
def test_a_run_that_fails_late_leaves_all_as_it_was(calibrate, monkeypatch, failing):
    made, run = calibrate
    assert run()[0] == 0
    before = files_in(made)
    assert len(before) == 7
    for name in before:
        (made / name).write_bytes(before[name] + (b"earlier" if name.endswith("png") else b""))
    earlier = files_in(made)

    def fail(*_: object) -> None:
        raise ValueError("figures contradict the schema")

    from lrd_ext.report import calibration_page as report

    monkeypatch.setattr(lrd_ext.calibration if failing == "profile_of" else report, failing, fail)
    code, _, err = run()
    assert (code, "figures contradict the schema" in err) == (2, True)
    assert files_in(made) == earlier
    monkeypatch.undo()
    assert run()[0] == 0
    assert files_in(made) == before


def test_maps_of_other_origin_are_not_replaced(calibrate):
    made, run = calibrate
    maps = made / "cam.dark_shading.safetensors"
    maps.write_bytes(b"mine")
    code, _, err = run()
    assert code == 2
    assert f"{maps}: exists and is not what cam.json names. Say --overwrite to replace it" in err
    assert files_in(made) == {maps.name: b"mine"}
    assert run("--overwrite")[0] == 0
    assert run()[0] == 0  # now they are the profile's own
    maps.write_bytes(b"mine")
    assert run()[0] == 2
    assert maps.read_bytes() == b"mine"


def test_plots_without_their_report_are_not_replaced(calibrate):
    made, run = calibrate
    assert run()[0] == 0
    (made / "notes.html").unlink()
    kept = files_in(made)
    code, _, err = run()
    assert code == 2
    assert "notes_plots" in err
    assert "no report beside it tells whose it is. Say --overwrite to replace it" in err
    assert files_in(made) == kept
    assert run("--overwrite")[0] == 0


def test_a_file_where_statistics_are_kept_is_named(calibrate):
    made, run = calibrate
    (made / "cam.statistics").write_text("mine")
    code, _, err = run("--overwrite")
    assert code == 2
    assert "cam.statistics: a file, where the folder of kept statistics goes. Move it away" in err
    assert (made / "cam.statistics").read_text() == "mine"
