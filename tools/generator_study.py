# SPDX-License-Identifier: Apache-2.0
"""What a generator learns of a sensor that is known in every figure.

    python tools/generator_study.py frames WORK          64 darks at each of 4 ISOs, and others to judge by
    lrd calibrate WORK/calibration -o WORK/simulated_sensor.json --black 512 --white 16383 --cfa RGGB
    lrd train generator WORK/darks -o WORK/simulated_sensor.safetensors --profile WORK/simulated_sensor.json
    python tools/generator_study.py judge WORK --write docs/results/generator_training.md

The last writes the table and its pictures: distances from darks that were not trained on, and the spectrum
of row means against the sensor's own, with and without the line channels of N_init.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from lrd_ext import NoiseParams, fused_synth, load_profile
from lrd_ext.cfa import SITES
from lrd_ext.estimators.histogram_distance import kl_divergence
from lrd_ext.generator import LiteGenerator
from lrd_ext.generator.dark_store import Darks
from lrd_ext.generator.matching import Matching
from lrd_ext.generator.start import start
from lrd_ext.generator.targets import in_common_unit, measure
from lrd_ext.metrics import line_autocorrelation, psd_distance, site_covariance

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "generator"))
import simulated_sensor as sensor

SHAPE = (768, 512)
FRAMES, HELD, CALIBRATION = 64, 32, 8
#: Frames drawn of each source: more than are held out, so that their own scatter counts for little.
DRAWN = 96
#: Draws of each source, whose mean divergence counts, and random halves of the held-out darks for the floor.
DRAWS, SPLITS = 4, 200
ISOS = (*sensor.TRAINED_ISOS, sensor.UNTRAINED_ISO)
RIVALS = ("generator", "tukey_lambda", "gaussian")
#: Rows of a stretch whose spectrum is taken, and the share of power from which a bin counts.
STRETCH, BIN_SHARE = 64, 0.02
ABLATION_ROUNDS = [(4, 3)]


def write_frames(work: Path) -> None:
    """Write WORK/darks, WORK/calibration (a part of it) and WORK/held."""
    for folder, isos, count, seed in (
        ("darks", sensor.TRAINED_ISOS, FRAMES, 1),
        ("calibration", sensor.TRAINED_ISOS, CALIBRATION, 1),
        ("held", ISOS, HELD, 2),
    ):
        (work / folder).mkdir(parents=True, exist_ok=True)
        lines = ["file,kind,iso,exposure_s"]
        for iso in isos:
            for k, frame in enumerate(sensor.darks(iso, count, SHAPE, seed)):
                np.save(work / folder / f"dark_{iso:05d}_{k:02d}.npy", frame)
                lines.append(f"dark_{iso:05d}_{k:02d}.npy,dark,{iso},0.01")
        (work / folder / "frames.csv").write_text("\n".join(lines) + "\n")


def read(work: Path, folder: str, iso: int, count: int) -> np.ndarray:
    """Read frames (count, H, W) uint16."""
    return np.stack([np.load(work / folder / f"dark_{iso:05d}_{k:02d}.npy") for k in range(count)])


def draw(kind: str, work: Path, generator: LiteGenerator, iso: int, count: int, seed: int = 11) -> np.ndarray:
    """Draw frames (count, H, W), raw DN as a converter gives them, with the figures of WORK's profile."""
    if kind == "generator":
        params = NoiseParams(
            K=1.0, ratio=1.0, white=sensor.WHITE, black=sensor.BLACK, iso=float(iso), shot=False
        )
    else:
        profile = load_profile(work / "simulated_sensor.json")
        params = profile.at(iso, read=kind).without_bias()
    dark = torch.zeros(count, *SHAPE)
    learned = generator if kind == "generator" else None
    return fused_synth(dark, params, seed=seed, generator=learned, output="dn", layout="mosaic").numpy()


def counts(frames: np.ndarray) -> np.ndarray:
    """Return how often each DN occurs in each frame (n, DN)."""
    return np.stack([np.bincount(f.ravel(), minlength=int(sensor.WHITE) + 1) for f in frames])


def floor_of(held: np.ndarray) -> np.ndarray:
    """Return the divergence of one half of the frames from the other for random halves (SPLITS,), nats.

    Lines that follow each other move the mean of a frame, and this divergence by a chi-square of one degree
    of freedom: that of a single split says little.
    """
    own, rng = counts(held), np.random.default_rng(0)
    orders = (rng.permutation(len(own)) for _ in range(SPLITS))
    return np.array([kl_divergence(own[o[::2]].sum(0), own[o[1::2]].sum(0)) for o in orders])


def distances(real: np.ndarray, fake: np.ndarray) -> dict[str, float]:
    """Return distances other than that of values: dB, and largest differences of correlations."""
    a, b = (frames.astype(np.float32) - np.float32(sensor.BLACK) for frames in (real, fake))
    rows = np.abs(line_autocorrelation(a, "row") - line_autocorrelation(b, "row")).max()
    sites = [site_covariance(x) for x in (a, b)]
    neighbour = [float(np.mean(x[..., 2:] * x[..., :-2])) / float(x.var()) for x in (a, b)]
    return {
        "psd": psd_distance(a, b),
        "rows": float(rows),
        "sites": float(np.abs(sites[0] - sites[1]).max() / np.abs(sites[0]).max()),
        "neighbours": abs(neighbour[0] - neighbour[1]),
    }


def tables(work: Path, generator: LiteGenerator) -> tuple[list[str], list[str]]:
    """Return the tables of divergences and of the other distances from darks not trained on."""
    values = [
        "| ISO | generator (lowest, highest) | tukey_lambda | gaussian | floor (5-95 %) | limit | within |",
        "|---|---|---|---|---|---|---|",
    ]
    others = ["| ISO | source | PSD, dB | row means | sites | neighbours |", "|---|---|---|---|---|---|"]
    for iso in ISOS:
        held = read(work, "held", iso, HELD)
        name = f"{iso} (not trained on)" if iso == sensor.UNTRAINED_ISO else str(iso)
        rows = {"floor": distances(held[: HELD // 2], held[HELD // 2 :])}
        own, divergences = counts(held).sum(0), {}
        for kind in RIVALS:
            drawn = [draw(kind, work, generator, iso, DRAWN, 11 + k) for k in range(DRAWS)]
            rows[kind] = distances(held, drawn[0])
            divergences[kind] = np.array([kl_divergence(own, counts(d).sum(0)) for d in drawn])
        values.append(f"| {name} | {_divergences(divergences, floor_of(held))} |")
        for kind, d in rows.items():
            others.append(
                f"| {name} | {kind} | {d['psd']:.3f} | {d['rows']:.3f} | {d['sites']:.4f} | "
                f"{d['neighbours']:.4f} |"
            )
    return values, others


def _divergences(by_kind: dict[str, np.ndarray], floor: np.ndarray) -> str:
    own, fit, gaussian = (by_kind[kind] for kind in RIVALS)
    limit = max(float(fit.mean()), 2 * float(floor.mean()))
    low, high = np.percentile(floor, [5, 95])
    cells = [
        f"{own.mean():.6f} ({own.min():.6f} to {own.max():.6f})",
        f"{fit.mean():.6f}",
        f"{gaussian.mean():.6f}",
        f"{floor.mean():.6f} ({low:.6f} to {high:.6f})",
        f"{limit:.6f}",
        "yes" if own.mean() <= limit else "no",
    ]
    return " | ".join(cells)


def row_spectrum(frames: np.ndarray) -> np.ndarray:
    """Return the power of row means by frequency (STRETCH / 2 + 1,), DN^2: Hann, mean over stretches."""
    means = frames.astype(np.float64).mean(2)
    for parity in (0, 1):
        means[:, parity::2] -= means[:, parity::2].mean()
    stretches = means[:, : means.shape[1] // STRETCH * STRETCH].reshape(-1, STRETCH)
    window = np.hanning(STRETCH)
    return (np.abs(np.fft.rfft(stretches * window, axis=1)) ** 2).mean(0) / (window**2).sum()


def true_row_spectrum(iso: int) -> np.ndarray:
    """Return what :func:`row_spectrum` of the sensor tends to: its figures, seen through the same window."""
    window = np.hanning(STRETCH)
    own = np.correlate(window, window, "full")[STRETCH - 1 :]
    lags = np.arange(1, STRETCH)
    covariance = sensor.row_autocovariance(iso, STRETCH)
    waves = np.cos(2 * np.pi * np.arange(STRETCH // 2 + 1)[:, None] / STRETCH * lags)
    lines = (covariance[0] * own[0] + 2 * waves @ (covariance * own)[1:]) / (window**2).sum()
    pixels = sensor.read_sigma(iso) ** 2 * (1 + sensor.LEAK) ** 2 + 1 / 12
    return np.asarray(lines + pixels / SHAPE[1])


def without_lines(work: Path) -> LiteGenerator:
    """Train a generator whose line channels are silent."""

    class Silent(Matching):
        def _draw(self, crops: int, seed: int) -> None:
            super()._draw(crops, seed)
            self.n_init[:, 4:] = 0

    profile = load_profile(work / "simulated_sensor.json")
    targets = []
    for iso in sensor.TRAINED_ISOS:
        frames = read(work, "darks", iso, 16)
        levels = np.stack([[f[r::2, c::2].mean() for r, c in SITES] for f in frames])
        sigma = float(profile.at(iso, read="gaussian").sigma_read)
        targets.append(measure(Darks(float(iso), frames, levels), sigma, str(iso)))
    scaled, unit = in_common_unit(targets)
    generator = LiteGenerator((16, 16))
    start(generator, scaled, torch.Generator().manual_seed(0))
    with torch.no_grad():
        generator.convs[0].weight[:, 4:8] = 0
    task = Silent(generator, scaled, ABLATION_ROUNDS, 0, dn=1 / unit)
    for number in range(task.steps):
        task.step(number)
    with torch.no_grad():
        generator.convs[0].weight[:, 4:8] = 0
    return generator.to_range(unit).with_table({t.iso: t.sigma_init for t in targets})


def spectra(work: Path, generators: dict[str, LiteGenerator], folder: Path) -> list[str]:
    """Return the table of row spectra and write its picture."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    lines = [
        f"| ISO | bins of {BIN_SHARE:.0%} or more | {' | '.join(generators)} | real darks |",
        f"|---|---|{'---|' * (len(generators) + 1)}",
    ]
    figure, axes = pyplot.subplots(1, len(ISOS), figsize=(15, 3), constrained_layout=True)
    frequency = np.arange(STRETCH // 2 + 1) / STRETCH
    for axis, iso in zip(axes, ISOS, strict=True):
        truth = true_row_spectrum(iso)
        counts = truth >= BIN_SHARE * truth.sum()
        found = {name: row_spectrum(draw("generator", work, g, iso, DRAWN)) for name, g in generators.items()}
        found["real darks"] = row_spectrum(read(work, "held", iso, HELD))
        off = [f"{np.abs(s[counts] / truth[counts] - 1).max():.1%}" for s in found.values()]
        lines.append(f"| {iso} | {counts.sum()} | {' | '.join(off)} |")
        axis.semilogy(frequency, truth, "k", lw=2, label="truth")
        for name, spectrum in found.items():
            axis.semilogy(frequency, spectrum, lw=1, label=name)
        axis.set(title=f"ISO {iso}", xlabel="cycles a row")
    axes[0].set_ylabel("power of row means, DN²")
    axes[0].legend(fontsize=7)
    figure.savefig(folder / "generator_row_spectra.png", dpi=70)
    return lines


def sheet(work: Path, generator: LiteGenerator, folder: Path) -> None:
    """Write real darks above made ones at equal stretch."""
    from PIL import Image

    made = []
    for source in ("real", "generator"):
        tiles = []
        for iso in ISOS:
            real = source == "real"
            frame = read(work, "held", iso, 1)[0] if real else draw("generator", work, generator, iso, 1)[0]
            cut = (frame[:160, :160].astype(float) - sensor.BLACK) / sensor.read_sigma(iso)
            tiles.append(np.clip(cut / 6 + 0.5, 0, 1))
        made.append(np.hstack(tiles))
    Image.fromarray((np.vstack(made) * 255).astype(np.uint8)).save(folder / "generator_sheet.png")


def judge(work: Path, target: Path) -> None:
    """Write the page and its pictures."""
    generator = LiteGenerator.load(work / "simulated_sensor.safetensors")
    images = target.parent / "images"
    images.mkdir(exist_ok=True)
    sheet(work, generator, images)
    values, others = tables(work, generator)
    rows = spectra(work, {"generator": generator, "without line channels": without_lines(work)}, images)
    told = {k: generator.card["configuration"][k] for k in ("widths", "rounds", "settling")}
    text = TEXT.format(
        values="\n".join(values),
        others="\n".join(others),
        rows="\n".join(rows),
        splits=SPLITS,
        draws=DRAWS,
        **told,
    )
    target.write_text(text, encoding="utf-8")


TEXT = """# What the generator learns of a known sensor

Made by `tools/generator_study.py`. The sensor (`tests/generator/simulated_sensor.py`): Tukey-lambda read
noise whose shape goes from +0.08 at ISO 800 to -0.13 at ISO 6400, a quarter of it leaking to the next
site of the same colour, AR(1) row noise (0.6), banding of 7 rows, AR(1) column noise (0.4), whole DN
over black. Trained on 64 darks of 768 x 512 at each of ISO 800, 1600, 3200 and 6400 with the `cpu` preset
(widths {widths}, rounds {rounds}, {settling} steps of settling); both fitted models have the figures
`lrd calibrate` gives from 8 of those darks at each ISO.

## Values: divergence from 32 darks not trained on

KLD (adu), nats: the mean of {draws} draws of 96 frames of every source. The floor is one half of the held-out
darks against the other, the mean of {splits} random splits, and 5 to 95 % of them. A single split is worth
little: rows that follow each other move the mean of every frame, so that it goes up and down by a factor of
10. The limit is the fitted Tukey-lambda curve's divergence, the very law the sensor draws from, or twice
the floor, whichever is more. At the ISO not trained on all interpolate.

{values}

At 2400 most of the distance is the strength: log-log between ISOs an octave apart is up to 2 % too high for
this sensor, whose variances are linear in ISO squared.

## Other distances from these darks

Row means: largest difference of the autocorrelation at lags 1 to 20. Sites: largest difference of the
covariance of a cell's sites, share of the largest. Neighbours: difference of the correlation with the next
pixel of the colour. The floor is the first half of the darks against the second.

{others}

## Spectrum of row means

Largest deviation from the sensor's own spectrum at the bins (of 33) that hold 2 % of the power or more;
real darks are 32, drawn ones 96.

{rows}

Within 10 % was aimed at. Without line channels there are no rows.

![row spectra](images/generator_row_spectra.png)

Real above made, ISO {isos}, equal stretch:

![real and made](images/generator_sheet.png)
""".replace("{isos}", ", ".join(str(iso) for iso in ISOS))


def main() -> None:
    """Write frames, or the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("frames", "judge"))
    parser.add_argument("work", type=Path)
    parser.add_argument("--write", type=Path, default=Path("docs/results/generator_training.md"))
    options = parser.parse_args()
    if options.action == "frames":
        write_frames(options.work)
    else:
        judge(options.work, options.write)


if __name__ == "__main__":
    main()
