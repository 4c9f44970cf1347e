"""Whether a tracking store can be reached, found out in seconds and without importing MLflow."""

from __future__ import annotations

import base64
import json
import os
import socket
import sqlite3
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from regsearch.track.address import Tracking, resolve, without_credentials

TIMEOUT_S = 5.0
SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"
DATABASE_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


def reachable(tracking: Tracking) -> str | None:
    """Why the tracking store cannot be used, or ``None`` if nothing speaks against it."""
    address = resolve(tracking, study="regsearch")
    scheme = urlsplit(address.uri).scheme
    try:
        if address.sqlite_file is not None:
            problem = _sqlite_problem(address.sqlite_file)
        elif scheme in ("http", "https"):
            problem = _server_problem(address.uri)
        elif database := DATABASE_PORTS.get(scheme.partition("+")[0]):
            problem = _port_problem(address.uri, database)
        else:
            problem = None  # a store of a plugin, which only MLflow knows how to ask
    except (OSError, ValueError) as error:
        problem = str(getattr(error, "reason", None) or error)
    if problem is None:
        return None
    where = without_credentials(address.uri)
    return f"MLflow at {where}: {address.hide_credentials(problem)}"


def _sqlite_problem(file: Path) -> str | None:
    if not file.exists():
        folder = next(parent for parent in file.parents if parent.exists())
        return None if os.access(folder, os.W_OK) else f"{folder} is not writable"
    if not os.access(file, os.W_OK):
        return f"{file} is not writable"
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error as error:
        return f"{file}: {error}"
    return f"{file} is no MLflow store" if tables and "experiments" not in tables else None


def _server_problem(uri: str) -> str | None:
    request = urllib.request.Request(  # noqa: S310 - only called for http and https
        without_credentials(uri).rstrip("/") + SEARCH, headers=_authorization(uri)
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        return f"it answered {error.code} {error.reason}"
    except json.JSONDecodeError:
        return "what answers there is no MLflow server"
    return None if isinstance(answer, dict) else "what answers there is no MLflow server"


def _authorization(uri: str) -> dict[str, str]:
    """The header that MLflow's client would send."""
    parts = urlsplit(uri)
    user = os.environ.get("MLFLOW_TRACKING_USERNAME") or parts.username
    password = os.environ.get("MLFLOW_TRACKING_PASSWORD") or parts.password
    if user and password:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _port_problem(uri: str, default_port: int) -> str | None:
    parts = urlsplit(uri)
    with socket.create_connection((parts.hostname, parts.port or default_port), TIMEOUT_S):
        return None
