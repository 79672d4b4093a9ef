# SPDX-License-Identifier: Apache-2.0
"""The camera gallery: one page a profile of the library, with its curves, sources, notes and doubts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lrd_ext.profiles import CameraProfile, list_profiles, load_profile
from lrd_ext.profiles.camera_profile import describe_bias
from lrd_ext.profiles.records import Doubtful, Source
from lrd_ext.profiles.summary import answers_at, low_middle_high
from lrd_ext.report import draw_cameras, write_png

from .markdown import plain_markdown, table


def pages() -> dict[str, str]:
    """Return the pages as Markdown, by the name of their profile; each shows ``NAME.png`` beside it."""
    return {name: "\n\n".join(_page(load_profile(name))) + "\n" for name in list_profiles()}


def draw(folder: Path) -> None:
    """Write the plots the pages show: ``NAME.png`` for each camera, ``all.png`` for all of them."""
    cameras = [load_profile(name) for name in list_profiles()]
    write_png(folder / "all.png", draw_cameras(cameras))
    for camera in cameras:
        write_png(folder / f"{camera.name}.png", draw_cameras([camera]))


def _page(camera: CameraProfile) -> Iterator[str]:
    yield f"# {camera.camera}: `{camera.name}`"
    _, middle, _ = low_middle_high(camera)
    line = f'params = load_profile("{camera.name}").at(iso={middle:g}, ratio=100)'
    yield f"```python\nfrom lrd_ext import load_profile\n\n{line}\n```"
    yield f"![Gain and noise of {camera.camera} over ISO]({camera.name}.png)"
    yield from _figures(camera)
    yield "## Source"
    yield "\n".join(f"- {_source(source)}" for source in camera.sources)
    yield f"Licence of the figures: {plain_markdown(camera.licence)}."
    if camera.notes:
        yield "## Notes"
        yield "\n".join(f"- {plain_markdown(note)}" for note in camera.notes)
    yield "## Doubts"
    yield "\n".join(f"- {_doubt(entry)}" for entry in camera.doubtful) or "None are named."


def _figures(camera: CameraProfile) -> Iterator[str]:
    black = " ".join(f"{value:g}" for value in dict.fromkeys(camera.black))
    yield (
        f"{camera.bits} bit, {camera.cfa}, black level {black}, white level {camera.white:g} (raw DN). "
        f"{plain_markdown(camera.iso_ranges())}. Read noise: {camera.read.replace('_', '-')}. "
        f"{plain_markdown(describe_bias(camera.bias))}."
    )
    found = [f for f in answers_at(camera, low_middle_high(camera)) if f is not None]
    head = ("ISO", "K, DN/e-", "read noise, DN", "read noise, e-", "row noise, DN", "column noise, DN")
    rows = [
        (f"{f.iso:g}", *map(_three, (f.K, f.read_std, f.read_e, f.sigma_row, f.sigma_col))) for f in found
    ]
    yield table(head, rows)
    yield "Noise as standard deviation, whatever its model."


def _three(value: float | None) -> str:
    return f"{value:.3g}" if value else "-"


def _source(source: Source) -> str:
    text = plain_markdown(source.title)
    if source.url:
        text = f"[{text}]({source.url})"
    place = [source.path and f"`{source.path}`", source.commit and f"commit `{source.commit[:12]}`"]
    text = ", ".join(filter(None, [text, *place]))
    paper = source.paper and source.paper + (f", section {source.section}" if source.section else "")
    return text + (f". {plain_markdown(paper)}" if paper else "")


def _doubt(entry: Doubtful) -> str:
    where = "" if entry.iso is None else f", ISO {entry.iso[0]:g} to {entry.iso[1]:g}"
    return f"`{entry.field}`{where}: {plain_markdown(entry.reason)}"
