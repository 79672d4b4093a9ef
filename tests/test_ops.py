# SPDX-License-Identifier: Apache-2.0
"""torch.ops.lrd_ext.fused_synth as a torch operator: registration, tracing, compilation, worker processes."""

from __future__ import annotations

import shutil
import types

import pytest
import torch

from lrd_ext import NoiseParams, fused_synth, ops
from lrd_ext.generator import LiteGenerator

pytestmark = pytest.mark.native

PARAMS = NoiseParams(
    K=[2.0, 5.0], ratio=30.0, white=4095.0, black=64.0, read="gaussian", sigma_read=3.0, sigma_row=1.0
)


def frames(dtype=torch.float32):
    return torch.rand(2, 12, 20, generator=torch.Generator().manual_seed(0)).to(dtype)


def arguments(clean, out, **changes):
    """The op's arguments by name, in their order."""
    return {
        "clean": clean,
        "table": PARAMS.table,
        "seed": torch.tensor(7),
        "index": torch.tensor([3, 4]),
        "seed_value": 0,
        "first_index": 0,
        "origin_row": 0,
        "origin_col": 0,
        "dark": None,
        "channels": [],
        "shot": True,
        "output": 0,
        "quantize": 0,
        "clip": 0,
        "out": out,
    } | changes


SAMPLES = {
    "mosaic": lambda: arguments(frames(), torch.empty(2, 12, 20)),
    "dark": lambda: arguments(frames(), torch.empty(2, 12, 20), dark=torch.ones(1, 12, 20)),
    "packed": lambda: arguments(frames().view(2, 4, 6, 10), torch.empty(2, 4, 6, 10), channels=[0, 1, 3, 2]),
    "numbers": lambda: arguments(
        frames(), torch.empty(2, 12, 20), seed=None, index=None, seed_value=-1, first_index=2**55
    ),
    "half": lambda: arguments(frames(torch.float16), torch.empty(2, 12, 20, dtype=torch.bfloat16)),
    "empty": lambda: arguments(torch.empty(2, 0, 20), torch.empty(2, 0, 20)),
    "targets": lambda: arguments(
        frames(torch.uint16), torch.empty(2, 12, 20), clean_out=frames(), sigma_out=frames(torch.float16)
    ),
    "sigma": lambda: arguments(frames(), torch.empty(2, 12, 20), sigma_out=frames()),
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_opcheck(sample):
    torch.library.opcheck(torch.ops.lrd_ext.fused_synth, (), SAMPLES[sample]())


COMPARED = ("table_columns", "sensor_columns", "read_models")


@pytest.mark.parametrize("what", COMPARED)
def test_a_module_built_from_other_sources_is_refused(what):
    names = {name: list(getattr(ops.NATIVE, name)) for name in COMPARED}
    ops._check_built_for(types.SimpleNamespace(**names))
    for other in (names[what][::-1], names[what][:-1], [*names[what], names[what][0]]):
        with pytest.raises(ImportError, match=f"its {what} are .*Build it again: pip install -e"):
            ops._check_built_for(types.SimpleNamespace(**(names | {what: other})))
    with pytest.raises(ImportError, match="its table_columns are nothing"):
        ops._check_built_for(types.SimpleNamespace())


ODD, FOUR = torch.zeros(2, 11, 20), [0, 1, 2, 3]
REFUSED = [
    (
        {"clean": torch.zeros(2, 12, 20, dtype=torch.int32)},
        "clean must be float32, float16, bfloat16 or uint16",
    ),
    ({"clean": torch.zeros(12, 20)}, "must"),
    ({"clean": torch.zeros(2, 12, 40)[:, :, ::2]}, "clean must be contiguous along its rows"),
    ({"table": torch.zeros(2, 3)}, "table must be a contiguous float32"),
    ({"table": torch.ones(3, PARAMS.table.shape[1])}, "table must have 1 or 2 rows"),
    ({"table": torch.full_like(PARAMS.table, 9.0)}, "table must hold codes of read models, got 9"),
    ({"table": torch.full_like(PARAMS.table, torch.nan)}, "table must hold codes of read models, got nan"),
    ({"seed": torch.tensor(1.0)}, "seed must be one int64"),
    ({"index": torch.tensor([1])}, "index must be 2 contiguous int64"),
    ({"dark": torch.zeros(2, 10, 20)}, "dark must have clean's size"),
    ({"dark": torch.zeros(3, 12, 20)}, "dark must hold 1 or 2 samples"),
    ({"out": torch.zeros(2, 12, 22)}, "out must have clean's size"),
    ({"out": torch.zeros(1, 12, 20)}, "out must hold 2 samples"),
    ({"clean_out": torch.zeros(2, 12, 22)}, "clean_out must have clean's size"),
    ({"clean_out": torch.zeros(2, 12, 20, dtype=torch.uint16)}, "clean_out must be float32, float16 or bf"),
    ({"sigma_out": torch.zeros(1, 12, 20)}, "sigma_out must hold 2 samples"),
    ({"sigma_out": torch.zeros(2, 12, 20, dtype=torch.float64)}, "sigma_out must be float32, float16, bfl"),
    ({"clean": ODD, "out": ODD}, "whole 2x2 cells"),
    ({"channels": FOUR}, "must have 4 dimensions"),
    (
        {"clean": torch.zeros(2, 3, 6, 10), "out": torch.zeros(2, 3, 6, 10), "channels": FOUR},
        "whole 2x2 cells",
    ),
    *(
        ({"channels": wrong}, "channels must be 0, 1, 2 and 3 in some order")
        for wrong in ([0], [0, 1, 2, 4], [0, 1, 2, 2], [-1, 1, 2, 3], [0, 1, 2, 3, 3])
    ),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED, ids=lambda v: str(v)[:40])
def test_the_bare_op_checks_what_it_must_to_stay_within_memory(changes, message):
    with pytest.raises(RuntimeError, match=message):
        torch.ops.lrd_ext.fused_synth(**(SAMPLES["mosaic"]() | changes))


@pytest.mark.parametrize("dark", [None, torch.full((12, 20), 3.0)], ids=["plain", "dark"])
@pytest.mark.parametrize("output", ["normalized", "dn"])
def test_compiled_in_one_graph_with_the_same_bits(dark, output):
    # aot_eager traces through fake tensors and functionalization as inductor does, without a C++ compiler.
    torch._dynamo.reset()

    def step(clean, seed, index):
        doubled = clean * 0.5
        return fused_synth(doubled, PARAMS, seed=seed, index=index, dark=dark, output=output)

    seed, index = torch.tensor(7), torch.tensor([3, 4])
    graphs = torch._dynamo.explain(step)(frames(), seed, index)
    assert graphs.graph_count == 1
    assert graphs.graph_break_count == 0
    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(frames(), seed, index), step(frames(), seed, index))
    # Other values of the same shapes must not be baked in.
    other = torch.tensor(-9), torch.tensor([2**40, 0])
    assert torch.equal(compiled(frames(), *other), step(frames(), *other))


#: Numbers that change from call to call, as a training loop gives them.
NUMBERS = {
    "seed": [(s, 3, (0, 0)) for s in (1, 2, 3, -5, 2**63 - 1, -(2**63))],
    "seed beyond int64": [(s, 3, (0, 0)) for s in (7, 2**63 + 7, 2**64 - 1, -(2**63) - 1, 2**70 + 3)],
    "index": [(1, i, (0, 0)) for i in (1, 2, 2**40, 0, 2**56 - 2)],
    "origin": [(1, 2, o) for o in ((0, 0), (2, 4), (-6, 8), (2**32 - 2, 0))],
    "all": [(i, i, (2 * i, -2 * i)) for i in (1, 2, 3, 9, 2**30)],
}


@pytest.mark.parametrize("numbers", NUMBERS)
def test_compiled_with_numbers_that_change_from_call_to_call(numbers):
    torch._dynamo.reset()
    counted = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")

    def step(clean, seed, index, origin):
        return fused_synth(clean * 0.5, PARAMS, seed=seed, index=index, origin=origin)

    compiled = torch.compile(step, fullgraph=True, backend=counted)
    for given in NUMBERS[numbers]:
        assert torch.equal(compiled(frames(), *given), step(frames(), *given))
    assert counted.frame_count <= 3 or numbers == "seed beyond int64"


@pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="inductor needs a C++ compiler"
)
def test_compiled_by_inductor_with_dynamic_shapes():
    torch._dynamo.reset()

    def step(clean, seed, index):
        return fused_synth(clean * 0.5, PARAMS, seed=seed, index=index)

    compiled = torch.compile(step, fullgraph=True, dynamic=True)
    given = torch.tensor(7), torch.tensor([3, 4])
    for shape in ((2, 8, 12), (2, 10, 14), (2, 20, 130)):
        clean = torch.rand(shape, generator=torch.Generator().manual_seed(1))
        assert torch.equal(compiled(clean, *given), step(clean, *given))


def test_compiled_with_out():
    torch._dynamo.reset()

    def step(clean, seed, index, out):
        return fused_synth(clean, PARAMS, seed=seed, index=index, out=out) + 1.0

    given = frames(), torch.tensor(7), torch.tensor([3, 4])
    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(*given, torch.empty(2, 12, 20)), step(*given, torch.empty(2, 12, 20)))


@pytest.mark.parametrize("output", ["normalized", "dn"])
def test_compiled_with_targets_in_one_graph(output):
    torch._dynamo.reset()

    def step(clean, seed, index):
        target, level = torch.empty(clean.shape), torch.empty(clean.shape)
        options = {"clean_out": target, "sigma_out": level, "output": output}
        return fused_synth(clean * 0.5, PARAMS, seed=seed, index=index, **options), target + 1.0, level * 2.0

    given = frames(), torch.tensor(7), torch.tensor([3, 4])
    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    for one, other in zip(compiled(*given), step(*given), strict=True):
        assert torch.equal(one, other)


def test_inference_mode_and_no_grad():
    expected = fused_synth(frames(), PARAMS, seed=7)
    for context in (torch.inference_mode, torch.no_grad):
        with context():
            got = fused_synth(frames(), PARAMS, seed=7)
        assert torch.equal(got, expected)
        assert not got.requires_grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_changes_nothing(dtype):
    expected = fused_synth(frames(), PARAMS, seed=7)
    with torch.autocast("cpu", dtype=dtype):
        got = fused_synth(frames(), PARAMS, seed=7)
    assert got.dtype == torch.float32
    assert torch.equal(got, expected)


class NoisyFrames(torch.utils.data.Dataset):
    """A data set that draws its noise where it is read, in a worker or not: physics, then a conv stack."""

    generator = LiteGenerator((16,)).requires_grad_(False)

    def __len__(self):
        return 400

    def __getitem__(self, i):
        clean, params = torch.full((16, 24), 0.2), PARAMS.select(0)
        options = {"seed": 11, "index": i}
        learned = {"generator": self.generator, "sigma_init": 2.0}
        return torch.stack(
            [
                fused_synth(clean, params, **options),
                fused_synth(clean, params.shot_only(), **options, **learned),
            ]
        )


@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_200_batches_of_worker_processes_hold_the_same_noise(context):
    loaders = [
        torch.utils.data.DataLoader(NoisyFrames(), batch_size=2, num_workers=workers, **options)
        for workers, options in ((0, {}), (2, {"multiprocessing_context": context}))
    ]
    assert len(loaders[0]) == 200
    alone, workers = (torch.cat(list(loader)) for loader in loaders)
    assert torch.equal(alone, workers)
    assert not torch.equal(alone[0], alone[1])
