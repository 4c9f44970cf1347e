"""The store of a study: one SQLite file, in which a record is whole or is not.

One process writes (``study.lock`` sees to that), any number read at the same time. ``add`` returns
after the records are on the disk. Copy a store that is in use with ``sqlite3 study.db .backup``:
``study.db-wal`` beside it holds its newest records.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from regsearch import disk
from regsearch.errors import ConflictError, StorageError, UnknownName
from regsearch.records.migration import bring_up_to_date, is_whole, version_of
from regsearch.records.record import Record, Status
from regsearch.records.rows import (
    COLUMNS,
    COLUMNS_1,
    SCHEMA,
    VERSION,
    DamagedRowError,
    decode,
    decode_provenance,
    encode,
    encode_json,
    encode_provenance,
)

NAME = "study.db"
APPLICATION_ID = 0x52656753  # "RegS": what `file` and we know the store by
PATIENCE_S = 30.0  # for a reader to let go, where readers and the writer exclude each other
PAGE_BYTES = 8192  # holds a few records; SQLite's 4096 would hold one and a waste
BATCH = 1000  # records fetched at a time, so that no long read holds the log back

_ERRNO = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_PERM: errno.EACCES,
}


class Store:
    """The records of one study, in order of arrival; use it as a context manager."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._provenances: dict[str, dict[str, Any]] = {}

    @classmethod
    def open(cls, folder: Path, *, read_only: bool = False) -> Self:
        """Open ``study.db`` in ``folder``; for writing, create it where there is none.

        Raises:
            UnknownName: there is no study to read.
            StorageError: it cannot be opened, is damaged, or of another version. Nothing is
                changed or deleted then.
        """
        path = folder / NAME
        if read_only:
            if not path.is_file():
                raise UnknownName(f"no study at {folder}; `regsearch ls` lists the studies.")
        else:
            disk.require_writable(folder)
            _create(path)
        with _faults(path, "open"):
            connection = _connect(path, read_only)
            try:
                _check_version(connection, path)
                if not read_only:
                    _check_content(connection, path)
                    _make_durable(connection, path)
                    bring_up_to_date(connection)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection)

    def add(self, records: Sequence[Record]) -> None:
        """Record finished runs, all or none; when this returns they are on the disk.

        Raises:
            ConflictError: one of them already has a record, and a record is final.
            StorageError: they could not be written; the store is as before and stays usable.
        """
        provenances = {id(record.provenance): record.provenance for record in records}
        encoded = {key: encode_provenance(value) for key, value in provenances.items()}
        rows = [encode(record, encoded[id(record.provenance)][0]) for record in records]
        places = ", ".join("?" * len(COLUMNS.split(",")))
        try:
            with self._transaction("write to") as sql:
                sql.executemany("INSERT OR IGNORE INTO provenance VALUES (?, ?)", encoded.values())
                sql.executemany(f"INSERT INTO record ({COLUMNS}) VALUES ({places})", rows)  # noqa: S608
        except sqlite3.IntegrityError as refusal:
            raise self._duplicate(records) from refusal

    def statuses(self) -> dict[str, Status]:
        """How each recorded run ended, by run hash, in order of arrival."""
        rows = self._rows("SELECT run, status FROM record ORDER BY sequence")
        try:
            return {run: Status(status) for run, status in rows}
        except ValueError as damage:
            raise _damaged(self.path, str(damage)) from damage

    def records(self, after: int = 0) -> Iterator[tuple[int, Record]]:
        """Sequence number and record of every run that arrived after number ``after``.

        Numbers grow but have gaps, and none is used twice. Records that arrive during the
        iteration are part of it.

        Raises:
            StorageError: a record is damaged.
        """
        while batch := self._batch(after):
            for after, *row in batch:
                try:
                    record = decode(row, self._provenance)
                except DamagedRowError as damage:
                    raise _damaged(self.path, str(damage)) from damage
                yield after, record

    def remove(self, status: Status) -> int:
        """Forget the runs that ended so, that they may be trained again; the number of them."""
        with self._transaction("write to") as sql:
            return sql.execute("DELETE FROM record WHERE status = ?", [status.value]).rowcount

    def facts(self) -> dict[str, Any]:
        """What ``set_facts`` was told about the study."""
        rows = self._rows("SELECT name, value FROM fact")
        try:
            return {name: json.loads(text) for name, text in rows}
        except ValueError as damage:
            raise _damaged(self.path, "a fact about the study cannot be read") from damage

    def set_facts(self, **facts: Any) -> None:
        """Note JSON values about the study, each replacing the one of the same name."""
        rows = [(name, encode_json(value)) for name, value in facts.items()]
        with self._transaction("write to") as sql:
            sql.executemany("INSERT OR REPLACE INTO fact VALUES (?, ?)", rows)

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _batch(self, after: int) -> list[Any]:
        """The next records, as of one moment: a writer may be about to change the version."""
        with self._transaction("read", "BEGIN") as sql:
            columns = f"{COLUMNS_1}, X''" if version_of(sql) == 1 else COLUMNS
            query = f"SELECT sequence, {columns} FROM record WHERE sequence > ? ORDER BY 1 LIMIT ?"  # noqa: S608
            return sql.execute(query, [after, BATCH]).fetchall()

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with _faults(self.path, "read"):
            return self._connection.execute(query, values).fetchall()

    def _provenance(self, digest: str) -> dict[str, Any]:
        if digest not in self._provenances:
            found = self._rows("SELECT content FROM provenance WHERE digest = ?", digest)
            if not found:
                raise DamagedRowError(f"provenance {digest}")
            self._provenances[digest] = decode_provenance(digest, found[0][0])
        return self._provenances[digest]

    @contextmanager
    def _transaction(
        self, doing: str, begin: str = "BEGIN IMMEDIATE"
    ) -> Iterator[sqlite3.Connection]:
        with _faults(self.path, doing):
            self._connection.execute(begin)
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a failed COMMIT may have ended it
                    self._connection.execute("ROLLBACK")
                raise

    def _duplicate(self, records: Sequence[Record]) -> ConflictError:
        count = Counter([*self.statuses(), *(record.run for record in records)])
        again = [run for run, times in count.items() if times > 1]
        return ConflictError(
            f"{self.path}: a run has one record, and it is final; a second one came for "
            f"{', '.join(again[:3])}{' ...' if again[3:] else ''}. Nothing was recorded. "
            "To train failed runs again: `regsearch retry`."
        )


def _create(path: Path) -> None:
    """Put an empty store in place, whole, so that an empty or short file is always damage."""
    if path.exists():
        return
    if _has_log(path):  # SQLite would replay it into the new store
        raise _damaged(path, "it is missing, while the log of its newest records is there")
    with closing(sqlite3.connect(":memory:")) as empty:
        empty.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        empty.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        empty.execute(f"PRAGMA user_version = {VERSION}")
        empty.executescript(SCHEMA)
        disk.write_atomically(path, empty.serialize())


def _connect(path: Path, read_only: bool) -> sqlite3.Connection:
    mode = "ro" if read_only else "rw"
    if read_only and not os.access(path.parent, os.W_OK) and not _has_log(path):
        mode = "ro&immutable=1"  # an archived study: a reader may not even make its lock file
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=PATIENCE_S)
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")  # see ``decode``
    return connection


def _has_log(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN")  # so that all this is of one moment
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    version, whole = version_of(connection), is_whole(connection)
    connection.execute("COMMIT")
    if application != APPLICATION_ID:
        raise _damaged(path, "it is not a regsearch store")
    if not 1 <= version <= VERSION:
        raise StorageError(
            f"{path}: this is a store of version {version}, and this regsearch reads versions 1 to "
            f"{VERSION}. Use the regsearch that wrote it, or a newer one; nothing was changed."
        )
    if not whole:
        raise _damaged(path, f"its columns are not those of version {version}")


def _check_content(connection: sqlite3.Connection, path: Path) -> None:
    findings = [text for (text,) in connection.execute("PRAGMA quick_check(3)")]
    if findings != ["ok"]:
        raise _damaged(path, "; ".join(" ".join(text.split()) for text in findings))


def _make_durable(connection: sqlite3.Connection, path: Path) -> None:
    """Sync at every commit; a write-ahead log, save where its shared memory cannot work."""
    connection.execute(f"PRAGMA journal_mode = {'DELETE' if disk.on_network(path) else 'WAL'}")
    connection.execute("PRAGMA synchronous = FULL")


@contextmanager
def _faults(path: Path, doing: str) -> Iterator[None]:
    """Turn SQLite's faults into a message; other errors pass, for they are bugs."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & 0xFF
        if code in _ERRNO:
            raise disk.storage_error(path, doing, _ERRNO[code]) from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise _damaged(path, str(error)) from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise ConflictError(
                f"cannot {doing} {path}: another process has held it for {PATIENCE_S:g} s. "
                "Wait for it, or see who it is: `regsearch status`."
            ) from error
        raise


def _damaged(path: Path, finding: str) -> StorageError:
    return StorageError(
        f"{path} is damaged or not ours: {finding}. Nothing was changed. To go on: put back a copy "
        "of the study's folder; or save what can be read with "
        f"`sqlite3 {path.name} .recover | sqlite3 rescued.db`; "
        "or move the folder aside and run the pipeline anew."
    )
