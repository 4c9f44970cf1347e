from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from regsearch.errors import RegsearchError
from regsearch.records import Store
from regsearch.track import Delivery, Outcome, Tracking, reachable, ui_command, ui_environment
from regsearch.track.address import Address


def test_the_server_is_for_this_machine_only() -> None:
    command = ui_command(Tracking("sqlite:////data/mlflow.db"), port=5001)
    options = dict(zip(command[5::2], command[6::2], strict=True))
    assert command[2:5] == ["-m", "mlflow", "server"]
    assert options["--host"] == "127.0.0.1"
    assert options["--allowed-hosts"] == "127.0.0.1:5001,localhost:5001"


def test_the_store_is_named_where_others_cannot_read_it() -> None:
    tracking = Tracking("postgresql://ann:s3cret@host/db")
    assert "s3cret" not in " ".join(ui_command(tracking))
    environment = ui_environment(tracking)
    assert environment["MLFLOW_BACKEND_STORE_URI"] == tracking.tracking_uri
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_a_server_needs_no_server() -> None:
    with pytest.raises(RegsearchError, match="open http://host:5000"):
        ui_command(Tracking("http://ann:s3cret@host:5000"))


@contextmanager
def serving(address: Address, port: int, log: Path) -> Iterator[Tracking]:
    """A real ``mlflow server``, ended with all that it started."""
    local, served = Tracking(address.uri), Tracking(f"http://127.0.0.1:{port}", address.experiment)
    with log.open("a") as output:
        server = subprocess.Popen(
            ui_command(local, port),
            env=ui_environment(local),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 120
        while problem := reachable(served):
            assert time.monotonic() < deadline, f"{problem}\n{log.read_text()}"
            time.sleep(0.5)
        yield served
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@pytest.mark.slow
def test_a_real_server_that_dies_halfway_loses_nothing(
    address: Address, tmp_path: Path, tools: Any
) -> None:
    folder = tmp_path / "noise"
    folder.mkdir()
    (folder / "report.html").write_text("<p>done</p>")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    records = tools.mix(60)
    with Store.open(folder) as store:
        store.add(records)
    with serving(address, port, tmp_path / "server.log") as served:
        delivery = Delivery.start(folder, served)
        time.sleep(8)
    assert delivery.finish(timeout_s=8).outstanding > 0
    with serving(address, port, tmp_path / "server.log") as served:
        assert Delivery.start(folder, served).finish(timeout_s=180) == Outcome(60, 0)
        (parent,) = MlflowClient(served.tracking_uri).search_runs(
            ["1"], "tags.`regsearch.part`='study'"
        )
        file = MlflowClient(served.tracking_uri).download_artifacts(
            parent.info.run_id, "report.html"
        )
        assert Path(file).read_text() == "<p>done</p>"
    through_server = tools.content(address)
    bulk = Address(address.uri, "bulk")
    assert Delivery.start(folder, Tracking(bulk.uri, "bulk")).finish(timeout_s=60) == Outcome(60, 0)
    directly = tools.content(bulk)
    for run in through_server + directly:
        del run["artifacts"]
    assert through_server == directly
