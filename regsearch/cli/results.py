"""Verbs that read what is recorded: status, ls, report, compare, export."""

from __future__ import annotations

import click

from regsearch.cli.options import DASHBOARD, JSON, STUDY, print_json


@click.command()
@STUDY
@DASHBOARD
@JSON
def status(study: str, address: str | None, as_json: bool) -> None:
    """Show how far a study is, who runs it, and what is in training where.

    Each pack in training is a line: its runs, its epoch, its node, its share of CPUs and GPUs,
    since when, and when it was last heard of. With --address it tells of a study that was
    submitted; which packs are where, it tells on the cluster, given the study's folder.

    Example: regsearch status quickstart

    Example: regsearch status quickstart --address http://127.0.0.1:8265
    """
    from regsearch import api

    told = api.job_status(study, address) if address else api.open_study(study).status()
    if as_json:
        print_json(told)
        return
    for line in api.status_lines(told):
        click.echo(line)


@click.command()
@click.argument("what", default="studies")
@JSON
def ls(what: str, as_json: bool) -> None:
    """List the studies here, or what study files can name.

    WHAT is one of studies, pipelines, search_spaces, regularizers, optimizers, schedules (of the
    learning rate), losses, augmentations, models, datasets, metrics (of every epoch), measurements
    (dear ones), reports, algorithms (of the search), samplers, schedulers.

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
@click.argument("studies", nargs=-1, required=True, metavar="STUDY STUDY...")
@click.option(
    "--metric",
    metavar="NAME",
    help="A column of the records (test_accuracy_best), or last, best, last10, epoch:N ... of the "
    "first study's metric. Without it: what that study judges by.",
)
@JSON
def compare(studies: tuple[str, ...], metric: str | None, as_json: bool) -> None:
    """Compare studies with the first of them.

    Shows the best cell of each, the settings that they share side by side, and what differs in
    their pipelines. Differences are over the seeds that both have, with 95 % intervals; a star
    holds for all of a table together.

    Example: regsearch compare digits_fifo digits_asha --metric test_accuracy_best
    """
    from regsearch import api

    comparison = api.compare(studies, metric)
    if as_json:
        print_json(comparison.to_dict())
        return
    for line in comparison.lines():
        click.echo(line)


@click.command()
@STUDY
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "parquet", "json"]),
    default="csv",
    show_default=True,
    help="Parquet is binary and needs --output.",
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


COMMANDS = [status, ls, report, compare, export]
