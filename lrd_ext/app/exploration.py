# SPDX-License-Identifier: Apache-2.0
"""What the page shows: pictures, plots, figures and the DNG of a view. It knows nothing of the web."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import io
import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lrd_ext import inspection, synth_files
from lrd_ext import raw as raw_files
from lrd_ext.generator import list_generators, load_generator
from lrd_ext.generator.shipped import find_generator
from lrd_ext.jobs import Job
from lrd_ext.params import NoiseParams
from lrd_ext.plain_text import plain
from lrd_ext.profiles import CameraProfile, list_profiles, load_profile
from lrd_ext.profiles.summary import figures_at, known_noise
from lrd_ext.raw.preview import upright
from lrd_ext.read_models import profile_models
from lrd_ext.report.figure import lay_out_quickly
from lrd_ext.report.mean_variance import draw_pair
from lrd_ext.report.residual import draw_residual, residual_picture
from lrd_ext.synth_files import Settings

from .picture import Picture
from .recipe import command_line, file_name, python_program
from .view import Part, View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lrd_ext.generator import LiteGenerator
    from lrd_ext.raw import Raw

#: A real picture that is there without any of the user's.
BUNDLED = Path(__file__).with_name("canon550d_ml_colorchart.dng")
#: Side of the picture in which a part is chosen, pixels.
_OVERVIEW = 320


@dataclasses.dataclass(frozen=True, eq=False)
class Drawn:
    """A part of a picture and the noise on it."""

    clean: Raw
    noisy: Raw
    predicted: NoiseParams


class Exploration:
    """Pictures, cameras and generators on offer, and what is worked out of them.

    Files are named here once, by the user; what a view names is looked up among them, so that no request
    reaches any other file. Methods may be called from several threads.
    """

    def __init__(
        self, pictures: Sequence[Path] = (), cameras: Sequence[str] = (), generators: Sequence[str] = ()
    ) -> None:
        """Load every camera and generator, and the first picture.

        Args:
            pictures: raw files; none means the bundled one.
            cameras: profile files on offer beside the library's cameras.
            generators: generator files beside those that ship.

        Raises:
            ValueError, OSError: one of them cannot be read, or a camera has no gain.
        """
        self.pictures = [Path(p) for p in pictures] or [BUNDLED]
        self.cameras = _cameras(cameras)
        self.generators: dict[str, LiteGenerator] = {
            name: load_generator(name) for name in [*map(str, generators), *list_generators()]
        }
        for name, generator in self.generators.items():
            if not generator.table.isos:
                raise ValueError(
                    f"{name} holds no table of sigma_init by ISO, as one trained on several cameras: the "
                    "page needs one of a single camera"
                )
        self._picture = functools.lru_cache(maxsize=2)(self._open)
        self._drawn = functools.lru_cache(maxsize=4)(self._draw)
        self._pair = functools.lru_cache(maxsize=4)(self._measure)
        self._residual = functools.lru_cache(maxsize=4)(self._take_residual)
        self._plotting = threading.Lock()  # matplotlib is not made for several threads
        for path in self.pictures[1:]:
            path.stat()
        self._picture(0)

    def warm_up(self) -> None:
        """Load what pictures and plots are made with, so that the first view is answered like others."""
        camera = list(self.cameras)[-1]
        iso = self.cameras[camera].iso_range[0]
        view = View(0, 0.5, 0.5, 256, 256, 0.0, camera, iso, 1.0, "profile", 0)
        with contextlib.suppress(ValueError):  # a picture all white, say; the page will tell
            self.noisy_picture(view)
            self.residual_plot(view)
            self.mean_variance_plot(view)
        gc.collect()  # of all that was loaded: 0.2 s that would fall into one of the first answers

    def choices(self) -> dict[str, Any]:
        """Return what the page offers, as JSON: pictures, cameras and generators, and their ranges."""
        return {
            "pictures": [plain(path.name) for path in self.pictures],
            "cameras": {name: _camera_choice(profile) for name, profile in self.cameras.items()},
            "generators": {
                name: {"iso": [g.table.isos[0], g.table.isos[-1]]} for name, g in self.generators.items()
            },
        }

    def picture_facts(self, number: int) -> dict[str, Any]:
        """Return name, upright size and what the file tells of a picture, as JSON."""
        picture = self._picture(number)
        raw = picture.raw
        width, height = picture.upright_size
        told = [plain(raw.camera or "camera not named"), f"{width} × {height} {raw.cfa}"]
        told += [f"ISO {raw.iso:g}"] if raw.iso else []
        told += [f"{raw.exposure_s:.4g} s"] if raw.exposure_s else []
        black = " ".join(dict.fromkeys(f"{v:g}" for v in raw.black))
        told.append(f"black {black if raw.black_known else 'not given: 0'}, white {raw.white:g}")
        return {"width": width, "height": height, "told": ", ".join(told)}

    def overview(self, number: int) -> bytes:
        """Return a small JPEG of a whole picture."""
        picture = self._picture(number)
        small = raw_files.render(picture.shown, exposure_ev=picture.brightening, max_size=_OVERVIEW)
        return _encoded(small, "JPEG", quality=85)

    def clean_picture(self, part: Part) -> bytes:
        """Return a part without noise, as BMP: exact, and the quickest to make."""
        picture = self._picture(part.picture)
        raw, _ = picture.part(part.x, part.y, part.width, part.height)
        return _encoded(raw_files.render(raw, exposure_ev=picture.brightening + part.ev), "BMP")

    def noisy_picture(self, view: View) -> bytes:
        """Return a view under its noise, as BMP, brightened by the ratio."""
        picture, drawn = self._picture(view.picture), self._drawn(view.drawn)
        brightening = picture.brightening + view.ev + math.log2(view.ratio)
        return _encoded(raw_files.render(drawn.noisy, exposure_ev=brightening), "BMP")

    def residual_picture(self, view: View) -> bytes:
        """Return noisy less expected, in grey, as BMP."""
        raw = self._drawn(view.drawn).noisy
        grey = residual_picture(self._residual(view.drawn))
        return _encoded(upright(grey, raw.orientation), "BMP")

    def mean_variance_plot(self, view: View) -> bytes:
        """Return variance over signal and the noise in the dark, against the prediction, as PNG."""
        report, prediction = self._pair(view.drawn)
        cfa = self._picture(view.picture).raw.cfa
        return self._png(lambda: draw_pair(report, prediction, cfa))

    def residual_plot(self, view: View) -> bytes:
        """Return histogram and line spectra of the residual, against the prediction, as PNG."""
        residual = self._residual(view.drawn)
        return self._png(lambda: draw_residual(residual))

    def facts(self, view: View) -> dict[str, Any]:
        """Return the figures of a view, what is doubtful of them, and how to make it elsewhere, as JSON."""
        report, prediction = self._pair(view.drawn)
        picture, profile = self._picture(view.picture), self.cameras[view.camera]
        exposure = synth_files.short_exposure(picture.raw, self._settings(view)) if profile.sensor else None
        found = inspection.findings(report, prediction, raw_files.site_labels(picture.raw.cfa))
        doubts = figures_at(profile, view.iso, view.read).doubtful
        return {
            "sentence": inspection.in_one_sentence(found, prediction),
            "figures": [_row(f) for f in found],
            "doubts": [
                f"{e.field}: {e.reason}"
                for e in profile.doubtful
                if e.field in doubts and e.concerns(view.iso)
            ],
            "command": command_line(picture.path, view),
            "python": python_program(picture, view, exposure),
            "file": file_name(picture.path, view),
        }

    def dng(self, view: View) -> bytes:
        """Return the whole picture under the noise of a view, as `lrd synth` writes it."""
        picture, settings = self._picture(view.picture), self._settings(view)
        job = Job(picture.path, Path(file_name(picture.path, view)), None, 0)
        noisy, params = synth_files.synthesize_raw(picture.raw, settings)
        facts = synth_files.recipe(job, settings, params)
        return synth_files.encode_synthesized(picture.raw, noisy, settings, params, facts)

    def _open(self, number: int) -> Picture:
        if not 0 <= number < len(self.pictures):
            raise ValueError(f"picture must be 0 to {len(self.pictures) - 1}, got {number}")
        return Picture.open(self.pictures[number])

    def _settings(self, view: View) -> Settings:
        if view.camera not in self.cameras:
            raise ValueError(f"camera must be one on offer, got {view.camera[:40]!r}")
        if view.generator is not None and view.generator not in self.generators:
            raise ValueError(f"noise: the generator must be one on offer, got {view.noise[:40]!r}")
        if view.generator is None and view.read is None and view.noise != "profile":
            raise ValueError(f"noise must be profile, read:... or generator:..., got {view.noise[:40]!r}")
        settings = Settings(self.cameras[view.camera], view.iso, view.ratio, view.seed, read=view.read)
        if view.generator is None:
            return settings
        generator = self.generators[view.generator]
        generator.sigma_init(view.iso)
        return dataclasses.replace(
            settings, generator=generator, generator_file=find_generator(view.generator)
        )

    def _draw(self, view: View) -> Drawn:
        settings = self._settings(view)
        part, origin = self._picture(view.picture).part(view.x, view.y, view.width, view.height)
        noisy, _ = synth_files.synthesize_raw(part, settings, origin=origin)
        return Drawn(part, noisy, synth_files.profile_params(part, settings))

    def _measure(self, view: View) -> tuple[inspection.PairReport, inspection.Prediction]:
        drawn = self._drawn(view)
        title = f"{self.cameras[view.camera].name} at ISO {view.iso:g}"
        prediction = inspection.predict(drawn.predicted, title)
        report = inspection.inspect_pair(drawn.clean, drawn.noisy, view.ratio, prediction.sigma_prnu)
        return report, prediction

    def _take_residual(self, view: View) -> inspection.Residual:
        drawn = self._drawn(view)
        return inspection.measure_residual(drawn.clean, drawn.noisy, view.ratio, drawn.predicted)

    def _png(self, draw: Any) -> bytes:
        with self._plotting:
            figure: Figure = draw()
            lay_out_quickly(figure)
            png = io.BytesIO()
            figure.savefig(png, format="png", dpi=100)
        return png.getvalue()


def _cameras(files: Sequence[str]) -> dict[str, CameraProfile]:
    """Load profiles by the name they are chosen by, the user's first."""
    own = {str(file): load_profile(file) for file in files}
    for name, profile in own.items():
        if profile.dark_only:
            raise ValueError(f"camera {name} was made from dark frames alone and has no gain K")
    return own | {name: load_profile(name) for name in list_profiles()}


def _camera_choice(profile: CameraProfile) -> dict[str, Any]:
    low, high = profile.iso_range
    known = known_noise(profile)
    return {
        "label": plain(profile.camera),
        "iso": [low, high],
        "read": profile.read,
        "models": {m.name: m.label for m in profile_models() if m.figure in known},
    }


def _row(f: inspection.Finding) -> dict[str, str]:
    return {
        "figure": f.figure,
        "unit": f.unit,
        "measured": _with_error(f.measured.value, f.measured.error),
        "predicted": "–" if f.predicted is None else f"{f.predicted:.4g}",
        "verdict": f.verdict,
    }


def _with_error(value: float, error: float) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:.4g} ± {error:.2g}" if math.isfinite(error) else f"{value:.4g}"


def _encoded(picture: np.ndarray, kind: str, **options: Any) -> bytes:
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(picture).save(data, kind, **options)
    return data.getvalue()
