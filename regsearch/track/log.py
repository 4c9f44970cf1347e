"""What has been sent where: a small SQLite file beside the records, written by one process.

A run is written down before it is created in MLflow. So, after a crash at any moment, a run that is
not in the log does not exist there, and one that is in it without an id may exist and is searched.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from regsearch.errors import StorageError
from regsearch.track.view import RunView

LOG_NAME = "delivery.db"

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    target TEXT, run TEXT, finished TEXT NOT NULL, mlflow_run TEXT, done INTEGER NOT NULL,
    PRIMARY KEY (target, run)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parents (
    target TEXT PRIMARY KEY, mlflow_run TEXT NOT NULL, whole INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    target TEXT, path TEXT, digest TEXT NOT NULL, PRIMARY KEY (target, path)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Entry:
    """How far one record has come."""

    finished: str  # tells the record from one of the same run trained again
    mlflow_run: str | None = None
    done: bool = False


class DeliveryLog:
    """What one study has delivered to one target."""

    def __init__(self, connection: sqlite3.Connection, target: str) -> None:
        self._connection = connection
        self._target = target
        rows = connection.execute(
            "SELECT run, finished, mlflow_run, done FROM runs WHERE target = ?", [target]
        )
        self.entries = {run: Entry(when, mlflow, bool(done)) for run, when, mlflow, done in rows}
        files = connection.execute("SELECT path, digest FROM files WHERE target = ?", [target])
        self.files: dict[str, str] = dict(files)

    @classmethod
    def open(cls, file: Path, target: str) -> DeliveryLog:
        """Open the log in ``file``, or begin it.

        Raises:
            StorageError: the file cannot be written, or is no such log.
        """
        try:
            connection = sqlite3.connect(file, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(SCHEMA)
            return cls(connection, target)
        except sqlite3.Error as error:
            raise StorageError(
                f"{file}: cannot be used as delivery log: {error}. It can be removed: what has "
                "been delivered is then searched in MLflow"
            ) from error

    def has(self, run: str, finished: str) -> bool:
        """Whether this very record has been delivered."""
        entry = self.entries.get(run)
        return entry is not None and entry.done and entry.finished == finished

    def expect(self, views: Iterable[RunView]) -> None:
        """Write down that these are about to be created."""
        self._write({view.run: Entry(view.finished) for view in views})

    def created(self, run: str, mlflow_run: str) -> None:
        """Write down the id that MLflow gave to a run."""
        self._write({run: Entry(self.entries[run].finished, mlflow_run)})

    def done(self, mlflow_runs: Mapping[str, str]) -> None:
        """Write down that runs are complete, with their ids."""
        self._write(
            {run: Entry(self.entries[run].finished, id_, True) for run, id_ in mlflow_runs.items()}
        )

    def forget(self, runs: Iterable[str] | None = None) -> None:
        """Forget ``runs``, or everything that was sent."""
        if runs is None:
            self.entries, self.files = {}, {}
            for table in ("runs", "files", "parents"):
                query = f"DELETE FROM {table} WHERE target = ?"  # noqa: S608
                self._connection.execute(query, [self._target])
            return
        for run in runs:
            del self.entries[run]
            self._connection.execute(
                "DELETE FROM runs WHERE target = ? AND run = ?", [self._target, run]
            )

    def parent(self) -> tuple[str | None, bool]:
        """MLflow's id of the study, and whether the log holds all that was ever sent under it."""
        row = self._connection.execute(
            "SELECT mlflow_run, whole FROM parents WHERE target = ?", [self._target]
        ).fetchone()
        return (row[0], bool(row[1])) if row else (None, False)

    def set_parent(self, mlflow_run: str, *, whole: bool) -> None:
        """Write down MLflow's id of the study."""
        self._connection.execute(
            "REPLACE INTO parents VALUES (?, ?, ?)", [self._target, mlflow_run, whole]
        )

    def sent_file(self, path: str, digest: str) -> None:
        """Write down that a file with this content is among the artifacts."""
        self._connection.execute(
            "REPLACE INTO files VALUES (?, ?, ?)", [self._target, path, digest]
        )
        self.files[path] = digest

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> DeliveryLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _write(self, entries: Mapping[str, Entry]) -> None:
        rows = [(self._target, run, e.finished, e.mlflow_run, e.done) for run, e in entries.items()]
        self._connection.execute("BEGIN")
        with self._connection:
            self._connection.executemany("REPLACE INTO runs VALUES (?, ?, ?, ?, ?)", rows)
        self.entries.update(entries)
