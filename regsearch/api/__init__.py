"""The public verbs: load, plan, run, open a study, report. The command line only calls these."""

from regsearch.api.comparing import compare
from regsearch.api.comparison import Comparison
from regsearch.api.doctor import examine
from regsearch.api.mlflow_ui import serve_mlflow
from regsearch.api.names import list_names
from regsearch.api.pipeline import Pipeline, load, schema, validate
from regsearch.api.running import run
from regsearch.api.study import Study, open_study, status_lines
from regsearch.api.submitting import job_log, job_status, stop_job, submit

__all__ = [
    "Comparison",
    "Pipeline",
    "Study",
    "compare",
    "examine",
    "job_log",
    "job_status",
    "list_names",
    "load",
    "open_study",
    "run",
    "schema",
    "serve_mlflow",
    "status_lines",
    "stop_job",
    "submit",
    "validate",
]
