# SPDX-License-Identifier: Apache-2.0
"""The page and its data over HTTP, on the loopback interface: read-only, for this machine's browser alone.

No request names a file: what it names is looked up among what the user put on offer. The Host header must be
that of the loopback, so that a foreign name made to point here (DNS rebinding) gets nothing, and the headers
keep other sites from embedding what is here.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrd_ext.plain_text import plain

from .view import Part, View

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from .exploration import Exploration

HOST = "127.0.0.1"
#: The host names a browser on this machine reaches the page by, through an SSH tunnel too.
_OWN_NAMES = (HOST, "localhost")
_PAGE = Path(__file__).with_name("page")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def application(exploration: Exploration) -> Starlette:
    """Return the page's web application."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.responses import JSONResponse
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    e = exploration
    routes = [
        Route("/choices", lambda request: JSONResponse(e.choices())),
        Route("/picture", _answer(lambda q: e.picture_facts(_number(q)), "application/json")),
        Route("/overview.jpg", _answer(lambda q: e.overview(_number(q)), "image/jpeg")),
        Route("/clean.bmp", _answer(lambda q: e.clean_picture(Part.of(q)), "image/bmp")),
        Route("/noisy.bmp", _answer(lambda q: e.noisy_picture(View.of(q)), "image/bmp")),
        Route("/residual.bmp", _answer(lambda q: e.residual_picture(View.of(q)), "image/bmp")),
        Route("/mean_variance.png", _answer(lambda q: e.mean_variance_plot(View.of(q)), "image/png")),
        Route("/residual.png", _answer(lambda q: e.residual_plot(View.of(q)), "image/png")),
        Route("/facts", _answer(lambda q: e.facts(View.of(q)), "application/json")),
        Route("/noisy.dng", _answer(lambda q: e.dng(View.of(q)), "image/x-adobe-dng")),
        Mount("/", StaticFiles(directory=_PAGE, html=True)),
    ]
    own_hosts = Middleware(TrustedHostMiddleware, allowed_hosts=_OWN_NAMES, www_redirect=False)
    refusals: Any = {ValueError: _refuse, OSError: _refuse}
    return Starlette(routes=routes, middleware=[own_hosts], exception_handlers=refusals)


def serve(exploration: Exploration, port: int, ready: Callable[[str], None]) -> None:
    """Serve the page until interrupted.

    Args:
        exploration: what it shows.
        port: TCP port on the loopback interface; 0 takes a free one.
        ready: called with the page's address when it can be opened.

    Raises:
        OSError: the port is taken.
        KeyboardInterrupt: the user ended it.
    """
    import uvicorn

    with socket.create_server((HOST, port)) as listening:
        settings = uvicorn.Config(
            application(exploration), log_level="warning", server_header=False, headers=[*_HEADERS.items()]
        )
        threading.Thread(target=exploration.warm_up).start()
        ready(f"http://{HOST}:{listening.getsockname()[1]}/")
        uvicorn.Server(settings).run(sockets=[listening])


def _answer(work: Callable[[Any], Any], kind: str) -> Callable[[Request], Response]:
    """Return an endpoint, run in a thread of its own, that works out its content from the query."""

    def endpoint(request: Request) -> Response:
        from starlette.responses import JSONResponse, Response

        content = work(request.query_params)
        if kind == "application/json":
            return JSONResponse(content)
        return Response(content, media_type=kind)

    return endpoint


def _number(query: Any) -> int:
    text = query.get("picture", "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"picture must be a whole number, got {text[:40]!r}")
    return int(text)


def _refuse(request: Request, error: Exception) -> Response:
    from starlette.responses import PlainTextResponse

    text = error.strerror if isinstance(error, OSError) and error.strerror else error
    return PlainTextResponse(plain(text), status_code=400)
