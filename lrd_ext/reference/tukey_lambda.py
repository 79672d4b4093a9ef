# SPDX-License-Identifier: Apache-2.0
"""Quantile of the Tukey-lambda distribution from 32-bit words. Mirrors csrc/noise/tukey_lambda.h.

Source: Joiner and Rosenblatt, JASA 66 (1971), 394-399; as read noise: Wei et al., CVPR 2020, section 3.
"""

from __future__ import annotations

import math

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


_ZETA = (1.6449340668482264, 1.2020569031595942, 1.0823232337111382, 1.0369277551433699, 1.0173430619844491)


def tukey_lambda_std(shape: float) -> float:
    """Return the standard deviation at scale 1: what turns sigma_tukey_lambda into a noise level.

    Args:
        shape: Tukey-lambda shape, > -0.5.

    Raises:
        ValueError: the variance is not finite at this shape.

    Source: variance 2/l^2 (1/(1+2l) - G(l+1)^2/G(2l+2)) of Joiner and Rosenblatt, JASA 66 (1971), written as
    2/(1+2l) (1-exp(-h))/l^2 with h = ln G(1+2l) - 2 ln G(1+l), which holds through l = 0 (the logistic).
    """
    if not math.isfinite(shape) or shape <= -0.5:
        raise ValueError(f"tukey_lambda_std: shape must be finite and above -0.5, got {shape!r}")
    if abs(shape) < 0.005:
        # h = sum over k >= 2 of (-1)^k zeta(k) (2^k - 2) l^k / k; five terms leave less than 1e-9 of h.
        over_square = sum((-1) ** k * z * (2**k - 2) * shape ** (k - 2) / k for k, z in enumerate(_ZETA, 2))
        h = over_square * shape**2
        ratio = over_square * (-math.expm1(-h) / h if h else 1.0)
    else:
        h = math.lgamma(1 + 2 * shape) - 2 * math.lgamma(1 + shape)
        ratio = -math.expm1(-h) / shape**2
    return math.sqrt(2 / (1 + 2 * shape) * ratio)
