# SPDX-License-Identifier: Apache-2.0
"""ELD's .npy files: read as numbers, and nothing in them executed."""

from __future__ import annotations

import io
import json
import os
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from lrd_ext.profiles import ProfileError, list_profiles, load_profile
from lrd_ext.profiles.importers import import_eld, read_eld_file
from lrd_ext.profiles.importers.eld_file import MAX_BYTES

LAW = {"slope": 0.5, "bias": 0.7, "sigma": 0.25}
FIGURES = {
    "Kmin": 0.1,
    "Kmax": np.float64(6.4),
    "G_shape": np.array([0.1, 0.2, -0.1, -0.2]),
    "color_bias": np.array([[1, 2, 3, 4], [3, 4, 5, 6]], np.float32),
    "Profile-1": {"g_scale": LAW, "G_scale": LAW, "R_scale": {k: np.float64(v) for k, v in LAW.items()}},
}


def npy(path: Path, content: bytes) -> Path:
    """Write a pickle behind the header NumPy gives an array of one object."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
    path.write_bytes(header.getvalue() + content)
    return path


def pickled(figures, protocol=4) -> bytes:
    return pickle.dumps(np.array(figures, dtype=object), protocol)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("home", [b"numpy._core", b"numpy.core"])
def test_any_protocol_and_old_numpy_names(tmp_path, protocol, home):
    content = pickled(FIGURES, protocol)
    if protocol < 4:  # later ones write the length of a name
        content = content.replace(b"numpy._core", home)
    found = read_eld_file(npy(tmp_path / "a.npy", content))
    assert found["Kmax"] == 6.4
    assert found["G_shape"] == [0.1, 0.2, -0.1, -0.2]
    assert found["color_bias"] == [[1, 2, 3, 4], [3, 4, 5, 6]]
    assert found["Profile-1"]["R_scale"] == LAW


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i2", "u1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_any_number_and_order(tmp_path, dtype, order):
    array = np.array([[1, 2, 3], [4, 5, 6]], dtype, order=order)
    np.save(tmp_path / "a.npy", np.array({"x": array}, dtype=object))
    assert read_eld_file(tmp_path / "a.npy")["x"] == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("name", [n for n in list_profiles() if "ELD" in load_profile(n).sources[0].title])
def test_a_file_made_of_a_library_profile_gives_that_profile(tmp_path, name):
    """The five released cameras, put back into ELD's names and order of colours."""
    p = load_profile(name)
    branch, names = p.branches[0], {"g": "sigma_gaussian", "G": "sigma_tukey_lambda", "R": "sigma_row"}
    laws = {
        f"{key}_scale": {"slope": law.slope, "bias": law.intercept, "sigma": law.spread}
        for key, law in ((key, branch.laws[ours]) for key, ours in names.items())
    }
    frames = [[row.dn[i] for i in (0, 1, 3, 2)] for row in p.bias for _ in range(2)]
    figures = {
        "Kmin": branch.K.per_iso * 100,
        "Kmax": branch.K.per_iso * branch.iso[1],
        "G_shape": np.array(branch.tukey_lambda),
        "color_bias": np.array(frames),
        "Profile-1": laws,
    }
    np.save(tmp_path / "a.npy", np.array(figures, dtype=object))
    about = {"name": p.name, "make": p.make, "model": p.model, "black": p.black[0], "white": p.white}
    again = import_eld(read_eld_file(tmp_path / "a.npy"), file="a.npy", **about)
    assert again.branches[0].laws == branch.laws
    assert again.branches[0].tukey_lambda == branch.tukey_lambda
    assert again.branches[0].K.per_iso == pytest.approx(branch.K.per_iso)
    for row, expected in zip(again.bias, p.bias, strict=True):
        assert (row.iso, row.dn) == (expected.iso, pytest.approx(expected.dn))


class Trap:
    """Makes a folder when unpickled in earnest."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


@pytest.mark.parametrize("protocol", range(6))
def test_a_trap_is_named_and_not_sprung(tmp_path, protocol):
    place = tmp_path / "sprung"
    content = pickle.dumps(np.array({"Kmin": Trap(place)}, dtype=object), protocol)
    with pytest.raises(ProfileError, match=r"a\.npy: its pickle asks for (posix|nt|os)\.mkdir; refused"):
        read_eld_file(npy(tmp_path / "a.npy", content))
    assert not place.exists()
    pickle.loads(content)  # the trap is a working one
    assert place.exists()


SCALAR = b"\x80\x02cnumpy._core.multiarray\nscalar\ncnumpy\ndtype\n"
HOSTILE = {
    "getattr": (b"cbuiltins\ngetattr\n.", r"builtins\.getattr"),
    "inner name of numpy": (b"cnumpy\nload\n.", r"numpy\.load"),
    "dotted name": (b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.", r"numpy\.ndarray\.tofile; refused"),
    "instance": (b"(S'echo'\nios\nsystem\n.", "uses INST"),
    "new object": (b"\x80\x02cnumpy\nndarray\n)\x81.", "uses NEWOBJ"),
    "persistent id": (b"Pfile\n.", "uses PERSID"),
    "extension": (b"\x82\x01.", "uses EXT1"),
    "huge memo": (b"]r\xff\xff\xff\x7f.", "must hold a dictionary"),
    "attributes of a name": (b"\x80\x02cnumpy\ndtype\nN}U\x01aK\x01s\x86b.", "sets the state of _Name"),
    "array of strings": (SCALAR + b"U\x02S8\x85RU\x08abcdefgh\x86R.", "only numbers"),
    "too short a buffer": (SCALAR + b"U\x02f8\x85RU\x02ab\x86R.", "broken"),
    "cut short": (pickled(FIGURES)[:200], "broken"),
    "nothing": (b"", "broken"),
}


DTYPE = b"\x80\x02cnumpy\ndtype\n"
ARRAY = b"\x80\x02cnumpy._core.multiarray\n_reconstruct\n)R(K\x01"
FLOAT64 = b"cnumpy\ndtype\nU\x02f8\x85R"


def nested(opener: bytes) -> bytes:
    """Lists or tuples of twice the same one, 2^60 of them in 9 bytes a level."""
    first, last = (b"](", b"e") if opener == b"]" else (b"(", b"t")
    content = opener + b"q\x00"
    for level in range(60):
        twice = b"h" + bytes([level]) + b"h" + bytes([level])
        content += first + twice + last + b"q" + bytes([level + 1])
    return content


LISTS, TUPLES = nested(b"]"), nested(b")")
SHAPE = b"(J\x00\xc2\xeb\x0bK\x00t"  # (2e8, 0)
SMALL_AND_HUGE = {
    "lists as a dtype": DTYPE + LISTS + b"\x85R.",
    "tuples as a dtype": DTYPE + TUPLES + b"\x85R.",
    "lists as a shape": ARRAY + LISTS + FLOAT64 + b"\x89U\x00tb.",
    "tuples as a shape": ARRAY + TUPLES + FLOAT64 + b"\x89U\x00tb.",
    "shape of empty rows": ARRAY + SHAPE + FLOAT64 + b"\x89U\x00tb.",
    "shape above the bytes": ARRAY + b"(J\x00\xc2\xeb\x0bt" + FLOAT64 + b"\x89U\x08" + b"x" * 8 + b"tb.",
    "tuples as a key": b"\x80\x02}" + TUPLES + b"K\x01s.",
    "lists as a state": DTYPE + b"U\x02f8\x85R" + LISTS + b"b.",
    "lists as data": ARRAY + b"K\x01\x85" + FLOAT64 + b"\x89" + LISTS + b"tb.",
    "lists as a module": b"\x80\x04" + LISTS + LISTS + b"\x93.",
    "lists as values": b"\x80\x02}U\x01x" + LISTS + b"s.",
    "a list in itself": b"\x80\x02}U\x01x]q\x00h\x00as.",
    "deep tuples": b"\x80\x02}U\x01x)" + b"\x85" * 90_000 + b"s.",
}


@pytest.mark.parametrize("case", SMALL_AND_HUGE)
def test_small_pickles_that_mean_gigabytes_take_no_memory(tmp_path, case):
    path = npy(tmp_path / "a.npy", SMALL_AND_HUGE[case])
    tracemalloc.start()
    try:
        with pytest.raises(ProfileError) as caught:
            read_eld_file(path)
        assert tracemalloc.get_traced_memory()[1] < 30e6
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 300 + len(str(path))


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_pickles_are_refused(tmp_path, case):
    content, message = HOSTILE[case]
    with pytest.raises(ProfileError, match=message):
        read_eld_file(npy(tmp_path / "a.npy", content))


def test_a_small_pickle_of_very_many_values_is_refused(tmp_path):
    figures = {"x": 1.0}
    for level in range(12):
        figures = {f"{level}{i}": figures for i in range(10)}
    content = pickled(figures)
    assert len(content) < 10_000
    with pytest.raises(ProfileError, match="more than 10000 values"):
        read_eld_file(npy(tmp_path / "a.npy", content))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda p: np.save(p, np.zeros(3)), "must hold ELD's dictionary, got an array of float64"),
        (lambda p: np.save(p, np.array([1, 2], dtype=object)), r"of object of shape \(2,\)"),
        (lambda p: np.save(p, np.array([], dtype=object)), "must hold ELD's dictionary"),
        (lambda p: np.save(p, np.array("text", dtype=object)), "must be numbers, got str"),
        (lambda p: np.save(p, np.array({"x": "text"}, dtype=object)), "x must be numbers, got str"),
        (lambda p: np.save(p, np.array({1: 2.0}, dtype=object)), "must have names as keys"),
        (lambda p: np.save(p, np.array(3.5, dtype=object)), "must hold a dictionary of figures, got float"),
        (lambda p: p.write_bytes(pickle.dumps({"Kmin": 1})), r"is not an \.npy file"),
        (lambda p: p.write_bytes(b"\x93NUMPY\x09\x00"), "version 1.0 or 2.0|broken"),
        (lambda p: p.write_bytes(b"\x93NUM"), r"is not an \.npy file"),
        (lambda p: p.mkdir(), "must be a regular file"),
        (lambda p: None, "cannot be read: No such file"),
    ],
)
def test_other_files_are_refused(tmp_path, made, message):
    path = tmp_path / "a.npy"
    made(path)
    with pytest.raises(ProfileError, match=message):
        read_eld_file(path)


def test_a_large_file_is_refused_unread(tmp_path):
    with open(tmp_path / "a.npy", "wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ProfileError, match=f"at most {MAX_BYTES} bytes"):
        read_eld_file(tmp_path / "a.npy")


def test_every_byte_of_the_pickle_may_be_wrong(tmp_path):
    """Whatever stands there, it is read or refused; nothing else happens."""
    content, rng = pickled(FIGURES), np.random.default_rng(1)
    for _ in range(600):
        broken = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            broken[place] = rng.integers(0, 256)
        try:
            json.dumps(read_eld_file(npy(tmp_path / "a.npy", bytes(broken))))
        except ProfileError:
            continue


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Kmin": None}, "Kmin must be a number"),
        ({"Kmin": float("nan")}, "Kmin must be a number"),
        ({"Kmin": -1.0}, "Kmin must be a number"),
        ({"Kmin": 5e-324}, "Kmin must be a number"),  # Kmax over it is infinite
        ({"Kmin": 1e-6, "Kmax": 1e6}, "iso"),
        ({"G_shape": 0.1}, "G_shape must be a list"),
        ({"color_bias": [[1, 2, 3]]}, r"color_bias\[0\] must be a number or four"),
        ({"color_bias": [[1, 2, 3, 4]]}, "color_bias must be two frames for each ISO"),
        ({"Profile-1": {}}, r"Profile-1\.g_scale is missing"),
        ({"Profile-1": [1]}, "Profile-1 must be a JSON object"),
        (
            {"Profile-1": FIGURES["Profile-1"] | {"g_scale": {"slope": 1}}},
            r"Profile-1\.g_scale\.bias is missing",
        ),
    ],
)
def test_figures_that_are_missing_or_wrong_are_named(change, message):
    plain = FIGURES | {"G_shape": [0.1], "color_bias": [[1, 2, 3, 4]] * 2}
    about = {"name": "x", "make": "x", "model": "x", "black": 512, "white": 16383, "file": "x.npy"}
    with pytest.raises(ProfileError, match=message):
        import_eld(plain | change, **about)
    for field in plain:
        with pytest.raises(ProfileError, match=f"{field} is missing"):
            import_eld({k: v for k, v in plain.items() if k != field}, **about)


def test_colours_go_to_the_sites_of_any_phase():
    about = {"name": "x", "make": "x", "model": "x", "black": 512, "white": 16383, "file": "x.npy"}
    bias = {cfa: import_eld(FIGURES, cfa=cfa, **about).bias[0].dn for cfa in ("RGGB", "BGGR", "GRBG", "GBRG")}
    red, green_red, blue, green_blue = 2, 3, 4, 5
    assert bias["RGGB"] == (red, green_red, green_blue, blue)
    assert bias["BGGR"] == (blue, green_blue, green_red, red)
    assert bias["GRBG"] == (green_red, red, blue, green_blue)
    assert bias["GBRG"] == (green_blue, blue, red, green_red)
