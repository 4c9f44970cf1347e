"""MLflow's own server on the store that a study was logged to, for this machine only."""

from __future__ import annotations

import subprocess

from regsearch.api.study import open_study
from regsearch.api.tracking import tracking_of
from regsearch.errors import ServiceError
from regsearch.track import Tracking, ui_command, ui_environment


def serve_mlflow(study: str | None, port: int) -> None:
    """Serve until interrupted; without a study that is tracked, MLflow's own default store.

    Raises:
        ServiceError: the server ended with an error.
    """
    tracking = (tracking_of(open_study(study).pipeline) if study else None) or Tracking()
    command = ui_command(tracking, port)
    try:
        ended = subprocess.run(command, env=ui_environment(tracking), check=False)  # noqa: S603
    except KeyboardInterrupt:
        return
    if ended.returncode > 0:
        raise ServiceError(
            f"the MLflow server ended with status {ended.returncode}; is port {port} free? "
            "Choose another with --port"
        )
