# SPDX-License-Identifier: Apache-2.0
"""The comparison tells apart what differs, and nothing else."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from dark_folders import SHAPE, dark, make_darks, write_darks

from lrd_ext import metrics
from lrd_ext.calibration import Levels
from lrd_ext.evaluation import (
    Fake,
    Settings,
    best,
    evaluate_noise,
    fitting_crop,
    open_fake,
    read_darks,
    verdict,
)
from lrd_ext.evaluation.advice import beyond_floor
from lrd_ext.evaluation.noise import ALL_DISTANCES
from lrd_ext.metrics.noise_summary import DISTANCES, summarise, total

GIVEN = Levels((256.0,) * 4, 4095.0, "RGGB")


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    return read_darks(make_darks(tmp_path_factory.mktemp("real") / "darks", 16), GIVEN)


@pytest.fixture(scope="module")
def rivals(real):
    return evaluate_noise(real, [Fake("gaussian"), Fake("none"), Fake("spectral"), Fake("darks")], Settings())


def candidate(found, name, iso=0):
    return next(c for c in found.isos[iso].candidates if c.name == name)


def test_distances_of_sums_are_those_of_frames():
    g = np.random.default_rng(7)
    real, fake = (
        g.normal(0, 4, (3, 64, 96)).astype(np.float32),
        g.normal(0, 5, (4, 64, 96)).astype(np.float32),
    )
    sums = [total([summarise(frame, 200) for frame in frames]) for frames in (real, fake)]

    def found(name):
        return DISTANCES[name].between(*sums, 4000.0)

    whole = np.rint(real), np.rint(fake)
    assert found("kld_adu") == pytest.approx(metrics.kld(*whole, "adu"))
    assert found("kld_lrd") == pytest.approx(metrics.kld(*(w / 4000 for w in whole), "lrd"))
    assert found("ks") == pytest.approx(metrics.ks(*whole))
    assert found("psd") == pytest.approx(metrics.psd_distance(real, fake), rel=1e-4)
    a, b = (metrics.neighbour_covariance(v) for v in (real, fake))
    b[0, 4] = a[0, 4]
    assert found("neighbour_covariance") == pytest.approx(np.abs(a - b).max() / real.var(), rel=0.01)
    std = math.sqrt(float(np.mean(whole[0] ** 2)))
    shares = [metrics.tail_mass(w, 4, std) + 0.5 / whole[0].size for w in whole]
    assert found("tail_4") == pytest.approx(abs(math.log(shares[1] / shares[0])))


def test_the_floor_is_that_of_real_from_real(real, rivals):
    at = rivals.isos[0]
    assert (at.fitted, at.held, at.unused, at.shape) == (8, 8, 0, SHAPE)
    assert set(at.floor) == set(ALL_DISTANCES)
    # Two samples of 8 x 96 x 128 correlated values each: KS by chance is about 0.87 sqrt(2/n), rows add.
    assert 0.2 * math.sqrt(2 / 98304) < at.floor["ks"].mean < 5 * math.sqrt(2 / 98304)
    for floor in at.floor.values():
        assert floor.mean <= floor.highest


def test_real_darks_lie_at_the_floor(rivals):
    # The highest of 20 splits is exceeded by chance once in 21: of 9 distances hardly by 3.
    assert len(beyond_floor(rivals.isos[0], candidate(rivals, "darks"))) < 3


def test_coloured_rows_tell_the_gaussian_apart_and_not_the_spectral_rival(rivals):
    at = rivals.isos[0]
    told = beyond_floor(at, candidate(rivals, "gaussian"))
    assert {"row_autocorrelation", "psd", "neighbour_covariance"} <= set(told)
    assert not {"kld_adu", "ks", "tail_4", "column_autocorrelation"} & set(told)
    assert "row_autocorrelation" not in beyond_floor(at, candidate(rivals, "spectral"))
    assert best(rivals) == "spectral"
    lines = verdict(rivals)
    assert lines[0] == "Train with spectral: of all that were compared it is nearest to the real darks."
    assert lines[1].startswith("gaussian lies on average ")
    assert any(line.startswith("gaussian: told from real darks by") and "rows that" in line for line in lines)


def test_a_few_rare_values_decide_nothing(real, tmp_path):
    def with_rare(name, count):
        g = np.random.default_rng(33)
        frames = [dark(g) for _ in range(8)]
        for i in range(count):
            frames[i % 8][2 * i, 3 * i] = 256 + 30
        return open_fake(str(write_darks(tmp_path / name, frames)), GIVEN)

    found = evaluate_noise(real, [with_rare("two", 2), with_rare("forty", 40)], Settings(("tail_5", "ks")))
    two, forty = found.isos[0].candidates
    # Beyond 5 deviations of 4.2 DN white Gaussian noise has one value of 1.7 million; here there are 98,304.
    assert found.isos[0].floor["tail_5"].mean == 0
    assert two.distances["tail_5"] == pytest.approx(math.log(5))
    assert beyond_floor(found.isos[0], two) == []
    assert "tail_5" in beyond_floor(found.isos[0], forty)
    assert "no power" not in " ".join(verdict(found))


@pytest.mark.parametrize("mean", [0.2, 2, 20, 200])
def test_chance_exceeds_the_floor_of_tails_as_often_as_that_of_twenty_splits(mean):
    g = np.random.default_rng(34)
    one = summarise(g.normal(0, 4, (64, 64)).astype(np.float32), 100)
    counts = np.where(np.abs(one.dn) < 16, 1000 * one.counts, 0)

    def with_rare():
        return dataclasses.replace(one, counts=counts + g.poisson(mean) * (one.dn == 30))

    told, tail = 0, DISTANCES["tail_5"]
    for _ in range(400):
        held, fitted, fake = (with_rare() for _ in range(3))
        told += tail.between(held, fake, 1.0) > tail.chance(held + fitted, (1, 1))
    assert told < 48
    assert mean < 20 or told > 8


def test_no_noise_is_told_by_its_values_although_kld_skips_empty_bins(rivals):
    none = candidate(rivals, "none")
    assert none.distances["kld_adu"] < 0
    assert math.isinf(none.distances["psd"])
    assert {"kld_adu", "ks", "psd", "site_covariance"} <= set(beyond_floor(rivals.isos[0], none))


def test_white_noise_needs_no_more_than_the_gaussian(tmp_path):
    white = read_darks(make_darks(tmp_path / "white", 16, 5, rows=0.0), GIVEN)
    found = evaluate_noise(white, [Fake("tukey_lambda"), Fake("gaussian"), Fake("spectral")], Settings())
    assert best(found) == "gaussian"
    assert "the simpler" in verdict(found)[0]
    assert "tukey_lambda is as good as gaussian, but no better." in verdict(found)


def test_a_fixed_pattern_counts_unless_the_dark_shading_is_taken_off(tmp_path):
    pattern = 6 * np.random.default_rng(9).random((1, SHAPE[1]))
    darks = read_darks(make_darks(tmp_path / "fixed", 16, 6, pattern=pattern, rows=0.0), GIVEN)
    kept = evaluate_noise(darks, [Fake("gaussian")], Settings())
    taken = evaluate_noise(darks, [Fake("gaussian")], Settings(dark_shading=True))
    assert kept.isos[0].real.std > 4.2
    assert "column_autocorrelation" in beyond_floor(kept.isos[0], candidate(kept, "gaussian"))
    # 4 DN of noise, rounded twice: the raw value, and the difference from the mean dark.
    assert taken.isos[0].real.std == pytest.approx(math.sqrt(16 + 2 / 12), rel=0.01)
    assert len(beyond_floor(taken.isos[0], candidate(taken, "gaussian"))) < 3


def test_hot_pixels_do_not_count(tmp_path):
    pattern = np.zeros(SHAPE)
    pattern[10, 20] = pattern[50, 61] = 900
    darks = read_darks(make_darks(tmp_path / "hot", 8, 8, pattern=pattern), GIVEN)
    found = evaluate_noise(darks, [Fake("gaussian")], Settings())
    assert found.isos[0].hot == 2
    assert found.isos[0].real.std < 4.4


def test_hot_pixels_do_not_move_the_level(tmp_path):
    g = np.random.default_rng(30)
    pattern = np.where(g.random(SHAPE) < 0.003, 100 + g.exponential(300, SHAPE), 0.0)
    folders = [
        make_darks(tmp_path / name, 16, i, pattern=pattern, rows=0.0) for i, name in enumerate("ab", 31)
    ]
    real = read_darks(folders[0], GIVEN)
    found = evaluate_noise(
        real, [open_fake(str(folders[1]), GIVEN), Fake("gaussian"), Fake("spectral")], Settings()
    )
    assert found.isos[0].hot > 20
    # 0.3 % of the pixels lift the mean of all by 1.2 DN, which none of the others has.
    for c in found.isos[0].candidates[:2]:
        assert not {"kld_adu", "ks"} & set(beyond_floor(found.isos[0], c)), c.name
    assert best(found) != "spectral"


def test_rivals_are_not_fitted_to_the_gaps_of_hot_pixels(tmp_path):
    pattern = np.where(np.random.default_rng(35).random(SHAPE) < 0.03, 300.0, 0.0)
    real = read_darks(make_darks(tmp_path / "hot", 16, 36, pattern=pattern, rows=0.0), GIVEN)
    found = evaluate_noise(real, [Fake("spectral"), Fake("gaussian")], Settings(("kld_adu", "ks", "psd")))
    assert found.isos[0].hot > 250
    for c in found.isos[0].candidates:
        assert beyond_floor(found.isos[0], c) == [], c.name


def test_frames_of_the_same_camera_lie_at_the_floor_and_of_a_noisier_one_beyond(real, tmp_path):
    same = open_fake(str(make_darks(tmp_path / "same", 8, 21)), GIVEN)
    noisier = open_fake(str(make_darks(tmp_path / "noisier", 8, 22, std=5.2)), GIVEN)
    found = evaluate_noise(real, [same, noisier], Settings())
    assert len(beyond_floor(found.isos[0], candidate(found, "same"))) < 3
    assert {"kld_adu", "ks", "site_covariance"} <= set(
        beyond_floor(found.isos[0], candidate(found, "noisier"))
    )
    assert best(found) == "same"


def test_another_black_level_of_whole_dn_is_no_difference(real, tmp_path):
    g = np.random.default_rng(23)
    moved = write_darks(tmp_path / "moved", [dark(g) + 3 for _ in range(8)])
    found = evaluate_noise(real, [open_fake(str(moved), GIVEN)], Settings())
    assert len(beyond_floor(found.isos[0], found.isos[0].candidates[0])) < 3


def test_made_frames_are_rounded_as_a_converter_does(rivals):
    for c in rivals.isos[0].candidates:
        for r, col in ((0, 0), (0, 1), (1, 0), (1, 1)):
            steps = c.frame[r::2, col::2] - c.frame[r, col]  # the bias of a site is one fraction of a DN
            assert np.abs(steps - np.rint(steps)).max() < 1e-3, c.name


def test_rivals_are_fitted_to_the_frames_given_for_that(real, tmp_path):
    noisier = read_darks(make_darks(tmp_path / "fit", 6, 24, std=8.0), GIVEN)
    found = evaluate_noise(real, [Fake("gaussian")], Settings(), noisier)
    at = found.isos[0]
    assert (at.fitted, at.held) == (6, 16)
    assert at.candidates[0].summary.std == pytest.approx(8.1, rel=0.02)


def test_every_iso_is_compared_by_itself(tmp_path):
    folder = make_darks(tmp_path / "both", 6, 25, iso=800)
    make_darks(tmp_path / "both", 4, 26, iso=3200, std=9.0)
    darks = read_darks(folder, GIVEN)
    found = evaluate_noise(darks, [Fake("gaussian"), Fake("darks")], Settings(("kld_adu", "psd")))
    assert [(at.iso, at.fitted + at.held) for at in found.isos] == [(800.0, 6), (3200.0, 4)]
    assert found.isos[1].real.std == pytest.approx(9.05, rel=0.03)
    assert any("Few darks (6 at ISO 800, 4 at ISO 3200)" in line for line in verdict(found))
    assert set(candidate(found, "gaussian", 1).distances) == {"kld_adu", "psd"}


def test_equal_seeds_give_equal_comparisons(real):
    runs = [evaluate_noise(real, [Fake("spectral")], Settings(seed=s)).isos[0] for s in (3, 3, 4)]
    first, again, other = (at.candidates[0].distances for at in runs)
    assert first == again
    assert first != other
    assert runs[0].floor == runs[1].floor


def test_the_middle_is_kept_and_most_frames_are_enough(tmp_path):
    g = np.random.default_rng(27)
    frames = [dark(g, rows=0.0) for _ in range(40)]
    darks = read_darks(write_darks(tmp_path / "many", frames), GIVEN, crop=42)
    stack = darks.stacks[800.0]
    assert (len(stack.frames), stack.found) == (32, 40)
    assert np.array_equal(stack.frames[0], frames[0][26:68, 42:84])
    assert darks.sensor == SHAPE


def test_the_crop_shrinks_before_memory_runs_out():
    assert fitting_crop(64) == 1024
    side = fitting_crop(24 * 400)
    assert 128 <= side < 1024
    assert 24 * 400 * side**2 * 2 <= 400_000_000


def test_each_frame_is_read_once(tmp_path, monkeypatch):
    from lrd_ext.calibration import frames

    seen = []
    load = frames.load_mosaic
    monkeypatch.setattr(frames, "load_mosaic", lambda path: seen.append(path) or load(path))
    read_darks(make_darks(tmp_path / "once", 4), GIVEN)
    assert len(seen) == len(set(seen)) == 4


def test_without_a_deciding_distance_there_is_no_choice(real):
    found = evaluate_noise(real, [Fake("gaussian")], Settings(("kld_lrd",)))
    assert best(found) is None
    assert not any(line.startswith("Train with") for line in verdict(found))


def test_names_must_differ(real):
    with pytest.raises(ValueError, match="fakes must have different names, got gaussian, gaussian"):
        evaluate_noise(real, [Fake("gaussian"), Fake("gaussian")], Settings())


def test_settings_are_kept(real):
    settings = dataclasses.replace(Settings(), seed=9)
    assert evaluate_noise(real, [Fake("darks")], settings).settings is settings
