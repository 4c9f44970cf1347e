"""The process beside the driver, with a real store and a real MLflow file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from regsearch.errors import ExitCode
from regsearch.records import Store
from regsearch.track import Delivery, Outcome, Tracking, outcome_on_disk, process
from regsearch.track.__main__ import carry_study
from regsearch.track.address import Address
from regsearch.track.identity import Identity, identify


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "noise"
    folder.mkdir()
    return folder


def add(folder: Path, records: list[Any]) -> None:
    with Store.open(folder) as store:
        store.add(records)


def test_importing_the_drivers_end_imports_no_mlflow() -> None:
    heavy = "{'mlflow', 'sqlalchemy', 'torch', 'ray', 'pandas'}"
    code = f"import regsearch.track.__main__, sys; print({heavy} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"


def test_a_study_is_delivered_while_it_grows(study: Path, address: Address, tools: Any) -> None:
    tracking = Tracking(address.uri, address.experiment)
    add(study, tools.mix(3))
    delivery = Delivery.start(study, tracking)
    while outcome_on_disk(study, tracking, "noise").delivered < 3:
        time.sleep(0.05)
    add(study, tools.mix(5)[3:])
    (study / "report.html").write_text("<p>done</p>")
    assert delivery.finish(timeout_s=60) == Outcome(5, 0)
    assert len(tools.content(address)) == 5


def test_a_dead_server_costs_the_driver_its_patience_at_most(
    study: Path, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "LAST_WORDS_S", 0.5)
    add(study, tools.mix(2))
    delivery = Delivery.start(study, Tracking("http://127.0.0.1:9"))
    before = time.monotonic()
    outcome = delivery.finish(timeout_s=1)
    assert time.monotonic() - before < 1 + 0.5 + 2
    assert (outcome.delivered, outcome.outstanding) == (0, 2)
    assert outcome.error


def test_a_stopped_process_says_how_far_it_came(study: Path, tools: Any) -> None:
    add(study, tools.mix(2))
    delivery = Delivery.start(study, Tracking("http://127.0.0.1:9"))
    while not (study / "delivery.db").exists():  # then it listens to signals
        time.sleep(0.05)
    os.kill(delivery._process.pid, signal.SIGTERM)
    outcome = delivery.finish(timeout_s=30)
    assert delivery._process.returncode == ExitCode.UNDELIVERED
    assert (outcome.delivered, outcome.outstanding) == (0, 2)
    assert "delivery.log" not in str(outcome.error)


def test_a_study_is_what_its_store_says(study: Path) -> None:
    assert identify(study) == Identity("noise", "noise")
    with Store.open(study) as store:
        store.set_facts(name="noise on digits", id="0f1e")
    assert identify(study) == Identity("0f1e", "noise on digits")


def test_a_killed_process_is_accounted_for(study: Path, address: Address, tools: Any) -> None:
    add(study, tools.mix(2))
    delivery = Delivery.start(study, Tracking(address.uri, address.experiment))
    os.kill(delivery._process.pid, signal.SIGKILL)
    outcome = delivery.finish(timeout_s=10)
    assert (outcome.delivered, outcome.outstanding) == (0, 2)
    assert "delivery.log" in str(outcome.error)
    delivery.abort()  # a second end does no harm


def test_one_process_delivers_at_a_time(study: Path, address: Address, tools: Any) -> None:
    class End:
        closing, stopped = True, False

        def wait(self, seconds: float) -> None:
            time.sleep(seconds)

    add(study, tools.mix(2))
    tracking = Tracking(address.uri, address.experiment)
    with FileLock(study / ".delivery.lock"):
        outcome = carry_study(study, tracking, End(), patience_s=0.1)
    assert "another process" in str(outcome.error)
    assert outcome.exit_code == ExitCode.UNDELIVERED
    assert carry_study(study, tracking, End(), patience_s=0.1) == Outcome(2, 0)


def test_a_folder_without_a_study_is_an_answer_not_a_crash(study: Path) -> None:
    command = [sys.executable, "-m", "regsearch.track", str(study)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == ExitCode.UNDELIVERED
    assert "no study" in str(Outcome.from_json(told.stdout).error)


@pytest.mark.slow
def test_studies_that_start_at_once_share_a_store_that_is_not_there_yet(
    tmp_path: Path, tools: Any
) -> None:
    tracking = Tracking(f"sqlite:///{tmp_path}/mlflow.db", "all")
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for number, folder in enumerate(folders):
        folder.mkdir()
        add(folder, [tools.record(number)])
    deliveries = [Delivery.start(folder, tracking) for folder in folders]
    assert [delivery.finish(timeout_s=120) for delivery in deliveries] == [Outcome(1, 0)] * 3
    assert len(tools.content(Address(str(tracking.tracking_uri), "all"))) == 3
