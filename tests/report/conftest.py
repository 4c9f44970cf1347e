"""A small study made by hand: every number in it can be checked with pencil and paper."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regsearch.report import Metric, Results

Value = float | str | None  # a value, a status, or None for a run that is planned only
Accuracy = Callable[[str, dict[str, float], float, int], Value]


def study(
    accuracy: Accuracy,
    planes: dict[str, dict[str, list[float]]],
    noises: tuple[float, ...] = (0.0,),
    seeds: tuple[int, ...] = (0, 1, 2),
    epochs: int = 4,
    **changes: Any,
) -> Results:
    """A study over the grids of ``planes``; ``accuracy(regularizer, settings, noise, seed)``."""
    columns = [f"{kind}.{name}" for kind, axes in planes.items() for name in axes]
    planned, records, curves = [], [], []
    for noise, (kind, axes) in itertools.product(noises, planes.items()):
        for point in itertools.product(*axes.values()):
            settings = dict(zip(axes, point, strict=True))
            words = "-".join(f"{value:g}" for value in point)
            cell = f"{kind}-{words}-{noise:g}"
            for seed in seeds:
                asked: dict[str, Any] = {"run": f"{cell}-{seed}", "cell": cell, "regularizer": kind}
                asked |= dict.fromkeys(columns, np.nan)
                asked |= {f"{kind}.{name}": value for name, value in settings.items()}
                asked |= {"dataset.label_noise": noise, "seed": seed}
                planned.append(asked)
                value = accuracy(kind, settings, noise, seed)
                if value is None:
                    continue
                records.append(asked | _ended(value, epochs))
                if value != "failed":
                    curves.append(_curve(asked["run"], value, epochs))
    results = Results(
        name="pencil",
        question="does it add up?",
        records=pd.DataFrame(records)
        if records
        else pd.DataFrame(columns=[*asked, *_ended(0.0, 1)]),
        curves=pd.concat(curves, ignore_index=True)
        if curves
        else pd.DataFrame(columns=["run", "epoch", "test_accuracy"]),
        planned=pd.DataFrame(planned),
        factors=["dataset.label_noise"],
        metric=Metric("test_accuracy", "maximize", "last10"),
        spec="name: pencil\n",
        facts={"git commit": "abc", "versions": {"torch": "2"}, "command": "regsearch run p.yaml"},
    )
    return results._replace(**changes)


def _ended(value: float | str, epochs: int) -> dict[str, Any]:
    status = value if isinstance(value, str) else "completed"
    number = np.nan if isinstance(value, str) else value
    reasons = {"diverged": "loss is not finite at epoch 3", "failed": "OutOfMemoryError: 2.0 GiB"}
    return {
        "status": status,
        "reason": reasons.get(status),
        "epochs": epochs,
        "seconds": 60.0,
        "started": "2026-01-05T10:00:00+00:00",
        "finished": "2026-01-05T10:01:00+00:00",
        "test_accuracy": number,
        "weight_norm": 10 * number,
        "test_accuracy_best": number + 0.1,
        "test_accuracy_last10": number,
        "test_accuracy_gap": 0.1,
    }


def _curve(run: str, value: float | str, epochs: int) -> pd.DataFrame:
    last = epochs // 2 if isinstance(value, str) else epochs
    level = 0.1 if isinstance(value, str) else value
    return pd.DataFrame({"run": run, "epoch": np.arange(1, last + 1), "test_accuracy": level})


@pytest.fixture(scope="session")
def make_study() -> Callable[..., Results]:
    return study
