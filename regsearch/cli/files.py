"""Verbs about study files: validate, plan, schema."""

from __future__ import annotations

import click

from regsearch.cli.options import FILE, JSON, OUTPUT, OVERRIDES, print_json
from regsearch.errors import RegsearchError, SpecError


@click.command()
@click.argument("files", nargs=-1, required=True)
@OVERRIDES
@click.pass_context
def validate(ctx: click.Context, files: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    """Check pipelines and search spaces; train nothing.

    All problems of all files are told at once, one line each: file:line: path: what is wrong, what
    to write. The exit code is that of the gravest: 2 for a mistake, 9 for more than a limit.

    Example: regsearch validate pipelines/*.yaml search_spaces/*.yaml
    """
    from regsearch import api

    problems: list[str] = []
    code = 0
    for file in files:
        try:
            click.echo(f"{file}: ok, {api.validate(file, overrides)}")
        except RegsearchError as error:
            code = max(code, error.exit_code)
            problems += _problems(file, error)
    for problem in dict.fromkeys(problems):  # files may share a search space
        click.echo(problem, err=True)
    ctx.exit(code)


def _problems(file: str, error: RegsearchError) -> list[str]:
    if isinstance(error, SpecError):
        return error.problems
    told = str(error)
    return [told if told.startswith(file) else f"{file}: {told}"]


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
