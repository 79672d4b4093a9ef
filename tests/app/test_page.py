# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser, headless: every control moved, pictures compared, a console without errors."""

from __future__ import annotations

import io
import shutil
from urllib.parse import parse_qsl

import numpy as np
import pytest
from PIL import Image
from rose_raw import ROOT

from lrd_ext.app import Exploration
from lrd_ext.app.view import View
from lrd_ext.raw import read

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
#: The view the tests open the page with: one pixel of the page is one of the picture.
SIZE = {"width": 900, "height": 700}


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    with playwright.sync_playwright() as running:
        # Its sandbox asks for rights that containers lack; it opens nothing but our own page.
        started = running.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


def opened(browser, served, said=None, **options):
    """Open the page in a context of its own; its console goes into ``said``."""
    page = browser.new_context(**options).new_page()
    if said is not None:
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
    page.set_default_timeout(120_000)
    page.goto("http://{}:{}/".format(*served))
    settle(page)
    return page


@pytest.fixture
def page(browser, served):
    """The page; in the end its console must be free of errors."""
    said: list[str] = []
    page = opened(browser, served, said, viewport=SIZE, permissions=["clipboard-read", "clipboard-write"])
    yield page
    page.context.close()
    assert said == []


def settle(page):
    """Wait until the pictures belong to the controls as they stand."""
    page.wait_for_selector("body[data-state=shown], body[data-state=measured]")


def measured(page):
    """Wait until plots and figures do too."""
    page.wait_for_selector("body[data-state=measured]")


def move(page, control, value):
    """Set a control as a user does, and wait for what follows."""
    kind = page.locator(f"#{control}").evaluate("(e) => e.tagName")
    if kind == "SELECT":
        page.select_option(f"#{control}", value)
    else:
        page.fill(f"#{control}", str(value))
    settle(page)


def address(page, of):
    return page.get_attribute(f"#{of}", "data-address")


def view_of(page) -> View:
    path, _, query = address(page, "right").partition("?")
    assert path in ("noisy.bmp", "residual.bmp")
    return View.of(dict(parse_qsl(query)))


def seen(page) -> np.ndarray:
    """Return what the browser paints where the pictures are."""
    box = page.locator("#right").bounding_box()
    left, top = round(box["x"]), round(box["y"])  # painted on whole pixels
    shot = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    return shot[top : top + round(box["height"]), left : left + round(box["width"])]


def test_the_screen_shows_both_pictures_pixel_by_pixel(page):
    view, exploration = view_of(page), Exploration()
    before, after = (
        np.asarray(Image.open(io.BytesIO(data)))
        for data in (exploration.clean_picture(view), exploration.noisy_picture(view))
    )
    assert before.shape == after.shape == seen(page).shape == (view.height, view.width, 3)
    below_labels = slice(60, None)
    for split in (0, 30, 100):
        move(page, "split", split)
        painted, edge = seen(page), round(view.width * split / 100)
        left, right = slice(0, max(edge - 6, 0)), slice(edge + 6, None)  # of the divider and its shadow
        assert np.array_equal(painted[below_labels, left], before[below_labels, left])
        assert np.array_equal(painted[below_labels, right], after[below_labels, right])


def test_every_control_changes_the_picture(page):
    for control, value, expected in (
        ("camera", "nikon_d850", {"camera": "nikon_d850"}),
        ("noise", "read:gaussian", {"noise": "read:gaussian"}),
        ("noise", "generator:simulated_sensor", {"noise": "generator:simulated_sensor"}),
        ("iso", 18, {"iso": 6400}),
        ("ratio", 20, {"ratio": 100}),
        ("ev", 1.5, {"ev": 1.5}),
        ("seed", 12, {"seed": 12}),
    ):
        view, picture = view_of(page), seen(page)
        move(page, control, value)
        assert vars(view_of(page)) == vars(view) | expected
        assert not np.array_equal(seen(page), picture), control
    measured(page)
    command = page.inner_text("#command")
    assert command.endswith(
        "--camera nikon_d850 --iso 6400 --ratio 100 --seed 12 --generator simulated_sensor"
    )
    move(page, "noise", "profile")
    move(page, "picture", "1")
    assert view_of(page).picture == 1
    assert "506 × 762 GBRG" in page.inner_text("#told")  # upright, in whole cells
    measured(page)
    assert "it'\"'\"'s a rose.dng" in page.inner_text("#command")
    assert page.inner_text("#message") == ""


def test_left_of_the_divider_another_camera(page):
    move(page, "before", "sony_imx686")
    assert "camera=sony_imx686" in address(page, "left")
    assert page.inner_text("#left-label") == "sony_imx686, ISO 3200, 1/20 of the light"
    assert "camera=sony_a7s2" in address(page, "right")


def test_the_residual_is_grey(page):
    page.check("input[value=residual]")
    settle(page)
    move(page, "split", 0)
    painted = seen(page)[60:300, 10:]
    assert np.ptp(painted.astype(int), axis=2).max() == 0
    assert abs(painted.mean() - 127.5) < 2
    assert page.inner_text("#right-label") == "residual"


def test_the_part_is_chosen_by_pointer_and_keys(page):
    box = page.locator("#overview").bounding_box()
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.75 * box["height"])
    settle(page)
    view = view_of(page)
    assert (view.x, view.y) == (pytest.approx(0.25, abs=0.01), pytest.approx(0.75, abs=0.01))
    page.locator("#overview").press("ArrowRight")
    page.locator("#overview").press("ArrowUp")
    settle(page)
    moved = view_of(page)
    assert (moved.x - view.x, moved.y - view.y) == (pytest.approx(0.05), pytest.approx(-0.05))


def test_the_divider_moves_by_keys(page):
    page.focus("#split")
    page.keyboard.press("ArrowLeft")
    assert float(page.input_value("#split")) < 50
    assert page.evaluate("getComputedStyle(document.getElementById('right')).clipPath").endswith("49.9%)")


def test_plots_figures_and_verdict_are_there(page):
    measured(page)
    for plot in ("residual-plot", "mean-variance-plot"):
        size = page.locator(f"#{plot}").evaluate("(image) => [image.naturalWidth, image.naturalHeight]")
        assert size == [1400, 460]
    assert page.locator("#figures tr").count() == 11
    assert "that of sony_a7s2 at ISO 3200: " in page.inner_text("#sentence")


def test_command_and_program_are_copied_and_the_dng_downloaded(page, tmp_path):
    measured(page)
    for name in ("command", "python"):
        page.click(f"[data-copies={name}]")
        page.get_by_text("Copied").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == page.locator(f"#{name}").text_content()
        page.wait_for_selector(f"[data-copies={name}]:text('Copy')")
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "canon550d_ml_colorchart_sony_a7s2_iso3200_ratio20.dng"
    path = tmp_path / "noisy.dng"
    download.value.save_as(path)
    assert read(path).mosaic.shape == (1182, 1888)
    assert path.read_bytes() == Exploration([ROOT / "tests/data/canon550d_ml_colorchart.dng"]).dng(
        view_of(page)
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_the_screen(browser, served, scheme):
    phone = {"width": 390, "height": 844}
    page = opened(browser, served, viewport=phone, device_scale_factor=2, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 25, 28)"}[scheme]
    width = view_of(page).width  # of device pixels, not of CSS ones
    assert page.locator("#right").bounding_box()["width"] == pytest.approx(width / 2)
    page.context.close()


def test_what_does_not_work_is_said_and_can_be_left_again(browser, served):
    """The browser itself writes refused requests to its console, so this page is looked at apart."""
    page = opened(browser, served)
    page.select_option("#picture", "2")
    page.wait_for_selector("#message:not(:empty)")
    assert "broken.dng" in page.inner_text("#message")
    move(page, "picture", "1")
    assert page.inner_text("#message") == ""
    page.select_option("#noise", "generator:simulated_sensor")  # made for RGGB, the rose is GBRG
    page.wait_for_selector("#message:not(:empty)")
    assert "CFA" in page.inner_text("#message")
    move(page, "noise", "profile")
    assert page.inner_text("#message") == ""
    page.context.close()
