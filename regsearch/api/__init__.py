"""The public verbs: load, plan, run, open a study, report. The command line only calls these."""

from regsearch.api.doctor import examine
from regsearch.api.mlflow_ui import serve_mlflow
from regsearch.api.names import list_names
from regsearch.api.pipeline import Pipeline, load, schema, validate
from regsearch.api.running import run
from regsearch.api.study import Study, open_study
from regsearch.api.submitting import job_log, job_status, stop_job, submit

__all__ = [
    "Pipeline",
    "Study",
    "examine",
    "job_log",
    "job_status",
    "list_names",
    "load",
    "open_study",
    "run",
    "schema",
    "serve_mlflow",
    "stop_job",
    "submit",
    "validate",
]
