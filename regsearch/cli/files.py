"""Verbs about study files: validate, plan, schema."""

from __future__ import annotations

import click

from regsearch.cli.options import FILE, JSON, OUTPUT, OVERRIDES, print_json
from regsearch.errors import SpecError


@click.command()
@click.argument("files", nargs=-1, required=True)
@OVERRIDES
def validate(files: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    """Check pipelines and search spaces; train nothing.

    All problems are told at once, one line each: file:line: path: what is wrong, what to write.

    Example: regsearch validate pipelines/*.yaml search_spaces/*.yaml
    """
    from regsearch import api

    problems: list[str] = []
    for file in files:
        try:
            click.echo(f"{file}: ok, {api.validate(file, overrides)}")
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(problems)


@click.command()
@FILE
@OVERRIDES
@OUTPUT
@click.option("--list", "listed", is_flag=True, help="Print every run and whether it is recorded.")
@JSON
def plan(
    file: str, overrides: tuple[str, ...], output: str | None, listed: bool, as_json: bool
) -> None:
    """Show what `run` would train: cells, runs, packs, time and memory.

    Time and memory come from a short measurement on this machine.

    Example: regsearch plan pipelines/quickstart.yaml
    """
    from regsearch import api

    planned = api.load(file, overrides).plan(output)
    if as_json:
        print_json(planned.to_dict(with_runs=listed))
        return
    for line in planned.lines(with_runs=listed):
        click.echo(line)


@click.command()
@click.argument("of", type=click.Choice(["pipeline", "search_space"]), default="pipeline")
def schema(of: str) -> None:
    """Print the JSON Schema of a file, so that editors complete and check it.

    Example: regsearch schema > pipeline.schema.json
    """
    from regsearch import api

    print_json(api.schema(of))


COMMANDS = [validate, plan, schema]
