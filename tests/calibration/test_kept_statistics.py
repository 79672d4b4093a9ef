# SPDX-License-Identifier: Apache-2.0
"""What is kept of frames beside the profile: taken for no other frame, measured anew where it is damaged."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from lrd_ext import raw
from lrd_ext.calibration import Frame, Levels, Picture, find_frames
from lrd_ext.calibration.statistics_store import StatisticsStore
from lrd_ext.calibration.survey import look_at
from lrd_ext.profiles import load_profile

ONE_TIME = 1_700_000_000


def dark(seed: int, sigma: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.round(512 + rng.normal(0, sigma, (96, 128))).astype(np.uint16)


def sigmas_by_iso(path) -> dict[float, float]:
    return {row.iso: row.sigma_gaussian for row in load_profile(str(path)).rows}


@pytest.mark.native
class TestFramesOfOneName:
    """Names, sizes and times equal, as copies and archives leave them."""

    def test_raw_files_in_folders_by_iso(self, lrd, tmp_path):
        for iso, sigma in ((100, 2.0), (800, 9.0)):
            folder = tmp_path / "raws" / "darks" / f"iso{iso}"
            folder.mkdir(parents=True)
            for k in range(4):
                levels = {"cfa": "RGGB", "black": np.full(4, 512.0), "white": 16383.0}
                picture = raw.Raw(mosaic=dark(iso + k, sigma), iso=iso, exposure_s=0.01, **levels)
                raw.write_dng(folder / f"{k}.dng", picture)
                os.utime(folder / f"{k}.dng", (ONE_TIME, ONE_TIME))
        assert lrd("calibrate", tmp_path / "raws", "-o", tmp_path / "cam.json")[0] == 0
        found = sigmas_by_iso(tmp_path / "cam.json")
        assert found == {100: pytest.approx(2.0, rel=0.05), 800: pytest.approx(9.0, rel=0.05)}

    def test_listed_frames_in_folders(self, tmp_path):
        # The second folder lies outside that of frames.csv.
        rows = ["file,kind,iso,exposure_s"]
        for place, sigma in (("in/calm", 2.0), ("loud", 9.0)):
            (tmp_path / place).mkdir(parents=True)
            for k in range(4):
                path = tmp_path / place / f"{k}.npy"
                np.save(path, dark(int(10 * sigma) + k, sigma))
                os.utime(path, (ONE_TIME, ONE_TIME))
                rows.append(f"{os.path.relpath(path, tmp_path / 'in')},dark,100,0.01")
        (tmp_path / "in" / "frames.csv").write_text("\n".join(rows))
        frames = find_frames(tmp_path / "in", Levels(white=4095.0))
        store = StatisticsStore(tmp_path / "kept")
        stds = [look_at(frame, store).std for frame in frames]
        assert stds == [*[pytest.approx(2.0, rel=0.05)] * 4, *[pytest.approx(9.0, rel=0.05)] * 4]

    def test_another_folder_with_the_same_output(self, lrd, tmp_path):
        found = []
        for place, sigma in (("first", 2.0), ("second", 9.0)):
            write_darks(tmp_path / place, sigma)
            lrd("calibrate", tmp_path / place, "-o", tmp_path / "cam.json", "--white", 4095)
            found.append(sigmas_by_iso(tmp_path / "cam.json")[100])
        assert found == [pytest.approx(2.0, rel=0.05), pytest.approx(9.0, rel=0.05)]

    def test_a_file_replaced_by_one_of_its_size_and_time(self, lrd, tmp_path):
        found = []
        for sigma in (2.0, 9.0):
            write_darks(tmp_path / "frames", sigma)
            lrd("calibrate", tmp_path / "frames", "-o", tmp_path / "cam.json", "--white", 4095)
            found.append(sigmas_by_iso(tmp_path / "cam.json")[100])
        assert found == [pytest.approx(2.0, rel=0.05), pytest.approx(9.0, rel=0.05)]


def write_darks(folder, sigma: float) -> None:
    """Write four darks with a frames.csv, all of one time."""
    folder.mkdir(exist_ok=True)
    for k in range(4):
        np.save(folder / f"{k}.npy", dark(k, sigma))
        os.utime(folder / f"{k}.npy", (ONE_TIME, ONE_TIME))
    rows = "".join(f"{k}.npy,dark,100,0.01\n" for k in range(4))
    (folder / "frames.csv").write_text(f"file,kind,iso,exposure_s\n{rows}")


def test_a_moved_folder_is_not_measured_again(tmp_path):
    write_darks(tmp_path / "here", 2.0)
    before = [frame.identity for frame in find_frames(tmp_path / "here", Levels(white=4095.0))]
    (tmp_path / "here").rename(tmp_path / "there")
    assert [frame.identity for frame in find_frames(tmp_path / "there", Levels(white=4095.0))] == before


@pytest.mark.native
def test_damaged_statistics_are_measured_anew(lrd, tmp_path):
    write_darks(tmp_path / "frames", 2.0)
    arguments = ("calibrate", tmp_path / "frames", "-o", tmp_path / "cam.json", "--white", 4095)
    lrd(*arguments)
    whole = (tmp_path / "cam.json").read_bytes()
    for path in (tmp_path / "cam.statistics").glob("*.npz"):
        data = bytearray(path.read_bytes())
        data[60:80] = bytes(b ^ 0xFF for b in data[60:80])  # within the first deflated array
        path.write_bytes(data)
    assert lrd(*arguments)[0] == 0
    assert (tmp_path / "cam.json").read_bytes() == whole


@pytest.mark.parametrize(
    "change", ["without one", "another shape", "another value", "no digest", "a list more"]
)
def test_a_whole_archive_of_other_statistics_is_measured_anew(tmp_path, change):
    store = StatisticsStore(tmp_path / "kept")
    frame = Frame("a.npy", "a", lambda: Picture(dark(0, 2.0), 100.0, 0.01, None, 4095.0, "MONO"), "dark")
    first = look_at(frame, store)
    [path] = (tmp_path / "kept").iterdir()
    kept = dict(np.load(path))
    if change == "another shape":
        kept["blocks"] = kept["blocks"].reshape(-1)
    elif change == "another value":
        kept["plain"] = np.array(str(kept["plain"]).replace("100.0", "1e999"))
    elif change == "a list more":
        kept["more"] = np.zeros(3)
    else:
        del kept["sha256" if change == "no digest" else "means"]
    np.savez(path, **kept)
    again = look_at(frame, store)
    assert (again.iso, again.std, again.blocks.shape) == (first.iso, first.std, first.blocks.shape)


def test_any_error_of_a_frame_stays_with_it(tmp_path):
    for error in (
        ZeroDivisionError("division by zero"),
        MemoryError(),
        KeyError("x"),
        RecursionError("deep"),
    ):

        def load(error=error) -> Picture:
            raise error

        found = look_at(Frame("a.npy", "a", load, "dark"), StatisticsStore(None))
        assert found.error is not None
        assert type(error).__name__ in found.error or str(error) == found.error


def test_a_frame_that_could_not_be_read_is_read_again(tmp_path):
    store = StatisticsStore(tmp_path / "kept")
    disk = [OSError(errno.EIO, "Input/output error")]

    def load() -> Picture:
        if disk:
            raise disk.pop()
        return Picture(dark(0, 2.0), 100.0, 0.01, (512.0,) * 4, 4095.0, "MONO")

    frame = Frame("a.npy", "a", load, "dark")
    first = look_at(frame, store)
    assert "Input/output error" in (first.error or "")
    assert (first.name, first.kind) == ("a.npy", "dark")
    again = look_at(frame, store)
    assert again.error is None
    assert again.std == pytest.approx(2.0, rel=0.05)


def test_a_full_disk_is_no_fault_of_the_frame(tmp_path, monkeypatch):
    from lrd_ext.calibration import statistics_store

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(statistics_store, "_save", full)
    picture = Picture(dark(0, 2.0), 100.0, 0.01, (512.0,) * 4, 4095.0, "MONO")
    with pytest.raises(OSError, match="No space left"):
        look_at(Frame("a.npy", "a", lambda: picture, "dark"), StatisticsStore(tmp_path / "kept"))
