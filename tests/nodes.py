"""Ray nodes of this test's own on this machine, started as on any other, and killed as by fate."""

from __future__ import annotations

import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

STARTED = "Ray runtime started."


class Node:
    """A raylet with its processes; the ``head`` holds the cluster's state besides."""

    def __init__(self, folder: Path, port: int, cpus: int, head: bool) -> None:
        where = f"--head --port {port} --include-dashboard=false" if head else ""
        where = where or f"--address 127.0.0.1:{port}"
        words = f"{where} --node-ip-address 127.0.0.1 --num-cpus {cpus} --temp-dir {folder}"
        ray = [str(Path(sys.executable).with_name("ray")), "start"]
        self._folder = folder
        folder.mkdir()
        log = folder / "log"
        with log.open("wb") as told:
            command = [*ray, *words.split(), "--disable-usage-stats", "--block"]
            self._process = subprocess.Popen(command, stdout=told, stderr=told)
        deadline = time.monotonic() + 120
        while STARTED not in log.read_text():
            assert self._process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)

    def trains(self) -> bool:
        """Whether one of its processes has a pack in training."""
        return any("Trainable." in title(process) for process in self._processes())

    def kill(self) -> None:
        """``kill -9`` of all its processes at once, as if the machine had lost power."""
        processes = self._processes()
        for process in processes:
            process.kill()
        psutil.wait_procs(processes, 10)

    def stop(self) -> None:
        """End it in order, unless it was killed."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _processes(self) -> list[psutil.Process]:
        try:
            this = psutil.Process(self._process.pid)
            return [*this.children(recursive=True), this]
        except psutil.NoSuchProcess:
            return []


class Cluster:
    """A head with one CPU; nodes are added to it."""

    def __init__(self, folder: Path, ends: ExitStack) -> None:
        self._folder, self._ends, self._port = folder, ends, free_port()
        self._start(cpus=1, head=True)

    @property
    def address(self) -> str:
        """For ``--address``."""
        return f"127.0.0.1:{self._port}"

    def add(self, cpus: int = 1) -> Node:
        """Another node."""
        return self._start(cpus, head=False)

    def _start(self, cpus: int, head: bool) -> Node:
        node = Node(self._folder / secrets.token_hex(2), self._port, cpus, head)
        self._ends.callback(node.stop)
        return node


@contextmanager
def cluster_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster with a token that nobody else has; it ends with the context."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    folder = Path(f"/tmp/rs-{secrets.token_hex(3)}")  # sockets need a short name
    folder.mkdir()
    try:
        with ExitStack() as ends:
            yield Cluster(folder, ends)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def title(process: psutil.Process) -> str:
    """Its command line, which Ray makes say what it does; empty once it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
