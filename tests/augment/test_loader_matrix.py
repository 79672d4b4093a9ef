# SPDX-License-Identifier: Apache-2.0
"""Part of tools/loader_matrix.py: workers, batches and restarts change neither crops nor noise."""

from __future__ import annotations

import loader_matrix as matrix
import pytest
from loader_matrix import Setting


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    data, noise = matrix.data_and_noise(matrix.make_store(tmp_path_factory.mktemp("matrix")))
    first, second = (matrix.one_at_a_time(data, noise, epoch) for epoch in range(2))
    return data, noise, first, second


@pytest.mark.parametrize(
    "setting",
    [
        Setting(0, 16, None, resumed=True),
        Setting(2, 1, "fork", persistent=True),
        Setting(4, 16, "fork", resumed=True),
        Setting(1, 16, "spawn", persistent=True),
        Setting(2, 16, "forkserver", persistent=True, resumed=True),
    ],
    ids=str,
)
def test_pairs_are_those_of_one_sample_at_a_time(material, setting):
    data, noise, _, second = material
    assert not matrix.differs(setting, data, noise, second)


def test_another_epoch_has_other_crops_and_noise(material):
    _, _, first, second = material
    assert len(set(first.values()) | set(second.values())) == 2 * matrix.SAMPLES


def test_numpys_state_seeded_as_elds_code_does_gives_every_epoch_the_same():
    one, other = matrix.peers_epochs("fork")
    assert len(one & other) == matrix.SAMPLES
