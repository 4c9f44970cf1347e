from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from regsearch.track import Tracking, reachable
from regsearch.track.address import Address


class Server(BaseHTTPRequestHandler):
    answer: tuple[int, bytes] = (200, b"{}")
    seen: str | None = None

    def do_GET(self) -> None:
        type(self).seen = self.headers.get("Authorization")
        status, body = self.answer
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_server_that_answers_is_reachable(
    server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "answer", (200, json.dumps({"experiments": []}).encode()))
    assert reachable(Tracking(f"http://127.0.0.1:{server.server_port}")) is None


def test_credentials_go_into_the_header_only(
    server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "answer", (401, b""))
    problem = reachable(Tracking(f"http://ann:s3cret@127.0.0.1:{server.server_port}"))
    assert Server.seen == "Basic YW5uOnMzY3JldA=="  # printf ann:s3cret | base64
    assert "401" in str(problem)
    assert "s3cret" not in str(problem)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    reachable(Tracking(f"http://127.0.0.1:{server.server_port}"))
    assert Server.seen == "Bearer t0ken"


@pytest.mark.parametrize("body", [b"<html>", b"[]"])
def test_another_server_is_told_apart(
    body: bytes, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "answer", (200, body))
    problem = reachable(Tracking(f"http://127.0.0.1:{server.server_port}"))
    assert "no MLflow server" in str(problem)


@pytest.mark.parametrize("scheme", ["http", "postgresql+psycopg2"])
def test_a_closed_port_is_not_reachable(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    problem = reachable(Tracking(f"{scheme}://ann:s3cret@127.0.0.1:{port}/db"))
    assert "refused" in str(problem)
    assert "s3cret" not in str(problem)


def test_a_host_without_a_name_is_not_reachable() -> None:
    assert reachable(Tracking("http://no-such-host.invalid")) is not None


def test_a_local_store_need_not_exist_yet(tmp_path: Path, address: Address) -> None:
    assert reachable(Tracking(f"sqlite:///{tmp_path}/new/mlflow.db")) is None
    assert reachable(Tracking(address.uri)) is None


def test_a_file_that_is_no_store_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database, but long enough for a header" * 10)
    assert "text.db" in str(reachable(Tracking(f"sqlite:///{tmp_path}/text.db")))
