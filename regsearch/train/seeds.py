"""Random streams as pure functions of what they are for: a resumed run draws the same numbers."""

from __future__ import annotations

import hashlib

import torch


def seed_of(*purpose: object) -> int:
    """Seed for one purpose, such as ``(seed, "batches", epoch)``; nearby purposes do not relate."""
    key = hashlib.sha256("/".join(map(str, purpose)).encode()).digest()
    return int.from_bytes(key[:7], "big")


def generator(*purpose: object) -> torch.Generator:
    """Fresh generator on the CPU, so that every device draws the same numbers."""
    return torch.Generator().manual_seed(seed_of(*purpose))
