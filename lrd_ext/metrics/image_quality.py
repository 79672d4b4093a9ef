# SPDX-License-Identifier: Apache-2.0
"""PSNR, SSIM and illuminance correction of packed raw, as ELD's evaluation and its followers compute them.

Source: Wei et al., CVPR 2020 (ELD), released evaluation code; scikit-image computes both numbers.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import numpy as np

from .values import as_array

#: ELD multiplies by 255 without rounding; its SSIM then has this range.
_RANGE = 255


def psnr(pred: Any, target: Any) -> float:
    """Return the peak signal-to-noise ratio in dB, infinite for equal images.

    Values are cut to [0, 1] and multiplied by 255 without rounding; the mean squared error is over all
    channels of an image together. Of a batch the mean of the images' numbers is returned.

    Args:
        pred: (C, H, W) or (B, C, H, W), signal in [0, 1], 1 the white level.
        target: of the same shape.

    Raises:
        TypeError: they do not hold numbers.
        ValueError: shapes differ or are neither of these, or a value is not finite.
        ModuleNotFoundError: scikit-image is not installed.
    """
    measure = _scikit_image().peak_signal_noise_ratio
    with np.errstate(divide="ignore"):  # equal images
        return _mean(lambda a, b: measure(b, a, data_range=_RANGE), pred, target, "psnr")


def ssim(pred: Any, target: Any, *, gaussian: bool = False) -> float:
    """Return the structural similarity, the mean over channels, 1 for equal images.

    Args:
        pred: as for :func:`psnr`, at least 7 pixels high and wide (11 if ``gaussian``).
        target: of the same shape.
        gaussian: weigh the window by a Gaussian of 1.5 pixels as Wang et al. 2004 and some work on sRGB do;
            ELD, PMN and LRD use the uniform window of 7 x 7 and the sample covariance on raw.

    Raises:
        TypeError, ValueError, ModuleNotFoundError: as :func:`psnr`; images below the window's size.

    Source: Wang et al., IEEE TIP 13(4), 2004.
    """
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False} if gaussian else {}
    least = 11 if gaussian else 7
    height, width = np.shape(pred)[-2:] if np.ndim(pred) >= 2 else (0, 0)
    if min(height, width) < least:
        raise ValueError(
            f"metrics.ssim: pred must be at least {least} x {least} pixels, got shape {np.shape(pred)}"
        )
    measure = functools.partial(
        _scikit_image().structural_similarity, data_range=_RANGE, channel_axis=0, **window
    )
    return _mean(lambda a, b: measure(b, a), pred, target, "ssim")


def illuminance_correct(pred: Any, target: Any) -> Any:
    """Scale a prediction to the brightness of the target, by one number for all channels of an image.

    With p the prediction cut to [0, 1] and t the target, both where t is not 1, the result is
    p * <p, t> / <p, p>; a prediction that is black there stays as it is.

    Args:
        pred: (C, H, W) or (B, C, H, W), array or tensor.
        target: of the same shape.

    Returns: the scaled prediction, float32 (float64 for such), of the kind, and on the device, of ``pred``.

    Raises:
        TypeError, ValueError: as :func:`psnr`.

    Source: Wei et al., CVPR 2020 (ELD), IlluminanceCorrect of the released code.
    """
    predictions, targets = _images(pred, target, "illuminance_correct")
    scaled = np.stack([p * illuminance_scale(p, t) for p, t in zip(predictions, targets, strict=True)])
    scaled = scaled.astype(predictions.dtype, copy=False).reshape(np.shape(pred))
    return pred.new_tensor(scaled) if hasattr(pred, "new_tensor") else scaled


def illuminance_scale(pred: np.ndarray, target: np.ndarray) -> float:
    """Return the number by which :func:`illuminance_correct` scales one image, cut to [0, 1] already."""
    counts = target != 1
    p, t = pred[counts].astype(np.float64), target[counts].astype(np.float64)
    power = float(p @ p)
    return float(p @ t) / power if power > 0 else 1.0


def _mean(measure: Any, pred: Any, target: Any, name: str) -> float:
    predictions, targets = _images(pred, target, name)
    scaled = zip(predictions * np.float32(_RANGE), targets.clip(0, 1) * np.float32(_RANGE), strict=True)
    return float(np.mean([measure(p, t) for p, t in scaled]))


def _images(pred: Any, target: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return both as (B, C, H, W), the prediction cut to [0, 1]."""
    predictions, targets = (
        as_array(v, f"metrics.{name}: {what}") for v, what in ((pred, "pred"), (target, "target"))
    )
    if predictions.shape != targets.shape or predictions.ndim not in (3, 4):
        raise ValueError(
            f"metrics.{name}: pred and target must both be (C, H, W) or (B, C, H, W), "
            f"got {predictions.shape} and {targets.shape}"
        )
    shape = (-1, *predictions.shape[-3:])
    return predictions.reshape(shape).clip(0, 1), targets.reshape(shape)


def _scikit_image() -> ModuleType:
    try:
        from skimage import metrics
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "PSNR and SSIM need scikit-image: pip install scikit-image", name="scikit-image"
        ) from error
    return metrics
