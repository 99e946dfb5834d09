"""`make tutorials` serves this machine alone, and nobody without the token in the link."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tutorials.contents import notebooks

ROOT = Path(__file__).parent.parent.parent
FOREIGN = {"Host": "evil.example", "Origin": "http://evil.example"}
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


@pytest.fixture(scope="module")
def link():
    """The link that `make tutorials` opens: its own command, with a port and without a browser."""
    recipe = re.search(r"^tutorials:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.M)[1]
    command = recipe.splitlines()[-1].strip().replace("$(PY)", sys.executable)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    server = subprocess.Popen(
        [*command.split(), "--headless", "--port", str(port)],
        cwd=ROOT,
        # A known seed of Python's hash: marimo's own token could be computed from it.
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )
    yield re.search(r"http://\S+", server.stdout.readline())[0]
    server.send_signal(signal.SIGINT)
    server.wait(30)


def ask(link, path, headers, method="GET"):
    """The status of the answer and what it holds."""
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(link).port, timeout=30)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    status, text = answer.status, "" if answer.status == 101 else answer.read().decode()
    connection.close()
    return status, text


def cookie(link):
    """What the link leaves in the browser that opens it."""
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(link).port, timeout=30)
    connection.request("GET", f"/?{urlsplit(link).query}")
    answer = connection.getresponse()
    assert answer.status == 303 and answer.headers["Location"] == "/"
    kept = answer.headers["Set-Cookie"]
    assert "HttpOnly" in kept and "SameSite=lax" in kept
    return {"Cookie": kept.partition(";")[0]}


def test_the_link_opens_the_index_and_every_tutorial(link):
    ours = cookie(link)
    status, text = ask(link, "/", ours)
    assert status == 200
    for it in notebooks():
        assert it.title in text
        assert f'href="{it.name}/index.html"' in text
        assert ask(link, f"/{it.name}/", ours)[0] == 200
        assert ask(link, f"/{it.name}/index.html", ours)[0] == 307
        assert ask(link, f"/thumbnails/{it.name}.png", ours, "HEAD")[0] == 200


ROUTES = [
    ("GET", "/"),
    ("GET", "/09_autograd/"),
    ("GET", "/?access_token="),
    ("GET", "/?access_token=guess"),
    ("GET", "/?access_token=é"),
    ("GET", "/thumbnails/01_neurons.png"),
    ("GET", "/09_autograd/api/status"),
    ("POST", "/09_autograd/api/kernel/instantiate"),
    ("POST", "/09_autograd/api/kernel/set_ui_element_value"),
    ("GET", "/09_autograd/ws?session_id=s_aaaaaa"),
]


@pytest.mark.parametrize("headers", [FOREIGN, {}], ids=["foreign", "local"])
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_whoever_has_no_token_is_refused(link, headers, method, path):
    socket = WEBSOCKET if "/ws" in path else {}
    assert ask(link, quote(path, safe="/?=&"), {**headers, **socket}, method)[0] == 403


OTHERS = [
    FOREIGN,
    {"Host": "evil.example"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "null"},
]


@pytest.mark.parametrize("headers", OTHERS)
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_another_host_or_site_is_refused_even_with_the_token(link, headers, method, path):
    socket = WEBSOCKET if "/ws" in path else {}
    given = {**cookie(link), **headers, **socket}
    assert ask(link, quote(path, safe="/?=&"), given, method)[0] == 403
    assert ask(link, f"/?{urlsplit(link).query}", headers)[0] == 403


def test_the_token_opens_a_session(link):
    port = urlsplit(link).port
    given = {**cookie(link), **WEBSOCKET, "Origin": f"http://127.0.0.1:{port}"}
    assert ask(link, "/09_autograd/ws?session_id=s_aaaaaa", given)[0] == 101


def test_the_token_is_long_and_stands_in_no_list_of_processes(link):
    token = urlsplit(link).query.partition("=")[2]
    assert len(token) > 40
    for arguments in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            assert token.encode() not in arguments.read_bytes()


def test_another_address_of_this_machine_is_not_listened_to(link):
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", urlsplit(link).port))
