# SPDX-License-Identifier: Apache-2.0
"""The generators that ship: they load by name, say what they are, and make the noise their cards tell of."""

from __future__ import annotations

import pytest
import simulated_sensor
import torch

from lrd_ext import NoiseParams, fused_synth
from lrd_ext.generator import list_generators, load_generator
from lrd_ext.metrics import line_autocorrelation


def test_two_ship_and_their_cards_tell_data_and_seed():
    assert list_generators() == ["msfc_esis1", "simulated_sensor"]
    for name in list_generators():
        card = load_generator(name).card
        assert {"cameras", "seed", "configuration", "lrd_ext", "commit", "against_the_darks"} <= card.keys()
        assert card["cameras"][0]["profile"] == name
        assert all(0 <= f["kld_adu"] < 0.002 for f in card["against_the_darks"].values())


@pytest.mark.parametrize("iso", [*simulated_sensor.TRAINED_ISOS, simulated_sensor.UNTRAINED_ISO])
def test_the_simulated_sensors_noise_has_its_figures(iso):
    params = NoiseParams(K=1.0, ratio=1.0, white=16383.0, black=512.0, iso=float(iso), shot=False)
    noise = fused_synth(
        torch.zeros(16, 512, 256),
        params,
        seed=5,
        generator=load_generator("simulated_sensor"),
        layout="mosaic",
        output="dn_float",
        clip="none",
    )
    sigma = simulated_sensor.read_sigma(iso)
    rows = simulated_sensor.row_autocovariance(iso, 3)
    columns = simulated_sensor.COLUMN_SHARE**2 * sigma**2
    total = sigma**2 * (1 + simulated_sensor.LEAK**2) + rows[0] + columns + 1 / 12
    assert float(noise.std()) == pytest.approx(total**0.5, rel=0.04)
    found = line_autocorrelation(noise.numpy(), "row")
    pixels = sigma**2 * (1 + simulated_sensor.LEAK) ** 2 / 256
    assert found[0] == pytest.approx(rows[1] / (rows[0] + pixels), abs=0.04)
    assert found[1] == pytest.approx(rows[2] / (rows[0] + pixels), abs=0.04)


def test_names_and_paths(tmp_path):
    generator = load_generator("msfc_esis1")
    generator.save(tmp_path / "own.safetensors")
    again = load_generator(tmp_path / "own.safetensors")
    assert again.card == generator.card
    assert torch.equal(again.packed_weights(), generator.packed_weights())
    with pytest.raises(
        ValueError, match=r"no generator or file named 'simulated'; did you mean simulated_sensor"
    ):
        load_generator("simulated")
    with pytest.raises(FileNotFoundError, match="path must be a file"):
        load_generator(tmp_path / "none.safetensors")
    with pytest.raises(TypeError, match="must be a name or a path, got 3"):
        load_generator(3)
