"""What the driver makes of an executor's events: records, a tally, and no checkpoint too many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from regsearch.errors import ConflictError
from regsearch.records import Status, Store
from regsearch.study.checkpoints import PackCheckpoints, begun
from regsearch.study.driver import Driver
from regsearch.study.executors import Advanced, Begun, Failed, Finished
from regsearch.study.pack import Pack
from regsearch.study.place import Place
from regsearch.study.progress import Tally
from regsearch.study.work import Outcome, Progress
from regsearch.train.engine import Engine
from tests.tiny import load_tiny, result

EPOCHS = 2  # of each run of the tiny study


class Told:
    """A driver with all that it writes to."""

    def __init__(self, folder: Path, store: Store) -> None:
        runs = load_tiny(folder, seeds=3).expand()
        self.packs = [Pack(tuple(runs[at : at + 3]), Engine()) for at in (0, 3)]
        self.folder, self.store = folder / "checkpoints", store
        self.tally = Tally(len(runs), 0, EPOCHS * len(runs), "test_accuracy", True)
        self.changes = 0
        self.driver = Driver(store, self.folder, self.tally, self.changed)
        self.driver.begin(self.packs)

    def changed(self) -> None:
        self.changes += 1


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    with Store.open(tmp_path) as store:
        yield Told(tmp_path, store)


def finished(pack: Pack) -> Finished:
    return Finished(pack, [Outcome(run.run, result(), None, 3) for run in pack.runs])


def test_a_finished_pack_is_on_the_disk_when_tell_returns(told: Told, tmp_path: Path) -> None:
    pack = told.packs[0]
    told.driver.tell(finished(pack))
    with Store.open(tmp_path, read_only=True) as reader:
        records = [record for _, record in reader.records()]
    assert [record.run for record in records] == [run.run for run in pack.runs]
    assert [record.cell for record in records] == [run.cell for run in pack.runs]
    assert [record.task for record in records] == [run.task.content() for run in pack.runs]
    for record in records:
        assert record.status is Status.COMPLETED
        assert record.distributions["weights/0.weight"].counts.tolist() == [1, 2]
        assert record.provenance["pack"] == 3
        assert record.provenance["versions"]["torch"]
        assert record.provenance["node"] is None, "nobody said where"
        assert record.provenance["data"] == record.task["dataset"]["fingerprint"]
    assert told.tally.line().startswith("3/6 runs")
    assert told.changes == 1


def test_a_record_says_on_which_node_and_device_it_was_trained_last(told: Told) -> None:
    first, second = told.packs
    for event in (Begun(first), Advanced(first, Progress(3), Place("one", "NVIDIA H200", 7))):
        told.driver.tell(event)
    told.driver.tell(Begun(first))  # its node was lost
    told.driver.tell(Advanced(first, Progress(3), Place("two", "AMD EPYC", 7)))
    told.driver.tell(Advanced(first, Progress(3)))
    told.driver.tell(finished(first))
    told.driver.tell(Begun(second, Place("one", "NVIDIA H200", 7)))
    told.driver.tell(Failed(second, "lost"))
    made = [record.provenance for _, record in told.store.records()]
    places = [(each["node"], each["device_name"], each["device"]) for each in made]
    assert places == [("two", "AMD EPYC", "cpu")] * 3 + [("one", "NVIDIA H200", "cpu")] * 3


def test_a_failed_pack_is_a_result_with_its_reason(told: Told) -> None:
    told.driver.tell(Failed(told.packs[0], "RuntimeError: shapes"))
    records = [record for _, record in told.store.records()]
    assert {(record.status, record.reason) for record in records} == {
        (Status.FAILED, "RuntimeError: shapes")
    }
    assert all(record.started <= record.finished for record in records)
    assert told.tally.line() == "3/6 runs · 3 failed"


def test_a_run_that_did_not_fit_fails_beside_those_that_did(told: Told) -> None:
    pack = told.packs[0]
    outcomes = finished(pack).outcomes
    outcomes[1] = Outcome(pack.runs[1].run, None, "out of memory", 1)
    told.driver.tell(Finished(pack, outcomes))
    statuses = list(told.store.statuses().values())
    assert statuses == [Status.COMPLETED, Status.FAILED, Status.COMPLETED]


def test_checkpoints_go_with_the_record_of_their_pack_and_of_its_halves(told: Told) -> None:
    pack, other = told.packs
    for part in (pack, pack.part(pack.runs[:1]), pack.part(pack.runs[1:]), other):
        PackCheckpoints(told.folder, part, 2).save(1, {})
    told.driver.tell(finished(pack))
    assert begun(told.folder) == [[run.run for run in other.runs]]
    assert len(list(told.folder.iterdir())) == 1


def test_smaller_packs_are_the_newer_ones(told: Told) -> None:
    pack = told.packs[0]
    for part in (pack, pack.part(pack.runs[:2])):
        PackCheckpoints(told.folder, part, 2).save(1, {})
    assert [len(names) for names in begun(told.folder)] == [2, 3]


def test_a_damaged_list_of_runs_is_as_if_the_pack_had_not_begun(told: Told) -> None:
    PackCheckpoints(told.folder, told.packs[0], 2).save(1, {})
    [names] = told.folder.glob("*/runs.json")
    names.write_text(names.read_text()[:-3])
    assert begun(told.folder) == []


def test_a_record_is_final(told: Told) -> None:
    told.driver.tell(finished(told.packs[0]))
    with pytest.raises(ConflictError, match="final"):
        told.driver.tell(Failed(told.packs[0], "late news"))
    assert set(told.store.statuses().values()) == {Status.COMPLETED}


def test_the_work_left_is_known_when_a_pack_was_resumed_or_ended_early(told: Told) -> None:
    first, second = told.packs
    told.driver.tell(Advanced(first, Progress(3)))  # one epoch; the other was in a checkpoint
    told.driver.tell(finished(first))
    assert (told.tally.epochs_done, told.tally.epochs) == (3, 3 + EPOCHS * 3)
    told.driver.tell(Advanced(second, Progress(9)))  # one epoch twice, after a failure
    told.driver.tell(finished(second))
    assert told.tally.epochs_done == told.tally.epochs == 12


def test_diverged_runs_are_counted_over_packs_and_once(told: Told) -> None:
    for pack, diverged in zip([*told.packs, told.packs[0]], (1, 2, 2), strict=True):
        told.driver.tell(Advanced(pack, Progress(3, diverged, {"test_accuracy": 0.25})))
    assert told.tally.diverged == 4
    assert told.tally.best == 0.25
    told.driver.tell(Failed(told.packs[1], "lost"))
    assert told.tally.diverged == 2
