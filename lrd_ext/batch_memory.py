# SPDX-License-Identifier: Apache-2.0
"""Memory of batches that is used again: page faults of new memory take a loader longer than copies.

A block comes back when nobody holds a tensor of it any more, however that was sliced and passed on: each
tensor rests on an array of its own, whose end is told. What crosses from a DataLoader's worker lies in
shared memory and is not copied; at the other end, the end of its tensors is told in the block itself.
"""

from __future__ import annotations

import functools
import math
import os
import pickle
import threading
import weakref
from collections.abc import Mapping, Sequence
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

#: Blocks that are kept: those that a worker has sent ahead (``prefetch_factor``), those in use, some spare.
#: What is wanted beyond them is memory like any other.
MOST_BLOCKS = 8
#: Where a block's tensors begin, bytes: at whole cache lines. The first lines hold the marks.
_LINE = 64
_MARKS = 2 * _LINE
#: What is sent beside a block by value: tensors of at most so many bytes, of these dtypes.
_SMALL_BYTES = 1 << 16
_BY_VALUE = (torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8, torch.bool)


class Block:
    """Memory of one batch, before it two marks for each tensor: in use here, in use where it went."""

    def __init__(self, memory: Tensor) -> None:
        self.memory = memory
        values = memory.numpy()
        self._values = values[_MARKS:]
        self._here = values[:_LINE].view(np.int32)
        self._there = values[_LINE:_MARKS].view(np.int32)

    @classmethod
    def new(cls, size: int, *, shared: bool) -> Block:
        """Make a block for ``size`` bytes."""
        memory = torch.empty(_MARKS + size, dtype=torch.uint8)
        memory[:_MARKS] = 0
        return cls(memory.share_memory_() if shared else memory)

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        return len(self._values)

    @property
    def free(self) -> bool:
        """Whether no tensor of it is in use anywhere."""
        return not (self._here.any() or self._there.any())

    @property
    def gone(self) -> bool:
        """Whether it was sent to another process and is in use there."""
        return bool(self._there.any())

    def tensors(
        self, shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype, *, arrived: bool = False
    ) -> dict[str, Tensor]:
        """Return a tensor of each shape, one behind another. Their marks go when their memory is let go."""
        marks, begin, made = self._there if arrived else self._here, 0, {}
        for number, (name, shape) in enumerate(shapes.items()):
            size = math.prod(shape) * dtype.itemsize
            array = self._values[begin : begin + size]
            marks[number] = 1
            weakref.finalize(array, _take_off, marks, number, os.getpid()).atexit = False
            made[name] = torch.from_numpy(array).view(dtype).view(shape)
            begin += whole_lines(size)
        return made

    def mark_sent(self, tensors: int) -> None:
        """Mark it as in use by another process."""
        self._there[:tensors] = 1


def _take_off(marks: np.ndarray, number: int, process: int) -> None:
    if process == os.getpid():  # a forked child has the same tensors, which are not its own to let go
        marks[number] = 0


class LentBatch(dict[str, Any]):
    """A batch in a worker, whose lent tensors cross to another process without a copy, as a plain dict."""

    def __init__(self, block: Block, lent: Mapping[str, Tensor]) -> None:
        super().__init__(lent)
        self._block, self._lent = block, dict(lent)
        self._dtype = next(iter(lent.values())).dtype

    def __reduce__(self) -> tuple[Any, ...]:
        """Send the block, the first time; a copy of the tensors where it is in use elsewhere already."""
        if self._block.gone or any(self.get(name) is not tensor for name, tensor in self._lent.items()):
            return dict, ({k: v.clone() if isinstance(v, Tensor) else v for k, v in self.items()},)
        self._block.mark_sent(len(self._lent))
        rest = {name: value for name, value in self.items() if name not in self._lent}
        shapes = {name: tuple(tensor.shape) for name, tensor in self._lent.items()}
        return _arrived, (self._block.memory, shapes, self._dtype, bytes(_ByValue.dumps(rest)))


def _arrived(
    memory: Tensor, shapes: dict[str, tuple[int, ...]], dtype: torch.dtype, rest: bytes
) -> dict[str, Any]:
    return {**Block(memory).tensors(shapes, dtype, arrived=True), **pickle.loads(rest)}


class _ByValue(ForkingPickler):
    """Sends small tensors by value: torch passes an open file for each, in a connection of its own."""

    def reducer_override(self, obj: Any) -> Any:
        """Say how a small tensor is sent; all else goes its usual way."""
        if type(obj) is not Tensor or obj.dtype not in _BY_VALUE or obj.device.type != "cpu":
            return NotImplemented
        plain = obj.layout is torch.strided and not obj.requires_grad and not obj.is_shared()
        if not plain or obj.nbytes > _SMALL_BYTES:
            return NotImplemented
        return torch.from_numpy, (obj.numpy(force=True),)


class BatchMemory:
    """The blocks of one process.

    Args:
        crosses: whether a worker sends what it lends to another process: it is shared memory there.
    """

    def __init__(self, *, crosses: bool = False) -> None:
        self._crosses = crosses
        self._begin()

    def _begin(self) -> None:
        self._process, self._lock = os.getpid(), threading.Lock()
        self._blocks: list[Block] = []

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process, or a copy, has blocks of its own."""
        return functools.partial(BatchMemory, crosses=self._crosses), ()

    def lend(
        self, shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype = torch.float32
    ) -> dict[str, Any]:
        """Return tensors of these shapes, with whatever values, by name: at most 16."""
        if self._process != os.getpid():  # a forked child
            self._begin()
        shared = self._crosses and get_worker_info() is not None
        with self._lock:
            sizes = (math.prod(shape) * dtype.itemsize for shape in shapes.values())
            block = self._block(sum(map(whole_lines, sizes)), shared)
            tensors = block.tensors(shapes, dtype)
        return LentBatch(block, tensors) if shared else tensors

    def _block(self, size: int, shared: bool) -> Block:
        free = [block for block in self._blocks if block.free]
        for block in free:
            if block.size >= size:
                return block
        for block in free:  # too small for what is wanted now
            self._blocks.remove(block)
        block = Block.new(size, shared=shared)
        if len(self._blocks) < MOST_BLOCKS:
            self._blocks.append(block)
        return block


def as_one(tensors: Sequence[Tensor]) -> Tensor | None:
    """Return the stack of tensors without a copy; None where they do not lie one behind another."""
    first, size = tensors[0], tensors[0].numel()
    memory, begin = first.untyped_storage().data_ptr(), first.storage_offset()
    for number, one in enumerate(tensors):
        place = one.untyped_storage().data_ptr(), one.storage_offset()
        alike = one.shape == first.shape and one.dtype == first.dtype and one.is_contiguous()
        if not alike or place != (memory, begin + number * size):
            return None
    return first.as_strided((len(tensors), *first.shape), (size, *first.stride()))


def whole_lines(size: int) -> int:
    """Round a number of bytes up to whole cache lines."""
    return -(-size // _LINE) * _LINE
