"""Records to test with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regsearch.records import Record, Status

QUANTITIES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


def sample_task(seed: int = 0, **sections: Any) -> dict[str, Any]:
    """The content of a small run, as JSON values; ``sections`` replace whole sections."""
    return {
        "dataset": {"kind": "digits", "label_noise": 0.4, "validation": 0, "fingerprint": "f0"},
        "model": {"kind": "mlp", "widths": [128]},
        "train": {"optimizer": {"kind": "adam", "lr": 1e-4, "betas": [0.9, 0.999]}, "epochs": 3},
        "regularizers": [{"kind": "volumization", "v": 0.5, "alpha": -1.0, "scope": "weights"}],
        "seed": seed,
        **sections,
    }


def sample_record(number: int = 0, epochs: int = 3, **changes: Any) -> Record:
    """A completed run, its values drawn from ``number``; ``changes`` replace fields."""
    draw = np.random.default_rng(number)
    curves = {name: draw.random(epochs).astype(np.float32) for name in QUANTITIES}
    fields = {
        "run": f"{number:016x}",
        "cell": f"{number // 3:016x}",
        "status": Status.COMPLETED,
        "reason": None,
        "task": sample_task(seed=number),
        "epochs": epochs,
        "seconds": 0.1 + number,
        "started": "2026-03-01T12:00:00.000+00:00",
        "finished": "2026-03-01T12:00:07.250+00:00",
        "metrics": {name: float(draw.random()) for name in QUANTITIES},
        "curves": curves,
        "provenance": {"versions": {"torch": "2.15.0"}, "pack": 16, "commit": None},
    }
    return Record(**{**fields, **changes})


def float32(values: list[float]) -> NDArray[np.float32]:
    """A curve of these values."""
    return np.array(values, np.float32)


def same(one: Record, other: Record) -> bool:
    """Equal in every field, curves to the bit (``==`` cannot compare arrays)."""
    arrays = {"curves": None, "distributions": None}
    plain = [{**vars(record), **arrays} for record in (one, other)]
    counted = [
        [(name, found._replace(counts=found.counts.tolist())) for name, found in each.items()]
        for each in (one.distributions, other.distributions)
    ]
    curves = [
        [(name, curve.dtype, curve.tobytes()) for name, curve in record.curves.items()]
        for record in (one, other)
    ]
    return plain[0] == plain[1] and curves[0] == curves[1] and counted[0] == counted[1]
