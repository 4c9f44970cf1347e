"""Studies on a cluster, from a laptop that may leave: submit, look, read the log, stop."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from regsearch.api.claiming import to_yaml
from regsearch.api.pipeline import Pipeline
from regsearch.errors import DataError, RegsearchError
from regsearch.study.own_code import copy_code
from regsearch.study.preflight import check_runs
from regsearch.study.provenance import git_commit
from regsearch.study.ray_session import use_token

if TYPE_CHECKING:
    from regsearch.study.ray_jobs import Job, Jobs


def submit(pipeline: Pipeline, address: str, output: str | None = None) -> Job:
    """Start the study on the cluster whose dashboard is at ``address``; it goes on without us.

    What is sent is the pipeline with every value, and the Python files of a model of one's own.
    Submitted again, the study goes on where it was, as with ``run``.

    Args:
        pipeline: what to run.
        address: such as ``http://127.0.0.1:8265``.
        output: folder of the study on the cluster, which all its nodes see; ``studies/NAME`` in
            the head node's home folder without it.

    Raises:
        SpecError: a model or a regularizer does not fit; nothing was sent.
        RegsearchError: ``output`` is not absolute, or ``ray[default]`` is not installed.
        ServiceError: the cluster cannot be reached.
    """
    if output is not None and not PurePosixPath(output).is_absolute():
        raise RegsearchError(
            f"--output: {output} is a folder of the cluster, not of this machine: write all of "
            "its path, such as /shared/studies/NAME"
        )
    jobs = _connect(address)
    with suppress(DataError):  # the cluster may have what this machine lacks
        check_runs(pipeline.spec, pipeline.examples(), download=False)
    name = pipeline.spec.name
    with tempfile.TemporaryDirectory(prefix="regsearch-submit-") as folder:
        files = Path(folder)
        (files / f"{name}.yaml").write_bytes(to_yaml(pipeline))
        copy_code(pipeline.spec, Path.cwd(), files)
        return jobs.submit(
            name, files, entrypoint(name, output), output or f"~/studies/{name}", git_commit()
        )


def entrypoint(name: str, output: str | None) -> str:
    """What the head node's shell runs, in the folder that holds the files.

    MLflow's default store lies beside the study, for the folder of the files does not last.
    """
    folder = shlex.quote(output) if output else f'"$HOME"/studies/{name}'
    return (
        f'files="$PWD"; export PYTHONPATH="$files${{PYTHONPATH:+:$PYTHONPATH}}"; '
        f"mkdir -p {folder} && cd {folder}/.. || exit 5; "
        f'exec python -m regsearch run "$files"/{name}.yaml --address auto --output {folder}'
    )


def find_job(name: str, address: str) -> Job:
    """The newest submission of the study ``name``, or the job called so."""
    return _connect(address).find(name)


def job_status(name: str, address: str) -> dict[str, Any]:
    """How far a submitted study is, as plain values; ``told`` is the last line it printed."""
    jobs = _connect(address)
    job = jobs.find(name)
    told = jobs.logs(job).strip().rpartition("\n")[2]
    return job.to_dict() | {"told": told}


def job_log(
    name: str, address: str, tell: Callable[[str], None], *, follow: bool = False
) -> int | None:
    """Pass on what a submitted study prints; the exit code of one that was followed to its end."""
    jobs = _connect(address)
    job = jobs.find(name)
    if not follow:
        tell(jobs.logs(job))
        return None
    return jobs.follow(job, tell).code()


def stop_job(name: str, address: str) -> str:
    """End a submitted study; says what happened."""
    jobs = _connect(address)
    job = jobs.find(name)
    if not job.running:
        return f"{job.job} is not running: {job.state}."
    seen = jobs.stop(job)
    return f"{seen.job} is {seen.state}; submit its file again to go on."


def _connect(address: str) -> Jobs:
    """Ray's job server.

    Raises:
        RegsearchError: the part of Ray that speaks with it is not installed.
    """
    if find_spec("aiohttp_cors") is None:  # comes with ray[default] alone
        raise RegsearchError(
            "clusters need more of Ray than is installed: pip install 'regsearch[cluster]'"
        )
    use_token()
    from regsearch.study.ray_jobs import Jobs

    return Jobs(address)
