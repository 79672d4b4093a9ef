# SPDX-License-Identifier: Apache-2.0
"""lrd calibrate on darks that no curve fits: quantiles are written where they are worth it, or by wish."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from quantile_tables import HUMP

from lrd_ext import fused_synth, load_profile
from lrd_ext.calibration.model_advice import advise
from lrd_ext.estimators.tukey_lambda import Agreement
from lrd_ext.metrics import kld
from lrd_ext.reference.quantile_table import knot_probabilities

pytestmark = pytest.mark.native

LEVELS = ("--black", "512", "--white", "4095", "--cfa", "RGGB")
SHAPE, SIGMA = (192, 256), 5.0


def make_darks(folder, count, *, hump, sigma=SIGMA, seed=0):
    folder.mkdir()
    rng = np.random.default_rng(seed)
    lines = ["file,kind,iso,exposure_s"]
    for i in range(count):
        u = rng.random(SHAPE)
        noise = np.interp(u, knot_probabilities().numpy(), HUMP) if hump else rng.standard_normal(SHAPE)
        rows = 0.4 * sigma * rng.standard_normal((SHAPE[0], 1))
        np.save(folder / f"d{i}.npy", np.rint(512 + sigma * noise + rows).clip(0, 4095).astype(np.uint16))
        lines.append(f"d{i}.npy,dark,800,0.1")
    (folder / "frames.csv").write_text("\n".join(lines))
    return folder


def frames(folder):
    return np.stack([np.load(path) for path in sorted(folder.glob("*.npy"))])


@pytest.fixture
def hump(tmp_path):
    return make_darks(tmp_path / "darks", 8, hump=True)


def drawn(profile, count, read=None):
    params = profile.at(800, read=read).without_bias()
    return fused_synth(torch.zeros(count, *SHAPE), params, seed=1, output="dn", layout="mosaic").numpy()


def test_a_hump_is_written_and_drawn(lrd, hump, tmp_path):
    code, out, err = lrd(
        "calibrate", hump, "-o", tmp_path / "c.json", "--report", tmp_path / "r.html", *LEVELS
    )
    assert (code, err) == (0, "")
    assert "Use the measured quantiles for it: KLD" in " ".join(out.split())
    profile = load_profile(tmp_path / "c.json")
    with pytest.warns(UserWarning, match="K is unknown"):
        made = drawn(profile, 16)
    assert profile.read == "empirical"
    assert profile.rows[0].sigma_empirical == pytest.approx(SIGMA, rel=0.02)
    held = frames(make_darks(tmp_path / "held", 8, hump=True, seed=1))
    floor = kld(held[:4], held[4:], "adu")
    assert kld(held, made, "adu") < 2 * floor < 0.003
    for curve in ("gaussian", "tukey_lambda"):
        assert kld(held, drawn(profile, 16, curve), "adu") > 0.02
    assert "Distribution of read noise at ISO 800" in (tmp_path / "r.html").read_text()


def test_they_are_left_out_by_wish(lrd, hump, tmp_path):
    assert lrd("calibrate", hump, "-o", tmp_path / "c.json", "--read-quantiles", "never", *LEVELS)[0] == 0
    profile = load_profile(tmp_path / "c.json")
    assert (profile.read, profile.read_quantiles) == ("tukey_lambda", ())
    assert profile.rows[0].sigma_empirical is None


def test_gaussian_darks_need_none_but_may_have_them(lrd, tmp_path):
    darks = make_darks(tmp_path / "darks", 4, hump=False)
    assert lrd("calibrate", darks, "-o", tmp_path / "c.json", *LEVELS)[0] == 0
    assert load_profile(tmp_path / "c.json").read_quantiles == ()
    assert lrd("calibrate", darks, "-o", tmp_path / "c.json", "--read-quantiles", "always", *LEVELS)[0] == 0
    profile = load_profile(tmp_path / "c.json")
    assert profile.read == "gaussian"
    assert len(profile.read_quantiles) == 1


def test_noise_below_the_step_tells_no_quantiles(lrd, tmp_path):
    darks = make_darks(tmp_path / "darks", 4, hump=False, sigma=0.4)
    code, _, err = lrd("calibrate", darks, "-o", tmp_path / "c.json", "--read-quantiles", "always", *LEVELS)
    assert code == 2
    assert "no quantiles of read noise were measured at ISO 800: they need darks of noise above 0.8" in err
    assert not (tmp_path / "c.json").exists()
    assert lrd("calibrate", darks, "-o", tmp_path / "c.json", *LEVELS)[0] == 0


def test_another_word_is_refused(lrd, tmp_path):
    code, _, err = lrd("calibrate", tmp_path, "-o", tmp_path / "c.json", "--read-quantiles", "maybe")
    assert code == 2
    assert "--read-quantiles must be one of advised, always, never, got 'maybe'" in err


@pytest.mark.parametrize(
    ("table", "chance", "advised"),
    [
        (0.0001, 0.0, "empirical"),
        (0.0001, 0.001, "tukey_lambda"),  # as much as chance alone gives
        (0.00095, 0.0, "tukey_lambda"),
    ],
)
def test_a_table_must_be_worth_its_many_figures(table, chance, advised):
    def models(kld):
        return {
            "gaussian": Agreement(kld=0.01, ks=0.01, r2=0.99),
            "tukey_lambda": Agreement(kld=0.001, ks=0.005, r2=0.995),
            "empirical": Agreement(kld=kld, ks=0.001, r2=0.999, chance=chance),
        }

    read = type("Read", (), {"models": models(table)})()
    assert advise([read]).model == advised
    assert advise([read], tables=False).model == "tukey_lambda"
