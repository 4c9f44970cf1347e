"""``python -m regsearch``."""

from regsearch.cli import main

main()
