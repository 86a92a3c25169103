"""limpet.log and real servers: access logs have fields, and every line of a server is JSON."""

import contextlib
import json
import socket
import subprocess
import sys

import pytest

APPLICATION = """
from limpet import log
log.setup()
async def app(scope, receive, send):
    if scope["type"] == "http":
        with log.bind(request_id="4f1c"):
            import logging; logging.getLogger("shop").info("asked")
        await send({"type": "http.response.start", "status": 418, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
def wsgi(environ, start_response):
    start_response("418 I'm a teapot", [("Content-Length", "0")])
    return [b""]
"""


@contextlib.contextmanager
def serving(tmp_path, *command):
    """A server that has inherited our listening socket; yields it and the address."""
    (tmp_path / "shop.py").write_text(APPLICATION)
    (tmp_path / "gunicorn.conf.py").write_text(
        "from limpet import log\ndef on_starting(server): log.setup()\n"
    )
    listening = socket.create_server(("127.0.0.1", 0))
    words = [word.replace("FD", str(listening.fileno())) for word in command]
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=tmp_path,
        pass_fds=[listening.fileno()],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process, listening.getsockname()
    finally:
        listening.close()
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.parametrize(
    "command",
    [
        ("uvicorn", "shop:app", "--fd", "FD", "--loop", "asyncio", "--lifespan", "off"),
        ("gunicorn", "shop:wsgi", "-b", "fd://FD", "--access-logfile", "-", "--no-control-socket"),
    ],
    ids=["uvicorn", "gunicorn"],
)
def test_the_access_log_has_fields(tmp_path, command):
    with serving(tmp_path, *command) as (process, address):
        with socket.create_connection(address, timeout=30) as asking:
            asking.sendall(b"GET /books?isbn=978 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b"418" in asking.recv(100)
        found = {}
        while not (found.get("logger", "").endswith(".access")):
            line = process.stdout.readline()
            assert line, "the server has ended"
            # What a server says before it imports the application is in its own form.
            if line.startswith("{"):
                found = json.loads(line)
                if found["logger"] == "shop":
                    assert found["request_id"] == "4f1c"
    assert (found["method"], found["status"], found["level"]) == ("GET", 418, "info")
    assert found["path"].startswith("/books")
    assert found["client"].startswith("127.0.0.1")
