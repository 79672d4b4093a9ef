# SPDX-License-Identifier: Apache-2.0
"""NoiseParams: what it accepts, how it broadcasts, what it refuses and how it says so."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import math
import pickle
import re

import numpy as np
import pytest
import torch

from lrd_ext import NoiseParams
from lrd_ext.figures import FIGURES
from lrd_ext.sensor_figures import SENSOR_FIGURES

LEVELS = {"K": 1.5, "ratio": 100.0, "white": 1023.0, "black": 64.0}
SCALARS = ("K", "ratio", "white", "sigma_read", "tukey_lambda", "sigma_row", "sigma_col", "iso")


def test_numbers_become_a_batch_of_one():
    params = NoiseParams(**LEVELS)
    assert len(params) == 1
    for name in SCALARS:
        tensor = getattr(params, name)
        assert tensor.shape == (1,)
        assert tensor.dtype == torch.float32
    assert params.black.shape == params.bias.shape == (1, 4)
    assert params.black.tolist() == [[64.0] * 4]
    assert params.read == "none"
    assert params.shot is True
    assert params.sigma_read.item() == params.sigma_row.item() == params.sigma_col.item() == 0.0
    assert params.bias.abs().max() == 0
    assert math.isnan(params.iso.item())


@pytest.mark.parametrize(
    "K",
    [
        [1.0, 2.0, 3.0],
        (1, 2, 3),
        np.array([1.0, 2.0, 3.0]),
        torch.tensor([1, 2, 3]),
        torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64),
        torch.tensor([1.0, 2.0, 3.0], dtype=torch.bfloat16),
        torch.tensor([3.0, 9.0, 2.0, 9.0, 1.0, 9.0])[::2].flip(0),
        torch.tensor([1.0, 2.0, 3.0], requires_grad=True),
    ],
    ids=["list", "tuple", "numpy", "int64", "float64", "bfloat16", "strided", "requires_grad"],
)
def test_sequences_and_tensors_set_the_batch(K):
    params = NoiseParams(**(LEVELS | {"K": K}), iso=[100, 200, 400])
    assert params.K.tolist() == [1.0, 2.0, 3.0]
    assert not params.K.requires_grad
    assert params.ratio.tolist() == [100.0] * 3
    assert params.black.shape == (3, 4)


def test_black_and_bias_by_site_and_by_sample():
    assert NoiseParams(**(LEVELS | {"black": [1, 2, 3, 4]})).black.tolist() == [[1, 2, 3, 4]]
    both = NoiseParams(**(LEVELS | {"black": [[1, 2, 3, 4], [5, 6, 7, 8]]}), bias=[-1.0, 0.0, 1.0, 2.0])
    assert len(both) == 2
    assert both.bias.tolist() == [[-1, 0, 1, 2]] * 2


def test_params_are_frozen():
    params = NoiseParams(**LEVELS)
    with pytest.raises(dataclasses.FrozenInstanceError):
        params.K = torch.ones(1)


OUT_OF_RANGE = [
    *(("K", v) for v in (0.0, -1.0, math.nan, math.inf, 2e6)),
    *(("ratio", v) for v in (0.0, -3.0, math.nan, math.inf, 1e10)),
    *(("white", v) for v in (0.0, -1.0, math.nan, math.inf, 2e7)),
    *(("black", v) for v in (math.nan, math.inf, -math.inf, -2e7)),
    *(
        (name, v)
        for name in ("sigma_read", "sigma_row", "sigma_col")
        for v in (-1e-3, math.nan, math.inf, 2e6)
    ),
    *(("tukey_lambda", v) for v in (-0.5, -1.0, math.nan, math.inf, 2e3)),
    *(("bias", v) for v in (math.nan, -math.inf, 2e7)),
]


@pytest.mark.parametrize(("name", "value"), OUT_OF_RANGE)
def test_values_out_of_range_are_named_with_their_range(name, value):
    with pytest.raises(ValueError, match=f"NoiseParams: {name} must be finite and in .*, got "):
        NoiseParams(**(LEVELS | {name: value}))


@pytest.mark.parametrize("name", ["K", "sigma_row", "bias"])
def test_one_bad_sample_of_many_is_found(name):
    values = torch.ones(5, 4) if name == "bias" else torch.ones(5)
    values.view(-1)[-1] = math.nan
    with pytest.raises(ValueError, match=f"{name} must be finite"):
        NoiseParams(**(LEVELS | {name: values}))


@pytest.mark.parametrize("iso", [0.0, -100.0, math.inf])
def test_iso_is_positive_or_unknown(iso):
    with pytest.raises(ValueError, match="iso must be above 0 or NaN"):
        NoiseParams(**LEVELS, iso=iso)


@pytest.mark.parametrize("black", [1023.0, 1024.0, [0, 0, 0, 1023.0]])
def test_white_must_be_above_black_at_every_site(black):
    with pytest.raises(ValueError, match="white must be above black at every site"):
        NoiseParams(**(LEVELS | {"black": black}))


WRONG = [
    ({"K": "2"}, TypeError, "K must be a number"),
    ({"K": None}, TypeError, "K must be a number"),
    ({"K": 1 + 2j}, TypeError, "K must be"),
    ({"K": True}, TypeError, "K must be a number.*got True"),
    ({"K": torch.tensor([True])}, TypeError, "K must be real numbers, got a tensor of torch.bool"),
    ({"K": torch.tensor([1j])}, TypeError, "K must be real numbers, got a tensor of torch.complex64"),
    ({"K": [[1.0, 2.0]]}, ValueError, r"K must be a number or \(B,\), got shape \(1, 2\)"),
    ({"K": [1.0, [2.0]]}, TypeError, "K must be a number"),
    ({"K": []}, ValueError, "at least one sample"),
    ({"K": torch.empty(0)}, ValueError, "at least one sample"),
    ({"black": [1, 2, 3]}, ValueError, r"black must be a number, \(4,\) or \(B, 4\), got shape \(3,\)"),
    ({"black": torch.zeros(4, 1)}, ValueError, "black must be a number"),
    ({"black": torch.zeros(0, 4)}, ValueError, "at least one sample"),
    ({"bias": torch.zeros(2, 2, 4)}, ValueError, "bias must be a number"),
    ({"K": [1.0, 2.0], "ratio": [1.0, 2.0, 3.0]}, ValueError, "batch sizes must agree"),
    ({"K": [1.0, 2.0], "bias": torch.zeros(3, 4)}, ValueError, "batch sizes must agree"),
    ({"K": torch.ones(1, device="meta"), "ratio": torch.ones(1)}, ValueError, "one device"),
    ({"read": "poisson"}, ValueError, "read must be one of"),
    ({"read": None}, ValueError, "read must be one of"),
    ({"read": []}, ValueError, "read must be one of"),
    ({"read": ["gaussian", "poisson"]}, ValueError, r"one per sample, got \['gaussian', 'poisson'\]"),
    ({"K": [1.0, 2.0], "read": ["none"] * 3}, ValueError, r"batch sizes must agree.*'read': 3"),
    (
        {"sigma_read": 3.0},
        ValueError,
        "sigma_read must be 0 where read is 'none', .*got 3. Say read='gaussian'",
    ),
    ({"read": ["gaussian", "none"], "sigma_read": [3.0, 2.0]}, ValueError, "sigma_read must be 0 .*got 2"),
    ({"gain": 1.0}, TypeError, "needs K, ratio, white, black and accepts .*; unknown: gain"),
    ({"shot": 1}, TypeError, "shot must be True or False, got 1"),
    ({"shot": "yes"}, TypeError, "shot must be True or False"),
]


@pytest.mark.parametrize(("fields", "error", "message"), WRONG, ids=lambda v: str(v)[:60])
def test_wrong_types_and_shapes(fields, error, message):
    with pytest.raises(error, match=message):
        NoiseParams(**(LEVELS | fields))


def test_fields_are_keywords_and_four_are_required():
    with pytest.raises(TypeError):
        NoiseParams(1.0, 2.0, 3.0, 4.0)
    with pytest.raises(TypeError, match="black"):
        NoiseParams(K=1.0, ratio=1.0, white=2.0)


def batch_of_three():
    return NoiseParams(
        **(LEVELS | {"K": [1.0, 2.0, 3.0], "black": torch.arange(12.0).reshape(3, 4)}),
        sigma_read=[4.0, 5.0, 6.0],
        tukey_lambda=-0.1,
        sigma_row=0.5,
        sigma_col=0.25,
        bias=[0.1, 0.2, 0.3, 0.4],
        iso=[100.0, math.nan, 400.0],
        read="tukey_lambda",
        shot=False,
    )


@pytest.mark.parametrize(
    ("choice", "K"),
    [
        (0, [1.0]),
        (-1, [3.0]),
        (np.int64(1), [2.0]),
        (np.uint8(2), [3.0]),
        (slice(1, None), [2.0, 3.0]),
        ([2, 0, 2], [3.0, 1.0, 3.0]),
        (torch.tensor([1]), [2.0]),
        (torch.tensor([True, False, True]), [1.0, 3.0]),
    ],
    ids=str,
)
def test_select(choice, K):
    part = batch_of_three().select(choice)
    assert part.K.tolist() == K
    assert part.black[:, 0].tolist() == [4.0 * (k - 1) for k in K]
    assert part.read == "tukey_lambda"
    assert part.shot is False


@pytest.mark.parametrize("choice", [3, -4])
def test_select_outside_the_batch(choice):
    with pytest.raises(IndexError, match=r"must be in \[-3, 3\), got"):
        batch_of_three().select(choice)


def test_read_by_sample_sets_the_batch():
    params = NoiseParams(**LEVELS, read=["none", "gaussian", "tukey_lambda"], sigma_read=[0.0, 2.0, 3.0])
    assert params.read == ("none", "gaussian", "tukey_lambda")
    assert params.select(1).read == "gaussian"
    assert params.select([2, 0]).read == ("tukey_lambda", "none")
    assert params.select(torch.tensor([False, True, True])).read == ("gaussian", "tukey_lambda")
    assert params.to("cpu").to_range(0.0, 959.0).read == params.read
    assert params.shot_only().read == "none"
    assert NoiseParams.from_dict(params.to_dict()).to_dict() == params.to_dict()
    assert NoiseParams(**LEVELS, read=["gaussian", "gaussian"]).read == "gaussian"


def test_without_bias_changes_nothing_else():
    part, whole = batch_of_three().without_bias(), batch_of_three()
    assert not part.bias.any()
    assert part.to_dict() | {"bias": None} == whole.to_dict() | {"bias": None}
    assert whole.bias.any()


def test_figures_are_views_of_the_table_also_after_pickling_and_copying():
    params = batch_of_three()
    for copied in (pickle.loads(pickle.dumps(params)), copy.deepcopy(params)):
        assert copied.to_dict() == params.to_dict()
        copied.sigma_row.fill_(9.0)
        columns = [name for name, figure in FIGURES.items() for _ in range(figure.width)]
        assert copied.table[:, columns.index("sigma_row")].tolist() == [9.0] * 3
        assert params.sigma_row.tolist() == [0.5] * 3


def test_dataclasses_replace_checks_anew():
    assert dataclasses.replace(batch_of_three(), K=4.0).to_dict() == batch_of_three().to_dict() | {
        "K": [4.0] * 3
    }
    with pytest.raises(ValueError, match="K must be finite"):
        dataclasses.replace(batch_of_three(), K=-1.0)


def test_columns_of_arrays_are_checked_and_kept():
    columns = {name: getattr(batch_of_three(), name).numpy() for name in FIGURES} | {"white": 1023.0}
    made = NoiseParams._of_columns(columns, 3, read="tukey_lambda", shot=False)
    assert made.to_dict() == batch_of_three().to_dict()
    with pytest.raises(ValueError, match="K must be finite"):
        NoiseParams._of_columns(columns | {"K": 0.0}, 3, read="tukey_lambda", shot=False)


def test_given_tensors_are_copied():
    K = torch.ones(3)
    params = NoiseParams(**(LEVELS | {"K": K}))
    K.fill_(7.0)
    assert params.K.tolist() == [1.0] * 3


def test_every_figure_is_declared_once_and_told_to_people():
    shown = inspect.signature(NoiseParams).parameters
    assert list(shown) == [*FIGURES, "read", "shot", "read_table", *SENSOR_FIGURES]
    for name, figure in FIGURES.items():
        assert shown[name].default is inspect.Parameter.empty or figure.default is not None
        line = re.search(rf"^ +{name}: .*?^ {{8}}\w", NoiseParams.__doc__, re.MULTILINE | re.DOTALL)[0]
        assert "(B, 4)" in line if figure.by_site else "(B,)" in line
        assert figure.unit in line
    for name, figure in SENSOR_FIGURES.items():
        line = re.search(
            rf"^ +{name}: .*?^ {{8}}\w", NoiseParams.__doc__ + "        x", re.MULTILINE | re.DOTALL
        )[0]
        assert "(B, " in line if figure.shape else "(B,)" in line
        assert figure.unit in line
    assert batch_of_three().table.shape == (3, sum(f.width for f in FIGURES.values()) + 1)


def test_shot_only_keeps_levels_bias_and_gain():
    part = batch_of_three().shot_only()
    assert part.read == "none"
    for name in ("sigma_read", "tukey_lambda", "sigma_row", "sigma_col"):
        assert not getattr(part, name).any()
    for name in ("K", "ratio", "white", "black", "bias"):
        assert torch.equal(getattr(part, name), getattr(batch_of_three(), name))


def test_dictionary_round_trip_survives_json():
    params = batch_of_three()
    again = NoiseParams.from_dict(json.loads(json.dumps(params.to_dict(), allow_nan=False)))
    for field in dataclasses.fields(NoiseParams):
        one, other = getattr(params, field.name), getattr(again, field.name)
        same = (
            torch.equal(one.nan_to_num(-1), other.nan_to_num(-1))
            if isinstance(one, torch.Tensor)
            else one == other
        )
        assert same, field.name


@pytest.mark.parametrize("change", [{"gain": 1.0}, {"K": ...}])
def test_from_dict_names_what_it_needs(change):
    fields = batch_of_three().to_dict() | change
    fields = {k: v for k, v in fields.items() if v is not ...}
    with pytest.raises(ValueError, match="needs K, ratio, white, black and accepts"):
        NoiseParams.from_dict(fields)


def test_to_range_scales_by_the_ratio_of_the_spans():
    params = NoiseParams(
        **LEVELS,
        read="tukey_lambda",
        sigma_read=2.0,
        tukey_lambda=0.1,
        sigma_row=0.5,
        sigma_col=0.25,
        bias=[1, 2, 3, 4],
    )
    wide = params.to_range(black=256.0, white=256.0 + 10 * (1023.0 - 64.0))
    assert wide.K.item() == pytest.approx(15.0)
    assert wide.sigma_read.item() == pytest.approx(20.0)
    assert wide.sigma_row.item() == pytest.approx(5.0)
    assert wide.sigma_col.item() == pytest.approx(2.5)
    assert wide.bias[0].tolist() == pytest.approx([10, 20, 30, 40])
    assert wide.tukey_lambda.item() == pytest.approx(0.1)
    assert wide.ratio.item() == 100.0
    with pytest.raises(ValueError, match="white must be above black"):
        params.to_range(black=100.0, white=100.0)
    with pytest.raises(ValueError, match="K must be finite and in"):
        NoiseParams(**(LEVELS | {"K": 1e6})).to_range(black=0.0, white=65535.0)


def test_to_device_and_length():
    assert batch_of_three().to("cpu").device.type == "cpu"
    assert batch_of_three().to("meta").K.device.type == "meta"
    assert len(batch_of_three()) == 3
