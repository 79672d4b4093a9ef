# SPDX-License-Identifier: Apache-2.0
"""The cameras of the library side by side, with links to what was published, as Markdown.

`make cameras` writes docs/results/cameras.md; a test holds that file against the profiles.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from lrd_ext.profiles import CameraProfile, list_profiles, load_profile
from lrd_ext.profiles.summary import (
    IsoFigures,
    answers_at,
    figures_at,
    gain_breaks,
    low_middle_high,
    row_over_read,
    shape_range,
)

COLUMNS = ("profile", "camera", "ISO", "K/ISO", "read noise, e-", "model", "shape", "row/read", "gain break")
HEAD = """# Cameras of the library

Made of the profiles in `lrd_ext/profiles/library` by `make cameras`. Per camera:

- K/ISO in 1e-3 DN/e-, at the lowest and the highest ISO where the two differ by more than 0.5 %;
- read noise as standard deviation over K, e-, at the lowest, a middle and the highest ISO;
- the read-noise model the profile uses, and the lowest and highest Tukey-lambda shape;
- row noise over read noise, the lowest and the highest over the ISOs of the profile;
- the two published ISOs the gain switches between, where figures were published on both sides of a switch;
- what the profile names doubtful, and the file, at its commit, the figures are from.

`lrd profile show NAME` prints every figure of one camera and all reasons for doubt; NOTICE has the licences.

"""


def camera_table() -> str:
    """Return the whole document."""
    profiles = [load_profile(name) for name in list_profiles()]
    models = {(p.make, p.model) for p in profiles}
    lines = [f"{len(profiles)} profiles of {len(models)} cameras and sensors:", ""]
    lines += _row(*COLUMNS, "doubtful", "source")
    lines += [f"|{'---|' * (len(COLUMNS) + 2)}"]
    lines += [line for p in profiles for line in _row(*_cells(p))]
    isos = (800, 1600, 3200)
    checks = cross_check("Sony ILCE-7SM2", "sony_a7s2", isos), cross_check("Nikon D850", "nikon_d850", isos)
    return HEAD + "\n\n".join(["\n".join(lines), *checks]) + "\n"


def cross_check(camera: str, first: str, isos: Sequence[float]) -> str:
    """Return K/ISO of one camera from every source that measured it, against the first of them."""
    profiles = [load_profile(name) for name in list_profiles() if name.startswith(first)]
    # PMN published no ISO for its D850: K/ISO there is ELD's.
    profiles = [p for p in profiles if p.name != "nikon_d850_pmn"]
    base = next(p for p in profiles if p.name == first)
    lines = [f"K/ISO of the {camera} from independent sources, 1e-3 DN/e-, and how far from `{first}`:", ""]
    lines += _row("ISO", *(f"{_source_name(p)} (`{p.name}`)" for p in profiles))
    lines += [f"|{'---|' * (len(profiles) + 1)}"]
    for iso in isos:
        known = figures_at(base, iso)
        cells = [_against(found[0], known) for found in (answers_at(p, [iso]) for p in profiles)]
        lines += _row(f"{iso:g}", *cells)
    return "\n".join(lines)


def _against(found: IsoFigures | None, base: IsoFigures) -> str:
    if found is None or found.K is None or base.K is None:
        return "-"
    off = found.K / base.K - 1
    text = f"{1e3 * found.K / found.iso:.3f}" + (f" ({off:+.1%})" if off else "")
    return text + (", doubtful" if "K" in found.doubtful else "")


def _cells(p: CameraProfile) -> list[str]:
    found = [f for f in answers_at(p, low_middle_high(p)) if f is not None]
    ends = [1e3 * f.K / f.iso for f in (found[0], found[-1]) if f.K]
    same = abs(ends[0] / ends[-1] - 1) <= 0.005
    shapes = shape_range(p)
    rows = row_over_read(p)
    return [
        f"`{p.name}`",
        p.model if p.model.startswith(p.make) else f"{p.make} {p.model}",
        ", ".join(_span(*b.iso) for b in p.branches),
        f"{ends[0]:#.3g}" if same else f"{ends[0]:#.3g} to {ends[-1]:#.3g}",
        ", ".join(f"{f.read_e:.2f} at {f.iso:g}" for f in found if f.read_e is not None),
        p.read.replace("_", "-"),
        ", ".join(dict.fromkeys(f"{v:.3f}" for v in shapes)) if shapes else "-",
        " to ".join(dict.fromkeys(f"{v:.2f}" for v in rows)) if rows else "-",
        ", ".join(_span(*pair) for pair in gain_breaks(p)) or "-",
        "; ".join(_doubts(p)) or "-",
        _link(p),
    ]


def _doubts(p: CameraProfile) -> list[str]:
    places: dict[str, list[str]] = {}
    for entry in p.doubtful:
        places.setdefault(entry.field, []).append("" if entry.iso is None else _span(*entry.iso))
    return [f"{field} {', '.join(filter(None, isos))}".strip() for field, isos in places.items()]


def _link(p: CameraProfile) -> str:
    source = p.sources[0]
    path = (source.path or "").split(", ")[0].split(" (")[0]
    return f"[{_source_name(p)}]({source.url}/blob/{source.commit}/{path})"


def _source_name(p: CameraProfile) -> str:
    return p.sources[0].title.split()[0]


def _span(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _row(*cells: str) -> list[str]:
    return ["| " + " | ".join(cells) + " |"]


def main() -> None:
    """Print the document, or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    if options.write:
        options.write.write_text(camera_table(), "utf-8")
    else:
        print(camera_table(), end="")


if __name__ == "__main__":
    main()
