# SPDX-License-Identifier: Apache-2.0
"""The picture of README and site, docs/images/before_after.jpg: as `make demo` makes it, but smaller."""

from __future__ import annotations

import math
from pathlib import Path

from lrd_ext import raw
from lrd_ext.synth_files import settings_for, synthesize_raw

ROOT = Path(__file__).parents[1]
ISO, RATIO, SEED = 6400.0, 20.0, 7


def main() -> None:
    """Write the picture."""
    clean = raw.read(ROOT / "tests" / "data" / "canon550d_ml_colorchart.dng")
    settings = settings_for("sony_a7s2", ISO, RATIO, SEED)
    noisy, _ = synthesize_raw(clean, settings)
    brightening = raw.suggest_exposure(clean)
    picture = raw.before_after(
        clean,
        noisy,
        labels=("a raw file", f"Sony A7S II, ISO {ISO:g}, 1/{RATIO:g} of the light"),
        exposure_ev=(brightening, brightening + math.log2(RATIO)),
        max_size=640,
    )
    # JPEG with full colour: as PNG noise would be three times as large.
    picture.save(ROOT / "docs" / "images" / "before_after.jpg", quality=90, subsampling=0, optimize=True)


if __name__ == "__main__":
    main()
