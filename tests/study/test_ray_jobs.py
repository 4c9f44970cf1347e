"""Submitted studies: wording and exit codes over a stand-in of Ray's client, and once for real."""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

pytest.importorskip("aiohttp_cors", reason="needs ray[default]: pip install 'regsearch[cluster]'")

from ray.exceptions import AuthenticationError

from regsearch.api import load, submitting
from regsearch.api.submitting import entrypoint
from regsearch.cli import main
from regsearch.errors import ExitCode, RegsearchError
from regsearch.study import own_code, ray_jobs, ray_session
from regsearch.study.pack import Pack
from regsearch.study.provenance import git_commit, provenance
from regsearch.train.engine import Engine
from tests.tiny import recorded, write_tiny

URL = "http://127.0.0.1:8265"


class StandInClient:
    """Ray's client: keeps what it is sent; its jobs say what the test told them to."""

    jobs: dict[str, Any]
    fault: Exception | None
    files: dict[str, bytes]

    def __init__(self, address: str) -> None:
        self.environment = {name for name in os.environ if name.startswith("RAY_A")}
        if self.fault:
            raise self.fault

    def submit_job(self, **asked: Any) -> str:
        folder = Path(asked["runtime_env"]["working_dir"])
        found = [file for file in folder.rglob("*") if file.is_file()]
        type(self).files = {str(f.relative_to(folder)): f.read_bytes() for f in found}
        name = asked["submission_id"]
        assert name not in self.jobs, "Ray refuses an id that it has seen"
        self.jobs[name] = SimpleNamespace(
            submission_id=name,
            status="RUNNING",
            message="running",
            driver_exit_code=None,
            metadata=asked["metadata"],
            start_time=1_000 * (1 + len(self.jobs)),
            end_time=None,
            asked=asked,
        )
        return str(name)

    def get_job_info(self, name: str) -> Any:
        return self.jobs[name]

    def list_jobs(self) -> list[Any]:
        others = SimpleNamespace(metadata=None)
        return [others, *self.jobs.values()]

    def get_job_logs(self, name: str) -> str:
        return "first\nlast\n"

    async def tail_job_logs(self, name: str) -> AsyncIterator[str]:
        yield "first\n"
        self.jobs[name].status, self.jobs[name].driver_exit_code = "FAILED", int(ExitCode.BUDGET)
        yield "last\n"

    def stop_job(self, name: str) -> bool:
        self.jobs[name].status = "STOPPED"
        return True


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[StandInClient]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ray_session, "TOKEN_FILE", tmp_path / "none")
    monkeypatch.setattr(ray_jobs, "JobSubmissionClient", StandInClient)
    monkeypatch.setattr(StandInClient, "jobs", {}, raising=False)
    monkeypatch.setattr(StandInClient, "fault", None, raising=False)
    return StandInClient


def regsearch(words: str) -> Result:
    return CliRunner().invoke(main, [*shlex.split(words), "--address", URL])


def test_what_is_sent_is_the_same_study_in_one_file(
    client: type[StandInClient], tmp_path: Path
) -> None:
    write_tiny(tmp_path)
    told = regsearch("submit tiny.yaml -o seeds=3 --output /shared/tiny --json")
    assert told.exit_code == 0, told.output
    (job,) = client.jobs.values()
    assert json.loads(told.output) | {"study": "tiny", "folder": "/shared/tiny"} == json.loads(
        told.output
    )
    assert list(client.files) == ["tiny.yaml"], "no code without a model of one's own"
    (tmp_path / "sent").mkdir()
    (tmp_path / "sent" / "tiny.yaml").write_bytes(client.files["tiny.yaml"])
    sent, asked = load("sent/tiny.yaml"), load("tiny.yaml", ["seeds=3"])
    assert [run.run for run in sent.expand()] == [run.run for run in asked.expand()]
    assert job.metadata["study"] == "tiny"
    assert int(job.asked["runtime_env"]["env_vars"]["RAY_JOB_STOP_WAIT_TIME_S"]) > 9


def test_records_of_a_submitted_study_have_the_commit_that_it_was_submitted_from(
    client: type[StandInClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny(tmp_path)
    here = ["git", "-c", "user.name=x", "-c", "user.email=x@y"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*here, *words], check=True)
    git_commit.cache_clear()
    assert regsearch("submit tiny.yaml").exit_code == 0
    [job] = client.jobs.values()
    head = ["git", "rev-parse", "HEAD"]
    commit = subprocess.run(head, check=True, capture_output=True, text=True).stdout.strip()
    sent = job.asked["runtime_env"]["env_vars"]
    assert job.metadata["git_commit"] == commit
    elsewhere = tmp_path / "head_node"  # no git there
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for name, value in sent.items():
        monkeypatch.setenv(name, value)
    git_commit.cache_clear()
    [run, *_] = load(tmp_path / "tiny.yaml").expand()
    assert provenance(Pack((run,), Engine()), 1, None)["git_commit"] == commit
    for name in sent:
        monkeypatch.delenv(name)
    git_commit.cache_clear()
    assert git_commit() is None
    git_commit.cache_clear()


def test_every_submission_is_another_job_and_the_newest_is_meant(
    client: type[StandInClient], tmp_path: Path
) -> None:
    write_tiny(tmp_path)
    for _ in range(2):
        assert regsearch("submit tiny.yaml").exit_code == 0
    first, second = client.jobs
    assert json.loads(regsearch("status tiny --json").output)["job"] == second
    told = regsearch(f"status {first}")
    assert first in told.output
    assert "last" in told.output.splitlines()[-1]


def test_a_stop_ends_it_and_a_second_says_so(client: type[StandInClient], tmp_path: Path) -> None:
    write_tiny(tmp_path)
    regsearch("submit tiny.yaml")
    (job,) = client.jobs
    assert regsearch("stop tiny").output == f"{job} is STOPPED; submit its file again to go on.\n"
    assert regsearch("stop tiny").output == f"{job} is not running: STOPPED.\n"


def test_the_exit_code_of_the_study_passes_through(
    client: type[StandInClient], tmp_path: Path
) -> None:
    write_tiny(tmp_path)
    regsearch("submit tiny.yaml")
    told = regsearch("logs tiny --follow")
    assert (told.exit_code, told.output) == (ExitCode.BUDGET, "first\nlast\n")
    assert regsearch("logs tiny").exit_code == 0


@pytest.mark.parametrize(
    ("state", "exit_code", "expected"),
    [("STOPPED", None, 143), ("FAILED", 3, 3), ("FAILED", -9, 143), ("FAILED", None, None)],
)
def test_how_a_job_ended(state: str, exit_code: int | None, expected: int | None) -> None:
    job = ray_jobs.Job("id", "tiny", state, exit_code, "no such image", "", None, None, None)
    if expected is None:
        with pytest.raises(RegsearchError, match="could not run it: no such image"):
            job.code()
    else:
        assert job.code() == expected


@pytest.mark.parametrize(
    ("fault", "expected", "code"),
    [
        (ConnectionError("secret"), r"no Ray dashboard answers at http://127.0.0.1:8265", 4),
        (AuthenticationError("secret"), r"refuses the token.*ray get-auth-token", 4),
        (RuntimeError("Request failed with status code 500: x\ny"), r"refuses: Request .* x$", 4),
    ],
)
def test_what_goes_wrong_is_said_in_a_line(
    client: type[StandInClient],
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
    expected: str,
    code: int,
) -> None:
    monkeypatch.setattr(client, "fault", fault)
    told = regsearch("status tiny")
    assert told.exit_code == code
    assert re.search(expected, told.output, re.MULTILINE), told.output
    assert "secret" not in told.output


def test_no_such_job_names_those_there(client: type[StandInClient], tmp_path: Path) -> None:
    write_tiny(tmp_path)
    regsearch("submit tiny.yaml")
    told = regsearch("logs tony")
    assert told.exit_code == 2
    assert "Did you mean 'tiny'? Submitted there: tiny" in told.output


def test_mistakes_are_found_before_anything_is_sent(
    client: type[StandInClient], tmp_path: Path
) -> None:
    write_tiny(tmp_path)
    told = regsearch("submit tiny.yaml --output studies/tiny")
    assert (told.exit_code, client.jobs) == (2, {})
    assert "write all of its path" in told.output
    write_tiny(tmp_path, model={"kind": "custom", "path": "no_such_module:net"})
    told = regsearch("submit tiny.yaml")
    assert (told.exit_code, client.jobs) == (2, {})
    assert "no module no_such_module" in told.output


def test_what_to_install_is_said(
    client: type[StandInClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "find_spec", lambda name: None)
    told = regsearch("status tiny")
    assert told.exit_code == 2
    assert "pip install 'regsearch[cluster]'" in told.output


def test_the_argument_counts_more_than_rays_environment(
    client: type[StandInClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://elsewhere:1")
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://elsewhere:2")
    seen = ray_jobs.Jobs(URL)._client.environment
    assert seen.isdisjoint({"RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"})
    assert os.environ["RAY_ADDRESS"] == "http://elsewhere:1"


def test_a_token_that_is_there_is_used(
    client: type[StandInClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    ray_session.use_token()
    assert "RAY_AUTH_MODE" not in os.environ
    monkeypatch.setenv("RAY_AUTH_TOKEN", "x")
    ray_session.use_token()
    assert os.environ.pop("RAY_AUTH_MODE") == "token"
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    ray_session.use_token()
    assert os.environ["RAY_AUTH_MODE"] == "disabled"


def test_the_code_of_a_model_goes_along_and_nothing_else(tmp_path: Path) -> None:
    sent = ("nets.py", "layers/__init__.py", "layers/wide.py")
    kept = (".env/x.py", "venv/lib/x.py", "studies/x.py", "notes.txt", ".secret.yaml")
    for name in (*sent, *kept, "venv/pyvenv.cfg"):
        (tmp_path / "here" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "here" / name).write_text("")
    custom = load(write_tiny(tmp_path, model={"kind": "custom", "path": "nets:net"})).spec
    there = tmp_path / "there"
    own_code.copy_code(custom, tmp_path / "here", there)
    found = {str(file.relative_to(there)) for file in there.rglob("*") if file.is_file()}
    assert found == set(sent)
    installed = load(write_tiny(tmp_path, model={"kind": "custom", "path": "torch.nn:Linear"})).spec
    own_code.copy_code(installed, tmp_path / "here", tmp_path / "empty")
    assert not (tmp_path / "empty").exists()


@pytest.mark.parametrize("output", ["/a b/$(touch gone)/tiny", None])
def test_the_shell_gets_the_folder_as_it_is(tmp_path: Path, output: str | None) -> None:
    (tmp_path / "python").write_text('#!/bin/sh\npwd\nprintf "%s\\n" "$@" "$PYTHONPATH"\n')
    (tmp_path / "python").chmod(0o755)
    folder = f"{tmp_path}{output}" if output else f"{tmp_path}/studies/tiny"
    told = subprocess.run(
        ["/bin/sh", "-c", entrypoint("tiny", folder if output else None)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)},
        check=True,
    ).stdout.splitlines()
    run = ["-m", "regsearch", "run", f"{tmp_path}/tiny.yaml", "--address", "auto", "--output"]
    assert told == [str(Path(folder).parent), *run, folder, str(tmp_path)]
    assert not (tmp_path / "gone").exists()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A cluster of one node with a token; its dashboard's address."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    folder, port = Path(f"/tmp/rs-{secrets.token_hex(4)}"), free_port()  # sockets need a short name
    words = f"--head --port {free_port()} --num-cpus 1 --temp-dir {folder} --disable-usage-stats"
    dashboard = f"--dashboard-host 127.0.0.1 --dashboard-port {port} --block"
    with (tmp_path / "head.log").open("w") as log:
        ray = [str(Path(sys.executable).with_name("ray")), "start"]
        node = subprocess.Popen([*ray, *words.split(), *dashboard.split()], stdout=log, stderr=log)
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        node.send_signal(signal.SIGTERM)
        node.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(f"no dashboard on {port}")


def epochs_saved(study: Path) -> list[int]:
    """Epoch of each checkpoint of a study's packs."""
    names = [file.name for file in study.glob("checkpoints/*/*") if file.name != "runs.json"]
    return [int(digits) for name in names if (digits := "".join(filter(str.isdigit, name)))]


@pytest.mark.slow
@pytest.mark.ray
def test_a_submitted_study_is_stopped_goes_on_and_ends(head: str, tmp_path: Path) -> None:
    file = write_tiny(tmp_path, model={"kind": "custom", "path": "own_net:net"})
    (tmp_path / "own_net.py").write_text(
        "from torch import nn\n"
        "def net(input_shape, classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))\n"
    )
    study, long = tmp_path / "shared" / "tiny", tmp_path / "shared" / "long"

    def ask(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "regsearch", *words, "--address", head]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    changes = ("name=long", "train.epochs=1000000", "checkpoint.every_s=0.1")
    send = ["submit", str(file), "--output", str(long)]
    send += [word for change in changes for word in ("-o", change)]
    sent = ask(*send)
    assert sent.returncode == 0, sent.stderr
    for _ in range(600):
        if epochs_saved(long):
            break
        time.sleep(0.5)
    assert json.loads(ask("status", "long", "--json").stdout)["state"] == "RUNNING"
    assert "STOPPED" in ask("stop", "long").stdout
    before = epochs_saved(long)
    assert before, "what was in training is saved"
    assert ask("logs", "long", "--follow").returncode == ExitCode.TERMINATED
    assert ask(*send, "-o", "budget.time_budget_s=20").returncode == 0
    assert ask("logs", "long", "--follow").returncode == ExitCode.BUDGET
    assert max(epochs_saved(long)) > max(before), "it went on from there"

    assert ask("submit", str(file), "--output", str(study)).returncode == 0
    ended = ask("logs", "tiny", "--follow")
    assert ended.returncode == 0, ended.stdout
    assert {record.status for record in recorded(study).values()} == {"completed"}
    assert len(recorded(study)) == 4
    assert yaml.safe_load((study / "resolved.yaml").read_text())["name"] == "tiny"
