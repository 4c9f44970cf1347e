from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from regsearch.errors import StorageError
from regsearch.track.log import DeliveryLog
from regsearch.track.view import view_run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "delivery.db"


def test_it_remembers_how_far_each_run_has_come(file: Path, tools: Any) -> None:
    first, second, third = views = [view_run(record, "noise") for record in tools.mix(3)]
    with DeliveryLog.open(file, "here") as log:
        log.expect(views)
        log.created(second.run, "b")
        log.done({third.run: "c"})
        before = dict(log.entries)
    with DeliveryLog.open(file, "here") as log:
        assert log.entries == before
        assert [log.has(view.run, view.finished) for view in views] == [False, False, True]
        assert not log.has(third.run, "another time")
        assert log.entries[first.run].mlflow_run is None
        assert log.entries[second.run].mlflow_run == "b"


def test_targets_are_kept_apart(file: Path, tools: Any) -> None:
    view = view_run(tools.record(1), "noise")
    with DeliveryLog.open(file, "here") as here, DeliveryLog.open(file, "there") as there:
        here.expect([view])
        here.set_parent("p", whole=True)
        assert there.parent() == (None, False)
    with DeliveryLog.open(file, "there") as there:
        assert there.entries == {}
        there.forget()
    with DeliveryLog.open(file, "here") as here:
        assert set(here.entries) == {view.run}
        assert here.parent() == ("p", True)


def test_forgetting_everything_forgets_the_parent_and_the_files(file: Path, tools: Any) -> None:
    with DeliveryLog.open(file, "here") as log:
        log.expect([view_run(tools.record(1), "noise")])
        log.set_parent("p", whole=True)
        log.sent_file("report.html", "abc")
        log.forget()
    with DeliveryLog.open(file, "here") as log:
        assert (log.entries, log.files, log.parent()) == ({}, {}, (None, False))


def test_a_file_of_another_kind_is_refused_with_advice(file: Path) -> None:
    file.write_bytes(b"this is no database" * 100)
    with pytest.raises(StorageError, match="It can be removed"):
        DeliveryLog.open(file, "here")
