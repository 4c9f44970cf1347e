"""Verbs that read what is recorded: status, ls, report, export."""

from __future__ import annotations

import click

from regsearch.cli.options import DASHBOARD, JSON, STUDY, print_json


@click.command()
@STUDY
@DASHBOARD
@JSON
def status(study: str, address: str | None, as_json: bool) -> None:
    """Show how far a study is, and who runs it; with --address, one that was submitted.

    Example: regsearch status quickstart

    Example: regsearch status quickstart --address http://127.0.0.1:8265
    """
    from regsearch import api

    told = api.job_status(study, address) if address else api.open_study(study).status()
    if as_json:
        print_json(told)
        return
    for name, value in told.items():
        click.echo(f"{name:<12} {'no' if value is None else value}")


@click.command()
@click.argument("what", default="studies")
@JSON
def ls(what: str, as_json: bool) -> None:
    """List the studies here, or what study files can name.

    WHAT is one of studies, regularizers, optimizers, models, datasets, metrics, reports,
    algorithms (of the search), samplers, schedulers, pipelines, search_spaces.

    Example: regsearch ls regularizers
    """
    from regsearch import api

    listed = api.list_names(what)
    if as_json:
        print_json(listed)
        return
    width = max(map(len, listed), default=0)
    for name, description in listed.items():
        click.echo(f"{name:<{width}}  {description}")


@click.command()
@STUDY
def report(study: str) -> None:
    """Draw the report again from the records; Ray and MLflow are not needed.

    Example: regsearch report quickstart
    """
    from regsearch import api

    click.echo(api.open_study(study).report())


@click.command()
@STUDY
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "parquet", "json"]),
    default="csv",
    show_default=True,
)
@click.option("--curves", is_flag=True, help="One row per run and epoch instead of one per run.")
@click.option("--output", metavar="FILE", help="Where to write; standard output for csv and json.")
def export(study: str, form: str, curves: bool, output: str | None) -> None:
    """Write the records as a table.

    Example: regsearch export quickstart --format parquet --output records.parquet
    """
    from regsearch import api

    text = api.open_study(study).export(form, curves=curves, output=output)
    if text is not None:
        click.echo(text, nl=False)


COMMANDS = [status, ls, report, export]
