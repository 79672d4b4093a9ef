# SPDX-License-Identifier: Apache-2.0
"""Quantile of the Tukey-lambda distribution from 32-bit words. Mirrors csrc/noise/tukey_lambda.h.

Source: Joiner and Rosenblatt, JASA 66 (1971), 394-399; as read noise: Wei et al., CVPR 2020, section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .normal import lower_tail


def tukey_lambda_quantile(word: Tensor, shape: Tensor) -> Tensor:
    """Map words to Tukey-lambda deviates of scale 1 by inverse CDF.

    Q(u) = (u^shape - (1-u)^shape) / shape, and its limit log(u / (1-u)) at shape 0.

    Args:
        word: int64, values in [0, 2^32).
        shape: Tukey-lambda shape, broadcastable to ``word``.

    Returns: float64 of the broadcast shape.
    """
    p, sign = lower_tail(word)
    shape = shape.double().expand_as(p)
    log_p, log_q = torch.log(p), torch.log1p(-p)
    divisor = torch.where(shape == 0, 1.0, shape)
    powers = (torch.expm1(shape * log_p) - torch.expm1(shape * log_q)) / divisor
    return -sign * torch.where(shape == 0, log_p - log_q, powers)
