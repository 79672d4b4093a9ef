# SPDX-License-Identifier: Apache-2.0
"""What follows from a call's shape and options: worked out once, never for what is refused."""

from __future__ import annotations

import pytest
import torch

from lrd_ext import NoiseParams, call_form, fused_synth
from lrd_ext.call_form import form_of, new_form

OPTIONS = ("auto", "site", "RGGB", "normalized", "round", "adc", torch.float32)


def test_a_form_is_worked_out_once_and_few_are_kept():
    size = torch.Size((6, 8))
    assert form_of(size, *OPTIONS) is form_of(size, *OPTIONS)
    assert form_of(size, *OPTIONS) == new_form(size, *OPTIONS)
    for batch in range(5, call_form.MOST_KEPT + 30):
        assert form_of(torch.Size((batch, 4, 6)), *OPTIONS[:-1], torch.float16).batch == batch
        assert 0 < len(call_form._KEPT) <= call_form.MOST_KEPT


@pytest.mark.parametrize("wrong", [{"clip": ["adc"]}, {"quantize": "nearest"}, {"dtype": torch.float64}])
def test_what_is_refused_is_refused_again(wrong):
    params = NoiseParams(K=2.0, ratio=10.0, white=1023.0, black=64.0)
    for _ in range(2):
        with pytest.raises(
            (TypeError, ValueError), match=f"fused_synth: {next(iter(wrong))} must be"
        ) as caught:
            fused_synth(torch.zeros(6, 8), params, seed=7, **wrong)
        assert caught.value.__context__ is None  # nothing of how forms are kept
