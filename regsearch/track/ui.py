"""The command that shows a tracking store in the browser: MLflow's own server, on this machine."""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

from regsearch.errors import RegsearchError
from regsearch.track.address import Tracking, resolve, without_credentials
from regsearch.track.environment import DEFAULTS


def ui_command(tracking: Tracking, port: int = 5000) -> list[str]:
    """The command line of an MLflow server on this machine's port ``port``, for nobody else.

    To be run with ``ui_environment(tracking)``, which names the store: its URI may hold a password.

    Raises:
        RegsearchError: the store is a server already; the message says where.
    """
    uri = resolve(tracking, study="regsearch").uri
    if urlsplit(uri).scheme in ("http", "https"):
        raise RegsearchError(f"this MLflow store is a server: open {without_credentials(uri)}")
    names = f"127.0.0.1:{port},localhost:{port}"
    return [
        *(sys.executable, "-P", "-m", "mlflow", "server", "--host", "127.0.0.1"),
        *("--port", str(port), "--workers", "1", "--allowed-hosts", names),
    ]


def ui_environment(tracking: Tracking) -> dict[str, str]:
    """This process's environment, with the store and without telemetry and background jobs."""
    uri = resolve(tracking, study="regsearch").uri
    return DEFAULTS | os.environ | {"MLFLOW_BACKEND_STORE_URI": uri}
