# SPDX-License-Identifier: Apache-2.0
"""LiteGenerator as a module: its input, gradients, sigma_init and files."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from generators import PARAMS, lively_generator, noise
from safetensors.torch import save_file

from lrd_ext import load_profile
from lrd_ext.generator import LiteGenerator, for_camera

KIND = "lrd_ext.LiteGenerator"


@pytest.mark.parametrize("widths", [(), (16,) * 4, (8,), (16, 24), 16, ("16",), (True,), (16.5,)])
def test_other_widths_are_refused(widths):
    with pytest.raises(ValueError, match=r"widths must be 1 to 3 hidden layers of 16 or 32 channels, got"):
        LiteGenerator(widths)


@pytest.mark.parametrize(
    ("isos", "sigmas", "message"),
    [
        ((100,), (), "equally many, got 1 and 0"),
        ((100, 100), (1, 2), "isos must ascend"),
        ((0, 100), (1, 2), "isos must be finite and above 0"),
        ((100, 200), (1, 0), r"sigmas must be in \[1e-06, 1e\+06\] DN"),
        ((100, 200), (1, float("nan")), "sigmas must be in"),
    ],
)
def test_bad_tables_are_refused(isos, sigmas, message):
    with pytest.raises(ValueError, match=message):
        LiteGenerator(isos=isos, sigmas=sigmas)


def test_a_fresh_generator_gives_n_init_back():
    generator = LiteGenerator()
    cells = generator.n_init(7, 3, 5, 9)
    assert tuple(cells.shape) == (1, 8, 11, 15)
    assert torch.equal(generator(cells, 2.0), 2 * cells[:, :4, 3:-3, 3:-3])


def test_line_channels_are_the_same_along_their_line_and_windows_on_one_field():
    generator = LiteGenerator((16,))
    cells = generator.n_init(7, torch.tensor([3, 2**40]), 6, 8)
    assert torch.equal(cells[:, 4:6], cells[:, 4:6, :, :1].expand(-1, -1, -1, 12))
    assert torch.equal(cells[:, 6:8], cells[:, 6:8, :1].expand(-1, -1, 10, -1))
    assert torch.equal(
        generator.n_init(7, torch.tensor([3, 2**40]), 2, 3, origin=(4, 5)), cells[:, :, 4:, 5:]
    )
    assert cells[:, 4:6, :, 0].unique().numel() == cells[:, 4:6, :, 0].numel()
    assert cells[0, 4, 0, 0] != cells[0, 6, 0, 0]


def test_gradients_flow_through_forward():
    generator = lively_generator((16,)).double()
    cells = generator.n_init(7, 3, 2, 2, dtype=torch.float64).requires_grad_()
    sigma = torch.tensor([3.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(generator, (cells, sigma))
    generator(cells, sigma).square().sum().backward()
    for name, weight in generator.named_parameters():
        assert weight.grad.abs().max() > 0, name


@pytest.mark.parametrize("assign", [False, True])
def test_weights_loaded_into_a_module_of_the_meta_device(assign):
    generator = lively_generator((16, 32))
    with torch.device("meta"):
        empty = LiteGenerator((16, 32))
    if not assign:
        empty = empty.to_empty(device="cpu")
    empty.load_state_dict(generator.state_dict(), assign=assign)
    assert torch.equal(empty.packed_weights(), generator.packed_weights())
    assert torch.equal(empty.packed_weights_for_cuda(), generator.packed_weights_for_cuda())
    assert empty.state_dict().keys() == generator.state_dict().keys()


def changed_in_place(generator):
    with torch.no_grad():
        generator.convs[0].weight[0, 0, 0, 0] += 1.0


def changed_by_an_optimizer(generator):
    generator(generator.n_init(7, 3, 4, 4), 1.0).square().sum().backward()
    torch.optim.SGD(generator.parameters(), lr=0.1).step()


def rounded(generator):
    generator.bfloat16().float()


def loaded(generator):
    generator.load_state_dict(lively_generator((16, 32), log_sigma=False).state_dict())


def assigned(generator):
    state = {name: 2 * weight for name, weight in generator.state_dict().items()}
    generator.load_state_dict(state, assign=True)


CHANGES = [changed_in_place, changed_by_an_optimizer, rounded, loaded, assigned]


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: c.__name__)
def test_packed_weights_are_kept_until_a_weight_changes(change):
    generator = lively_generator((16, 32), log_sigma=False)
    changed_in_place(generator)  # not what `loaded` loads
    kept = [generator.packed_weights(), generator.packed_weights_for_cuda()]
    assert generator.packed_weights() is kept[0]
    assert copy.deepcopy(generator).packed_weights() is not kept[0]
    change(generator)
    made = [generator.packed_weights(), generator.packed_weights_for_cuda()]
    fresh = LiteGenerator((16, 32), log_sigma=False)
    fresh.load_state_dict(generator.state_dict())
    for new, old, expected in zip(
        made, kept, [fresh.packed_weights(), fresh.packed_weights_for_cuda()], strict=True
    ):
        assert torch.equal(new, expected)
        assert not torch.equal(new, old)


def test_packed_weights_are_made_anew_in_inference_mode():
    with torch.inference_mode():
        generator = lively_generator()
        generator.packed_weights()
        generator.convs[0].bias += 1.0
        expected = copy.deepcopy(generator).packed_weights()
        assert torch.equal(generator.packed_weights(), expected)


@pytest.mark.parametrize("shape", [(8, 20, 20), (1, 9, 20, 20), (1, 8, 6, 20), (1, 8, 20, 6)])
def test_n_init_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"n_init must be \(B, 8, h, w\) with h and w above 6"):
        LiteGenerator()(torch.zeros(shape), 1.0)


def test_sigma_init_is_log_log_between_trained_isos():
    generator = LiteGenerator(isos=(100, 400, 1600), sigmas=(1.0, 4.0, 64.0))
    assert generator.sigma_init(100) == pytest.approx(1.0)
    assert generator.sigma_init(200) == pytest.approx(2.0)
    assert generator.sigma_init(800.0) == pytest.approx(16.0)
    given = generator.sigma_init(torch.tensor([200.0, 1600.0]))
    assert given.dtype == torch.float32
    torch.testing.assert_close(given, torch.tensor([2.0, 64.0]))
    for iso in (99.0, 1601, torch.tensor([200.0, 5000.0]), float("nan")):
        with pytest.raises(ValueError, match=r"iso must be in the trained range \[100, 1600\], got"):
            generator.sigma_init(iso)
    with pytest.raises(ValueError, match="holds no table of trained ISOs"):
        LiteGenerator().sigma_init(100)


@pytest.mark.parametrize("log_sigma", [True, False])
def test_to_range_gives_the_same_noise_in_other_dn(log_sigma):
    generator = lively_generator(log_sigma=log_sigma, isos=(100, 1600), sigmas=(1.0, 9.0))
    other = generator.to_range(4.0)
    assert other.sigma_init(100) == pytest.approx(4.0)
    cells = generator.n_init(7, 3, 8, 8)
    torch.testing.assert_close(other(cells, 20.0), 4 * generator(cells, 5.0), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(("widths", "log_sigma"), [((16, 16), True), ((32, 16, 32), False)])
def test_saved_and_loaded_it_is_the_same(tmp_path, widths, log_sigma):
    generator = lively_generator(widths, log_sigma, isos=(100, 1600), sigmas=(1.0, 9.0))
    path = tmp_path / "generator.safetensors"
    generator.save(path)
    generator.save(path)  # replaces
    again = LiteGenerator.load(path)
    assert again.configuration() == generator.configuration()
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), generator.parameters(), strict=True))
    assert torch.equal(noise(again, 12, 20, params=PARAMS), noise(generator, 12, 20, params=PARAMS))
    assert [p.name for p in tmp_path.iterdir()] == ["generator.safetensors"]


def metadata(**changes):
    configuration = {"widths": [16], "log_sigma": True, "isos": [], "sigmas": []}
    configuration.update(changes.pop("configuration", {}))
    return {"kind": KIND, "version": "1", "configuration": json.dumps(configuration)} | changes


def weights(**changes):
    return lively_generator((16,)).state_dict() | changes


BAD_FILES = {
    "something else": (weights(), None, "holds no generator"),
    "another version": (weights(), metadata(version="2"), "must be of version 1, got '2'"),
    "no JSON": (weights(), metadata() | {"configuration": "{"}, "no valid configuration"),
    "other widths": (weights(), metadata(configuration={"widths": [17]}), "widths must be 1 to 3 hidden"),
    "an unknown key": (weights(), metadata(configuration={"depth": 3}), "depth"),
    "too few weights": (weights(), metadata(configuration={"widths": [16, 16]}), "does not hold the weights"),
    "another dtype": (
        weights(**{"convs.0.bias": torch.zeros(16).half()}),
        metadata(),
        "convs.0.bias must be",
    ),
    "no finite weights": (
        weights(**{"convs.0.bias": torch.full((16,), float("nan"))}),
        metadata(),
        "weights must be finite, got NaN or infinity in convs.0.bias",
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_refused_by_name(tmp_path, name):
    tensors, meta, message = BAD_FILES[name]
    path = tmp_path / "generator.safetensors"
    save_file(tensors, path, meta)
    with pytest.raises(ValueError, match=message) as caught:
        LiteGenerator.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_truncated_files_are_refused(tmp_path, keep):
    path = tmp_path / "generator.safetensors"
    lively_generator().save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="is no whole safetensors file"):
        LiteGenerator.load(path)


def test_no_file_and_weights_not_worth_keeping(tmp_path):
    with pytest.raises(FileNotFoundError, match="path must be a file"):
        LiteGenerator.load(tmp_path / "none.safetensors")
    generator = lively_generator()
    torch.nn.init.constant_(generator.convs[1].weight, float("inf"))
    with pytest.raises(ValueError, match=r"weights must be finite.*convs\.1\.weight"):
        generator.save(tmp_path / "bad.safetensors")
    assert not list(tmp_path.iterdir())


def hostile(header: dict, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def tensor(dtype="F32", shape=(0,), offsets=(0, 0)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


HOSTILE = {
    "a header of 2^63 bytes": b"\xff\xff\xff\xff\xff\xff\xff\x7f{}",
    "a shape of 2^62 by 0": hostile({"__metadata__": metadata(), "a": tensor(shape=(2**62, 0))}),
    "a shape whose product overflows": hostile({"a": tensor(shape=(2**40, 2**40))}),
    "a dtype of another age": hostile({"a": tensor("F4", (2,), (0, 1))}, b"\0"),
    "metadata of numbers": hostile({"__metadata__": {"kind": 3}}),
    "deep configuration": hostile({"__metadata__": metadata() | {"configuration": "[" * 300_000}}),
    "deep header": b"\x40\x42\x0f\x00\x00\x00\x00\x00" + b'{"a":' + b"[" * 999_000,
    "huge numbers": hostile({"__metadata__": metadata(configuration={"isos": [10**4000], "sigmas": [1]})}),
    "very many ISOs": hostile({"__metadata__": metadata(configuration={
        "isos": list(range(1, 90_000)), "sigmas": [1] * 89_999})}),
    "no metadata": hostile({"__metadata__": None}),
    "a list as configuration": hostile({"__metadata__": metadata() | {"configuration": "[1]"}}),
    "a long kind": hostile({"__metadata__": {"kind": "x" * 900_000}}),
}  # fmt: skip


#: What must be said in words of the file, not of Python.
WORDS = {"deep configuration": "nested too deeply", "huge numbers": "a number too large"}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused_in_one_short_line(tmp_path, case):
    path = tmp_path / "g.safetensors"
    path.write_bytes(HOSTILE[case])
    with pytest.raises(ValueError, match=r"^LiteGenerator\.load: ") as caught:
        LiteGenerator.load(path)
    said = str(caught.value)
    assert len(said) < 600 + len(str(path))
    assert WORDS.get(case, "") in said
    assert not any(words in said for words in ("recursion depth", "int too large", "Error("))


def test_a_large_file_is_refused_unread(tmp_path):
    path = tmp_path / "g.safetensors"
    with open(path, "wb") as file:
        file.truncate(10**10)
    with pytest.raises(ValueError, match="at most 1000000 bytes, got 10000000000"):
        LiteGenerator.load(path)


@pytest.mark.parametrize("factor", [0, -1.0, float("nan"), float("inf")])
def test_to_range_wants_a_factor_above_0(factor):
    with pytest.raises(ValueError, match=r"to_range: factor must be finite and above 0, got"):
        lively_generator(isos=(100,), sigmas=(1.0,)).to_range(factor)


def test_a_generator_without_a_table_takes_a_cameras_sigmas():
    profile = load_profile("sony_a7s2")
    rows = [row.iso for row in profile.rows]
    low, high = rows[1], rows[-2]
    made = for_camera(LiteGenerator(), profile, (high, low))
    assert made.table.isos == tuple(rows[1:-1])
    for iso in (low, high, rows[2]):
        assert made.sigma_init(iso) == pytest.approx(float(profile.at(iso, read="gaussian").sigma_read))
    assert for_camera(made, profile, [rows[0]]) is made
