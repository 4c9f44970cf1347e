"""Many runs in one transaction, for an MLflow store that is an SQL database within reach.

Writes the rows that ``MlflowClient`` would write, through MLflow's own tables and sessions; a test
holds the two equal. Where MLflow's tables are not those known here, ``Bulk.open`` declines, and
runs go through the client, one by one.
"""

from __future__ import annotations

import uuid
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

Row = dict[str, Any]

CACHE_KIB = 65536  # SQLite's 2 MB hold a small part of four indexes: 15 % more CPU time

_PAIR = {"run_uuid", "key", "value"}
_POINT = _PAIR | {"timestamp", "step", "is_nan"}
KNOWN_COLUMNS = {
    SqlRun: {
        *("run_uuid", "experiment_id", "name", "status", "start_time", "end_time"),
        *("lifecycle_stage", "deleted_time", "artifact_uri", "user_id"),
        *("source_type", "source_name", "source_version", "entry_point_name"),
    },
    SqlTag: _PAIR,
    SqlParam: _PAIR,
    SqlMetric: _POINT,
    SqlLatestMetric: _POINT,
}


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
        for model, known in KNOWN_COLUMNS.items():
            if {column.name for column in model.__table__.columns} != known:
                return None
        return cls(SqlAlchemyStore(uri, experiment.artifact_location), experiment)

    def insert(self, views: Sequence[RunView], shared_tags: dict[str, str]) -> list[str]:
        """Write finished runs, each with ``shared_tags`` too, all or none; returns their ids."""
        ids = [uuid.uuid4().hex for _ in views]
        pairs = list(zip(ids, views, strict=True))
        rows: dict[Any, list[Row]] = {
            SqlRun: [self._run(id_, view) for id_, view in pairs],
            SqlTag: [row for id_, view in pairs for row in _texts(id_, view.tags | shared_tags)],
            SqlParam: [row for id_, view in pairs for row in _texts(id_, view.params)],
            SqlMetric: [_point(id_, point) for id_, view in pairs for point in view.metrics],
            SqlLatestMetric: [
                _point(id_, point) for id_, view in pairs for point in _latest(view.metrics)
            ],
        }
        with self._store.ManagedSessionMaker(read_only=False) as session:
            if self._store.db_type == "sqlite":
                session.execute(text(f"PRAGMA cache_size = -{CACHE_KIB}"))
            for model, entries in rows.items():
                if entries:
                    session.execute(model.__table__.insert(), entries)
        return ids

    def _run(self, run_id: str, view: RunView) -> Row:
        return {
            "run_uuid": run_id,
            "experiment_id": int(self._experiment.experiment_id),
            "name": view.name,
            "status": view.status,
            "start_time": view.start_time,
            "end_time": view.end_time,
            "lifecycle_stage": "active",
            "deleted_time": None,
            "artifact_uri": append_to_uri_path(
                self._experiment.artifact_location, run_id, SqlAlchemyStore.ARTIFACTS_FOLDER_NAME
            ),
            "user_id": "unknown",  # as MlflowClient says
            "source_type": "UNKNOWN",
            "source_name": "",
            "source_version": "",
            "entry_point_name": "",
        }


def _texts(run_id: str, texts: dict[str, str]) -> Iterator[Row]:
    return ({"run_uuid": run_id, "key": key, "value": value} for key, value in texts.items())


def _point(run_id: str, point: Point) -> Row:
    return {"run_uuid": run_id, "is_nan": False, **point._asdict()}


def _latest(points: Iterable[Point]) -> Iterable[Point]:
    """The latest point of each metric by step, then time, then value, as MLflow decides."""
    latest: dict[str, Point] = {}
    for point in points:
        known = latest.setdefault(point.key, point)
        if (point.step, point.timestamp, point.value) > (known.step, known.timestamp, known.value):
            latest[point.key] = point
    return latest.values()
