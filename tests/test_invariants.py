"""The checker of invariants finds each kind of harm."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from regsearch.disk import TEMPORARY
from regsearch.records import Status, Store
from tests.invariants import check_invariants
from tests.samples import sample_record

RUNS = [sample_record(n).run for n in range(4)]
ENDS = dict(zip(RUNS, [Status.COMPLETED, Status.DIVERGED, Status.STOPPED], strict=False))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    with Store.open(tmp_path) as store:
        store.add([sample_record(n, status=status) for n, status in enumerate(ENDS.values())])
    return tmp_path


def test_a_sound_study_passes(study: Path) -> None:
    (study / "report.html").write_text("<html></html>\n")
    assert check_invariants(study, set(RUNS), acknowledged=ENDS, exit_code=7) == ENDS
    assert check_invariants(study, ENDS.keys(), exit_code=0) == ENDS
    assert check_invariants(study / "not yet begun", set(RUNS)) == {}


def test_lost_changed_and_foreign_runs_are_found(study: Path) -> None:
    with pytest.raises(AssertionError, match="I1"):
        check_invariants(study, set(RUNS), acknowledged=RUNS)
    with pytest.raises(AssertionError, match="I2"):
        check_invariants(study, set(RUNS), acknowledged={RUNS[0]: Status.FAILED})
    with pytest.raises(AssertionError, match="I11"):
        check_invariants(study, set(RUNS[:2]))


@pytest.mark.parametrize("code", [0, 3])
def test_an_exit_code_that_hides_missing_runs_is_found(study: Path, code: int) -> None:
    with pytest.raises(AssertionError, match=f"exit {code}, but"):
        check_invariants(study, set(RUNS), exit_code=code)


def test_a_second_record_of_a_run_is_found(study: Path) -> None:
    with closing(sqlite3.connect(study / "study.db")) as connection:
        connection.executescript(
            "CREATE TABLE copy AS SELECT * FROM record; DROP TABLE record;"
            "INSERT INTO copy SELECT * FROM copy; ALTER TABLE copy RENAME TO record"
        )
    with pytest.raises(AssertionError, match="two records of one run"):
        check_invariants(study, set(RUNS))


def write(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


@pytest.mark.parametrize(
    "harm",
    [
        write("report.html", "<html>"),
        write("facts.json", '{"a": '),
        write("resolved.yaml", ""),
        write("records.csv", "run,seed\na,1\nb"),
        write("figure.svg", "<svg>"),
        write("figure.png", "\x89PNG\r\n"),
        write("epoch-1.json", '{"sha256": "0"}'),
        write(f"left{TEMPORARY}", ""),
    ],
)
def test_a_file_that_is_half_there_is_found(study: Path, harm: Callable[[Path], object]) -> None:
    (study / "epoch-1.pt").write_bytes(b"weights")
    check_invariants(study, set(RUNS), exit_code=7)
    harm(study)
    with pytest.raises((AssertionError, ValueError, SyntaxError)):
        check_invariants(study, set(RUNS), exit_code=7)
