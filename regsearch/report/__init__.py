"""Reports: pictures, tables and the page, as functions of a study's records."""

from regsearch.report import teacher_student  # isort: skip - the order of the page
from regsearch.report import phase_diagram  # isort: skip
from regsearch.report import pareto  # isort: skip
from regsearch.report import hypervolume  # isort: skip
from regsearch.report import curves  # isort: skip
from regsearch.report import histograms  # isort: skip
from regsearch.report import importances  # isort: skip
from regsearch.report import profile  # isort: skip
from regsearch.report import attack_curves  # isort: skip
from regsearch.report import table  # isort: skip
from regsearch.report._base import REPORTS, Metric, Report, Results
from regsearch.report.page import write_report

__all__ = [
    "REPORTS",
    "Metric",
    "Report",
    "Results",
    "attack_curves",
    "curves",
    "histograms",
    "hypervolume",
    "importances",
    "pareto",
    "phase_diagram",
    "profile",
    "table",
    "teacher_student",
    "write_report",
]
