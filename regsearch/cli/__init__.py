"""The command line: each verb parses, calls ``regsearch.api`` and prints.

A user's mistake is one message and its exit code; a bug keeps its traceback, in a file.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from typing import NoReturn

import click

from regsearch.cli import cluster, files, results, running, system
from regsearch.errors import ExitCode, RegsearchError


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of a day's work rather than by letter."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> object:
        """Turn what goes wrong into a message and an exit code."""
        try:
            return super().invoke(ctx)
        except RegsearchError as mistake:
            click.echo(f"Error: {mistake}" if "\n" not in str(mistake) else str(mistake), err=True)
            ctx.exit(mistake.exit_code)
        except KeyboardInterrupt:  # before or after a study's own handling of it
            click.echo("Interrupted.", err=True)
            ctx.exit(ExitCode.INTERRUPTED)
        except (click.exceptions.Exit, click.ClickException, click.Abort, BrokenPipeError):
            raise
        except Exception:
            with tempfile.NamedTemporaryFile(
                "w", prefix="regsearch-bug-", suffix=".txt", delete=False
            ) as evidence:
                evidence.write(f"{sys.argv}\n\n{traceback.format_exc()}")
            click.echo(
                f"Internal error: {sys.exc_info()[1]!r}. This is a bug in regsearch; what is "
                f"recorded is safe. The evidence is in {evidence.name}: please report it.",
                err=True,
            )
            ctx.exit(ExitCode.BUG)


CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=_Verbs, context_settings=CONTEXT)
@click.version_option(package_name="regsearch", prog_name="regsearch")
def main() -> None:
    """Search the hyper-parameters of weight regularizers, and map what they do.

    A pipeline file (YAML) names a search space, a task, how to search and what to report. `run`
    trains what has no record yet, on Ray; every run goes to MLflow; the report is one HTML file.

    \b
    Start:   regsearch run quickstart
    Exit codes: 0 done, 1 bug, 2 your mistake, 3 some runs failed, 4 service unreachable,
    5 storage, 6 conflict, 7 budget used up, 8 MLflow is behind, 9 over a limit,
    130/143 interrupted; run again to go on.
    """  # noqa: D301 - a backspace, by which click leaves lines as they are


for module in (files, running, results, cluster, system):
    for command in module.COMMANDS:
        main.add_command(command)


def entry() -> NoReturn:
    """Run the command line and end the process at once.

    Taking torch and Ray down object by object takes 3 s and frees nothing that the kernel does
    not; every file is closed and every child has ended by then.
    """
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else ExitCode.BUG
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
