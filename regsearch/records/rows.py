"""How a record lies in the store: scalars as columns, mappings as JSON, arrays as bytes.

A checksum over the whole row finds what SQLite's own check cannot: a value that changed on the
disk and still parses.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regsearch.histogram import Histogram
from regsearch.records.record import Record, Status

SCHEMA = """
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
"""

VERSION = 2

COLUMNS_1 = (
    "run, cell, status, reason, epochs, seconds, started, finished, "
    "task, metrics, provenance, measured, curves, checksum"
)
COLUMNS = f"{COLUMNS_1}, distributions"


class DamagedRowError(Exception):
    """A row that is not what was once written."""


encode_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
"""Compact JSON, keys in their order; ``ValueError`` for numbers that are not finite."""


def encode_provenance(provenance: dict[str, Any]) -> tuple[str, str]:
    """Digest and JSON text of where a record comes from."""
    content = encode_json(provenance)
    return sha256(content.encode()).hexdigest()[:16], content


def decode_provenance(digest: str, content: str) -> dict[str, Any]:
    """Inverse of ``encode_provenance``.

    Raises:
        DamagedRowError: the text does not have that digest.
    """
    if sha256(content.encode()).hexdigest()[:16] != digest:
        raise DamagedRowError(f"provenance {digest}")
    return json.loads(content)


def encode(record: Record, provenance: str) -> tuple[Any, ...]:
    """The values of ``COLUMNS``; ``provenance`` is the digest of the record's."""
    scalars = (
        record.run,
        record.cell,
        record.status.value,
        record.reason and record.reason.encode(errors="replace").decode(),
        int(record.epochs),
        float(record.seconds),
        record.started,
        record.finished,
        encode_json(record.task),
        encode_json({name: _finite(value) for name, value in record.metrics.items()}),
        provenance,
        encode_json(list(record.curves)),
    )
    curves = _encode_curves(list(record.curves.values()))
    distributions = _encode_distributions(record.distributions)
    return *scalars, curves, _checksum(scalars, curves, distributions), distributions


def decode(row: Sequence[Any], provenance_of: Callable[[str], dict[str, Any]]) -> Record:
    """Inverse of ``encode``; the curves are read-only views.

    Args:
        row: the values of ``COLUMNS``.
        provenance_of: looks up a provenance by its digest.

    Raises:
        DamagedRowError: the row is not what was written.
    """
    *scalars, curves, checksum, distributions = row
    if checksum != _checksum(scalars, curves, distributions):
        raise DamagedRowError(f"run {scalars[0]}")
    run, cell, status, reason, epochs, seconds, started, finished = scalars[:8]
    task, metrics, provenance, measured = scalars[8:]
    return Record(
        run=run,
        cell=cell,
        status=Status(status),
        reason=reason,
        task=json.loads(task),
        epochs=epochs,
        seconds=seconds,
        started=started,
        finished=finished,
        metrics=json.loads(metrics),
        curves=_decode_curves(json.loads(measured), curves),
        provenance=provenance_of(provenance),
        distributions=_decode_distributions(distributions),
    )


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _encode_curves(curves: list[NDArray[np.float32]]) -> bytes:
    if len({len(curve) for curve in curves}) > 1:
        raise ValueError("the curves of a run need one length, its number of finished epochs")
    values = np.concatenate(curves).astype("<f4", copy=False).tobytes() if curves else b""
    return zlib.compress(values, level=1)


def _decode_curves(measured: list[str], curves: bytes) -> dict[str, NDArray[np.float32]]:
    if not measured:
        return {}
    table = np.frombuffer(zlib.decompress(curves), "<f4").reshape(len(measured), -1)
    return dict(zip(measured, table, strict=True))


def _encode_distributions(distributions: dict[str, Histogram]) -> bytes:
    """No bytes where there are none: that is what a record of version 1 has."""
    if not distributions:
        return b""
    plain = {
        name: found._replace(counts=found.counts.tolist())._asdict()
        for name, found in distributions.items()
    }
    return zlib.compress(encode_json(plain).encode(), level=1)


def _decode_distributions(distributions: bytes) -> dict[str, Histogram]:
    if not distributions:
        return {}
    return {
        name: Histogram(**found | {"counts": np.array(found["counts"], np.int64)})
        for name, found in json.loads(zlib.decompress(distributions)).items()
    }


def _checksum(scalars: Sequence[Any], *arrays: bytes) -> int:
    checksum = zlib.crc32("\n".join(map(str, scalars)).encode())
    for array in arrays:
        checksum = zlib.crc32(array, checksum)
    return checksum
