"""A Ray of our own on this machine, or the user's cluster; started quietly, ended by its handle.

``ray stop`` is never called: it would end every Ray on the machine. What is started here belongs
to this process, listens with a token that nobody else has, and ends with ``close``.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from regsearch.errors import RegsearchError, ServiceError, StorageError
from regsearch.study import lock
from regsearch.study.stop import restore_handlers

FOLDERS = "regsearch-ray-"
ADDRESS_TIMEOUT_S = 5.0
TOKEN_FILE = Path("~/.ray/auth_token")
"""Where ``ray get-auth-token --generate`` puts it."""

_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",  # with verbose=0: Tune prints nothing
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths keep their meaning
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # else `uv run` packs the folder anew for each worker
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # records replace a CSV and JSON file per trial
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the driver owns the signals
    "TUNE_GLOBAL_CHECKPOINT_S": "600",  # Tune's own state is never read again
    "TUNE_MAX_PENDING_TRIALS_PG": "16",  # as for a grid: else HyperBand halves what is not full
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}


Node = tuple[float, float]
"""CPUs and GPUs of one machine."""


@dataclass(frozen=True)
class Resources:
    """What one trial takes, all of it on one node; less than a GPU, of one GPU."""

    cpu: float
    gpu: float

    def slots(self, nodes: Sequence[Node]) -> int:
        """How many trials fit at the same time.

        Raises:
            RegsearchError: not even one does.
        """
        slots = sum(map(self._fitting, nodes))
        if not slots:
            there = " and ".join(f"{cpus:g} CPUs and {gpus:g} GPUs" for cpus, gpus in nodes)
            each = f" on {len(nodes)} nodes" if len(nodes) > 1 else ""
            raise RegsearchError(
                f"resources_per_trial: a trial asks for {self.cpu:g} CPUs and {self.gpu:g} GPUs, "
                f"but there are {there}{each}; ask for less"
            )
        return slots

    def sharing(self, nodes: Sequence[Node]) -> int:
        """How many trials may have to share one memory: that of a GPU, or else of a node."""
        on_a_node = max(map(self._fitting, nodes), default=1)
        return max(1, min(on_a_node, self._on_a_gpu) if self.gpu else on_a_node)

    @property
    def _on_a_gpu(self) -> int:
        return _times(1, self.gpu) if self.gpu < 1 else 1

    def _fitting(self, node: Node) -> int:
        cpus, gpus = node
        by_cpu = _times(cpus, self.cpu)
        if not self.gpu:
            return by_cpu
        by_gpu = int(gpus) * self._on_a_gpu if self.gpu < 1 else _times(gpus, self.gpu)
        return min(by_cpu, by_gpu)


def _times(there: float, each: float) -> int:
    """How often ``each`` fits into what is there; ``1 // 0.1`` would be 9."""
    return int(there / each + 1e-9)


class RaySession:
    """Ray, started in the background while the driver plans.

    ``folder`` holds what Ray writes, on this machine, while the session lives.
    """

    def __init__(self, address: str | None, gpus_wanted: bool) -> None:
        self._address, self._gpus_wanted = address, gpus_wanted
        self._ours = False
        self._error: Exception | None = None
        self._up, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._live, name="ray-session", daemon=True)
        self._stack = ExitStack()
        self.folder = Path()

    @property
    def remote(self) -> bool:
        """Whether packs may be trained on other machines than this."""
        return self._address is not None

    def start(self) -> None:
        """Begin to start or to connect; returns at once."""
        os.environ.update(_ENVIRONMENT)
        if self._address is None and "RAY_AUTH_TOKEN" not in os.environ:
            os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        sweep_folders()
        self.folder = self._stack.enter_context(_folder())
        self._thread.start()

    def wait(self) -> None:
        """Wait until Ray is up.

        Raises:
            ServiceError: it does not start, or the address does not answer.
        """
        while not self._up.wait(0.05):
            restore_handlers()
        restore_handlers()
        if self._error is not None:
            place = self._address or "this machine"
            raise ServiceError(
                f"Ray on {place} cannot be reached: {type(self._error).__name__}: {self._error}. "
                "Check the address and RAY_AUTH_TOKEN, or leave --address out to use this machine"
            ) from self._error

    def release(self) -> None:
        """Begin to end, while the caller has other things to do."""
        self._closing.set()

    def close(self) -> None:
        """End the Ray that was started here, and remove its folder; a cluster is only left."""
        self.release()
        self._thread.join()
        self._stack.close()
        sweep_folders()

    def _live(self) -> None:
        """Start Ray, and stay: the kernel ends Ray's processes with the thread that made them."""
        try:
            self._connect()
        except Exception as error:  # told by wait(), in the driver's thread
            self._error = error
        self._up.set()
        self._closing.wait()
        if self._ours:
            import ray

            ray.shutdown()

    def _connect(self) -> None:
        if self._address:
            knock(self._address)
        import ray
        import ray.tune  # imported here, beside Ray's start, rather than after it

        logging.getLogger("ray").setLevel(logging.ERROR)
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        if ray.is_initialized():  # a notebook's, or a test's
            return
        self._ours = True
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self._address:
            ray.init(address=self._address, **quiet)
            return
        ray.init(
            address="local",  # never somebody else's Ray on this host
            num_cpus=len(os.sched_getaffinity(0)),
            num_gpus=None if self._gpus_wanted else 0,
            include_dashboard=False,
            _temp_dir=str(self.folder),
            **quiet,
        )


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder with a short name, for sockets lie in it; it has its name only once it is locked."""
    made = Path(tempfile.mkdtemp(prefix="regsearch-"))
    with lock.hold(made):
        folder = made.rename(made.with_name(made.name.replace("regsearch-", FOLDERS)))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sweep_folders() -> None:
    """Remove the folders of sessions whose driver was killed: nobody holds their locks.

    Nor does anybody lock what the last processes of a killed Ray wrote after an earlier sweep.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDERS}*"):
        try:
            left = lock.holder(folder) is None
        except (OSError, StorageError):  # another user's
            continue
        if left:
            shutil.rmtree(folder, ignore_errors=True)


def use_token() -> None:
    """Let Ray send the token that is there to a cluster, unless ``RAY_AUTH_MODE`` says otherwise.

    Ray reads the mode when it is imported, so this comes before.
    """
    named = any(name in os.environ for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    if named or TOKEN_FILE.expanduser().exists():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def knock(address: str) -> None:
    """Find out in seconds that nobody listens at ``HOST:PORT``; Ray itself would try for minutes.

    Raises:
        OSError: nobody does.
    """
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), ADDRESS_TIMEOUT_S).close()
