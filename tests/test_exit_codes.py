"""Every exit code that the command line promises, brought about as a user would."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

from regsearch.api import running
from regsearch.cli import main
from regsearch.cli.files import schema
from regsearch.errors import ExitCode
from regsearch.models import MODELS
from regsearch.models.mlp import Mlp
from regsearch.records import Status
from regsearch.study.checkpoints import begun
from regsearch.study.executors import Event, InProcessExecutor
from regsearch.study.feed import Feed, Packs
from regsearch.study.lock import hold
from regsearch.study.stop import StopSwitch
from tests.faults import small_disk
from tests.invariants import check_invariants
from tests.tiny import (
    TINY,
    StandIn,
    load_tiny,
    marked,
    recorded,
    without_pilot,
    without_report,
    write_tiny,
)

Command = Callable[..., Result]


@pytest.fixture
def regsearch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command line in this process, in an empty folder, with a stand-in for training."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    without_report(monkeypatch)
    without_pilot(monkeypatch)
    monkeypatch.setattr(running, "InProcessExecutor", StandIn)
    monkeypatch.setattr(StandIn, "marks", tmp_path / "marks", raising=False)
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def really_train(monkeypatch: pytest.MonkeyPatch, regsearch: Command) -> None:
    monkeypatch.setattr(running, "InProcessExecutor", InProcessExecutor)


STUDY = Path("studies/tiny")
RUN = ("run", "tiny.yaml", "--in-process")


def test_0_every_run_has_a_valid_record(regsearch: Command, tmp_path: Path) -> None:
    planned = {run.run for run in load_tiny(tmp_path).expand()}
    done = regsearch(*RUN)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-2:] == [
        "4 of 4 runs recorded: 4 completed",
        str(tmp_path / STUDY / "report.html"),
    ]
    check_invariants(STUDY, planned, exit_code=0)
    again = regsearch(*RUN)
    assert again.exit_code == 0
    assert again.output.startswith("All 4 runs are recorded already.")


def test_1_a_bug_says_where_the_evidence_is(
    regsearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(of: str) -> None:
        raise ZeroDivisionError("by accident")

    monkeypatch.setattr(schema, "callback", broken)
    bug = regsearch("schema")
    assert bug.exit_code == ExitCode.BUG
    [file] = re.findall(r"The evidence is in (\S+): please report it", bug.output)
    assert "ZeroDivisionError: by accident" in Path(file).read_text()


MISTAKES: list[tuple[tuple[str, ...], str]] = [
    (("run", "absent.yaml"), "absent.yaml: there is no such file"),
    (("run", "tiny.yaml", "-o", "train.epoch=3"), "Did you mean 'epochs'"),
    (("run", "tiny.yaml", "--no-such-option"), "No such option"),
    (("report", "absent"), "no study 'absent'"),
    (("ls", "modles"), "Did you mean 'models'"),
]


@pytest.mark.parametrize(("words", "told"), MISTAKES)
def test_2_the_users_mistakes(
    regsearch: Command, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    write_tiny(tmp_path)
    mistake = regsearch(*words)
    assert mistake.exit_code == ExitCode.USER
    assert told in mistake.output


def test_2_data_that_is_not_there(regsearch: Command, tmp_path: Path) -> None:
    write_tiny(tmp_path, dataset={"kind": "mnist", "data_root": "data"})
    missing = regsearch(*RUN)
    assert missing.exit_code == ExitCode.USER
    assert str(tmp_path / "data") in missing.output
    assert "train-images-idx3-ubyte" in missing.output


@pytest.fixture
def moody(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """A model that cannot train with three units, until it is repaired."""
    mood = {"broken": True}
    mlp = MODELS["mlp"]

    class Net(nn.Module):
        def __init__(self, net: nn.Module, units: int) -> None:
            super().__init__()
            self.net, self.units = net, units

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.units == 3 and mood["broken"]:
                raise RuntimeError("three units are one too many")
            return self.net(x)

    def build(config: Mlp, shape: tuple[int, ...], classes: int) -> nn.Module:
        return Net(mlp.build(config, shape, classes), config.widths[0])

    monkeypatch.setitem(MODELS._entries, "mlp", mlp._replace(build=build))
    return mood


@pytest.mark.usefixtures("really_train")
def test_3_a_model_that_raises_fails_its_runs_and_retry_trains_them_again(
    regsearch: Command, tmp_path: Path, moody: dict[str, bool]
) -> None:
    write_tiny(tmp_path, model={"kind": "mlp"}, factors={"model.widths": [[2], [3]]})
    failed = regsearch(*RUN)
    assert failed.exit_code == ExitCode.FAILED, failed.output
    assert "8 of 8 runs recorded: 4 completed, 4 failed" in failed.output
    assert "regsearch retry studies/tiny" in failed.output
    records = recorded(STUDY)
    for record in records.values():
        broken = record.task["model"]["widths"] == [3]
        assert record.status is (Status.FAILED if broken else Status.COMPLETED)
        assert record.reason == ("RuntimeError: three units are one too many" if broken else None)
    check_invariants(STUDY, set(records), exit_code=3)
    assert regsearch(*RUN).exit_code == ExitCode.FAILED, "a failure is final until it is retried"

    moody["broken"] = False
    repaired = regsearch("retry", "tiny", "--in-process")
    assert repaired.exit_code == 0, repaired.output
    after = recorded(STUDY)
    assert {record.status for record in after.values()} == {Status.COMPLETED}
    kept = [name for name, record in records.items() if record.status is Status.COMPLETED]
    assert all(after[name].finished == records[name].finished for name in kept)


@pytest.mark.ray
def test_4_no_ray_at_the_address(regsearch: Command, tmp_path: Path) -> None:
    write_tiny(tmp_path)
    began = time.monotonic()
    unreachable = regsearch("run", "tiny.yaml", "--address", "127.0.0.1:1")
    assert unreachable.exit_code == ExitCode.SERVICE, unreachable.output
    assert "Ray on 127.0.0.1:1 cannot be reached" in unreachable.output
    assert "--address" in unreachable.output
    assert time.monotonic() - began < 30
    assert not list(tmp_path.glob("regsearch-ray-*"))


def test_5_a_file_lies_where_the_folder_should_be(regsearch: Command, tmp_path: Path) -> None:
    write_tiny(tmp_path)
    (tmp_path / "taken").write_text("mine")
    for options in ([], ["--fresh"]):
        refused = regsearch(*RUN, "--output", "taken", *options)
        assert refused.exit_code == ExitCode.STORAGE, refused.output
        assert "a file lies where a folder is needed" in refused.output
    assert (tmp_path / "taken").read_text() == "mine"


def test_5_a_store_of_another_version_is_left_as_it_is(regsearch: Command, tmp_path: Path) -> None:
    write_tiny(tmp_path)
    regsearch(*RUN)
    with closing(sqlite3.connect(STUDY / "study.db")) as sql:
        sql.execute("PRAGMA user_version = 99")
    content = (STUDY / "study.db").read_bytes()
    for words in (RUN, ("status", "tiny"), ("export", "tiny")):
        refused = regsearch(*words)
        assert refused.exit_code == ExitCode.STORAGE
        assert "store of version 99" in refused.output
    assert (STUDY / "study.db").read_bytes() == content


def test_5_a_disk_that_fills_up_loses_nothing_and_the_study_goes_on_after_freeing(
    regsearch: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny(tmp_path, seeds=20)
    planned = {run.run for run in load_tiny(tmp_path, seeds=20).expand()}
    with small_disk(tmp_path / "small", "4m") as disk:
        ballast = disk / "ballast"

        class Unlucky(StandIn):
            """Somebody else fills the disk after the tenth pack."""

            def run(self, feed: Feed, tell: Callable[[Event], None], switch: StopSwitch) -> None:
                super().run(Packs([feed.next() for _ in range(10)]), tell, switch)
                with suppress(OSError), ballast.open("wb", buffering=0) as file:
                    while True:
                        file.write(bytes(4096))
                super().run(feed, tell, switch)

        with monkeypatch.context() as patch:
            patch.setattr(running, "InProcessExecutor", Unlucky)
            full = regsearch(*RUN, "--output", disk / "study")
        assert full.exit_code == ExitCode.STORAGE, full.output
        assert "the disk is full" in full.output
        kept = check_invariants(disk / "study", planned)
        assert 20 <= len(kept) < 40
        ballast.unlink()
        again = regsearch(*RUN, "--output", disk / "study")
        assert again.exit_code == 0, again.output
        check_invariants(disk / "study", planned, acknowledged=kept, exit_code=0)
    trained = marked(tmp_path / "marks")
    assert len(trained) <= len(planned) + 2, "only the pack on its way to the disk is done again"


def test_5_a_disk_without_room_for_the_records_is_told_before_training(
    regsearch: Command, tmp_path: Path
) -> None:
    write_tiny(tmp_path, seeds=1000)
    with small_disk(tmp_path / "small", "1m") as disk:
        full = regsearch(*RUN, "--output", disk / "study")
    assert full.exit_code == ExitCode.STORAGE, full.output
    assert "the disk is full" in full.output
    assert marked(tmp_path / "marks") == []


def test_6_another_task_under_the_same_name(regsearch: Command, tmp_path: Path) -> None:
    write_tiny(tmp_path)
    regsearch(*RUN)
    conflict = regsearch(*RUN, "-o", "train.epochs=3")
    assert conflict.exit_code == ExitCode.CONFLICT
    assert "train.epochs was 2, is 3" in conflict.output
    assert regsearch(*RUN, "-o", "train.epochs=3", "--fresh").exit_code == 0


def test_6_another_driver_runs_it(regsearch: Command, tmp_path: Path) -> None:
    write_tiny(tmp_path)
    with hold(STUDY):
        conflict = regsearch(*RUN)
    assert conflict.exit_code == ExitCode.CONFLICT
    assert f"process {os.getpid()} on {socket.gethostname()}" in conflict.output


LONG = {**TINY["train"], "epochs": 100_000}


@pytest.mark.usefixtures("really_train")
def test_7_the_time_budget_is_used_up_and_the_study_can_go_on(
    regsearch: Command, tmp_path: Path
) -> None:
    write_tiny(tmp_path, train=LONG, budget={"time_budget_s": 1.0})
    began = time.monotonic()
    stopped = regsearch(*RUN)
    assert stopped.exit_code == ExitCode.BUDGET, stopped.output
    assert time.monotonic() - began < 30
    assert "0 of 4 runs recorded: none" in stopped.output
    assert "Budget used up; give the same command again to go on." in stopped.output
    [first] = begun(STUDY / "checkpoints")
    epochs = [int(file.stem[6:]) for file in STUDY.rglob("epoch-*.json")]
    assert regsearch(*RUN).exit_code == ExitCode.BUDGET
    assert begun(STUDY / "checkpoints") == [first], "the same pack goes on"
    assert max(int(file.stem[6:]) for file in STUDY.rglob("epoch-*.json")) > max(epochs)


def test_8_mlflow_is_down_and_receives_everything_later(regsearch: Command, tmp_path: Path) -> None:
    write_tiny(tmp_path, tracking={"mlflow": {"tracking_uri": "http://127.0.0.1:9"}})
    began = time.monotonic()
    behind = regsearch(*RUN)
    assert time.monotonic() - began < 30
    assert behind.exit_code == ExitCode.UNDELIVERED, behind.output
    assert "MLflow has not received 4 runs" in behind.output
    assert "4 of 4 runs recorded" in behind.output
    assert (STUDY / "report.html").exists()
    database = tmp_path / "mlflow.db"
    there = regsearch(*RUN, "-o", f"tracking.mlflow.tracking_uri=sqlite:///{database}")
    assert there.exit_code == 0, there.output
    with closing(sqlite3.connect(database)) as sql:
        (runs,) = sql.execute(
            "SELECT count(*) FROM tags WHERE key = 'mlflow.parentRunId'"
        ).fetchone()
    assert runs == 4


def test_9_more_runs_than_the_limit(regsearch: Command, tmp_path: Path) -> None:
    write_tiny(tmp_path, seeds=51, limits={"max_runs": 100})
    refused = regsearch(*RUN)
    assert refused.exit_code == ExitCode.POLICY
    assert "asks for 102 runs, more than limits.max_runs = 100" in refused.output
    assert not STUDY.exists()


def test_a_reader_that_goes_away_is_no_bug(tmp_path: Path) -> None:
    command = f"{sys.executable} -m regsearch schema | true; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert "Internal error" not in ended.stderr


def test_ctrl_c_before_a_study_starts(regsearch: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(of: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(schema, "callback", interrupted)
    assert regsearch("schema").exit_code == ExitCode.INTERRUPTED


def test_the_help_names_every_code(regsearch: Command) -> None:
    told = regsearch("--help").output
    for code in ExitCode:
        assert re.search(rf"\b{int(code)}\b", told), code
