# SPDX-License-Identifier: Apache-2.0
"""Random words: published known answers, and the map from (seed, index, position, component) to counters."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lrd_ext import STREAM_VERSION, NoiseParams, ops
from lrd_ext.reference.normal import normal_quantile
from lrd_ext.reference.philox import Component, philox4x32, words
from lrd_ext.reference.poisson import poisson_quantile

VECTORS = [
    [int(word, 16) for word in line.split()]
    for line in (Path(__file__).parent / "philox4x32_10.txt").read_text().splitlines()
    if not line.startswith("#")
]


def reference_philox(counter, key):
    result = philox4x32(tuple(torch.tensor([c]) for c in counter), tuple(torch.tensor([k]) for k in key))
    return [int(word) for word in result]


def native_philox(counter, key):
    return list(ops.NATIVE.philox(counter, key))


PHILOX = pytest.mark.parametrize(
    "philox", [reference_philox, pytest.param(native_philox, marks=pytest.mark.native)]
)


@PHILOX
@pytest.mark.parametrize("vector", VECTORS, ids=["zeros", "ones", "pi"])
def test_known_answers_of_random123(philox, vector):
    assert philox(vector[:4], vector[4:6]) == vector[6:]


@pytest.mark.native
def test_native_and_reference_words_agree_on_random_counters():
    draw = torch.Generator().manual_seed(1)
    given = torch.randint(0, 2**32, (200, 6), generator=draw)
    expected = torch.stack(philox4x32(tuple(given[:, :4].T), tuple(given[:, 4:].T)), dim=1)
    got = torch.tensor([native_philox(row[:4], row[4:]) for row in given.tolist()])
    assert torch.equal(got, expected)


def test_public_numbers_of_the_stream():
    # Changing any of these changes every seeded result: STREAM_VERSION must change too. A new component is
    # one line more and changes nothing.
    assert STREAM_VERSION == 2
    assert {c.name: c.value for c in Component} == {
        "SHOT": 0,
        "READ": 1,
        "ROW": 2,
        "COLUMN": 3,
        "QUANTIZE": 4,
        "GENERATOR": 5,
        "GENERATOR_ROW": 6,
        "GENERATOR_COLUMN": 7,
        "PARAMETERS": 8,
        "PATTERN": 9,
        "FIXED_ROW": 10,
        "FIXED_COLUMN": 11,
        "DARK_CURRENT": 12,
        "BLINKING_PIXEL": 13,
        "BLINK_STATE": 14,
        "DRIFT": 15,
        "ROW_WAVES": 16,
        "COLUMN_WAVES": 17,
    }


# (seed, index, origin of the frame in sites): small, and with every high part in use or wrapping around.
PLACES = [
    (0, 0, (0, 0)),
    (7, 3, (10, 6)),
    (2**64 - 1, 2**32 + 5, (2**32 - 4, 2**32 - 2)),
    (-(2**63), 2**56 - 1, (-2, -6)),
    (0x9E3779B97F4A7C15, 0xAB12345678 << 8, (-(2**32) + 2, 2**31)),
]
SHAPE = (6, 10)


def counter_words(philox, seed, index, component, cell_row, cell_col):
    """The map of design.md section 3.1, written out independently of both executors."""
    counter = (cell_col % 2**32, cell_row % 2**32, index % 2**32, component + 256 * (index >> 32))
    return philox(counter, (seed % 2**64 % 2**32, seed % 2**64 >> 32))


def site_words(philox, seed, index, component, origin):
    frame = torch.empty(SHAPE, dtype=torch.int64)
    for i in range(0, SHAPE[0], 2):
        for j in range(0, SHAPE[1], 2):
            cell = counter_words(philox, seed, index, component, (origin[0] + i) // 2, (origin[1] + j) // 2)
            frame[i : i + 2, j : j + 2] = torch.tensor(cell).reshape(2, 2)
    return frame


def row_words(philox, seed, index, origin):
    pairs = [
        counter_words(philox, seed, index, Component.ROW, (origin[0] + i) // 2, 0)[:2]
        for i in range(0, SHAPE[0], 2)
    ]
    return torch.tensor(pairs).reshape(-1, 1).expand(SHAPE)


def column_words(philox, seed, index, origin):
    pairs = [
        counter_words(philox, seed, index, Component.COLUMN, 0, (origin[1] + j) // 2)[:2]
        for j in range(0, SHAPE[1], 2)
    ]
    return torch.tensor(pairs).reshape(1, -1).expand(SHAPE)


@PHILOX
@pytest.mark.parametrize(("seed", "index", "origin"), PLACES)
def test_counter_map_of_reference_words(philox, seed, index, origin):
    signed = (seed + 2**63) % 2**64 - 2**63
    rows = torch.arange(SHAPE[0] // 2) + origin[0] // 2
    cols = torch.arange(SHAPE[1] // 2) + origin[1] // 2
    got = words(torch.tensor(signed), torch.tensor([index]), Component.READ, rows, cols)[0]
    expected = site_words(philox, seed, index, Component.READ, origin)
    assert torch.equal(got, expected.reshape(3, 2, 5, 2).permute(1, 3, 0, 2).reshape(4, 3, 5))


# One parameter set per component that lets the component's own words through, the frame they address, and the
# exact float32 value each word must come out as. Black 0 and everything else 0: the sum adds nothing.
BARE = {"K": 1.0, "ratio": 1.0, "white": 1.0, "black": 0.0, "shot": False}
COMPONENTS = {
    "read": (Component.READ, {"read": "gaussian", "sigma_read": 1.0}, 0.0, "none"),
    "row": (Component.ROW, {"sigma_row": 1.0}, 0.0, "none"),
    "column": (Component.COLUMN, {"sigma_col": 1.0}, 0.0, "none"),
    "quantize": (Component.QUANTIZE, {}, 0.0, "uniform"),
    "shot": (Component.SHOT, {"shot": True}, 5.0, "none"),
}


def component_words(philox, component, seed, index, origin):
    if component == Component.ROW:
        return row_words(philox, seed, index, origin)
    if component == Component.COLUMN:
        return column_words(philox, seed, index, origin)
    return site_words(philox, seed, index, component, origin)


def reference_values(component, frame):
    if component == Component.SHOT:
        return poisson_quantile(frame, torch.tensor(5.0)).float()
    if component == Component.QUANTIZE:
        return ((frame.double() + 0.5) * 2.0**-32 - 0.5).float()
    return normal_quantile(frame).float()


def native_values(component, frame):
    if component == Component.QUANTIZE:
        # float32 of the centred word, + 1/2, / 2^32: the last two roundings of csrc/noise/quantize.h.
        return ((frame - 2**31).float() + 0.5) * 2.0**-32
    which, argument = ("poisson", 5.0) if component == Component.SHOT else ("normal", 0.0)
    flat = frame.flatten().numpy().astype("uint32")
    values = ops.NATIVE.quantile(which, flat, torch.full((flat.size,), argument).numpy())
    return torch.from_numpy(values).reshape(frame.shape)


@pytest.mark.parametrize("name", COMPONENTS)
@pytest.mark.parametrize(("seed", "index", "origin"), PLACES)
def test_counter_map_of_each_component(synth, name, seed, index, origin):
    component, fields, level, quantize = COMPONENTS[name]
    on_reference = getattr(synth, "__name__", "") == "reference_synth"
    got = synth(
        torch.full(SHAPE, level),
        NoiseParams(**(BARE | fields)),
        seed=seed,
        index=index,
        origin=origin,
        output="dn_float",
        quantize=quantize,
        clip="none",
    )
    frame = component_words(reference_philox, component, seed, index, origin)
    assert torch.equal(got, (reference_values if on_reference else native_values)(component, frame))
