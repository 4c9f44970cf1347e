"""A store of version 1 becomes one of version 2 whole, whoever reads it or kills it meanwhile."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from regsearch.errors import StorageError
from regsearch.histogram import Histogram
from regsearch.records import Record, Store, store
from regsearch.records.migration import bring_up_to_date
from regsearch.records.rows import COLUMNS, COLUMNS_1
from tests.faults import file_size_limit, run_child
from tests.invariants import check_file
from tests.samples import same, sample_record

RECORDS = [sample_record(n) for n in range(5)]
COUNTED = {"weights/0.weight": Histogram(-1.0, 1.0, np.array([1, 2]), 1, 0)}
GOLDEN = Path(__file__).parent / "golden" / "store_v1.sql"


@pytest.fixture
def make_old(tmp_path: Path) -> Callable[[], Path]:
    """Stores of version 1, each in a folder of its own, with ``RECORDS``."""
    number = count()

    def make() -> Path:
        folder = tmp_path / str(next(number))
        with Store.open(folder / "new") as study:
            study.add(RECORDS)
        schema = "".join(GOLDEN.read_text().partition("INSERT")[0])
        with closing(sqlite3.connect(folder / "study.db")) as old:
            old.executescript(f"{schema} COMMIT;")
            old.execute("ATTACH ? AS new", [str(folder / "new" / "study.db")])
            old.execute("INSERT INTO provenance SELECT * FROM new.provenance")
            old.execute(f"INSERT INTO record SELECT sequence, {COLUMNS_1} FROM new.record")
            old.commit()
        return folder

    return make


def read(folder: Path) -> list[Record]:
    with Store.open(folder, read_only=True) as study:
        return [record for _, record in study.records()]


def version(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "study.db")) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_records_stay_what_they_were(make_old: Callable[[], Path]) -> None:
    folder = make_old()
    assert version(folder) == 1
    assert all(map(same, read(folder), RECORDS))
    Store.open(folder).close()
    assert version(folder) == 2
    assert all(map(same, read(folder), RECORDS))
    added = sample_record(9, distributions=COUNTED)
    with Store.open(folder) as study:
        study.add([added])
    assert all(map(same, read(folder), [*RECORDS, added]))


def test_a_kill_at_any_point_of_sqlite_s_work_leaves_one_version_or_the_other(
    make_old: Callable[[], Path], tmp_path: Path
) -> None:
    whole = (make_old() / "study.db").read_bytes()

    def migrate_until(k: int, folder: Path) -> None:
        left = iter(range(k))

        def tick() -> int:
            return 0 if next(left, None) is not None else os._exit(9)

        def migrate(connection: sqlite3.Connection) -> None:
            connection.set_progress_handler(tick, 12)
            bring_up_to_date(connection)

        store.bring_up_to_date = migrate
        Store.open(folder).close()

    versions = []
    for k in count():
        folder = tmp_path / f"killed {k}"
        folder.mkdir()
        (folder / "study.db").write_bytes(whole)
        done = run_child(partial(migrate_until, k, folder)) == 0
        assert all(map(same, read(folder), RECORDS))
        check_file(folder / "study.db")
        versions.append(version(folder))
        with Store.open(folder) as study:
            study.add([sample_record(9, distributions=COUNTED)])
        assert len(read(folder)) == len(RECORDS) + 1
        if done:
            break
    assert versions == sorted(versions)
    assert versions.count(1) > 5, versions
    assert versions[-1] == 2


def test_who_reads_meanwhile_sees_every_record(make_old: Callable[[], Path]) -> None:
    folder = make_old()
    with Store.open(folder, read_only=True) as reader:
        follow = reader.records()
        assert same(next(follow)[1], RECORDS[0])
        with Store.open(folder) as study:
            added = sample_record(9, distributions=COUNTED)
            study.add([added])
            assert all(map(same, (record for _, record in follow), [*RECORDS[1:], added]))
            assert [same(added, record) for _, record in reader.records(after=5)] == [True]


def test_a_full_disk_leaves_the_version_that_was(make_old: Callable[[], Path]) -> None:
    folder = make_old()
    with file_size_limit(8192), pytest.raises(StorageError, match="cannot open"):
        Store.open(folder)
    assert version(folder) == 1
    assert all(map(same, read(folder), RECORDS))


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("claimed", [1, 2])
def test_a_version_that_is_not_that_of_the_columns_is_damage(
    make_old: Callable[[], Path], claimed: int, read_only: bool
) -> None:
    folder = make_old()
    if claimed == 1:
        Store.open(folder).close()
    with closing(sqlite3.connect(folder / "study.db")) as connection:
        connection.execute(f"PRAGMA user_version = {claimed}")
    before = (folder / "study.db").read_bytes()
    with pytest.raises(StorageError, match=f"columns are not those of version {claimed}"):
        Store.open(folder, read_only=read_only)
    assert (folder / "study.db").read_bytes() == before


def test_a_new_store_has_the_columns_of_a_migrated_one(
    make_old: Callable[[], Path], tmp_path: Path
) -> None:
    folder = make_old()
    Store.open(folder).close()
    Store.open(tmp_path / "fresh").close()
    for study in (folder, tmp_path / "fresh"):
        with closing(sqlite3.connect(study / "study.db")) as connection:
            columns = [row[1] for row in connection.execute("PRAGMA table_info(record)")]
        assert columns == ["sequence", *COLUMNS.split(", ")]
