"""Following a study: outages, a server that talks nonsense, the end of the records, files."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from regsearch.track.address import Address
from regsearch.track.courier import Courier
from regsearch.track.follow import follow
from regsearch.track.identity import Identity
from regsearch.track.log import DeliveryLog
from regsearch.track.target import Target


class Script:
    """An ending that takes no time and does one thing at each pause."""

    def __init__(self, *steps: Callable[[], None], closing: bool = False) -> None:
        self.steps = list(steps)
        self.closing = closing
        self.stopped = False
        self.pauses: list[float] = []

    def wait(self, seconds: float) -> None:
        if seconds == 0:
            return
        self.pauses.append(seconds)
        if self.steps:
            self.steps.pop(0)()
        else:
            self.closing = True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A clock on which every look takes a second."""
    seconds = iter(range(1000, 10**6))
    monkeypatch.setattr("regsearch.track.follow.monotonic", lambda: float(next(seconds)))
    yield
    monkeypatch.undo()


@pytest.fixture
def courier(tmp_path: Path, tools: Any) -> Iterator[Callable[[Address, list[Any]], Courier]]:
    logs = []

    def courier(address: Address, records: list[Any]) -> Courier:
        log = DeliveryLog.open(tmp_path / "delivery.db", address.key)
        logs.append(log)
        return Courier(tools.source(records), tmp_path, address, Identity("0f1e", "noise"), log)

    yield courier
    for log in logs:
        log.close()


Make = Callable[[Address, list[Any]], Courier]


def test_records_are_sent_as_they_come(address: Address, courier: Make, tools: Any) -> None:
    records = tools.mix(3)
    sender = courier(address, records)
    script = Script(
        lambda: records.extend(tools.mix(5)[3:]), lambda: records.append(tools.record(6))
    )
    assert follow(sender, address, script, patience_s=0) is None
    outcome = sender.outcome(None)
    assert (outcome.delivered, outcome.outstanding, outcome.exit_code) == (6, 0, 0)
    assert len(tools.content(address)) == 6


def test_what_was_recorded_last_is_not_missed(address: Address, courier: Make, tools: Any) -> None:
    records = tools.mix(2)
    sender, script = courier(address, records), Script()

    def last_record_then_end() -> None:
        records.append(tools.record(3))
        script.closing = True

    script.steps = [last_record_then_end]
    assert follow(sender, address, script, patience_s=0) is None
    assert sender.outcome(None).delivered == 3


def test_nothing_is_lost_in_an_outage(
    address: Address, courier: Make, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, failures = Target.connect, [OSError("refused")] * 8

    def connect_at_last(*args: Any) -> Target:
        if failures:
            raise failures.pop()
        return connect(*args)

    monkeypatch.setattr(Target, "connect", connect_at_last)
    script = Script(*[lambda: None] * 9)
    sender = courier(address, tools.mix(4))
    assert follow(sender, address, script, patience_s=0) is None
    assert script.pauses[:8] == [1, 2, 4, 8, 16, 30, 30, 30]
    assert len(tools.content(address)) == 4


def test_a_long_outage_is_reported_and_caught_up_later(
    address: Address, courier: Make, tools: Any, clock: None
) -> None:
    records = tools.mix(4)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    closed = Address(f"http://ann:s3cret@127.0.0.1:{port}", address.experiment)
    sender, script = courier(closed, records), Script(closing=True)
    trouble = follow(sender, closed, script, patience_s=3)
    assert script.pauses == [1, 2, 4, 4]
    outcome = sender.outcome(trouble)
    assert (outcome.delivered, outcome.outstanding, outcome.exit_code) == (0, 4, 8)
    assert "refused" in str(outcome.error)
    assert "s3cret" not in str(outcome.error)
    later = courier(address, records)
    assert follow(later, address, Script(closing=True), patience_s=0) is None
    assert len(tools.content(address)) == 4


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"out of order"),
        (200, b"<html>hello</html>"),
        (200, b"[1]"),
        (429, b"{}"),
        (200, b"{}"),
    ],
    ids=["error", "page", "list", "busy", "empty"],
)
def test_a_server_that_talks_nonsense_is_survived(
    answer: tuple[int, bytes], courier: Make, tools: Any, clock: None
) -> None:
    with answering(*answer) as uri:
        address = Address(uri, "volumization")
        sender = courier(address, tools.mix(2))
        trouble = follow(sender, address, Script(closing=True), patience_s=2)
    outcome = sender.outcome(trouble)
    assert (outcome.delivered, outcome.outstanding) == (0, 2)
    assert outcome.error


class answering:  # noqa: N801 - reads as a verb
    """A server that gives one answer to everything."""

    def __init__(self, status: int, body: bytes) -> None:
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PATCH = answer  # noqa: N815

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))

    def __enter__(self) -> str:
        self.thread.start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def test_a_stop_ends_it_after_the_batch(address: Address, courier: Make, tools: Any) -> None:
    script = Script()
    script.stopped = True
    sender = courier(address, tools.mix(2))
    outcome = sender.outcome(follow(sender, address, script, patience_s=0))
    assert (outcome.delivered, outcome.outstanding, outcome.exit_code) == (0, 2, 8)


def test_nothing_to_deliver_needs_no_mlflow(
    address: Address, courier: Make, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = tools.mix(3)
    assert follow(courier(address, records), address, Script(closing=True), patience_s=0) is None
    monkeypatch.setattr(Target, "connect", lambda *_: pytest.fail("connected"))
    again = courier(address, records)
    assert follow(again, address, Script(closing=True), patience_s=0) is None
    assert again.outcome(None).delivered == 3


def test_a_study_that_was_left_running_is_finished(
    address: Address, courier: Make, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [tools.record(1), tools.record(2)]
    follow(courier(address, records), address, Script(closing=True), patience_s=0)
    records[0] = tools.record(1, finished="2026-03-01T12:00:02+00:00")  # summed up alike
    interrupted = courier(address, records)
    assert interrupted.carry()
    client = MlflowClient(address.uri)
    (parent,) = client.search_runs(["1"], "tags.`regsearch.part` = 'study'")
    assert parent.info.status == "RUNNING"
    follow(courier(address, records), address, Script(closing=True), patience_s=0)
    assert client.get_run(parent.info.run_id).info.status == "FINISHED"


def test_an_empty_study_leaves_no_trace(address: Address, courier: Make, tools: Any) -> None:
    assert follow(courier(address, []), address, Script(closing=True), patience_s=0) is None
    assert MlflowClient(address.uri).get_experiment_by_name(address.experiment) is None


def test_what_was_sent_to_a_store_that_was_removed_is_forgotten(
    address: Address, courier: Make, tools: Any, tmp_path: Path
) -> None:
    records, file = tools.mix(3), address.sqlite_file
    assert file is not None
    follow(courier(address, records), address, Script(closing=True), patience_s=0)
    file.unlink()
    courier(address, records)
    with DeliveryLog.open(tmp_path / "delivery.db", address.key) as log:
        assert (log.entries, log.parent()) == ({}, (None, False))


def test_the_study_is_described_and_its_files_are_kept(
    address: Address, courier: Make, tools: Any, tmp_path: Path
) -> None:
    (tmp_path / "figures").mkdir()
    for name in ("spec.yaml", "report.html", "figures/plane.svg", "not_ours.txt"):
        (tmp_path / name).write_text(f"first {name}")
    records = tools.mix(3)
    follow(courier(address, records), address, Script(closing=True), patience_s=0)
    client = MlflowClient(address.uri)
    (parent,) = client.search_runs(["1"], "tags.`regsearch.part` = 'study'")
    assert parent.info.run_name == "noise"
    assert (parent.info.status, parent.info.end_time) == ("FINISHED", 1772366403000)
    note = parent.data.tags["mlflow.note.content"]
    assert "**3 runs**" in note
    assert "| diverged | 1 |" in note
    assert "1 x out of memory" in note
    kept = {
        f.path
        for path in (None, "figures")
        for f in client.list_artifacts(parent.info.run_id, path)
    }
    assert kept == {"spec.yaml", "report.html", "figures", "figures/plane.svg"}
    (tmp_path / "report.html").write_text("second")
    records.append(tools.record(4))
    follow(courier(address, records), address, Script(closing=True), patience_s=0)
    report = client.download_artifacts(parent.info.run_id, "report.html")
    assert Path(report).read_text() == "second"
    assert "**4 runs**" in client.get_run(parent.info.run_id).data.tags["mlflow.note.content"]
