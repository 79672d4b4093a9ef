# SPDX-License-Identifier: Apache-2.0
"""`lrd explore`: a page in the browser that shows raw pictures before and after."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrd_ext.plain_text import plain

if TYPE_CHECKING:
    from jsonargparse import Namespace


def add_to(commands: Any) -> None:
    """Add the command's parser."""
    from .parser import Parser

    parser = Parser(
        description="Serve a page to this machine's browser alone: raw pictures before and after with the "
        "noise of a camera, that noise against its prediction, and how to make it with lrd synth."
    )
    parser.add_argument(
        "raws", nargs="*", metavar="RAW", type=str, help="raw files to choose from (default: a bundled one)"
    )
    parser.add_argument(
        "--camera",
        action="append",
        default=[],
        type=str,
        metavar="FILE",
        help="a profile JSON on offer beside the cameras of the library; may be given again",
    )
    parser.add_argument(
        "--generator",
        action="append",
        default=[],
        type=str,
        metavar="FILE",
        help="a generator file on offer beside those that ship; may be given again",
    )
    parser.add_argument(
        "--port", type=int, default=8765, help="port of the page (default 8765; 0: a free one)"
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    commands.add_subcommand("explore", parser, help="see and measure noise on raw pictures in the browser")


def run(options: Namespace) -> int:
    """Serve the page until Ctrl-C and return the exit code."""
    if not 0 <= options.port <= 65535:
        raise ValueError(f"--port must be 0 to 65535, got {options.port}")
    _check_packages()
    from lrd_ext.app import Exploration, serve

    warnings.filterwarnings("ignore", "(?s).*doubtful")  # the page says so where it matters
    exploration = Exploration([Path(p) for p in options.raws], options.camera, options.generator)

    def ready(address: str) -> None:
        print(plain(f"{address} (Ctrl-C ends it)"), flush=True)
        if options.open:
            import webbrowser

            webbrowser.open(address)

    try:
        serve(exploration, options.port, ready)
    except KeyboardInterrupt:  # the way to end it
        pass
    except OSError as error:
        raise ValueError(
            f"--port {options.port} cannot be had: {os.strerror(error.errno or 0)}; say another"
        ) from error
    return 0


def _check_packages() -> None:
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError:
        raise ValueError("needs the extra app: pip install 'lrd_ext[app]'") from None
