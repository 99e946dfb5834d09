"""`make tutorials` serves this machine alone, and nobody without the token in the link."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

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
        ["sh", "-c", f"exec {command} --headless --port {port}"],
        cwd=ROOT,
        # a known seed of Python's hash, from which marimo's own --token could be computed
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )
    said = ""
    while (line := server.stdout.readline()) and "http" not in said:
        said += line
    yield re.search(r"http://\S+", said)[0]
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


def test_the_link_opens_the_tutorials(link):
    cookies = urllib.request.HTTPCookieProcessor()
    with urllib.request.build_opener(cookies).open(link) as answer:
        assert "serverToken" in answer.read().decode()


@pytest.mark.parametrize("headers", [FOREIGN, {}], ids=["foreign", "local"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/?file=tutorials/08_autograd.py"),
        ("GET", "/?access_token="),
        ("GET", "/?access_token=guess"),
        ("GET", "/api/status"),
        ("POST", "/api/home/workspace_files"),
        ("POST", "/api/kernel/instantiate"),
        ("POST", "/api/kernel/set_ui_element_value"),
    ],
)
def test_whoever_has_no_token_is_refused(link, headers, method, path):
    status, text = ask(link, path, headers, method)
    assert status in (303, 401, 403)  # 303: to the form that asks for the token
    assert "serverToken" not in text


@pytest.mark.parametrize("headers", [FOREIGN, {}], ids=["foreign", "local"])
def test_whoever_has_no_token_gets_no_session(link, headers):
    path = "/ws?session_id=s_aaaaaa&file=tutorials/08_autograd.py"
    assert ask(link, path, {**headers, **WEBSOCKET})[0] == 403


def test_the_token_is_long_and_new_and_stands_in_no_list_of_processes(link):
    token = urlsplit(link).query.partition("=")[2]
    assert len(token) > 40  # marimo's own are the hash of a text, up to 20 digits
    for arguments in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            assert token.encode() not in arguments.read_bytes()


def test_another_address_of_this_machine_is_not_listened_to(link):
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", urlsplit(link).port))
