# SPDX-License-Identifier: Apache-2.0
"""How many warps of a kernel a multiprocessor holds at once.

Source: CUDA C++ Programming Guide, "Compute Capabilities", technical specifications per compute capability.
"""

from __future__ import annotations

from typing import NamedTuple


class Multiprocessor(NamedTuple):
    """Limits of a multiprocessor: threads and blocks at once; shared memory, bytes, of all and of a block."""

    threads: int
    blocks: int
    shared: int
    shared_of_block: int


MULTIPROCESSORS = {
    75: Multiprocessor(1024, 16, 64 << 10, 64 << 10),
    80: Multiprocessor(2048, 32, 164 << 10, 163 << 10),
    86: Multiprocessor(1536, 16, 100 << 10, 99 << 10),
    89: Multiprocessor(1536, 24, 100 << 10, 99 << 10),
    90: Multiprocessor(2048, 32, 228 << 10, 227 << 10),
    100: Multiprocessor(2048, 32, 228 << 10, 227 << 10),
    120: Multiprocessor(1536, 24, 100 << 10, 99 << 10),
}
REGISTERS = 64 << 10


def warps(capability: int, threads: int, registers: int, shared: int) -> int:
    """Return resident warps, 0 where a block does not fit.

    Args:
        capability: 90 for sm_90.
        threads: of a block.
        registers: of a thread; given out by eights.
        shared: of a block, bytes; from sm_80 on the system takes 1 KiB more.
    """
    limits = MULTIPROCESSORS[capability]
    if shared > limits.shared_of_block:
        return 0
    taken = shared + (1024 if capability >= 80 else 0)
    blocks = min(
        limits.blocks,
        limits.threads // threads,
        REGISTERS // ((registers + 7) // 8 * 8 * threads),
        limits.shared // max(taken, 1),
    )
    return blocks * threads // 32
