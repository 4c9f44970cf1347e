"""MLflow's own server on the store that a study was logged to, for this machine only."""

from __future__ import annotations

import subprocess

from regsearch.api.study import open_study
from regsearch.errors import ServiceError
from regsearch.track import Tracking, ui_command, ui_environment


def serve_mlflow(study: str | None, port: int) -> None:
    """Serve until interrupted.

    Raises:
        ServiceError: the server ended with an error.
    """
    tracking = Tracking()
    if study is not None:
        spec = open_study(study).pipeline.spec
        if spec.tracking and spec.tracking.mlflow:
            tracking = Tracking(spec.tracking.mlflow.tracking_uri, spec.tracking.mlflow.experiment)
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
