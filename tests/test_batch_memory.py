# SPDX-License-Identifier: Apache-2.0
"""Memory of batches is used again when nobody holds a tensor of it, here or elsewhere; never before."""

from __future__ import annotations

import copy
import os
import pickle
from multiprocessing.reduction import ForkingPickler

import pytest
import torch

from lrd_ext import NoiseParams, batch_memory
from lrd_ext.batch_memory import MOST_BLOCKS, BatchMemory, as_one

SHAPES = {"noisy": (2, 4, 6, 5), "clean": (2, 4, 6, 5), "sigma": (3,)}


def place(tensors):
    return tensors["noisy"].data_ptr()


def test_tensors_are_apart_and_begin_at_cache_lines():
    tensors = BatchMemory().lend(SHAPES)
    for i, (name, shape) in enumerate(SHAPES.items()):
        assert tensors[name].shape == shape
        assert tensors[name].data_ptr() % 64 == 0
        tensors[name].fill_(i)
    assert [float(tensors[name].sum()) for name in SHAPES] == [0.0, 240.0, 6.0]


@pytest.mark.parametrize("dtype", [torch.uint16, torch.bfloat16, torch.float64])
def test_any_dtype(dtype):
    memory = BatchMemory()
    tensors = memory.lend({"x": (3, 5), "y": (2,)}, dtype)
    assert tensors["x"].dtype == tensors["y"].dtype == dtype
    assert tensors["y"].data_ptr() % 64 == 0
    view = tensors["y"].numpy() if dtype != torch.bfloat16 else tensors["y"][:1]
    del tensors
    assert not memory._blocks[0].free
    del view
    assert memory._blocks[0].free


def test_memory_comes_back_when_the_last_view_of_any_tensor_is_gone():
    memory = BatchMemory()
    first = memory.lend(SHAPES)
    place_of_first, view = place(first), first["clean"][1:, :, 0]
    del first
    second = memory.lend(SHAPES)
    assert place(second) != place_of_first
    del view
    assert place(memory.lend(SHAPES)) == place_of_first
    array = second["sigma"].numpy()
    place_of_second = place(second)
    del second
    held = [memory.lend(SHAPES) for _ in range(3)]
    assert place_of_second not in {place(one) for one in held}
    del array
    assert place(memory.lend(SHAPES)) == place_of_second


def test_larger_batches_replace_blocks_and_smaller_ones_fit_in():
    memory = BatchMemory()
    memory.lend(SHAPES)
    large = place(memory.lend({"noisy": (100, 100)}))
    assert place(memory.lend(SHAPES)) == large
    assert len(memory._blocks) == 1


def test_what_is_held_is_never_more_than_kept():
    memory = BatchMemory()
    held = [memory.lend(SHAPES) for _ in range(MOST_BLOCKS + 5)]
    assert len({place(one) for one in held}) == len(held)
    assert len(memory._blocks) == MOST_BLOCKS


def test_a_copy_has_blocks_of_its_own():
    memory = BatchMemory()
    held = memory.lend(SHAPES)
    for other in (copy.deepcopy(memory), pickle.loads(pickle.dumps(memory))):
        assert other._blocks == []
        assert place(other.lend(SHAPES)) != place(held)


@pytest.fixture
def in_worker(monkeypatch):
    monkeypatch.setattr(batch_memory, "get_worker_info", lambda: object())


def sent(batch):
    """What another process would get."""
    return pickle.loads(ForkingPickler.dumps(batch))


@pytest.mark.usefixtures("in_worker")
def test_a_batch_crosses_in_its_own_memory_and_comes_back():
    memory = BatchMemory(crosses=True)
    batch = memory.lend(SHAPES)
    batch["noisy"].fill_(3.0)
    batch["index"] = torch.arange(2)
    got, block = sent(batch), memory._blocks[0]
    assert type(got) is dict
    assert list(got) == [*SHAPES, "index"]
    got["noisy"][0, 0, 0, 0] = 7.0
    assert batch["noisy"][0, 0, 0, 0] == 7.0  # the very memory
    del batch
    assert not block.free
    view = got["sigma"][1:]
    del got
    assert not block.free
    del view
    assert block.free


@pytest.mark.usefixtures("in_worker")
def test_small_tensors_beside_the_block_cross_by_value():
    batch = BatchMemory(crosses=True).lend(SHAPES)
    shared = torch.zeros(3).share_memory_()
    beside = {
        "index": torch.arange(2),
        "params": NoiseParams(K=[0.5, 2.0], ratio=100, white=16383, black=512),
        "none": torch.empty(0, 4),
        "number": torch.tensor(7.0),
        "turned": torch.arange(6.0).view(2, 3).T,
        "half": torch.ones(3, dtype=torch.bfloat16),
        "large": torch.ones(1 << 16),
        "shared": shared,
    }
    batch.update(beside)
    got = sent(batch)
    assert list(got) == [*SHAPES, *beside]
    assert torch.equal(got["params"].K, beside["params"].K)
    for name in beside.keys() - {"params"}:
        assert torch.equal(got[name], beside[name])
        assert got[name].dtype == beside[name].dtype
        assert got[name].is_shared() == (name in {"half", "large", "shared"}), name
        got[name] += 1  # is its own to change
    assert torch.equal(shared, torch.ones(3))


@pytest.mark.usefixtures("in_worker")
def test_only_what_crosses_is_shared_memory():
    for crosses in (False, True):
        memory = pickle.loads(pickle.dumps(BatchMemory(crosses=crosses)))
        memory.lend(SHAPES)
        assert memory._blocks[0].memory.is_shared() == crosses


def test_tensors_that_lie_one_behind_another_are_one():
    whole = torch.arange(48.0).view(4, 3, 4)
    one = as_one(list(whole[1:]))
    assert torch.equal(one, whole[1:])
    assert one.data_ptr() == whole[1:].data_ptr()
    del whole
    for apart in ([one[0], one[2]], [one[1], one[0]], [one[0], one[1].clone()], [one[0], one[0]]):
        assert as_one(apart) is None
    assert as_one([one[0], one[1, :2]]) is None
    assert as_one([one[0].T, one[1].T]) is None
    assert as_one([one[0], one[1].view(torch.int32)]) is None


@pytest.mark.usefixtures("in_worker")
def test_what_was_sent_already_or_replaced_is_sent_as_a_copy():
    batch = BatchMemory(crosses=True).lend(SHAPES)
    batch["noisy"].fill_(3.0)
    first, second = sent(batch), sent(batch)
    first["noisy"].fill_(9.0)
    assert (second["noisy"] == 3.0).all()
    other = BatchMemory(crosses=True).lend(SHAPES)
    other["noisy"] = other["noisy"] + 1
    got = sent(other)
    assert torch.equal(got["noisy"].nan_to_num(), other["noisy"].nan_to_num())


@pytest.mark.usefixtures("in_worker")
def test_a_forked_child_lets_nothing_go():
    memory = BatchMemory(crosses=True)
    got = sent(memory.lend(SHAPES))
    block = memory._blocks[0]
    child = os.fork()
    if child == 0:
        got.clear()
        os._exit(0 if not block.free else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not block.free


class Numbers(torch.utils.data.Dataset):
    """Each item its own number; collated into lent memory."""

    memory = BatchMemory(crosses=True)

    def __len__(self):
        return 60

    def __getitem__(self, i):
        return i

    def collate(self, items):
        batch = self.memory.lend({"x": (len(items), 1000), "y": (2,)})
        batch["x"].copy_(torch.tensor(items)[:, None].expand(-1, 1000))
        batch["place"] = batch["x"].data_ptr()
        return batch


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_use_few_blocks_and_change_nothing_that_is_held(start):
    data = Numbers()
    loader = torch.utils.data.DataLoader(
        data, batch_size=2, num_workers=1, collate_fn=data.collate, multiprocessing_context=start
    )
    places, held = set(), []
    for number, batch in enumerate(loader):
        places.add(batch["place"])
        if number % 10 == 0:
            held.append(batch["x"][:, 5:7])
        assert batch["x"].tolist() == [[2.0 * number] * 1000, [2.0 * number + 1] * 1000]
    assert len(places) <= MOST_BLOCKS
    assert [x[0, 0].item() for x in held] == [0.0, 20.0, 40.0]
