"""The driver's end of the delivery: a process of its own, so that MLflow never delays training."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from regsearch.errors import RegsearchError
from regsearch.records import Store
from regsearch.track.address import Tracking, resolve
from regsearch.track.identity import identify
from regsearch.track.log import LOG_NAME, DeliveryLog
from regsearch.track.outcome import Outcome

PROTOCOL = "delivery.log"  # what the process had to say, of the last start
LAST_WORDS_S = 5.0  # from SIGTERM to SIGKILL; a kill loses nothing


class Delivery:
    """A process that follows one study's records and sends them to MLflow.

    It holds no lock on the store and needs nothing from the driver. When the driver ends, in
    whichever way, the process delivers what is recorded and ends too.
    """

    def __init__(
        self, process: subprocess.Popen[str], folder: Path, tracking: Tracking, study: str
    ) -> None:
        self._process = process
        self._folder = folder
        self._tracking = tracking
        self._study = study

    @classmethod
    def start(cls, folder: Path, tracking: Tracking) -> Delivery:
        """Start to deliver the study in ``folder``."""
        study = identify(folder).name
        address = resolve(tracking, study)
        environment = os.environ | {
            "MLFLOW_TRACKING_URI": address.uri,  # not an argument: it may hold a password
            "PYTHONPATH": os.pathsep.join(
                [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
        }
        arguments = ["--experiment", address.experiment, "--follow"]
        with (folder / PROTOCOL).open("w") as protocol:
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", "-m", "regsearch.track", str(folder), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=protocol,
                env=environment,
                text=True,
                start_new_session=True,  # a Ctrl-C is meant for the driver, which then closes us
            )
        return cls(process, folder, tracking, study)

    def finish(self, timeout_s: float) -> Outcome:
        """Say that all is recorded, wait until all has arrived or ``timeout_s`` is over."""
        try:
            answer, _ = self._process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            answer = self._end()
        if answer.strip():
            return Outcome.from_json(answer.splitlines()[-1])
        return self._count()

    def abort(self) -> None:
        """End the process now; a later delivery goes on from there."""
        self._end()

    def _end(self) -> str:
        self._process.terminate()
        try:
            answer, _ = self._process.communicate(timeout=LAST_WORDS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            answer, _ = self._process.communicate()
        return answer

    def _count(self) -> Outcome:
        """What the files say, where the process could not."""
        status = self._process.returncode
        why = f"the delivery process ended with status {status}; see {self._folder / PROTOCOL}"
        try:
            return outcome_on_disk(self._folder, self._tracking, self._study, why)
        except RegsearchError as error:
            return Outcome(0, 0, f"{why}; {error}")


def outcome_on_disk(
    folder: Path, tracking: Tracking, study: str, error: str | None = None
) -> Outcome:
    """How much of a study has been delivered, by its own log; MLflow is not asked.

    Raises:
        RegsearchError: the store or the log cannot be read.
    """
    key = resolve(tracking, study).key
    with (
        Store.open(folder, read_only=True) as store,
        DeliveryLog.open(folder / LOG_NAME, key) as log,
    ):
        recorded = store.statuses()
        delivered = sum(run in recorded and entry.done for run, entry in log.entries.items())
    return Outcome(delivered, len(recorded) - delivered, error)
