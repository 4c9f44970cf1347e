"""Stores of earlier versions: told by their columns, read as they are, brought to this version.

Version 2 has distributions after the checksum. A record of version 1 has none, and its checksum
stays as it is, since no bytes more do not change it.
"""

from __future__ import annotations

import sqlite3

from regsearch.records.rows import COLUMNS, COLUMNS_1, VERSION

OF_VERSION = {1: COLUMNS_1, 2: COLUMNS}

TO_NEXT = {1: "ALTER TABLE record ADD COLUMN distributions BLOB NOT NULL DEFAULT X''"}
"""What brings a store from each version to the next."""


def version_of(connection: sqlite3.Connection) -> int:
    """The version that a store says it has."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def is_whole(connection: sqlite3.Connection) -> bool:
    """Whether the records of a store have the columns of its version."""
    columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(record)")]
    return columns == ["sequence", *OF_VERSION.get(version_of(connection), "").split(", ")]


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Bring a whole store to this version, all at once: a kill leaves it as it was.

    Readers may be at work; they see the one or the other.
    """
    if version_of(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for version in range(version_of(connection), VERSION):
            connection.execute(TO_NEXT[version])
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
