"""`python -m tutorials`: serve the tutorials to whoever sits here, and to nobody else.

Who reaches a served notebook can make this machine compute, and marimo asks nobody who he is: not
another user of this machine, not a page of another site that is open in the same browser. So this
listens to 127.0.0.1 alone, and answers those who ask for that host, from its own pages, with the
token of the link that opens: a new one each time.
"""

import argparse
import secrets
import socket
import webbrowser
from contextlib import suppress
from hmac import compare_digest

import marimo
import uvicorn
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from tutorials.contents import FOLDER, index, notebooks

HOST, PORT = "127.0.0.1", 2718
NOTE = "Python runs on your machine, so every slider moves. Ctrl-C in the terminal ends it."


class Guard:
    """Lets through who has the token: first in the address, from then on in a cookie."""

    def __init__(self, app: ASGIApp, token: str, port: int):
        self.app, self.token, self.cookie = app, token, f"tutorials_{port}"
        self.hosts = {f"{HOST}:{port}", f"localhost:{port}"}
        self.origins = {f"http://{host}" for host in self.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        asked = HTTPConnection(scope)
        origin = asked.headers.get("origin")
        ours = asked.headers.get("host") in self.hosts and (not origin or origin in self.origins)
        if ours and self.same(asked.cookies.get(self.cookie, "")):
            return await self.app(scope, receive, send)
        answer: Response
        if ours and self.same(asked.query_params.get("access_token", "")):
            answer = RedirectResponse(scope["path"], 303)
            answer.set_cookie(self.cookie, self.token, httponly=True, samesite="lax")
        else:
            answer = PlainTextResponse("Open the link that `make tutorials` printed.", 403)
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        return await answer(scope, receive, send)

    def same(self, given: str) -> bool:
        return compare_digest(given.encode(), self.token.encode())


def application() -> Starlette:
    """The index, and a folder for each notebook, as on the static sites."""
    found = notebooks()
    page = HTMLResponse(index(found, NOTE))
    served = marimo.create_asgi_app(quiet=True, include_code=True)
    for it in found:
        served = served.with_app(path=f"/{it.name}", root=str(it.path))
    return Starlette(
        routes=[
            Route("/", lambda _: page),
            Route("/index.html", lambda _: page),
            Route("/{name}/index.html", lambda asked: RedirectResponse("./")),
            Mount("/thumbnails", StaticFiles(directory=FOLDER / "thumbnails")),
            Mount("/", served.build()),
        ]
    )


def listen(port: int | None) -> socket.socket:
    """On this port, or on the first free one."""
    for number in [port] if port else range(PORT, 65536):
        try:
            return socket.create_server((HOST, number))
        except OSError:
            continue
    raise SystemExit(f"port {port} of {HOST} is taken: name another one, or none")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tutorials", description=__doc__)
    parser.add_argument("--port", type=int, help=f"default: the first free one from {PORT} on")
    parser.add_argument("--headless", action="store_true", help="print the link, open no browser")
    options = parser.parse_args()
    entrance, token = listen(options.port), secrets.token_urlsafe(32)
    port = entrance.getsockname()[1]
    link = f"http://{HOST}:{port}/?access_token={token}"
    server = uvicorn.Server(uvicorn.Config(Guard(application(), token, port), log_level="error"))
    print(f"The tutorials: {link}\nCtrl-C ends them.", flush=True)
    if not options.headless:
        webbrowser.open(link)
    with suppress(KeyboardInterrupt):
        server.run(sockets=[entrance])


if __name__ == "__main__":
    main()
