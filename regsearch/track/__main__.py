"""Deliver the records of a study to MLflow, beside the driver or after it.

Prints one line of JSON at the end; exits with 0 if all has arrived, else with 8.
Example: python -m regsearch.track studies/NAME --tracking-uri http://127.0.0.1:5000
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from regsearch.errors import RegsearchError
from regsearch.records import Store
from regsearch.track.address import Tracking, resolve
from regsearch.track.courier import Courier
from regsearch.track.ending import ProcessEnding
from regsearch.track.follow import Ending, follow
from regsearch.track.identity import identify
from regsearch.track.log import LOG_NAME, DeliveryLog
from regsearch.track.outcome import Outcome

NICENESS = 10  # training comes first


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser("python -m regsearch.track", description=__doc__)
    parser.add_argument("folder", type=Path, help="the study's folder")
    parser.add_argument("--tracking-uri", help="default: MLFLOW_TRACKING_URI, then ./mlflow.db")
    parser.add_argument("--experiment", help="default: MLFLOW_EXPERIMENT_NAME, then the study")
    parser.add_argument(
        "--follow", action="store_true", help="go on until standard input is closed"
    )
    parser.add_argument(
        "--patience", type=float, default=30.0, help="seconds of trouble before giving up"
    )
    args = parser.parse_args(arguments)
    if args.follow:
        os.nice(NICENESS)
    ending = ProcessEnding(sys.stdin.fileno() if args.follow else None)
    tracking = Tracking(args.tracking_uri, args.experiment)
    outcome = carry_study(args.folder, tracking, ending, args.patience)
    sys.stdout.write(f"{outcome.to_json()}\n")
    return int(outcome.exit_code)


def carry_study(folder: Path, tracking: Tracking, ending: Ending, patience_s: float) -> Outcome:
    """Deliver one study until ``ending``; one process at a time."""
    try:
        study = identify(folder)
        address = resolve(tracking, study.name)
        with (
            FileLock(folder / ".delivery.lock", timeout=patience_s),
            Store.open(folder, read_only=True) as store,
            DeliveryLog.open(folder / LOG_NAME, address.key) as log,
        ):
            courier = Courier(store, folder, address, study, log)
            return courier.outcome(follow(courier, address, ending, patience_s))
    except Timeout:
        return Outcome(0, 0, f"another process is delivering {folder}; it will send everything")
    except (RegsearchError, OSError) as error:
        return Outcome(0, 0, str(error))


if __name__ == "__main__":
    sys.exit(main())
