"""``python -m regsearch``."""

from regsearch.cli import entry

entry()
