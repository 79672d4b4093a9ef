# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
import torch
from study import MEAN_ERRORS, study_of
from synthetic_camera import FIGURES, SyntheticCamera

from lrd_ext import NoiseParams, fused_synth
from lrd_ext.calibration import Frame, Picture, calibrate, profile_of, verdict
from lrd_ext.profiles import load_profile

pytestmark = pytest.mark.native


def changed(frame: Frame, **changes: object) -> Frame:
    """The frame with fields of its picture changed."""
    picture = dataclasses.replace(frame.load(), **changes)
    return Frame(frame.name, frame.name + " changed", functools.partial(lambda p: p, picture), frame.kind)


def profile_checked(found):
    """The calibration, after its profile was made and found valid."""
    profile_of(found, "x")
    return found


def broken() -> Picture:
    raise ValueError("truncated or broken")


def inside(found, camera, factor: float = 1.0) -> float:
    """Share of the figures whose true value lies within the interval, stretched by a factor."""
    hits = []
    for row, truth in zip(profile_of(found, "x").rows, camera.truth.rows, strict=True):
        for name in FIGURES:
            low, high = row.interval95[name]
            middle, half = (low + high) / 2, (high - low) / 2 * factor
            hits.append(abs(truth[name] - middle) <= half)
    return float(np.mean(hits))


def test_twenty_runs_cover_the_truth():
    study = study_of(20, first=300)
    for kind in (*MEAN_ERRORS, "sigma_col", "bias", "DSNU", "PRNU"):
        hits = study.kinds[kind].hits
        # Binomial: 95 % of 80 lies above 86 % in 999 of 1000 cases; PRNU has fewer.
        assert np.mean(hits) > (0.86 if len(hits) >= 80 else 0.8), kind
    for kind, limit in MEAN_ERRORS.items():
        assert np.abs(study.kinds[kind].errors).mean() <= limit, kind
    assert study.switches_right == 20
    assert study.missed_hot == 0
    assert study.false_hot <= 2
    assert study.left_out == 0


def drawn_darks(params: NoiseParams, shading: np.ndarray, frames: int) -> np.ndarray:
    """Darks of a profile (frames, H, W), raw DN; the shading spreads the places that rounding falls on."""
    clean = torch.zeros(frames, *shading.shape)
    dark = torch.from_numpy(shading)
    drawn = fused_synth(clean, params, seed=5, index=0, dark=dark, output="dn", layout="mosaic")
    return drawn.numpy().astype(np.float64)


def residual_counts(darks: np.ndarray, width: float) -> np.ndarray:
    """Residuals about means of frames, rows and columns in the bins dark statistics use."""
    rest = darks - darks.mean(axis=0)
    rest -= rest.mean(axis=2, keepdims=True)
    rest -= rest.mean(axis=1, keepdims=True)
    kept = (1 - 1 / len(darks)) * (1 - 1 / darks.shape[1]) * (1 - 1 / darks.shape[2])
    cells = np.clip(np.rint(rest / (width * kept)), -960, 960).astype(int) + 960
    return np.bincount(cells.ravel(), minlength=1921)


@pytest.fixture(scope="module")
def found(frames):
    return calibrate(frames)


class TestProfile:
    def test_rows_branches_and_answers(self, found, camera, tmp_path):
        profile = profile_of(found, "made_up")
        profile.save(tmp_path / "made_up.json")
        again = load_profile(str(tmp_path / "made_up.json"))
        assert [row.iso for row in again.rows] == list(camera.truth.isos)
        assert len(again.branches) == 2
        params = again.at(iso=camera.truth.isos[1], ratio=100.0)
        assert float(params.K[0]) == pytest.approx(again.rows[1].K, rel=1e-6)
        assert again.sample(
            4, iso=(camera.truth.isos[0], camera.truth.isos[-1]), ratio=1.0, seed=1
        ).K.shape == (4,)

    def test_bias_by_iso_and_exposure(self, found, camera):
        profile = profile_of(found, "made_up")
        for i, row in enumerate(profile.bias):
            assert row.dn == pytest.approx(tuple(camera.truth.bias[i]), abs=0.3)
        assert {(b.iso, b.exposure_s) for b in profile.black_level_error} == {
            (iso, 0.01) for iso in camera.truth.isos
        }

    def test_the_profile_holds_the_gain_that_was_measured(self, found):
        K = [row.K for row in profile_of(found, "x").rows]
        assert pytest.approx([result.transfer.K.value for result in found.isos], rel=1e-8) == K

    def test_report_says_which_model_to_use(self, found):
        assert any("Use the Tukey-lambda" in line for line in verdict(found))
        for result in found.isos:
            models = result.read.models
            assert models["tukey_lambda"].kld <= models["gaussian"].kld * 1.1 + 1e-5

    @pytest.mark.parametrize("model", ["gaussian", "tukey_lambda"])
    def test_divergence_is_that_of_darks_drawn_by_the_model(self, found, camera, model):
        """What the report says of a model, against darks that fused_synth draws with it."""
        result = found.isos[3]
        drawn = drawn_darks(profile_of(found, "x").at(result.iso, read=model), camera.shading, 16)
        counts = residual_counts(drawn, result.dark.statistics.bin_width)
        said, real = result.read.models[model], result.dark.statistics.counts.sum(axis=0)
        p, q = real / real.sum(), counts / counts.sum()
        assert np.abs(np.cumsum(p) - np.cumsum(q)).max() == pytest.approx(said.ks, abs=0.004)
        wide = np.arange(0, len(p), 48)  # bins of 2 standard deviations: none of the wide ones is empty
        p, q = np.add.reduceat(p, wide), np.add.reduceat(q, wide)
        both = (p > 0) & (q > 0)
        kld = float((p[both] * np.log(p[both] / q[both])).sum())
        assert (kld > 5e-3) == (said.kld > 5e-3) == (model == "gaussian")

    def test_per_site_gain_agrees(self, found):
        for result in found.isos:
            assert len(result.transfer.lines) == 4
            assert result.transfer.p_sites > 1e-4


class TestBadFrames:
    def test_three_per_cent_are_named_and_left_out(self, camera, frames):
        bad = list(frames)
        names = {f.name: i for i, f in enumerate(bad)}
        isos = camera.truth.isos
        leak, other, size, cut = (
            f"dark_{iso:05d}_{k:02d}" for iso, k in zip(isos, (3, 7, 11, 15), strict=True)
        )
        wrong = f"flat_{isos[2]:05d}_4_1"
        dark = frames[names[leak]].load().mosaic
        light = np.linspace(0, 12, dark.shape[1]).astype(np.uint16)
        bad[names[leak]] = changed(frames[names[leak]], mosaic=dark + light)
        bad[names[other]] = changed(frames[names[other]], model="Another")
        bad[names[size]] = changed(frames[names[size]], mosaic=dark[:96])
        bad[names[cut]] = Frame(cut, "cut", broken, "dark")
        bad[names[wrong]] = changed(frames[names[wrong]], mosaic=camera.draw(2, 0.55, 1, 900)[0])
        found = calibrate(bad)
        assert set(found.left_out) == {leak, other, size, cut, wrong}
        assert "light leak" in found.left_out[leak]
        assert "model is Another" in found.left_out[other]
        assert "shape" in found.left_out[size]
        assert "truncated" in found.left_out[cut]
        assert "wrong exposure" in found.left_out[wrong]
        assert inside(found, camera) >= 0.8
        assert inside(found, camera, 2.0) == 1.0

    def test_names_and_reasons_are_text_in_the_report(self, frames, tmp_path):
        from lrd_ext.report.calibration_page import report_files

        name = "<i>caf\udce9</i>&.npy"  # a name that is no UTF-8, as the system gives it
        found = calibrate(
            [*frames[:8], dataclasses.replace(frames[8], name=name, identity=name, load=broken)]
        )
        assert set(found.left_out) == {name}
        page = report_files(tmp_path / "r.html", found, profile_of(found, "x"))[tmp_path / "r.html"]
        assert b"&lt;i&gt;caf\\udce9&lt;/i&gt;&amp;.npy" in page
        assert b"<i>" not in page

    def test_a_dark_of_another_iso_is_named(self, camera, frames):
        swapped = changed(frames[2], mosaic=camera.draw(3, 0.0, 1, 50)[0])
        found = calibrate([*frames[:2], swapped, *frames[3:32]])
        assert "another ISO or camera" in found.left_out[frames[2].name]

    def test_black_levels_that_move_with_the_file_are_no_other_camera(self, camera, frames):
        # As Canon's masked pixels and some makers' high ISOs do: every file tells its own black level.
        own = [f for f in frames if f.kind == "dark"]
        moved = [
            changed(f, black=tuple(camera.truth.black + k % 2 + np.array([0, 1, 0, 1])))
            for k, f in enumerate(own)
        ]
        found, plain = calibrate(moved), calibrate(own)
        assert not found.left_out
        for result, same in zip(found.darks, plain.darks, strict=True):
            shift = np.array([a.value - b.value for a, b in zip(result.bias, same.bias, strict=True)])
            assert shift == pytest.approx([-0.5, -1.5, -0.5, -1.5])
        assert any("files tell black levels from 512 to 514" in line for line in verdict(found))

    def test_frames_of_another_bit_depth_are_named(self, frames):
        found = calibrate([changed(frames[0], white=4095.0), *frames[1:32]])
        assert found.left_out == {frames[0].name: "white is 4095.0, that of the others 16383.0"}

    def test_darks_with_light_are_refused(self, frames):
        lit = [changed(f, mosaic=f.load().mosaic + np.uint16(3000)) for f in frames[:8]]
        with pytest.raises(ValueError, match=r"at least 2 dark frames.*a dark with light.*Put the cap on"):
            calibrate(lit)


class TestVerdict:
    def test_nothing_wrong_says_so(self, found):
        assert verdict(found)[-1] == "Nothing speaks against these figures: nothing needs to be shot again."

    def test_banding_is_named_with_its_period(self, frames):
        rng = np.random.default_rng(1)
        banded = []
        for f in frames[:16]:
            mosaic = f.load().mosaic
            phase = rng.uniform(0, 2 * np.pi)
            wave = 2 * np.sin(2 * np.pi * np.arange(len(mosaic)) / 8 + phase)
            banded.append(changed(f, mosaic=np.round(mosaic + wave[:, None]).astype(np.uint16)))
        found = calibrate(banded)
        (wave,) = found.isos[0].read.row_lines.waves
        assert wave.period.value == pytest.approx(8, rel=0.002)
        assert wave.amplitude.value == pytest.approx(2, rel=0.1)  # its rounding has a share
        assert any("banding every 8.0 rows" in text for text in verdict(found))

    def test_darks_of_another_time_that_lie_higher_are_named(self, frames):
        higher = [changed(f, mosaic=f.load().mosaic + np.uint16(40), exposure_s=30.0) for f in frames[8:12]]
        found = calibrate([*frames[:8], *higher])
        assert any("darks of 30 s lie 40 DN above those of 0.01 s" in text for text in verdict(found))

    def test_drift_is_named(self, frames):
        drifting = [changed(f, mosaic=f.load().mosaic + np.uint16(k // 5)) for k, f in enumerate(frames[:16])]
        found = calibrate(drifting)
        assert found.darks[0].drift.value == pytest.approx(3, abs=0.5)
        assert any("the dark level drifted by +" in text for text in verdict(found))

    @pytest.mark.parametrize("level", [0, 256])
    def test_darks_without_noise_are_said_to_be_lost_in_the_rounding(self, frames, level):
        found = calibrate(
            [changed(f, mosaic=np.full((96, 128), level, np.uint16), black=None) for f in frames[:8]]
        )
        assert (found.darks[0].drift.low, found.darks[0].drift.high) == (0, 0)
        for read in (found.isos[0].read.gaussian, *found.isos[0].read.pixel):
            assert (read.low, read.high) == (0, 0.35)
        lines = verdict(profile_checked(found))
        assert f"ISO {found.isos[0].iso:g}: read noise below 0.35 DN is lost in the rounding." in lines
        assert not any("Read noise is known" in line or "oppose each other" in line for line in lines)

    @pytest.mark.parametrize(("count", "said"), [(1, "1 level of flats left out"), (2, "2 levels of flats")])
    def test_levels_left_out_are_counted(self, camera, frames, count, said):
        white = np.full_like(frames[0].load().mosaic, int(camera.truth.white))
        brightest = [f.name for f in frames[:32]][-2 * count :]
        own = [changed(f, mosaic=white) if f.name in brightest else f for f in frames[:32]]
        assert any(said in line for line in verdict(calibrate(own)))


class TestTooLittle:
    def test_darks_alone_leave_gain_open(self, frames):
        found = calibrate([f for f in frames if f.kind == "dark"])
        profile = profile_of(found, "x")
        assert profile.dark_only
        assert all(row.K is None for row in profile.rows)
        assert len(profile.branches) == 2
        assert any("K is unknown (null)" in line for line in verdict(found))

    def test_flats_alone_give_gain_and_say_what_is_missing(self, camera, frames):
        found = calibrate([f for f in frames if f.kind == "flat"])
        profile = profile_of(found, "x")
        for row, truth in zip(profile.rows, camera.truth.rows, strict=True):
            assert pytest.approx(truth["K"], rel=0.02) == row.K
            assert row.sigma_row is None
        # Black-level error of up to 3 DN moves the intercept by K times it.
        first, K = camera.truth.rows[0]["sigma_gaussian"], camera.truth.rows[0]["K"]
        assert profile.rows[0].sigma_gaussian ** 2 == pytest.approx(first**2, abs=3 * K + 1)
        assert [d.field for d in profile.doubtful] == ["sigma_gaussian"]
        assert any("shoot darks" in line for line in verdict(found))

    def test_one_dark_says_what_is_missing(self, frames):
        with pytest.raises(ValueError, match="only 1 dark frame, 2 are needed"):
            calibrate(frames[:1])

    def test_iso_without_flats_takes_gain_from_the_line(self, camera, frames):
        last = camera.truth.isos[-1]
        found = calibrate([f for f in frames if f.kind == "dark" or f"_{last:05d}_" not in f.name])
        profile = profile_of(found, "x")
        assert pytest.approx(camera.truth.rows[-1]["K"], rel=0.02) == profile.rows[-1].K
        assert any(d.field == "K" and d.concerns(last) for d in profile.doubtful)

    def test_clipped_flats_are_left_out_and_said(self, camera, frames):
        white = int(camera.truth.white)
        clipped = [
            changed(f, mosaic=np.full_like(f.load().mosaic, white)) if f.kind == "flat" else f
            for f in frames[:32]
        ]
        found = calibrate(clipped)
        assert found.isos[0].transfer is None
        assert any("clipped" in text for text in found.isos[0].missing)


def test_monochrome_sensor(camera):
    frames = [changed(f, cfa="MONO") for f in SyntheticCamera(7, shape=(96, 128)).frames(darks=8)[:24]]
    profile = profile_of(calibrate(frames), "x")
    assert profile.cfa == "MONO"
