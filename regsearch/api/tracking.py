"""Where a pipeline's runs are tracked, in the words of ``regsearch.track``."""

from __future__ import annotations

from regsearch.api.pipeline import Pipeline
from regsearch.track import Tracking


def tracking_of(pipeline: Pipeline) -> Tracking | None:
    """What the file says under ``tracking.mlflow``; ``None`` if it wants no MLflow.

    What the file leaves open stays open: ``regsearch.track`` settles it from the environment, then
    from MLflow's default and the study's name.
    """
    asked = pipeline.spec.tracking and pipeline.spec.tracking.mlflow
    return Tracking(asked.tracking_uri, asked.experiment) if asked else None
