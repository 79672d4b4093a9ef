# SPDX-License-Identifier: Apache-2.0
"""What README and docs print for readers to copy works as printed: Python, command lines, links, JSON."""

from __future__ import annotations

import ast
import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
import torch

from lrd_ext import cli, fused_synth, load_profile
from lrd_ext.commands.parser import own_environment
from lrd_ext.generator import load_generator

ROOT = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if "build" not in path.parts and "made" not in path.parts
}
#: What a block reads that only the reader has; tests in augment, bulk, denoise and datasets run those.
READERS_DATA = ('RawTiles("', '"pairs/', '"tiles"', '"SID/', '"ELD/', '"LRID/')


def blocks(page: str, data: bool = False) -> list[str]:
    """Return the Python of a page that needs no data of the reader's, or that which does."""
    found = re.findall(r"```python\n(.*?)```", PAGES[page], re.DOTALL)
    return [b for b in found if data == any(name in b for name in READERS_DATA)]


def command_lines() -> list[tuple[str, str]]:
    """Return every line of a block that begins with "lrd ", without its comment, and its page."""
    found = []
    for page, text in PAGES.items():
        text = re.sub(r"\\\n\s*", "", text)
        fenced = re.findall(r"```(?:sh|bash)\n(.*?)```", text, re.DOTALL)
        indented = re.findall(r"(?m)^ {4}(.*)$", text)
        lines = [line for block in fenced for line in block.splitlines()] + indented
        found += [(page, line) for line in lines if re.match(r"lrd [a-z]", line)]
    return found


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)])
@pytest.mark.filterwarnings("ignore:.*doubtful")
def test_python_runs_as_printed(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("my_camera.json", "camera.json"):
        load_profile("sony_a7s2").save(name)
    load_generator("simulated_sensor").save("gen.safetensors")
    names: dict = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for place, block in enumerate(blocks(page)):
            exec(compile(block, f"{page}, Python block {place + 1}", "exec"), names)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, data=True)])
def test_what_needs_data_of_the_reader_imports_what_there_is(page):
    for block in blocks(page, data=True):
        imports = [node for node in ast.parse(block).body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), page, "exec"), {})


def test_the_op_as_plain_torch_draws_the_same_noise():
    """Mean and deviation of flat frames lie within 5 standard errors of each other, at every site."""
    block = next(b for b in blocks("README.md") if "torch.poisson" in b)
    torch.manual_seed(5)
    profile, clean = load_profile("sony_a7s2"), torch.full((1, 4, 256, 256), 0.2)
    names = {"torch": torch, "profile": profile, "clean": clean}
    exec(compile(block, "README.md", "exec"), names)
    ours = fused_synth(clean, profile.at(iso=6400, ratio=100), seed=5)[0]
    for a, b in zip(names["noisy"], ours, strict=True):
        assert (a.std() / b.std()).item() == pytest.approx(1, abs=5 / 256)
        lines = (
            names["p"].sigma_row ** 2 + names["p"].sigma_col ** 2
        ).item() / 256  # what a plane's mean keeps
        error = (2 * (a.var().item() / 256**2 + lines * (100 / 15871) ** 2)) ** 0.5
        assert abs((a.mean() - b.mean()).item()) < 5 * error


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_every_command_line_is_understood(page, line, capsys):
    words = shlex.split(line, comments=True)[1:]
    with own_environment(), contextlib.suppress(SystemExit):  # which it leaves by, wrong or for --help
        cli._parser().parse_args(words)
    assert capsys.readouterr().err == "", f"{page}: {line}"


@pytest.mark.parametrize("page", PAGES)
def test_links_between_files_lead_somewhere(page):
    """Of pages of the site Sphinx finds the rest, headings too."""
    for target in re.findall(
        r"\]\(([^)\s#]+)[^)]*\)", re.sub(r"```.*?```", "", PAGES[page], flags=re.DOTALL)
    ):
        made = "made/" in target  # when the site is built
        if not target.startswith(("http:", "https:", "mailto:")) and not made:
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"
