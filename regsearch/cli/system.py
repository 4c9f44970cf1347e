"""Verbs about what is around: ui, doctor."""

from __future__ import annotations

import click

from regsearch.cli.options import JSON, print_json
from regsearch.errors import ExitCode


@click.command()
@click.argument("study", required=False)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=5000,
    show_default=True,
    help="Where it listens, on 127.0.0.1.",
)
def ui(study: str | None, port: int) -> None:
    """Open MLflow on the store that a study was logged to, on this machine only.

    Example: regsearch ui quickstart
    """
    from regsearch import api

    api.serve_mlflow(study, port)


@click.command()
@JSON
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check versions, GPUs, compiler, Ray, MLflow and data; say what to do about what is amiss.

    Exits with 2 if a study would lack something (MISS).

    Example: regsearch doctor
    """
    from regsearch import api

    findings = api.examine()
    if as_json:
        print_json([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            mark = "ok  " if finding.ok else "MISS"
            click.echo(f"{mark} {finding.what:<12} {finding.told}")
    if not all(finding.ok for finding in findings):
        ctx.exit(ExitCode.USER)


COMMANDS = [ui, doctor]
