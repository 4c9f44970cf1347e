"""How a pack is computed: compiled or not, on which device, with how many threads."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import torch

from regsearch.errors import RegsearchError

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
KEEP = 2**30


@dataclass(frozen=True)
class Engine:
    """Part of a record's provenance: another engine may round differently.

    One thread is the default, because one single-thread worker per core is faster than threads
    inside a worker, by far so when the machine has other users.
    """

    compile: bool = False
    device: str = "cpu"
    threads: int = 1

    def prepare(self) -> torch.device:
        """Set up this process and return the device.

        Raises:
            RegsearchError: the device is not there.
        """
        device = torch.device(self.device)
        if device.type == "cuda" and not torch.cuda.is_available():
            raise RegsearchError(f"device {self.device!r}: torch sees no GPU here; use 'cpu'")
        torch.set_num_threads(self.threads)
        torch.set_flush_denormal(True)  # moments of dead units become denormal: 16 times slower
        keep_freed_memory()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        return device

    def peak_memory(self) -> int | None:
        """Most bytes of tensors at a time since ``prepare``; ``None`` on a CPU.

        Torch does not count them there, and the process's own peak is of all packs that it trained.
        """
        return None if self.device == "cpu" else torch.cuda.max_memory_allocated(self.device)

    def release_memory(self) -> None:
        """Give back what torch keeps of freed tensors on a GPU."""
        if self.device != "cpu":
            torch.cuda.empty_cache()


def keep_freed_memory() -> None:
    """Let glibc keep the pages of freed tensors: mapping them anew at each step costs a third."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, KEEP)
