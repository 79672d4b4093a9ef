# SPDX-License-Identifier: Apache-2.0
"""Pictures for the eye: a plain sRGB rendering of a mosaic, and two of them side by side with captions."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import numpy as np

from lrd_ext.cfa import BAYER, MONO, PATTERNS
from lrd_ext.outputs import check_target, write_files

from .model import Raw
from .writer import XYZ_TO_SRGB

if TYPE_CHECKING:
    from PIL.Image import Image

_D65_WHITE = np.array([0.95047, 1.0, 1.08883])  # CIE XYZ of D65, 2 degree observer
# Bilinear interpolation as a weighted mean of the neighbours that have the colour.
_GREEN_KERNEL = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], np.float32) / 4
_RED_BLUE_KERNEL = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / 4
# Wide enough that every pixel of a quad-Bayer or X-Trans mosaic has each colour in reach.
_TENT_KERNEL = np.outer([1, 2, 3, 2, 1], np.array([1, 2, 3, 2, 1], np.float32))


def render(raw: Raw, *, exposure_ev: float = 0.0, max_size: int | None = None) -> np.ndarray:
    """Render the active area as sRGB: levels, white balance, plain demosaic, camera matrix, clip, gamma.

    White balance is ``raw.as_shot_neutral``; without one the camera's white under D65 by
    ``raw.color_matrix``; without that the grey world of the picture. Without a colour matrix camera colours
    are taken as sRGB's. Colours are weighted means of the neighbours that have them: bilinear in a Bayer
    mosaic, over 5x5 pixels in a larger pattern. Signals outside black .. white are clipped, never wrapped. No
    tone curve, no noise reduction, no opcode list, and ``raw.baseline_exposure`` is not applied.

    Args:
        raw: what to show; a monochrome mosaic gives grey.
        exposure_ev: brightening in EV, such as log2(ratio) for a shot synthesised ratio times darker.
        max_size: largest side of the result, pixels; None keeps the size of the active area.

    Returns:
        (H, W, 3) uint8 sRGB, turned upright as ``raw.orientation`` says.

    Raises:
        TypeError: ``raw`` is not a Raw.
        ValueError: ``exposure_ev`` is not finite, or ``max_size`` is below 1.

    Source: DNG 1.6, chapter 6 (ColorMatrix maps XYZ to camera); rows scaled so that white stays white as in
    Coffin, dcraw, cam_xyz_coeff; IEC 61966-2-1 for sRGB.
    """
    if not isinstance(raw, Raw):
        raise TypeError(f"raw.render: raw must be a Raw, got {type(raw).__name__}")
    if not np.isfinite(exposure_ev):
        raise ValueError(f"raw.render: exposure_ev must be finite, got {exposure_ev}")
    if max_size is not None and max_size < 1:
        raise ValueError(f"raw.render: max_size must be at least 1, got {max_size}")
    rgb = _demosaic(_linear(raw), raw.active_cfa, max_size)
    if raw.cfa != MONO:
        neutral = camera_white(raw)
        # The smallest gain is 1, so that a saturated pixel reaches 1 in all channels: white, not pink.
        rgb = np.minimum(rgb * (neutral.max() / neutral).astype(np.float32), 1)
        rgb = rgb @ _camera_to_srgb(raw.color_matrix).astype(np.float32).T
    # Means are taken of linear light, unclipped: otherwise noise would darken and tint what is shrunk.
    rgb = np.clip(_shrink(rgb, max_size) * np.float32(2.0) ** np.float32(exposure_ev), 0, 1)
    picture = (_srgb_gamma(rgb) * 255 + 0.5).astype(np.uint8)
    return np.ascontiguousarray(upright(picture, raw.orientation))


def suggest_exposure(raw: Raw) -> float:
    """Return the EV that brightens a dim picture until its brightest 1 % of pixels reach white, 0 to 16.

    Args:
        raw: the picture; above 16 EV it is taken as black, which gives 0.
    """
    if not isinstance(raw, Raw):
        raise TypeError(f"raw.suggest_exposure: raw must be a Raw, got {type(raw).__name__}")
    bright = float(np.quantile(_linear(raw), 0.99))
    return max(0.0, -float(np.log2(bright))) if bright > 2.0**-16 else 0.0


def before_after(
    before: Raw,
    after: Raw,
    *,
    labels: tuple[str, str] = ("before", "after"),
    exposure_ev: tuple[float, float] = (0.0, 0.0),
    max_size: int | None = 1024,
) -> Image:
    """Render two exposures side by side under captions; both get the white balance and colours of ``before``.

    Args:
        before: picture on the left.
        after: picture on the right.
        labels: captions, left and right.
        exposure_ev: brightening in EV, left and right.
        max_size: largest side of each of the two, pixels; None keeps their size.

    Returns:
        An RGB Pillow image.

    Raises:
        TypeError, ValueError: as :func:`render`.
    """
    from PIL import Image, ImageDraw, ImageFont

    if before.cfa != MONO and after.cfa != MONO:
        after = after.replace(color_matrix=before.color_matrix, as_shot_neutral=camera_white(before))
    pictures = [
        Image.fromarray(render(raw, exposure_ev=ev, max_size=max_size))
        for raw, ev in zip((before, after), exposure_ev, strict=True)
    ]
    gap, size = 8, max(12, min(32, pictures[0].width // 30))
    bar = 2 * size
    width = sum(p.width for p in pictures) + gap
    sheet = Image.new("RGB", (width, bar + max(p.height for p in pictures)), (24, 24, 24))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size)
    longest = max(draw.textlength(label, font=font) for label in labels)
    if longest > pictures[0].width:  # keep long captions apart
        font = ImageFont.load_default(max(6, size * pictures[0].width / longest))
    left = 0
    for picture, label in zip(pictures, labels, strict=True):
        sheet.paste(picture, (left, bar))
        draw.text((left + picture.width // 2, bar // 2), label, fill=(240, 240, 240), font=font, anchor="mm")
        left += picture.width + gap
    return sheet


def write_preview(
    path: str | os.PathLike[str],
    before: Raw,
    after: Raw,
    *,
    labels: tuple[str, str] = ("before", "after"),
    exposure_ev: tuple[float, float] = (0.0, 0.0),
    max_size: int | None = 1024,
) -> None:
    """Write :func:`before_after` as a PNG file, which appears under its name only when complete.

    Raises:
        ValueError: ``path`` does not end in .png, or an argument of the rendering is out of range,
            or ``path`` is a folder or its folder is missing or read-only.
        OSError: the system refuses to write the file; an old one is left as it was.
    """
    target = check_target(path, "raw.write_preview: path", suffix=".png")
    data = encode_preview(before, after, labels=labels, exposure_ev=exposure_ev, max_size=max_size)
    write_files({target: data})


def encode_preview(
    before: Raw,
    after: Raw,
    *,
    labels: tuple[str, str] = ("before", "after"),
    exposure_ev: tuple[float, float] = (0.0, 0.0),
    max_size: int | None = 1024,
) -> bytes:
    """Return the bytes of the file that :func:`write_preview` writes; same arguments, same errors."""
    png = io.BytesIO()
    before_after(before, after, labels=labels, exposure_ev=exposure_ev, max_size=max_size).save(png, "PNG")
    return png.getvalue()


def _linear(raw: Raw) -> np.ndarray:
    """Return the active area as (h, w) float32: 0 is each site's black (noise lies below too), 1 is white."""
    top, left, bottom, right = raw.active_area
    black = raw.black_frame[top:bottom, left:right]
    return np.minimum((raw.active - black) / (np.float32(raw.white) - black), 1).astype(np.float32)


def _demosaic(mosaic: np.ndarray, cfa: str, max_size: int | None) -> np.ndarray:
    """Return (h, w, 3): one pixel per cell of the pattern where that is size enough, else interpolated."""
    from scipy.ndimage import correlate

    if cfa == MONO:
        return np.repeat(mosaic[..., None], 3, axis=-1)
    cell = PATTERNS[cfa].cell
    if max_size is not None and min(mosaic.shape) >= cell and max(mosaic.shape) // cell >= max_size:
        height, width = (n // cell * cell for n in mosaic.shape)
        whole = mosaic[:height, :width]
        planes = [[whole[place] for place in _places(cfa, colour)] for colour in "RGB"]
        return np.stack([np.mean(plane, axis=0) for plane in planes], axis=-1)
    out = np.empty((*mosaic.shape, 3), np.float32)
    for channel, colour in enumerate("RGB"):
        plane = np.zeros_like(mosaic)
        for place in _places(cfa, colour):
            plane[place] = mosaic[place]
        if cfa in BAYER:
            kernel = _GREEN_KERNEL if colour == "G" else _RED_BLUE_KERNEL
            # Mirrored at its first and last line the pattern goes on, and every pixel has its neighbours.
            out[..., channel] = correlate(plane, kernel, mode="mirror")
        else:
            mask = (PATTERNS[cfa].letters(*mosaic.shape) == colour).astype(np.float32)
            total, weight = (correlate(values, _TENT_KERNEL, mode="constant") for values in (plane, mask))
            out[..., channel] = total / np.maximum(weight, 1)
    return out


def _places(cfa: str, colour: str) -> list[tuple[slice, slice]]:
    """Return where in a mosaic each place of the pattern's cell lies that has a colour."""
    cell = PATTERNS[cfa].cell
    own = np.argwhere(PATTERNS[cfa].letters(cell, cell) == colour)
    return [(slice(row, None, cell), slice(column, None, cell)) for row, column in own.tolist()]


def camera_white(raw: Raw) -> np.ndarray:
    """Return the camera's R, G, B of white, (3,), green = 1."""
    if raw.as_shot_neutral is not None:
        return raw.as_shot_neutral
    if raw.color_matrix is not None:
        white = raw.color_matrix @ _D65_WHITE
        if (white > 0).all():
            return white / white[1]
    mosaic = _linear(raw)
    cells = {colour: [mosaic[place] for place in _places(raw.active_cfa, colour)] for colour in "RGB"}
    means = np.array([sum(p.sum() for p in cells[c]) / max(1, sum(p.size for p in cells[c])) for c in "RGB"])
    return means / means[1] if (means > 0).all() else np.ones(3)


def _camera_to_srgb(color_matrix: np.ndarray | None) -> np.ndarray:
    """Return white-balanced camera colours to linear sRGB, (3, 3), rows summing to 1: grey stays grey."""
    if color_matrix is None:
        return np.eye(3)
    srgb_to_camera = color_matrix @ np.linalg.inv(XYZ_TO_SRGB)
    sums = srgb_to_camera.sum(axis=1, keepdims=True)
    if (sums <= 0).any() or np.linalg.cond(srgb_to_camera) > 1e4:
        return np.eye(3)
    return np.linalg.inv(srgb_to_camera / sums)


def _srgb_gamma(linear: np.ndarray) -> np.ndarray:
    return np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-4) ** (1 / 2.4) - 0.055
    )


def upright(picture: np.ndarray, orientation: int) -> np.ndarray:
    """Turn and mirror as TIFF 6.0's Orientation says (1 = row 0 top, column 0 left)."""
    if orientation >= 5:
        picture = picture.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    return picture[:, ::-1] if orientation in (2, 3, 6, 7) else picture


def _shrink(rgb: np.ndarray, max_size: int | None) -> np.ndarray:
    """Return (h, w, 3) float32 of at most ``max_size``, each pixel the mean of the area it covers."""
    from PIL import Image

    height, width = rgb.shape[:2]
    if max_size is None or max(height, width) <= max_size:
        return rgb
    scale = max_size / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    planes = [
        Image.fromarray(np.ascontiguousarray(rgb[..., c])).resize(size, Image.Resampling.BOX)
        for c in range(3)
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)
