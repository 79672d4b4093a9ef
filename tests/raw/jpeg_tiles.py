# SPDX-License-Identifier: Apache-2.0
"""Lossless JPEG as DNG tiles hold it: one component, predictor 1, each of 17 categories a code of 5 bits."""

from __future__ import annotations

import struct

import numpy as np


def lossless_jpeg(tile: np.ndarray) -> bytes:
    """Encode (h, w) uint16 as a JPEG of process SOF3 (ITU-T T.81, annex H)."""
    height, width = tile.shape
    values = tile.astype(np.int64)
    before = np.full((height, width), 1 << 15)
    before[:, 1:] = values[:, :-1]
    before[1:, 0] = values[:-1, 0]
    bits = "".join(_code(int(d)) for d in (values - before).ravel())
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    table = bytes([0] * 4 + [17] + [0] * 11) + bytes(range(17))
    return b"".join(
        [
            b"\xff\xd8",
            _segment(0xC3, struct.pack(">BHHBBBB", 16, height, width, 1, 0, 0x11, 0)),
            _segment(0xC4, b"\0" + table),
            _segment(0xDA, bytes([1, 0, 0, 1, 0, 0])),
            data,
            b"\xff\xd9",
        ]
    )


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _code(difference: int) -> str:
    difference = (difference + (1 << 15)) % (1 << 16) - (1 << 15)  # modulo 2^16
    size = abs(difference).bit_length()
    code = format(size, "05b")
    if size in (0, 16):
        return code
    return code + format(difference if difference > 0 else difference + (1 << size) - 1, f"0{size}b")
