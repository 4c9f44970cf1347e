"""Commands that a reader of the report can paste."""

from __future__ import annotations

import shlex

from regsearch.report._base import Results


def repro_command(results: Results, cell: str) -> str:
    """The command that trains one recorded run of ``cell`` again, preferably a completed one."""
    records = results.records
    mine = records[records["cell"] == cell] if len(records) else records
    if not len(mine):
        return ""
    done = mine[mine["status"] == "completed"]
    return run_command(results, str((done if len(done) else mine)["run"].iloc[0]))


def run_command(results: Results, run: str = "") -> str:
    """The command that trains one run again; without a run, all of it but the run."""
    return f"regsearch repro {shlex.quote(results.name)} {run}".rstrip()
