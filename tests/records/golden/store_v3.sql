-- A store of version 3, which does not exist yet: kept so that this version refuses it.
PRAGMA application_id = 1382377299;
PRAGMA user_version = 3;
BEGIN;
CREATE TABLE provenance (
    digest  TEXT PRIMARY KEY,
    content TEXT NOT NULL  -- JSON; the same for all runs of a pack, so kept once
);
CREATE TABLE record (
    sequence   INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of arrival; never used twice
    run        TEXT NOT NULL UNIQUE,
    cell       TEXT NOT NULL,
    status     TEXT NOT NULL,
    reason     TEXT,
    attempt    INTEGER,  -- what a later version might add
    epochs     INTEGER NOT NULL,
    seconds    REAL NOT NULL,
    started    TEXT NOT NULL,  -- ISO 8601, UTC
    finished   TEXT NOT NULL,
    task       TEXT NOT NULL,  -- JSON
    metrics    TEXT NOT NULL,  -- JSON; null where a value is not finite
    provenance TEXT NOT NULL REFERENCES provenance (digest),
    measured   TEXT NOT NULL,  -- JSON: names of the rows of curves
    curves     BLOB NOT NULL,  -- zlib of float32, little-endian, C order, [measured, epochs]
    checksum   INTEGER NOT NULL,  -- CRC-32 of the columns from run to curves, and of what follows
    distributions BLOB NOT NULL DEFAULT X''  -- zlib of JSON: histograms by name; empty: none
);
CREATE TABLE fact (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL  -- JSON
);
COMMIT;
