"""What must hold of a study's folder after every fault: I1-I12 of the reliability notes."""

from __future__ import annotations

import csv
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Set
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import yaml

from regsearch.disk import TEMPORARY
from regsearch.records import Status, Store
from regsearch.study.lock import holder


def check_invariants(
    folder: Path,
    planned: Set[str],
    *,
    acknowledged: Iterable[str] | Mapping[str, Status] = (),
    exit_code: int | None = None,
) -> dict[str, Status]:
    """Assert all that a fault must leave intact, and return how each recorded run ended.

    Args:
        folder: the study's folder; its driver is dead.
        planned: hashes of all runs that the pipeline asks for.
        acknowledged: runs whose record the driver had reported as written, perhaps with the
            status that it reported: they are there, and unchanged (I1, I2).
        exit_code: what the driver returned, if it ended by itself: it must say what the store
            says (I9), and nothing of it may be left (I12). ``None`` after a kill.
    """
    statuses = check_store(folder) if (folder / "study.db").exists() else {}
    assert statuses.keys() <= planned, "a record of a run that nobody asked for (I11)"
    for run in acknowledged:
        assert run in statuses, f"run {run} was acknowledged and is lost (I1)"
        if isinstance(acknowledged, Mapping):
            assert statuses[run] is acknowledged[run], f"run {run} changed its status (I2)"
    missing = planned - statuses.keys()
    assert len(statuses) + len(missing) == len(planned), "ended + missing != planned (I6)"
    check_whole_files(folder)
    check_checkpoints(folder)
    if exit_code is not None:
        check_exit(folder, exit_code, missing, Status.FAILED in statuses.values())
    return statuses


def check_exit(folder: Path, exit_code: int, missing: Set[str], failed: bool) -> None:
    """The exit code says what the store says (I9), and the driver is gone altogether (I12)."""
    if exit_code == 0:
        assert not missing, "exit 0, but runs are missing"
        assert not failed, "exit 0, but runs failed"
    if exit_code == 3:
        assert not missing, "exit 3, but not every run ended"
        assert failed, "exit 3, but no run failed"
    assert holder(folder) is None, "the driver ended and holds its lock"
    assert not list(folder.rglob(f"*{TEMPORARY}")), "the driver ended and left temporary files"


def check_store(folder: Path) -> dict[str, Status]:
    """The store opens, and every record is what was written (I2, I3)."""
    check_file(folder / "study.db")
    with Store.open(folder, read_only=True) as store:
        records = [record for _, record in store.records()]  # this verifies each one's checksum
        statuses = store.statuses()
        store.facts()
    assert [(record.run, record.status) for record in records] == list(statuses.items())
    for record in records:
        assert {len(curve) for curve in record.curves.values()} <= {record.epochs}, record.run
    return statuses


def check_file(path: Path) -> None:
    """The store through SQLite alone, so that a fault of ``Store`` cannot hide here (I2)."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as sql:
        assert sql.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert sql.execute("PRAGMA foreign_key_check").fetchall() == []
        assert sql.execute("PRAGMA application_id").fetchone() == (int.from_bytes(b"RegS"),)
        twice = sql.execute("SELECT run FROM record GROUP BY run HAVING count(*) > 1").fetchall()
        assert twice == [], "two records of one run (I2)"


def check_whole_files(folder: Path) -> None:
    """No file is half there under its final name (I10)."""
    for path in (path for path in folder.rglob("*") if path.is_file()):
        match path.suffix:
            case ".json":
                json.loads(path.read_text())
            case ".yaml":
                assert yaml.safe_load(path.read_text()) is not None, path
            case ".html":
                assert path.read_text().rstrip().endswith("</html>"), path
            case ".svg":
                ElementTree.fromstring(path.read_text())
            case ".png":
                assert path.read_bytes()[-8:-4] == b"IEND", path
            case ".csv":
                with path.open(newline="") as lines:
                    lengths = {len(row) for row in csv.reader(lines)}
                assert len(lengths) == 1, f"{path} has rows of {sorted(lengths)} fields"


def check_checkpoints(folder: Path) -> None:
    """Each checkpoint has the SHA-256 that the manifest beside it states (I10)."""
    for manifest in folder.rglob("epoch-*.json"):
        data = manifest.with_suffix(".pt")
        if data.exists():  # a kill may come between the removal of an old one and of its manifest
            stated = json.loads(manifest.read_text())["sha256"]
            assert hashlib.sha256(data.read_bytes()).hexdigest() == stated, manifest
