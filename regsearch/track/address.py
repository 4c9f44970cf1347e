"""Where the runs of a study go: a tracking store and an experiment in it; no MLflow imported."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit


@dataclass(frozen=True)
class Tracking:
    """What a pipeline file says under ``tracking.mlflow``; ``None``: MLflow's own default."""

    tracking_uri: str | None = None
    experiment: str | None = None


@dataclass(frozen=True)
class Address:
    """A tracking store by its absolute URI, and the name of an experiment in it."""

    uri: str
    experiment: str

    @property
    def key(self) -> str:
        """The address without user, password and query: fit for files and messages."""
        return f"{without_credentials(self.uri)} {self.experiment}"

    @property
    def sqlite_file(self) -> Path | None:
        """The file of an SQLite store, else ``None``."""
        _, found, path = self.uri.partition("sqlite:///")
        path = unquote(path.partition("?")[0])
        return Path(path) if found and path and path != ":memory:" else None

    def hide_credentials(self, text: str) -> str:
        """``text`` without the user, password and query of this store's URI."""
        text = text.replace(self.uri, without_credentials(self.uri))
        password = urlsplit(self.uri).password
        return text.replace(password, "***") if password else text


def resolve(tracking: Tracking, study: str) -> Address:
    """The address that ``tracking`` means here and now.

    What it leaves open is taken from ``MLFLOW_TRACKING_URI`` and ``MLFLOW_EXPERIMENT_NAME``, then
    from MLflow's default, ``mlflow.db`` in the working directory, and the study's name.
    """
    uri = tracking.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    experiment = tracking.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or study
    address = Address(uri, experiment)
    if address.sqlite_file is None:
        return address
    query = uri.partition("?")[2]
    path = str(address.sqlite_file.absolute()).replace("%", "%25").replace("?", "%3F")
    return Address(f"sqlite:///{path}{f'?{query}' if query else ''}", experiment)


def artifact_location(address: Address) -> str | None:
    """Where the artifacts of an experiment go: for a local SQLite file to ``mlruns`` beside it.

    MLflow's own default is relative to whichever process happens to create the experiment.
    """
    if address.sqlite_file is None:
        return None
    return str(address.sqlite_file.parent / "mlruns" / quote(address.experiment, safe=" "))


def without_credentials(uri: str) -> str:
    """``uri`` without user, password and query.

    >>> without_credentials("https://ann:secret@host:5000/mlflow?token=1")
    'https://host:5000/mlflow'
    """
    parts = urlsplit(uri)
    if not parts.netloc:
        return uri.partition("?")[0]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
