"""Damaged, foreign and future stores: found out, left alone, and never taken for a fresh one."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from regsearch.errors import StorageError
from regsearch.records import Status, Store
from tests.faults import small_disk
from tests.samples import same, sample_record

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    """A store of 60 records, and the bytes of its file."""
    with Store.open(tmp_path) as study:
        study.add([sample_record(n, epochs=40) for n in range(60)])
        study.set_facts(name="whole")
    return (tmp_path / "study.db").read_bytes()


def reads_as_written_or_refuses(folder: Path) -> bool:
    """True if the damage was found; False if all 60 records are what they were."""
    damaged = (folder / "study.db").read_bytes()
    try:
        with Store.open(folder) as study:
            records = [record for _, record in study.records()]
            facts = study.facts()
    except StorageError:
        assert (folder / "study.db").read_bytes() == damaged
        return True
    assert facts == {"name": "whole"}
    assert len(records) == 60
    assert all(same(record, sample_record(n, epochs=40)) for n, record in enumerate(records))
    return False


def test_a_cut_file_is_never_a_fresh_store(tmp_path: Path, whole: bytes) -> None:
    sizes = [0, 1, 15, 16, 99, 100, 101, *range(512, len(whole), 1024), len(whole) - 1]
    for size in sizes:
        (tmp_path / "study.db").write_bytes(whole[:size])
        found = reads_as_written_or_refuses(tmp_path)
        assert found or size > len(whole) - 8192


def test_no_overwritten_bytes_are_read_as_results(tmp_path: Path, whole: bytes) -> None:
    draw = random.Random(0)
    found = 0
    for _ in range(150):
        damaged = bytearray(whole)
        start, length = draw.randrange(len(whole)), draw.choice([1, 1, 4, 100, 4096])
        damaged[start : start + length] = draw.randbytes(len(damaged[start : start + length]))
        (tmp_path / "study.db").write_bytes(damaged)
        found += reads_as_written_or_refuses(tmp_path)
    assert found > 75  # the rest met unused bytes, or changed nothing


ALTERATIONS = [
    *(f"record SET {name} = 'x' || substr({name}, 2)" for name in ("run", "cell", "status")),
    *(f"record SET {name} = replace({name}, '2', '3')" for name in ("started", "finished")),
    *(f"record SET {name} = {name} + 1" for name in ("epochs", "seconds", "checksum")),
    "record SET reason = 'none'",
    "record SET task = replace(task, '0.5', '0.6')",
    "record SET metrics = replace(metrics, '0.', '1.')",
    "record SET measured = replace(measured, 'loss', 'gain')",
    "record SET curves = zeroblob(10)",
    "record SET distributions = zeroblob(10)",
    "provenance SET content = replace(content, '2.15', '2.16')",
    "provenance SET digest = 'x'",
]


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_a_value_that_changed_on_the_disk_is_found(tmp_path: Path, alteration: str) -> None:
    with Store.open(tmp_path) as study:
        study.add([sample_record()])
    with closing(sqlite3.connect(tmp_path / "study.db")) as connection:
        assert connection.execute(f"UPDATE {alteration}").rowcount == 1
        connection.commit()
    with Store.open(tmp_path) as study, pytest.raises(StorageError, match="damaged"):
        list(study.records())


def test_a_log_without_its_store_is_not_replayed_into_a_fresh_one(tmp_path: Path) -> None:
    with Store.open(tmp_path) as study:
        study.add([sample_record()])
        log = (tmp_path / "study.db-wal").read_bytes()
    (tmp_path / "study.db").unlink()
    (tmp_path / "study.db-wal").write_bytes(log)
    with pytest.raises(StorageError, match="it is missing"):
        Store.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["study.db-wal"]


def golden(name: str, folder: Path) -> bytes:
    with closing(sqlite3.connect(folder / "study.db")) as connection:
        connection.executescript((GOLDEN / name).read_text())
    return (folder / "study.db").read_bytes()


def test_a_store_of_version_1_can_be_read_and_extended(tmp_path: Path) -> None:
    before = golden("store_v1.sql", tmp_path)
    with Store.open(tmp_path, read_only=True) as study:
        (number, record), (_, failed) = study.records()
        assert study.facts() == {"name": "golden"}
    assert (number, record.run, record.cell) == (1, "00112233aabbccdd", "aabbccdd00112233")
    assert (record.status, record.reason, record.seed) == (Status.DIVERGED, "loss is nan", 3)
    assert (record.epochs, record.seconds) == (2, 1.25)
    assert record.regularizer == "volumization"
    assert record.metrics == {"test_accuracy": None, "test_accuracy_best": 0.5}
    assert record.curves["train_loss"].tolist() == [2.5, 0.25]
    assert record.provenance == {"torch": "2.15.0", "pack": 2}
    assert (failed.status, failed.curves, failed.metrics) == (Status.FAILED, {}, {})
    assert record.distributions == failed.distributions == {}
    assert (tmp_path / "study.db").read_bytes() == before, "reading changes nothing"
    with Store.open(tmp_path) as study:
        assert study.remove(Status.FAILED) == 1
        study.add([sample_record(0)])
        assert [number for number, _ in study.records()] == [1, 3]
        assert same(next(study.records())[1], record)


def test_a_store_of_version_2_can_be_read_and_extended(tmp_path: Path) -> None:
    golden("store_v2.sql", tmp_path)
    with Store.open(tmp_path) as study:
        (_, record), (_, diverged) = study.records()
        study.add([sample_record(0)])
        assert len(study.statuses()) == 3
    assert diverged.distributions == {}
    assert list(record.distributions) == ["weights/0.weight", "weights/0.bias", "lipschitz"]
    weight, bias, constants = record.distributions.values()
    assert (weight.low, weight.high, weight.peak, weight.missing) == (-0.5, 0.5, 2, 0)
    assert weight.counts.tolist() == [3, 2**40, 0, 7]
    assert (bias.high, bias.counts.tolist(), bias.missing) == (2.0**-140, [0, 5], 1)
    assert constants.edges.tolist() == [0.0, 16 / 3, 32 / 3, 16.0]


@pytest.mark.parametrize("read_only", [False, True])
def test_a_store_of_the_next_version_is_refused(tmp_path: Path, read_only: bool) -> None:
    before = golden("store_v3.sql", tmp_path)
    with pytest.raises(StorageError, match=r"version 3.* versions 1 to 2\..*nothing was changed"):
        Store.open(tmp_path, read_only=read_only)
    assert (tmp_path / "study.db").read_bytes() == before


def test_an_archived_study_is_read_from_a_read_only_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as folder:
        with Store.open(folder) as study:
            study.add([sample_record()])
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        assert not os.access(folder, os.W_OK)
        with Store.open(folder, read_only=True) as study:
            assert len(study.statuses()) == 1
        with pytest.raises(StorageError, match="read-only"):
            Store.open(folder)
