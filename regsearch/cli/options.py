"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

FILE = click.argument("file")
STUDY = click.argument("study")

OVERRIDES = click.option(
    "-o",
    "--override",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Set a value of the file, as in -o train.epochs=5; may be given again.",
)
OUTPUT = click.option(
    "--output",
    metavar="FOLDER",
    help="Folder of the study; studies/NAME without it.",
)
DASHBOARD = click.option(
    "--address",
    metavar="URL",
    help="Of a study that was submitted: the cluster's dashboard, as http://127.0.0.1:8265.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def print_json(value: Any) -> None:
    """Print ``value`` as JSON; times and paths become text."""
    import json

    click.echo(json.dumps(value, indent=2, default=str))
