"""Verbs of a study on a cluster that this machine may leave: submit, logs."""

from __future__ import annotations

import click

from regsearch.cli.options import FILE, JSON, OVERRIDES, STUDY, print_json

URL = click.option(
    "--address",
    metavar="URL",
    required=True,
    help="The cluster's dashboard, as http://127.0.0.1:8265, often the end of an SSH tunnel.",
)


@click.command()
@FILE
@OVERRIDES
@URL
@click.option(
    "--output",
    metavar="FOLDER",
    help="Folder of the study on the cluster, all of its path; every node must see it. Without it "
    "studies/NAME in the head node's home folder.",
)
@JSON
def submit(
    file: str, overrides: tuple[str, ...], address: str, output: str | None, as_json: bool
) -> None:
    """Run a study on a Ray cluster that goes on when this machine leaves.

    Sends the file with its search space and the code of a model of your own; the data lie on the
    cluster. Submit the file again to go on after a stop, or to extend the study. Then, by its name:
    `status`, `logs` and `stop`, each with --address. Needs pip install 'regsearch[cluster]', and
    RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH if the cluster has a token.

    Example: regsearch submit my_study.yaml --address http://127.0.0.1:8265 --output /shared/my
    """
    from regsearch import api

    job = api.submit(api.load(file, overrides), address, output)
    if as_json:
        print_json(job.to_dict())
        return
    click.echo(f"Submitted {job.job}; the study will lie in {job.folder} there.")
    click.echo(f"Look at it with: regsearch status {job.study} --address {address}")


@click.command()
@STUDY
@URL
@click.option("--follow", is_flag=True, help="Stay until it ends, and exit with its exit code.")
@click.pass_context
def logs(ctx: click.Context, study: str, address: str, follow: bool) -> None:
    """Print what a submitted study has printed.

    STUDY is its name, or the id of one of its submissions. Ctrl-C ends the reading, not the study.

    Example: regsearch logs quickstart --address http://127.0.0.1:8265 --follow
    """
    from regsearch import api

    def tell(text: str) -> None:
        click.echo(text, nl=False)

    ctx.exit(api.job_log(study, address, tell, follow=follow) or 0)


COMMANDS = [submit, logs]
