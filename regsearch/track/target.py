"""An experiment of an MLflow store with the parent run of one study: what can be done there.

Only imported by the delivering process, once there is something to deliver: MLflow takes seconds to
import and 200 MB.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Experiment, Metric, Param, Run
from mlflow.exceptions import MlflowException

from regsearch.errors import ServiceError
from regsearch.track.address import Address, artifact_location
from regsearch.track.bulk import Bulk
from regsearch.track.identity import Identity
from regsearch.track.view import RunView, chunks

STUDY_TAG = "regsearch.study"
ID_TAG = "regsearch.study_id"
PARENT_TAG = "mlflow.parentRunId"


class Found(NamedTuple):
    """A run that MLflow has already."""

    mlflow_run: str
    done: bool


class Parent(NamedTuple):
    """The run that stands for a study."""

    study_id: str
    mlflow_run: str
    is_new: bool

    @property
    def child_tags(self) -> dict[str, str]:
        """What every run of the study is tagged with besides its own."""
        return {ID_TAG: self.study_id, PARENT_TAG: self.mlflow_run}


class Target:
    """The children of one parent run; every call may be repeated without harm, but ``create``."""

    def __init__(
        self, client: MlflowClient, experiment: Experiment, parent: Parent, bulk: Bulk | None
    ) -> None:
        self._client = client
        self._experiment = experiment
        self.parent = parent
        self.bulk = bulk

    @classmethod
    def connect(cls, address: Address, study: Identity, start_time: int) -> Target:
        """Open the store, create what is missing of store, experiment and parent run.

        Raises:
            MlflowException: the store cannot be reached, or refuses.
            ServiceError: what answers is no MLflow server.
        """
        client = _open_store(address)
        experiment = _open_experiment(client, address)
        bulk = Bulk.open(address.uri, experiment)
        return cls(client, experiment, _open_parent(client, experiment, study, start_time), bulk)

    def find(self, view: RunView) -> Found | None:
        """The run that shows this very record, if there is one; it becomes a child of ours."""
        tags = {ID_TAG: self.parent.study_id, "regsearch.run": view.run}
        run = _search(self._client, self._experiment, tags | {"regsearch.finished": view.finished})
        if run is None:
            return None
        if run.data.tags.get(PARENT_TAG) != self.parent.mlflow_run:
            self._client.set_tag(run.info.run_id, PARENT_TAG, self.parent.mlflow_run)
        return Found(run.info.run_id, run.info.end_time is not None)

    def create(self, view: RunView) -> str:
        """Create the run with its tags; returns MLflow's id."""
        tags = view.tags | self.parent.child_tags
        return _create_run(self._client, self._experiment, view.start_time, tags)

    def complete(self, mlflow_run: str, view: RunView) -> None:
        """Send params and metrics, then say how the run ended."""
        for points, params in chunks(view):
            self._client.log_batch(
                mlflow_run,
                metrics=[Metric(*point) for point in points],
                params=[Param(*param) for param in params.items()],
            )
        self._client.set_terminated(mlflow_run, view.status, view.end_time)

    def insert(self, views: Sequence[RunView]) -> list[str]:
        """Create complete runs, all or none; only where ``bulk`` is there. Returns their ids."""
        if self.bulk is None:
            raise TypeError("this store takes runs one by one")
        return self.bulk.insert(views, self.parent.child_tags)

    def remove(self, mlflow_run: str) -> None:
        """Delete a run (MLflow can restore it); no error if it is gone already."""
        try:
            self._client.delete_run(mlflow_run)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise

    def upload(self, file: Path, folder: str) -> None:
        """Add ``file`` to the artifacts of the study."""
        self._client.log_artifact(self.parent.mlflow_run, str(file), folder or None)

    def describe(self, note: str, end_time: int) -> None:
        """Set the description of the study, in Markdown, and mark it as finished."""
        self._client.set_tag(self.parent.mlflow_run, "mlflow.note.content", note)
        self._client.set_terminated(self.parent.mlflow_run, "FINISHED", end_time)


def _open_store(address: Address) -> MlflowClient:
    """A client; a local SQLite file is created by one process at a time, for two would break it."""
    file = address.sqlite_file
    if file is None:
        return MlflowClient(address.uri)
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_name(f".{file.name}.lock")):
        client = MlflowClient(address.uri)
        connection = sqlite3.connect(file)
        connection.execute("PRAGMA journal_mode = WAL")  # readers do not wait for the writer
        connection.close()
    return client


def _open_experiment(client: MlflowClient, address: Address) -> Experiment:
    """The experiment by name, created if there is none, restored if it was deleted."""
    experiment = client.get_experiment_by_name(address.experiment)
    if experiment is None:
        try:
            client.create_experiment(address.experiment, artifact_location(address))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another study was faster
                raise
        experiment = client.get_experiment_by_name(address.experiment)
    elif experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    return experiment


def _open_parent(
    client: MlflowClient, experiment: Experiment, study: Identity, start_time: int
) -> Parent:
    """The run that stands for the study, running again if it was finished."""
    tags = {ID_TAG: study.id, "regsearch.part": "study"}
    parent = _search(client, experiment, tags)
    if parent is None:
        tags |= {STUDY_TAG: study.name, "mlflow.runName": study.name}
        tags |= {"mlflow.source.name": "regsearch", "mlflow.source.type": "LOCAL"}
        return Parent(study.id, _create_run(client, experiment, start_time, tags), is_new=True)
    if parent.info.status != "RUNNING":
        client.update_run(parent.info.run_id, status="RUNNING")
    return Parent(study.id, parent.info.run_id, is_new=False)


def _create_run(
    client: MlflowClient, experiment: Experiment, start_time: int, tags: dict[str, str]
) -> str:
    run_id: str = client.create_run(experiment.experiment_id, start_time, tags).info.run_id
    if not run_id:  # MLflow's client takes any JSON for an answer
        raise ServiceError("what answers there is no MLflow server: it created a run without id")
    return run_id


def _search(client: MlflowClient, experiment: Experiment, tags: dict[str, str]) -> Run | None:
    """The first run that has all ``tags``."""
    terms = (f"tags.`{key}` = {_quoted(value)}" for key, value in tags.items())
    found = client.search_runs([experiment.experiment_id], " and ".join(terms), max_results=1)
    return found[0] if found else None


def _quoted(value: str) -> str:
    return f'"{value}"' if "'" in value else f"'{value}'"
