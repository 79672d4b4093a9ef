# SPDX-License-Identifier: Apache-2.0
"""Ways to damage a file: any bytes, and the numbers, names and tables its format puts meaning into.

Every function takes a ``random.Random`` and whole content, and returns whole content.
"""

from __future__ import annotations

import copy
import io
import json
import random
import struct
import zipfile
import zlib
from typing import Any

#: Numbers that break assumptions: ends of ranges, signs, sizes no file has.
NUMBERS = (0, 1, 2, 3, 4, 7, 8, 15, 16, 127, 128, 255, 256, 4095, 20000, 32767, 32768, 65535, 65536, 60000,
           2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 2, 2**48, 2**63 - 1)  # fmt: skip
#: Texts likewise: nothing, orders to a terminal, markup, other encodings, numbers that are none.
TEXTS = (
    "", " ", "\x00", "\x1b]0;t\x07\x1b[2J", "\x9b2J", "a\nlrd: done", "[/x][bold]", "$x_{", "<b>&", "日本",
    "\u202e", "\ud800", "nan", "inf", "-1", "1e999", "0x10", "20:40", "../../x", "x" * 5000,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 0.5, -0.0, 1e-320, 1e308, -1e308, 10**30, 10**400, float("nan"),
    float("inf"), float("-inf"), [], {}, [[]], [None], {"": 0}, "sony",
)  # fmt: skip
#: By whose name LibRaw takes one way or another.
MAKERS = (
    b"Canon|NIKON CORPORATION|SONY|Panasonic|OLYMPUS IMAGING CORP.|FUJIFILM|PENTAX|Hasselblad|Phase One|Leaf|"
    b"Minolta|SAMSUNG|Apple|Google|GoPro|DJI|Kodak|EASTMAN KODAK COMPANY|LEICA|SIGMA|RICOH|Epson|Sinar|Red"
).split(b"|")
MAGICS = (
    b"II*\0", b"MM\0*", b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"II\x1a\0\0\0HEAPCCDR", b"FUJIFILMCCD-RAW ",
    b"\0MRM", b"FOVb", b"\0\0\0\x18ftypcrx ", b"II+\0\x08\0\0\0", b"\xff\xd8\xff\xe1", b"RIFF", b"PWAD",
)  # fmt: skip


def any_bytes(rng: random.Random, data: bytes) -> bytes:
    """Change, drop, repeat or insert a few bytes anywhere."""
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(made) + 1)
        way = rng.randrange(7)
        if way == 0 and made:
            made[min(at, len(made) - 1)] ^= 1 << rng.randrange(8)
        elif way == 1:
            made[at : at + 1] = bytes([rng.randrange(256)])
        elif way in (2, 3):
            form = rng.choice(("<H", ">H", "<I", ">I", "<Q"))
            at -= at % 2
            number = rng.choice(NUMBERS) % 256 ** struct.calcsize(form)
            made[at : at + struct.calcsize(form)] = struct.pack(form, number)
        elif way == 4:
            del made[at : at + rng.choice((1, 2, 16, 256))]
        elif way == 5:
            made[at:at] = made[at : at + rng.choice((1, 2, 12, 64))]
        else:
            made[at : at + rng.choice((4, 64))] = bytes(rng.choice((4, 64)))
    return bytes(made)


def truncated(rng: random.Random, data: bytes) -> bytes:
    """Cut the file short, most often near its head or its end."""
    return data[
        : rng.choice((rng.randrange(len(data) + 1), rng.randrange(min(len(data), 200) + 1), -1, -2, -64))
    ]


def spliced(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Go on with another file from some place."""
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def table_cells(rng: random.Random, data: bytes) -> bytes:
    """Replace, drop or repeat cells of a table."""
    cells = data.decode().replace("\n", ",\n,").split(",")
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(cells))
        way = rng.randrange(5)
        if way == 0:
            cells[at] = rng.choice(TEXTS)
        elif way == 1:
            cells[at] = str(rng.choice((*NUMBERS, *VALUES)))
        elif way == 2:
            del cells[at]
            cells = cells or [""]
        elif way == 3:
            cells.insert(at, cells[rng.randrange(len(cells))])
        else:
            cells[at] += rng.choice(('"', "'", ";", "\t", "\r", "\0", "#"))
    return ",".join(cells).replace(",\n,", "\n").encode("utf-8", "replace")


def json_values(rng: random.Random, data: Any) -> Any:
    """Put an odd value, a name too many or a missing one at some place of a JSON value."""
    if rng.random() < 0.02:
        return odd_value(rng)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        place, parents = data, []
        while isinstance(place, (dict, list)) and place and (not parents or rng.random() < 0.85):
            key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
            parents.append((place, key))
            place = place[key]
        if not parents:
            return odd_value(rng)
        parent, key = parents[-1]
        way = rng.randrange(6)
        if way == 0:
            del parent[key]
        elif way == 1 and isinstance(parent, dict):
            parent[rng.choice((*TEXTS, "iso", "K"))] = parent[key]
        elif way == 1:
            parent.extend([parent[key]] * rng.choice((1, 3, 200)))
        elif way == 2 and isinstance(parent[key], (int, float)):
            parent[key] *= rng.choice((-1, 0, 1e-9, 1e9, 10**20, 2))
        else:
            parent[key] = odd_value(rng)
    return data


def odd_value(rng: random.Random) -> Any:
    """Return a value that hardly fits, small ones most often."""
    if rng.random() < 0.03:
        return Nested(rng.choice((100, 2000, 100_000)))
    return copy.deepcopy(rng.choice((*VALUES, *NUMBERS, *TEXTS)))  # for the next mutation may change a list


class Nested:
    """A list in a list in a list: more levels than json.dumps goes down; see :func:`json_text`."""

    def __init__(self, levels: int) -> None:
        self.levels = levels


def json_text(value: Any) -> bytes:
    """Write a JSON value that may hold deep lists, lone surrogates, NaN and Infinity."""
    deep: list[int] = []

    def stand_in(found: Any) -> str:
        deep.append(found.levels)
        return f"@deep{len(deep) - 1}@"

    text = json.dumps(value, default=stand_in)
    for i, levels in enumerate(deep):
        text = text.replace(f'"@deep{i}@"', "[" * levels + "]" * levels)
    return text.encode()


def json_file(rng: random.Random, data: bytes) -> bytes:
    """Mutate the values of a JSON text, then now and then its bytes."""
    made = json_text(json_values(rng, json.loads(data)))
    if rng.random() < 0.1:  # the same name twice
        made = made.replace(b",", b',"name":1,', 1)
    return any_bytes(rng, made) if rng.random() < 0.1 else made


def headed_json(rng: random.Random, data: bytes) -> bytes:
    """Mutate the JSON header of a safetensors file; its length is put right but for now and then."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    about = header.get("__metadata__", {})
    if "configuration" in about and rng.random() < 0.5:
        about["configuration"] = json_file(rng, about["configuration"].encode()).decode("latin1")
        text = json.dumps(header).encode()
    else:
        text = json_text(json_values(rng, header))
    length = len(text) if rng.random() < 0.95 else rng.choice(NUMBERS)
    return struct.pack("<Q", length % 2**64) + text + data[8 + size :]


def npy_header(rng: random.Random, data: bytes) -> bytes:
    """Mutate what an .npy file says of its array; the length of the header is put right."""
    size = int.from_bytes(data[8:10], "little")
    shape = tuple(rng.choice((*NUMBERS, 64, 64, -1)) for _ in range(rng.choice((0, 1, 2, 2, 3, 40))))
    descr = rng.choice(("<u2", ">u2", "|O", "<f8", "<i8", "|u1", "|b1", "<c16", "|S4", "<U9", "|V7", "<M8[s]",
                        [("a", "<u2")], "<u2,<u4", "", 3, None, "<u200000000"))  # fmt: skip
    header = {"descr": descr, "fortran_order": rng.choice((False, True, 0, "x")), "shape": shape}
    if rng.random() < 0.3:
        header = {"descr": "<u2", "fortran_order": False, "shape": shape}
    text = repr(header)
    if rng.random() < 0.2:
        text = rng.choice(
            ("(" * 9000, "{" * 90, "[" * 100 + "]" * 100, "9" * 5000, text.replace(":", ";"), text + text)
        )
    raw = text.encode("latin1").ljust(size - 1) + b"\n"
    version = rng.choice((b"\1\0", b"\1\0", b"\2\0", b"\3\0", b"\x09\0"))
    length = struct.pack("<H" if version == b"\1\0" else "<I", len(raw) % 65536)
    return data[:6] + version + length + raw + data[10 + size :]


def zip_members(rng: random.Random, data: bytes) -> bytes:
    """Mutate a member of an archive and give it a right checksum."""
    made, found = io.BytesIO(), zipfile.ZipFile(io.BytesIO(data))
    chosen = rng.choice(found.namelist())
    with zipfile.ZipFile(made, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as file:
        for name in found.namelist():
            content = found.read(name)
            if name == chosen:
                way = rng.randrange(5)
                if way == 0:
                    continue
                name = rng.choice(TEXTS).encode("utf-8", "replace").decode() or "x" if way == 1 else name
                content = (
                    content,
                    content,
                    npy_header(rng, content),
                    any_bytes(rng, content),
                    truncated(rng, content),
                )[way]
            file.writestr(zipfile.ZipInfo(name), content)
    return made.getvalue()


#: A million zeros as a kilobyte.
_MEGABYTE = zlib.compress(bytes(10**6))


def png_chunks(rng: random.Random, data: bytes) -> bytes:
    """Mutate, drop or repeat a chunk of a PNG file; checksums are put right."""
    chunks, at = [], 8
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    i = rng.randrange(len(chunks))
    kind, body = chunks[i]
    way = rng.randrange(5)
    if way == 0:
        del chunks[i]
    elif way == 1:
        chunks.insert(rng.randrange(len(chunks)), chunks[i])
    elif way == 2 and kind == b"IHDR":
        sides = (rng.choice(NUMBERS) % 2**32, rng.choice((64, rng.choice(NUMBERS))) % 2**32)
        chunks[i] = (
            kind,
            struct.pack(">II", *sides) + bytes(rng.choice((0, 1, 2, 3, 4, 8, 16)) for _ in range(5)),
        )
    elif way == 3:
        chunks.insert(
            i,
            (rng.choice((b"tEXt", b"iCCP", b"PLTE", b"acTL", b"zTXt", b"eXIf")), zlib.compress(bytes(10**6))),
        )
    else:
        chunks[i] = kind, any_bytes(rng, body)
    made = [struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks]
    return data[:8] + b"".join(made)


def ifd_entries(rng: random.Random, data: bytes) -> bytes:
    """Mutate entries of an image file directory: tag, type, count, value; or its order, links and magic."""
    if rng.random() < 0.05:
        magic = rng.choice(MAGICS)
        return magic + data[len(magic) :]
    order = "<" if data[:2] == b"II" else ">"
    made, places = bytearray(data), _entries(data, order)
    if not places:
        return any_bytes(rng, data)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        at = rng.choice(places)
        way = rng.randrange(10)
        if way == 0:
            made[at : at + 2] = struct.pack(f"{order}H", rng.choice(TAGS))
        elif way == 1:
            made[at + 2 : at + 4] = struct.pack(f"{order}H", rng.choice((*range(14), 16, 65535)))
        elif way in (2, 3):
            made[at + 4 : at + 8] = struct.pack(f"{order}I", rng.choice(NUMBERS) % 2**32)
        elif way in (4, 5, 6):
            made[at + 8 : at + 12] = struct.pack(f"{order}I", rng.choice((*NUMBERS, at, len(data))) % 2**32)
        elif way == 7:
            other = rng.choice(places)
            made[at : at + 12] = data[other : other + 12]
        elif way == 8:
            _change_value(rng, made, at, order)
        else:
            made[at : at + 12] = bytes(12)
    return bytes(made)


#: Tags a raw file gives meaning to: sizes, strips, tiles, Exif, DNG's levels and areas.
TAGS = (
    254, 256, 257, 258, 259, 262, 270, 271, 272, 273, 274, 277, 278, 279, 284, 317, 322, 323, 324, 325, 330,
    339, 33421, 33422, 33434, 33437, 34665, 34853, 34855, 37500, 50706, 50708, 50710, 50711, 50712, 50713,
    50714, 50715, 50717, 50718, 50719, 50720, 50721, 50728, 50730, 50778, 50829, 50830, 51008, 51009, 51022,
    51041,
)  # fmt: skip
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}


def _entries(data: bytes, order: str) -> list[int]:
    """Places of all 12-byte entries of the first two directories and those they point to."""
    places: list[int] = []
    todo = [struct.unpack(f"{order}I", data[4:8])[0]] if len(data) >= 8 else []
    for start in todo:
        if start + 2 > len(data) or len(todo) > 8:
            continue
        count = struct.unpack(f"{order}H", data[start : start + 2])[0]
        for at in range(start + 2, min(start + 2 + 12 * count, len(data) - 11), 12):
            places.append(at)
            tag, _, _, value = struct.unpack(f"{order}HHII", data[at : at + 12])
            if tag in (330, 34665, 34853):
                todo.append(value)
    return places


def _change_value(rng: random.Random, made: bytearray, at: int, order: str) -> None:
    """Write odd numbers, or a maker, where the value of an entry lies."""
    _, kind, count, value = struct.unpack(f"{order}HHII", made[at : at + 12])
    size = _SIZES.get(kind, 1) * min(count, 4096)
    place = value if size > 4 else at + 8
    if place + size > len(made) or not size:
        return
    if kind == 2:
        made[place : place + size] = rng.choice(MAKERS).ljust(size, b"\0")[:size]
    elif kind in (5, 10, 4, 9):
        spot = place + rng.randrange(size) // 4 * 4
        made[spot : spot + 4] = struct.pack(f"{order}I", rng.choice(NUMBERS) % 2**32)
    elif kind == 12:
        made[place : place + 8] = struct.pack(
            f"{order}d", rng.choice((-1.0, 0.0, 1e300, float("nan"), float("inf")))
        )
    else:
        made[place : place + size] = bytes(rng.choice((0, 1, 2, 255)) for _ in range(size))


def pickle_opcodes(rng: random.Random, data: bytes) -> bytes:
    """Insert opcodes of a pickle, with numbers and names of their own, or replace some."""
    made = bytearray(data)
    for _ in range(rng.choice((1, 2, 5, 20))):
        at = rng.randrange(10, len(made) + 1)
        made[at : at + rng.choice((0, 0, 1, 3))] = rng.choice(OPCODES)
    return bytes(made)


OPCODES = (
    *(bytes([c]) for c in b"()]}tldeuas\x85\x86\x87\x94Rb02N\x88\x93\x81."),
    b"q\x00", b"h\x00", b"h\x01", b"h\x05", b"r\xff\xff\xff\x7f", b"j\x05\x00\x00\x00", b"K\x02",
    b"J\xff\xff\xff\x7f", b"\x8a\x08" + b"\xff" * 8, b"I" + b"9" * 200 + b"\n", b"G\x7f\xf0" + bytes(6),
    b"X\x01\x00\x00\x00a", b"U\x02f8", b"C\x08" + bytes(8), b"cnumpy\ndtype\n", b"cnumpy\nndarray\n",
    b"cnumpy._core.multiarray\n_reconstruct\n", b"cnumpy.core.multiarray\nscalar\n", b"c_codecs\nencode\n",
    b"cos\nsystem\n", b"\x80\x04", b"\x95" + b"\xff" * 7 + b"\x7f", b"h\x00h\x00\x86\x94" * 30,
    b"](h\x00h\x00e\x94" * 30, b"\x85" * 3000,
)  # fmt: skip
