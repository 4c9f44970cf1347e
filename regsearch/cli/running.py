"""Verbs that train, and the one that ends it: run, stop, retry, repro."""

from __future__ import annotations

import click

from regsearch.cli.options import DASHBOARD, FILE, OUTPUT, OVERRIDES, STUDY

ADDRESS = click.option(
    "--address",
    metavar="ADDRESS",
    help="Train on a Ray cluster: HOST:PORT of its head, or auto; without it, on this machine.",
)
IN_PROCESS = click.option(
    "--in-process", is_flag=True, help="Train in this process, without Ray: for debuggers."
)


@click.command()
@FILE
@OVERRIDES
@OUTPUT
@ADDRESS
@IN_PROCESS
@click.option("--fresh", is_flag=True, help="Put an existing study of this name aside, start anew.")
@click.pass_context
def run(
    ctx: click.Context,
    file: str,
    overrides: tuple[str, ...],
    output: str | None,
    address: str | None,
    in_process: bool,
    fresh: bool,
) -> None:
    """Train what the file asks for and has no record yet; then report.

    Starts, goes on after an interruption, and extends when the file has gained values or seeds:
    it is one operation. The last line printed is the path of the report.

    Example: regsearch run pipelines/quickstart.yaml -o seeds=5
    """
    from regsearch import api

    pipeline = api.load(file, overrides)
    ctx.exit(
        api.run(pipeline, output, address=address, in_process=in_process, fresh=fresh, verbose=True)
    )


@click.command()
@STUDY
@DASHBOARD
def stop(study: str, address: str | None) -> None:
    """End the `run` of a study on this machine; what is finished is recorded.

    Waits up to 15 seconds until it has ended. `regsearch run` goes on from there. With --address
    it ends a study that was submitted; `regsearch submit` goes on.

    Example: regsearch stop quickstart

    Example: regsearch stop quickstart --address http://127.0.0.1:8265
    """
    from regsearch import api

    click.echo(api.stop_job(study, address) if address else api.open_study(study).stop())


@click.command()
@STUDY
@ADDRESS
@IN_PROCESS
@click.pass_context
def retry(ctx: click.Context, study: str, address: str | None, in_process: bool) -> None:
    """Train the failed runs of a study again.

    Example: regsearch retry quickstart
    """
    from regsearch import api

    ctx.exit(api.open_study(study).retry(address=address, in_process=in_process))


@click.command()
@STUDY
@click.argument("run")
@click.option("--check", is_flag=True, help="Train it again here and compare with the record.")
def repro(study: str, run: str, check: bool) -> None:
    """Print the exact command that trains one run of a study again.

    RUN is a run's hash, or the beginning of one.

    Example: regsearch repro quickstart 3f2a --check
    """
    from regsearch import api

    reproduction = api.open_study(study).reproduce(run)
    click.echo(reproduction.command)
    if check:
        click.echo(reproduction.check())


COMMANDS = [run, stop, retry, repro]
