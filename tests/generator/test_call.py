# SPDX-License-Identifier: Apache-2.0
"""What calls with a generator accept, and the op with one as a torch operator."""

from __future__ import annotations

import warnings

import pytest
import torch
from generators import PARAMS, lively_generator, noise

from lrd_ext import NoiseParams, fused_synth, generator_request
from lrd_ext.generator import LiteGenerator


def broken_generator(value):
    generator = lively_generator()
    with torch.no_grad():
        generator.convs[1].weight[3, 2, 1, 0] = value
    return generator


def half_bfloat16():
    generator = lively_generator()
    generator.convs[1].bfloat16()
    return generator


GENERATOR = lively_generator(isos=(800, 3200), sigmas=(2.0, 8.0))
UNKNOWN_ISO = NoiseParams(K=2.0, ratio=50.0, white=16383.0, black=0.0)
REFUSED = [
    (
        TypeError,
        "must be a lrd_ext.generator.LiteGenerator, got Linear",
        {"generator": torch.nn.Linear(2, 2)},
    ),
    (TypeError, "float32 or bfloat16 weights.*got torch.float64", {"generator": lively_generator().double()}),
    (TypeError, "all alike, got torch.bfloat16 in convs.1", {"generator": half_bfloat16()}),
    (ValueError, "on clean's device cpu, got meta", {"generator": LiteGenerator().to("meta")}),
    (
        ValueError,
        "finite weights, got NaN or infinity in convs.1",
        {"generator": broken_generator(torch.nan)},
    ),
    (ValueError, "finite weights", {"generator": broken_generator(-torch.inf)}),
    (
        ValueError,
        "sigma_init must be given where params.iso is NaN",
        {"params": UNKNOWN_ISO, "sigma_init": None},
    ),
    (ValueError, "holds no table of trained ISOs", {"generator": LiteGenerator(), "sigma_init": None}),
    (ValueError, r"sigma_init must be in \[1e-06, 1e\+06\] DN, got 0", {"sigma_init": 0.0}),
    (ValueError, "sigma_init must be in .* got -1", {"sigma_init": -1}),
    (ValueError, "sigma_init must be in .* got nan", {"sigma_init": float("nan")}),
    (ValueError, r"sigma_init must be in .* got \[2.0, 0.0\]", {"sigma_init": torch.tensor([2.0, 0.0])}),
    (TypeError, "sigma_init must be a number", {"sigma_init": "2"}),
    (TypeError, "sigma_init must be a number", {"sigma_init": True}),
    (TypeError, "float tensor.*got torch.int64", {"sigma_init": torch.tensor([2])}),
    (TypeError, "requires grad. LiteGenerator.forward", {"sigma_init": torch.ones(2, requires_grad=True)}),
    (ValueError, r"number or \(2,\), got shape \(3,\)", {"sigma_init": torch.ones(3)}),
    (ValueError, "on clean's device cpu, got meta", {"sigma_init": torch.ones(2, device="meta")}),
    (
        ValueError,
        r"iso must be in the trained range \[800, 3200\], got 1.28e\+04|got 12800",
        {
            "params": NoiseParams(K=2.0, ratio=50.0, white=16383.0, black=0.0, iso=12800.0),
            "sigma_init": None,
        },
    ),
]


@pytest.mark.parametrize(("error", "message", "changes"), REFUSED, ids=lambda v: str(v)[:50])
def test_refused(synth, error, message, changes):
    options = {"generator": GENERATOR, "sigma_init": 2.0} | changes
    with pytest.raises(error, match=message):
        noise(options.pop("generator"), 2, 8, 12, synth=synth, **options)


def test_read_noise_beside_a_generator_is_said_once():
    both = NoiseParams(K=2.0, ratio=50.0, white=16383.0, black=0.0, read="gaussian", sigma_read=1.0)
    generator_request._warn_of_read_noise_once.cache_clear()
    with pytest.warns(UserWarning, match="added to the read noise in params"):
        noise(GENERATOR, 8, 12, params=both)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        noise(GENERATOR, 8, 12, params=both)
        noise(GENERATOR, 8, 12, params=both.shot_only())


def arguments(packed=False):
    """The op's arguments by name, in their order."""
    shape = (2, 4, 6, 10) if packed else (2, 12, 20)
    return {
        "clean": torch.rand(shape),
        "table": PARAMS.table,
        "seed": None,
        "index": None,
        "seed_value": 7,
        "first_index": 3,
        "origin_row": 0,
        "origin_col": 0,
        "dark": None,
        "channels": [0, 1, 2, 3] if packed else [],
        "shot": True,
        "output": 0,
        "quantize": 0,
        "clip": 0,
        "out": torch.empty(shape),
        "weights": GENERATOR.packed_weights(),
        "sigma_init": torch.tensor([2.0, 3.0]),
        "widths": list(GENERATOR.widths),
        "bfloat16": False,
    }


@pytest.mark.native
@pytest.mark.parametrize("packed", [False, True])
def test_opcheck(packed):
    torch.library.opcheck(torch.ops.lrd_ext.fused_synth, (), arguments(packed=packed))


@pytest.mark.native
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": torch.zeros(7)}, "weights must be 3700 contiguous float32"),
        ({"weights": GENERATOR.packed_weights().double()}, "weights must be 3700 contiguous float32"),
        ({"weights": GENERATOR.packed_weights() * torch.nan}, "weights must be finite"),
        ({"weights": GENERATOR.packed_weights().repeat(2)[1:3701]}, "begin at a multiple of 16 bytes"),
        ({"sigma_init": None}, "sigma_init must be 1 or 2 contiguous float32"),
        ({"sigma_init": torch.ones(3)}, "sigma_init must be 1 or 2 contiguous float32"),
        ({"sigma_init": torch.tensor([1.0, torch.nan])}, "sigma_init must be in"),
        *(
            ({"widths": wrong}, "widths must be 1 to 3 of 16 or 32")
            for wrong in ([], [0, 16], [17, 16], [16, 0, 16], [-16, 16], [16, 16, 16, 16])
        ),
    ],
)
def test_the_bare_op_stays_within_memory(changes, message):
    with pytest.raises(RuntimeError, match=message):
        torch.ops.lrd_ext.fused_synth(**(arguments() | changes))


@pytest.mark.native
@pytest.mark.parametrize("sigma_init", [None, 2.0], ids=["by ISO", "given"])
def test_compiled_in_one_graph_with_the_same_bits(sigma_init):
    torch._dynamo.reset()

    def step(clean, seed, index):
        options = {"seed": seed, "index": index, "generator": GENERATOR, "sigma_init": sigma_init}
        return fused_synth(clean * 0.5, PARAMS, **options)

    given = torch.rand(2, 12, 20), torch.tensor(7), torch.tensor([3, 4])
    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(*given), step(*given))


@pytest.mark.native
def test_empty_frames():
    for shape in ((0, 8, 12), (2, 0, 12), (2, 8, 0)):
        assert noise(GENERATOR, *shape).shape == shape
