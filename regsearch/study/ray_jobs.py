"""Ray's own job submission: a study that runs on a cluster while the laptop is away.

The token is Ray's business: it reads ``RAY_AUTH_TOKEN`` or the file of ``ray get-auth-token``, and
nothing here stores or prints it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobSubmissionClient

from regsearch.errors import ExitCode, ServiceError, UnknownName
from regsearch.registry import nearest
from regsearch.study.provenance import COMMIT
from regsearch.study.stop import GRACE_S

MADE_BY = "regsearch"
"""Marks our jobs among those of a cluster."""

STOP_S = int(GRACE_S) + 6
"""Seconds until Ray kills a job that was asked to stop; its own 3 are too few for a last save."""

PATIENCE_S = STOP_S + 10.0
POLL_S = 0.5
ENDED = ("STOPPED", "SUCCEEDED", "FAILED")


@dataclass(frozen=True)
class Job:
    """One submission of a study."""

    job: str  # Ray's submission id
    study: str
    state: str  # PENDING, RUNNING, STOPPED, SUCCEEDED or FAILED
    exit_code: int | None  # what `regsearch run` exited with; None: it has not
    message: str  # of Ray
    folder: str  # of the study, on the cluster
    git_commit: str | None
    submitted: str | None
    ended: str | None

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.state not in ENDED

    def code(self) -> int:
        """What this command should exit with, now that the job has ended.

        Raises:
            ServiceError: the study was never started, or the cluster lost it.
        """
        if self.exit_code is not None and self.exit_code >= 0:
            return self.exit_code
        if self.state == "STOPPED" or self.exit_code is not None:
            return ExitCode.TERMINATED
        raise ServiceError(f"{self.job}: Ray could not run it: {self.message}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


class Jobs:
    """The studies that were submitted to the cluster whose dashboard is at ``address``."""

    def __init__(self, address: str) -> None:
        """Connect.

        Raises:
            ServiceError: nobody answers there, or the token is not the cluster's.
        """
        self._address = address
        for handler in logging.getLogger("ray").handlers:
            handler.setLevel(logging.ERROR)  # its uploads are no news
        with self._speaking(), _argument_counts():
            self._client = JobSubmissionClient(address)

    def submit(
        self, name: str, files: Path, entrypoint: str, folder: str, commit: str | None
    ) -> Job:
        """Send the folder ``files`` and start ``entrypoint`` in its copy on the head node."""
        told = {"made_by": MADE_BY, "study": name, "folder": folder, "git_commit": commit}
        moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        with self._speaking():
            job: str = self._client.submit_job(
                entrypoint=entrypoint,
                submission_id=f"{name}-{moment}-{secrets.token_hex(2)}",
                runtime_env={
                    "working_dir": str(files),
                    "env_vars": {
                        "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_S),
                        **({COMMIT: commit} if commit else {}),
                    },
                },
                metadata={key: value for key, value in told.items() if value},
            )
        return self._look(job)

    def find(self, name: str) -> Job:
        """The job called so, or the newest of the study called so.

        Raises:
            UnknownName: there is none.
        """
        with self._speaking():
            ours = [_read(each) for each in self._client.list_jobs() if _is_ours(each)]
        found = [job for job in ours if name in (job.job, job.study)]
        if not found:
            known = sorted({job.study for job in ours})
            raise UnknownName(
                f"no job of a study {name!r} at {self._address}.{nearest(name, known)} "
                f"Submitted there: {', '.join(known) or 'none yet'}"
            )
        return max(found, key=lambda job: job.submitted or "")

    def logs(self, job: Job) -> str:
        """All that it has printed."""
        with self._speaking():
            printed: str = self._client.get_job_logs(job.job)
        return printed

    def follow(self, job: Job, tell: Callable[[str], None]) -> Job:
        """Pass on what it prints until it ends."""
        with self._speaking():
            asyncio.run(self._tail(job.job, tell))
            while (seen := self._look(job.job)).running:  # the log ends a moment before the job
                time.sleep(POLL_S)
        return seen

    def stop(self, job: Job) -> Job:
        """Send SIGTERM and wait until the job has ended.

        Raises:
            ServiceError: it does not end.
        """
        with self._speaking():
            self._client.stop_job(job.job)
            began = time.monotonic()
            while (seen := self._look(job.job)).running:
                if time.monotonic() - began > PATIENCE_S:
                    raise ServiceError(
                        f"{job.job} is still {seen.state} {PATIENCE_S:g} s after it was asked to "
                        "stop. Ask again, or look at the head node"
                    )
                time.sleep(POLL_S)
        return seen

    async def _tail(self, job: str, tell: Callable[[str], None]) -> None:
        async for lines in self._client.tail_job_logs(job):
            tell(lines)

    def _look(self, job: str) -> Job:
        with self._speaking():
            return _read(self._client.get_job_info(job))

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """Turn what goes wrong on the way into one message."""
        try:
            yield
        except AuthenticationError as refused:
            raise ServiceError(
                f"{self._address} refuses the token. Give the cluster's own, which "
                "`ray get-auth-token` prints on its head node: RAY_AUTH_MODE=token and "
                "RAY_AUTH_TOKEN_PATH=FILE, or RAY_AUTH_TOKEN"
            ) from refused
        except (ConnectionError, requests.RequestException, aiohttp.ClientError) as lost:
            raise ServiceError(
                f"no Ray dashboard answers at {self._address}. A submitted study goes on without "
                "us. --address is that of the dashboard, such as http://127.0.0.1:8265; to a head "
                "node far away lead a tunnel, ssh -N -L 8265:127.0.0.1:8265 HEAD; the head node "
                "needs pip install 'ray[default]'"
            ) from lost
        except (RuntimeError, ValueError) as refused:
            told = str(refused).strip().splitlines()
            raise ServiceError(f"Ray at {self._address} refuses: {(told or ['?'])[0]}") from refused


@contextmanager
def _argument_counts() -> Iterator[None]:
    """Keep Ray from taking an address from the environment instead of the one it is given."""
    names = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")
    held = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(held)


def _is_ours(details: Any) -> bool:
    return (details.metadata or {}).get("made_by") == MADE_BY


def _read(details: Any) -> Job:
    told = details.metadata or {}
    return Job(
        job=details.submission_id,
        study=told.get("study", ""),
        state=str(getattr(details.status, "value", details.status)),
        exit_code=getattr(details, "driver_exit_code", None),
        message=(details.message or "").partition(", last available logs")[0],
        folder=told.get("folder", ""),
        git_commit=told.get("git_commit"),
        submitted=_moment(details.start_time),
        ended=_moment(details.end_time),
    )


def _moment(milliseconds: int | None) -> str | None:
    if not milliseconds:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
