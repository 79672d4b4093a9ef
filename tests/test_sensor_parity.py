# SPDX-License-Identifier: Apache-2.0
"""What a sensor adds: the compiled CPU executor against the float64 reference, one field for all calls."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest
import torch
from exclusion import excluded_sites
from generators import lively_generator

from lrd_ext import NoiseParams, fused_synth, reference_synth
from lrd_ext.sensor_figures import SENSOR_COLUMNS, SENSOR_FIGURES

CAMERA = {
    "K": 2.3, "ratio": 100.0, "white": 16383.0, "black": [512.0, 511.0, 513.0, 512.5],
    "sigma_read": 6.0, "read": "gaussian", "sigma_row": 1.3, "sigma_col": 0.7, "bias": [0.1, -0.2, 0.3, 0.05],
}  # fmt: skip
PARTS = {
    "pattern": {"sigma_prnu": 0.02, "sigma_dsnu": 3.0},
    "fixed lines": {"sigma_row_fixed": 2.0, "sigma_col_fixed": 1.5},
    "dark current": {"dark_current": 3.0, "dark_current_spread": 0.8, "exposure_s": 2.0},
    "hot pixels": {
        "hot_fraction": 0.03, "hot_current": 50.0, "blink_fraction": 0.3, "dark_current": 3.0,
        "exposure_s": 2.0,
    },
    "drift": {"sigma_drift": 3.0},
    "step": {"step": 8.0},
    "odd step": {"step": 2.5},
    "taps": {"row_taps": [0.8, 0.6], "col_taps": [0.6] + 31 * [0.0] + [-0.8]},
    "waves": {"row_waves": [[5.0, 7.3], [2.0, 31.0]], "col_waves": [[4.0, 2.0]]},
}  # fmt: skip
ALL = {name: value for part in PARTS.values() for name, value in part.items()}
SENSOR = {"sensor": 2**55 + 1, "seed": 5, "index": 2**40 + 3, "origin": (6, -10)}


def clean_frames(*shape):
    clean = torch.rand(shape, generator=torch.Generator().manual_seed(1)) ** 3
    clean[torch.rand(shape, generator=torch.Generator().manual_seed(2)) < 0.01] = 0.0
    return clean


@pytest.mark.native
@pytest.mark.parametrize("part", [*PARTS.values(), ALL], ids=[*PARTS, "all"])
@pytest.mark.parametrize("quantize", ["round", "uniform"])
@pytest.mark.parametrize("shot", [True, False])
def test_integers_are_those_of_the_reference(part, quantize, shot):
    params, clean = NoiseParams(**CAMERA, **part, shot=shot), clean_frames(2, 96, 130)
    options = SENSOR | {"layout": "mosaic", "quantize": quantize}
    got = fused_synth(clean, params, output="dn", backend="cpu", **options).to(torch.int32)
    expected = reference_synth(clean, params, output="dn", **options).to(torch.int32)
    excluded = excluded_sites(clean, params, **options)
    assert torch.equal(got[~excluded], expected[~excluded])
    assert excluded.double().mean() < 0.003
    assert (got - expected).abs().max() <= max(4, float(params.step.max()))


def test_with_a_generator_on_the_cpu_as_in_the_reference():
    generator, params, clean = (
        lively_generator((16,)),
        NoiseParams(**CAMERA, **ALL).shot_only(),
        clean_frames(64, 96),
    )
    options = SENSOR | {"generator": generator, "sigma_init": 3.0, "quantize": "none", "output": "dn_float"}
    one, other = (f(clean, params, **options) for f in (fused_synth, reference_synth))
    differs = (one - other).abs() > 2e-3
    assert differs.double().mean() < 1e-3  # a photon more or less
    assert params.sigma_prnu.tolist() == pytest.approx([0.02])
    assert not params.sigma_dsnu.any()


def test_crops_layouts_and_batches_are_windows_on_one_field(synth):
    params, clean = NoiseParams(**CAMERA, **ALL), clean_frames(3, 76, 140)
    options = {"seed": 3, "index": 4, "sensor": torch.tensor([7, 8, 7]), "layout": "mosaic"}
    whole = synth(clean, params, **options)
    crop = synth(clean[:, 38:70, 66:140].contiguous(), params, **options, origin=(38, 66))
    assert torch.equal(crop, whole[:, 38:70, 66:140])
    for i, body in enumerate((7, 8, 7)):
        one = synth(clean[i], params, seed=3, index=4 + i, sensor=body)
        assert torch.equal(one, whole[i])
    packed = torch.stack([clean[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], 1)
    planes = synth(packed, params, **(options | {"layout": "packed"}))
    assert torch.equal(planes[:, 1], whole[:, ::2, 1::2])


@pytest.mark.native
@pytest.mark.parametrize("generator", [None, lively_generator((16,))], ids=["plain", "generator"])
def test_frames_of_one_body_are_those_of_calls_of_their_own(generator):
    """What a call draws once for a body does not leak to frames that draw less, more, or of another body."""
    parts = [ALL, PARTS["pattern"], ALL | {"dark_current_spread": 0.0}, PARTS["hot pixels"], ALL]
    params = NoiseParams.cat([NoiseParams(**CAMERA, **part) for part in parts])
    bodies, clean = torch.tensor([7, 7, 7, 7, 8]), clean_frames(5, 160, 140)
    options = {"seed": 3, "layout": "mosaic"}
    if generator is not None:
        params = params.shot_only()
        options |= {"generator": generator, "sigma_init": 3.0}
    whole = fused_synth(clean, params, index=4, sensor=bodies, **options)
    for i, body in enumerate(bodies.tolist()):
        one = fused_synth(clean[i : i + 1], params.select([i]), index=4 + i, sensor=body, **options)
        assert torch.equal(one[0], whole[i])


def test_off_costs_no_column_and_changes_no_bit():
    off = {name: 0.0 for name, figure in SENSOR_FIGURES.items() if not figure.shape and name != "step"}
    silent = NoiseParams(**CAMERA, **off, step=1.0, row_taps=[1.0], col_waves=[[0.0, 0.0]])
    assert not silent.has_sensor
    assert silent.table.shape == (1, 17)
    assert "sigma_prnu" not in silent.to_dict()
    assert silent.sigma_prnu.tolist() == [0.0]
    assert silent.row_taps[0, 0] == silent.step[0] == 1.0
    clean = clean_frames(64, 64)
    beside = NoiseParams.cat([NoiseParams(**CAMERA), NoiseParams(**CAMERA, sigma_prnu=0.1)])
    assert torch.equal(
        fused_synth(clean[None], beside.select([0]), seed=1, layout="mosaic"),
        fused_synth(clean[None], NoiseParams(**CAMERA), seed=1, layout="mosaic"),
    )


def test_figures_go_wherever_params_go():
    one = NoiseParams(**CAMERA, **ALL)
    assert one.table.shape == (1, 17 + SENSOR_COLUMNS)
    for copied in (
        pickle.loads(pickle.dumps(one)),
        copy.deepcopy(one),
        NoiseParams.from_dict(one.to_dict()),
        dataclasses.replace(one, sigma_row=1.3),
        one.to("cpu"),
        NoiseParams.cat([NoiseParams(**CAMERA), one]).select(1),
        one.with_figures(sigma_dsnu=torch.tensor([3.0])),
    ):
        assert torch.equal(copied.table.nan_to_num(), one.table.nan_to_num())
    two = one.to_range(black=256.0, white=256.0 + 2 * (16383 - 512.125))
    assert two.sigma_dsnu.tolist() == pytest.approx([6.0])
    assert two.step.tolist() == pytest.approx([5.0])
    assert two.row_waves[0, 0].tolist() == pytest.approx([10.0, 7.3])
    assert "sigma_prnu 0.02" in repr(one)
    assert one.without_bias().has_sensor


WRONG = {
    "row_taps must have energy 1.*got 2": {"row_taps": [1.0, 1.0]},
    r"row_taps must be \(n,\) or \(B, n\) with n up to 33": {"row_taps": [1.0] + 33 * [0.0]},
    r"col_waves must be \(n, 2\)": {"col_waves": [1.0, 2.0]},
    "row_waves must be pairs.*got period 1.5": {"row_waves": [[1.0, 1.5]]},
    "exposure_s must be given": {"dark_current": 1.0},
    "hot_fraction must be finite and in .0, 0.25., got 0.5": {"hot_fraction": 0.5},
    "dark_current must be finite and in .* e-/s, got -1": {"dark_current": -1.0, "exposure_s": 1.0},
    "sigma_prnu must be finite.*got nan": {"sigma_prnu": float("nan")},
    "step must be finite and in .1, .*got 0.5": {"step": 0.5},
    "batch sizes must agree": {"sigma_prnu": [0.1, 0.1, 0.2], "sigma_dsnu": [1.0, 2.0]},
}


@pytest.mark.parametrize("message", WRONG)
def test_bad_figures_are_named(message):
    with pytest.raises(ValueError, match=message):
        NoiseParams(**CAMERA, **WRONG[message])


def test_bad_sensors_and_types_are_named():
    params, clean = NoiseParams(**CAMERA, **ALL), clean_frames(8, 8)
    with pytest.raises(ValueError, match=r"sensor must be in \[0, 2\^56\), got -1"):
        fused_synth(clean, params, seed=1, sensor=-1)
    with pytest.raises(ValueError, match=r"sensor must be an int, one body for all, .*got shape \(3,\)"):
        fused_synth(clean, params, seed=1, sensor=torch.arange(3))
    with pytest.raises(TypeError, match="sensor must be an int"):
        fused_synth(clean, params, seed=1, sensor=1.5)
    with pytest.raises(TypeError, match="sigma_prnu must be a number"):
        NoiseParams(**CAMERA, sigma_prnu="much")
    with pytest.raises(TypeError, match=r"accepts .*sigma_prnu.*unknown: sigma_prn$"):
        NoiseParams(**CAMERA, sigma_prn=0.1)


def test_noise_level_is_the_spread_of_pixels_and_frames():
    """sigma_out against frames of as many bodies, without hot pixels."""
    figures = ALL | {"hot_fraction": 0.0, "step": 8.0, "dark_current_spread": 0.4}
    params, clean = NoiseParams(**(CAMERA | {"ratio": 4.0}), **figures), torch.full((4096, 8, 8), 0.3)
    level = torch.empty_like(clean)
    noisy = fused_synth(
        clean, params, seed=2, sensor=torch.arange(4096), sigma_out=level, layout="mosaic", clip="none"
    )
    expected = torch.empty_like(clean)
    reference_synth(clean[:1], params, seed=2, sigma_out=expected[:1], layout="mosaic")
    torch.testing.assert_close(level[:1], expected[:1], rtol=1e-5, atol=0)
    ratio = noisy.double().std(0).mean() / level[0].double().mean()
    assert (
        abs(float(ratio) - 1) < 4 / (2 * 4096) ** 0.5
    )  # 4 standard errors of one site; lines make sites depend
