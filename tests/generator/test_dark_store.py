# SPDX-License-Identifier: Apache-2.0
"""Frames as training reads them: whole, read once, checked, and refused where they do not belong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import simulated_sensor

from lrd_ext.calibration import Levels
from lrd_ext.generator.dark_store import keep_darks

LEVELS = Levels((512.0,) * 4, 16383.0, "RGGB")
SHAPE = (192, 128)


def write_folder(folder, frames_by_iso, kind="dark"):
    folder.mkdir(exist_ok=True)
    lines = ["file,kind,iso,exposure_s"]
    for iso, frames in frames_by_iso.items():
        for k, frame in enumerate(frames):
            np.save(folder / f"{kind}_{iso}_{k}.npy", frame)
            lines.append(f"{kind}_{iso}_{k}.npy,{kind},{iso},0.01")
    (folder / "frames.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def frames():
    return {iso: simulated_sensor.darks(iso, 5, SHAPE, 1) for iso in (800, 3200)}


def test_every_frame_is_there_and_noise_is_about_its_level(tmp_path, frames):
    store = keep_darks(write_folder(tmp_path / "darks", frames), LEVELS, tmp_path / "store")
    assert [(d.iso, len(d), d.shape) for d in store.darks] == [(800.0, 5, SHAPE), (3200.0, 5, SHAPE)]
    assert (store.black, store.white, store.cfa) == ((512.0,) * 4, 16383.0, "RGGB")
    for darks in store.darks:
        own = frames[int(darks.iso)]
        for i in range(5):
            assert np.array_equal(darks.mosaic(i), own[i])
            assert abs(darks.packed(i).mean((1, 2))).max() < 1e-3
        window = darks.packed(2, slice(3, 9), slice(4, 20))
        assert np.array_equal(window, darks.packed(2)[:, 3:9, 4:20])


@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="needs Linux's list of mapped files")
def test_frames_are_mapped_while_they_are_looked_at_only(tmp_path, frames):
    def mapped():
        # Of this test: another's may wait for the garbage collector.
        return any(str(tmp_path) in line for line in Path("/proc/self/maps").read_text().splitlines())

    darks = keep_darks(write_folder(tmp_path / "darks", frames), LEVELS, tmp_path / "store").darks[0]
    frame = darks.frames[2]
    assert mapped()
    del frame
    kept = [darks.packed(i) for i in range(5)], [darks.window(i, slice(0, 8), slice(0, 8)) for i in range(5)]
    assert len(kept[0]) == 5
    assert not mapped()


def test_hot_pixels_take_their_neighbours_value(tmp_path, frames):
    for own in frames.values():
        own[:, 40, 51] += 400
        own[:, 7, 0] += 300  # on the left edge
    store = keep_darks(write_folder(tmp_path / "darks", frames), LEVELS, tmp_path / "store")
    assert store.darks[1].hot.tolist() == [[7, 0], [40, 51]]
    mended = store.darks[1].mosaic(3)
    assert (mended[40, 51], mended[7, 0]) == (frames[3200][3, 40, 49], frames[3200][3, 7, 2])
    # In a window too, of which the neighbour is no part.
    cells = slice(20, 22), slice(25, 30)
    assert np.array_equal(store.darks[1].mosaic(3, *cells), mended[40:44, 50:60])


def test_hot_pixels_do_not_shift_the_level_of_others(tmp_path):
    draw = np.random.default_rng(3)
    glow = np.zeros((320, 320))
    glow[draw.random(glow.shape) < 0.003] = 200
    own = [np.rint(512 + glow + draw.normal(0, 3, glow.shape)).astype(np.uint16) for _ in range(4)]
    (darks,) = keep_darks(write_folder(tmp_path / "darks", {800: own}), LEVELS, tmp_path / "store").darks
    assert [tuple(at) for at in darks.hot] == [tuple(at) for at in np.argwhere(glow)]
    packed_glow = np.stack([glow[r::2, c::2] for r, c in ((0, 0), (0, 1), (1, 0), (1, 1))])
    for i in range(4):
        for noise, hot in zip(darks.packed(i).numpy(), packed_glow > 0, strict=True):
            assert abs(noise[~hot].mean()) < 3 * noise[~hot].std() / np.sqrt((~hot).sum())


def test_a_store_is_used_again_until_frames_or_files_change(tmp_path, frames):
    folder, place = write_folder(tmp_path / "darks", frames), tmp_path / "store"
    first, seen = keep_darks(folder, LEVELS, place), []
    again = keep_darks(folder, LEVELS, place, lambda done, total: seen.append(done))
    assert (again.digest, seen) == (first.digest, [])
    file = place / "iso_800.u16"
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)
    assert keep_darks(folder, LEVELS, place).digest == first.digest  # read anew, since it was damaged
    np.save(folder / "dark_800_0.npy", frames[800][1])
    assert keep_darks(folder, LEVELS, place).digest != first.digest


def test_a_run_that_was_killed_leaves_no_index(tmp_path, frames):
    folder, place = write_folder(tmp_path / "darks", frames), tmp_path / "store"

    def killed(done, total):
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep_darks(folder, LEVELS, place, killed)
    assert not list(place.iterdir())


def brighter(frame):
    return frame + np.uint16(3000)


REFUSED = {
    "flats only": (lambda f: (f, "flat"), "holds flats only and no dark frames"),
    "one frame": (
        lambda f: ({800: f[800][:1]}, "dark"),
        "at least 2 dark frames are needed at each ISO, got 1",
    ),
    "light": (lambda f: ({800: brighter(f[800])}, "dark"), "holds no dark frames.*Put the cap on"),
    "constant": (lambda f: ({800: np.full((3, *SHAPE), 512, np.uint16)}, "dark"), "are constant"),
    "sizes": (
        lambda f: ({800: [*f[800], f[800][0][:64, :64]]}, "dark"),
        r"shape of dark_800_5\.npy is \(64, 64\), that of dark_800_0\.npy \(192, 128\)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_frames_that_cannot_be_learned_from_are_refused(tmp_path, frames, name):
    change, message = REFUSED[name]
    chosen, kind = change(frames)
    folder = write_folder(tmp_path / "darks", chosen, kind)
    with pytest.raises(ValueError, match=message):
        keep_darks(folder, LEVELS, tmp_path / "store")
    assert not list((tmp_path / "store").glob("*.u16")) or not (tmp_path / "store" / "index.json").exists()


def test_darks_cut_off_at_zero_are_refused(tmp_path, frames):
    cut = {iso: np.clip(own.astype(np.int32) - 512, 0, None).astype(np.uint16) for iso, own in frames.items()}
    folder = write_folder(tmp_path / "darks", cut)
    message = r"darks: dark_800_0.npy: is clipped at 0 \([4-7]\d\.\d % of a site's pixels\)"
    with pytest.raises(ValueError, match=message):
        keep_darks(folder, Levels((0.0,) * 4, 16383.0, "RGGB"), tmp_path / "store")


@pytest.mark.parametrize(
    ("sigma", "lowest", "first"), [(1.0, 512, 0), (3.0, 512, 0), (3.0, 509, 2), (30.0, 480, 3)]
)
def test_darks_cut_off_at_black_are_refused_from_the_first_such_frame(tmp_path, sigma, lowest, first):
    draw = np.random.default_rng(1)
    own = [np.rint(draw.normal(512, sigma, SHAPE)).astype(np.uint16) for _ in range(4)]
    for frame in own[first:]:
        frame[:] = np.maximum(frame, lowest)
        frame[6, 9] = lowest - 40  # a pixel that blinks
    folder = write_folder(tmp_path / "darks", {800: own})
    with pytest.raises(ValueError, match=rf"dark_800_{first}.npy: is clipped at {lowest} "):
        keep_darks(folder, LEVELS, tmp_path / "store")


@pytest.mark.parametrize("sigma", [0.2, 0.3, 0.7, 3.0])
@pytest.mark.parametrize("level", [512.0, 512.25, 512.5])
def test_noise_narrower_than_a_step_is_no_cut(tmp_path, sigma, level):
    draw = np.random.default_rng(2)
    own = [np.rint(draw.normal(level, sigma, SHAPE)).astype(np.uint16) for _ in range(3)]
    for frame in own:
        frame[40, 50] += 300
    store = keep_darks(write_folder(tmp_path / "darks", {800: own}), LEVELS, tmp_path / "store")
    assert len(store.darks[0]) == 3


def test_the_index_names_what_was_left_out(tmp_path, frames):
    folder = write_folder(tmp_path / "darks", frames)
    (folder / "dark_800_4.npy").write_bytes(b"none")
    store = keep_darks(folder, LEVELS, tmp_path / "store")
    assert list(store.left_out) == ["dark_800_4.npy"]
    assert len(store.darks[0]) == 4
    assert json.loads((tmp_path / "store" / "index.json").read_text())["left_out"] == store.left_out
