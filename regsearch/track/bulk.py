"""Many runs in one transaction, for an MLflow store that is an SQL database within reach.

Writes the rows that ``MlflowClient`` would write, through MLflow's own tables and sessions; a test
holds the two equal. Where MLflow's tables are not those known here, ``Bulk.open`` declines, and
runs go through the client, one by one.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mlflow.entities import Experiment
from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.store.db.db_types import DATABASE_ENGINES
from mlflow.store.tracking.dbmodels.models import (
    SqlLatestMetric,
    SqlMetric,
    SqlParam,
    SqlRun,
    SqlTag,
)
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.uri import append_to_uri_path
from sqlalchemy import text

from regsearch.track.view import Point, RunView

CACHE_KIB = 65536  # SQLite's 2 MB hold a small part of four indexes: 15 % more CPU time

_PAIR = ("run_uuid", "key", "value")
_POINT = ("run_uuid", *Point._fields, "is_nan")
COLUMNS: dict[Any, tuple[str, ...]] = {
    SqlRun: (
        *("run_uuid", "experiment_id", "name", "status", "start_time", "end_time"),
        *("lifecycle_stage", "deleted_time", "artifact_uri", "user_id"),
        *("source_type", "source_name", "source_version", "entry_point_name"),
    ),
    SqlTag: _PAIR,
    SqlParam: _PAIR,
    SqlMetric: _POINT,
    SqlLatestMetric: _POINT,
}
"""Those that MLflow's tables are known to have, in the order in which rows hold their values."""

Row = tuple[Any, ...]


class Bulk:
    """The tables of one SQL store."""

    def __init__(self, store: Any, experiment: Experiment) -> None:
        self._store = store
        self._experiment = experiment

    @classmethod
    def open(cls, uri: str, experiment: Experiment) -> Bulk | None:
        """The tables of the store at ``uri``, or ``None`` if they cannot be written directly."""
        scheme = uri.partition(":")[0].partition("+")[0]
        if scheme not in DATABASE_ENGINES or MLFLOW_ENABLE_WORKSPACES.get():
            return None
        for model, known in COLUMNS.items():
            if {column.name for column in model.__table__.columns} != set(known):
                return None
        return cls(SqlAlchemyStore(uri, experiment.artifact_location), experiment)

    def insert(self, views: Sequence[RunView], shared_tags: dict[str, str]) -> list[str]:
        """Write finished runs, each with ``shared_tags`` too, all or none; returns their ids."""
        ids = _new_ids(len(views))
        pairs = list(zip(ids, views, strict=True))
        rows: dict[Any, list[Row]] = {
            SqlRun: [self._run(id_, view) for id_, view in pairs],
            SqlTag: [row for id_, view in pairs for row in _texts(id_, view.tags | shared_tags)],
            SqlParam: [row for id_, view in pairs for row in _texts(id_, view.params)],
            SqlMetric: [(id_, *point, False) for id_, view in pairs for point in view.metrics],
            SqlLatestMetric: [
                (id_, *point, False) for id_, view in pairs for point in _latest(view.metrics)
            ],
        }
        with self._store.ManagedSessionMaker(read_only=False) as session:
            insert = _insert
            if self._store.db_type == "sqlite":
                session.execute(text(f"PRAGMA cache_size = -{CACHE_KIB}"))
                insert = _insert_in_sqlite
            for model, entries in rows.items():
                if entries:
                    insert(session, model.__table__, COLUMNS[model], entries)
        return ids

    def _run(self, run_id: str, view: RunView) -> Row:
        artifacts = append_to_uri_path(
            self._experiment.artifact_location, run_id, SqlAlchemyStore.ARTIFACTS_FOLDER_NAME
        )
        return (
            *(run_id, int(self._experiment.experiment_id), view.name, view.status),
            *(view.start_time, view.end_time, "active", None, artifacts),
            *("unknown", "UNKNOWN", "", "", ""),  # as MlflowClient says
        )


def _new_ids(count: int) -> list[str]:
    """Ascending from one call to the next, so that what is new goes to the end of each index.

    As in UUID version 7: milliseconds since 1970, then 80 random bits.
    """
    now = f"{time.time_ns() // 10**6:012x}"
    return sorted(now + secrets.token_hex(10) for _ in range(count))


def _insert(session: Any, table: Any, columns: tuple[str, ...], rows: list[Row]) -> None:
    session.execute(table.insert(), [dict(zip(columns, row, strict=True)) for row in rows])


def _insert_in_sqlite(session: Any, table: Any, columns: tuple[str, ...], rows: list[Row]) -> None:
    """Straight to the driver: SQLAlchemy's look at each value would take half of the time."""
    places = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608
    session.connection().exec_driver_sql(statement, rows)


def _texts(run_id: str, texts: dict[str, str]) -> Iterator[Row]:
    return ((run_id, key, value) for key, value in texts.items())


def _latest(points: Iterable[Point]) -> Iterable[Point]:
    """The latest point of each metric by step, then time, then value, as MLflow decides."""
    latest: dict[str, Point] = {}
    for point in points:
        known = latest.setdefault(point.key, point)
        if (point.step, point.timestamp, point.value) > (known.step, known.timestamp, known.value):
            latest[point.key] = point
    return latest.values()
