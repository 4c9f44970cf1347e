"""What MLflow shows of one record: a pure function of the record, so a replay sends the same.

Names are those of the records frame. Times are the record's own, never "now": MLflow takes a point
sent twice for the same one only if its timestamp is the same.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from regsearch.records.record import Record, Status

LONGEST_KEY = 250  # characters; what MLflow's stores take
LONGEST_PARAM = 6000
LONGEST_TAG = 8000


class Point(NamedTuple):
    """One value of one metric."""

    key: str
    value: float  # finite
    timestamp: int  # milliseconds since 1970, UTC
    step: int  # epoch, from 1


class RunView(NamedTuple):
    """One record in MLflow's words."""

    run: str  # hash of the run
    finished: str  # with ``run`` it tells this record from one of the same run trained again
    name: str
    status: str  # MLflow's: FINISHED or FAILED
    start_time: int  # milliseconds since 1970, UTC
    end_time: int
    params: dict[str, str]
    tags: dict[str, str]
    metrics: list[Point]


def view_run(record: Record, study: str) -> RunView:
    """``record`` as a run of MLflow.

    A diverged run is a result, so it is FINISHED; ``regsearch.status`` tells them apart.
    """
    name = _cut(run_name(record), LONGEST_KEY)
    return RunView(
        run=record.run,
        finished=record.finished,
        name=name,
        status="FAILED" if record.status is Status.FAILED else "FINISHED",
        start_time=milliseconds(record.started),
        end_time=milliseconds(record.finished),
        params=_texts(run_params(record), LONGEST_PARAM),
        tags=_texts({"mlflow.runName": name} | run_tags(record, study), LONGEST_TAG),
        metrics=run_metrics(record),
    )


def run_name(record: Record) -> str:
    """A name to read: ``volumization v=0.5 alpha=0.99 noise=0.4 seed=1``."""
    words = [record.regularizer]
    for entry in record.task["regularizers"]:
        words += [
            f"{name}={value:g}"
            for name, value in entry.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        ]
    if noise := record.task.get("dataset", {}).get("label_noise"):
        words.append(f"noise={noise:g}")
    return " ".join([*words, f"seed={record.seed}"])


def run_params(record: Record) -> dict[str, Any]:
    """Every value of the task by its path; hyper-parameters as ``<kind>.<name>``.

    A kind applied twice is numbered from the second on, as in the records frame.
    """
    task = {name: value for name, value in record.task.items() if name != "regularizers"}
    params = {"regularizer": record.regularizer}
    seen = Counter[str]()
    for entry in record.task["regularizers"]:
        kind = entry["kind"]
        seen[kind] += 1
        hparams = {name: value for name, value in entry.items() if name != "kind"}
        params |= _flat(hparams, f"{kind}_{seen[kind]}." if seen[kind] > 1 else f"{kind}.")
    return params | _flat(task)


def run_tags(record: Record, study: str) -> dict[str, Any]:
    """What identifies the run, how it ended, and with what it was made."""
    facts = {
        "study": study,
        "run": record.run,
        "cell": record.cell,
        "seed": record.seed,
        "status": record.status.value,
        "reason": record.reason,
        "finished": record.finished,
        "not_finite": _not_finite(record),
        **_flat(record.provenance),
    }
    tags = {f"regsearch.{name}": value for name, value in facts.items() if value not in (None, "")}
    tags |= {"mlflow.source.name": "regsearch", "mlflow.source.type": "LOCAL"}
    if commit := record.provenance.get("git_commit"):
        tags["mlflow.source.git.commit"] = commit
    return tags


def run_metrics(record: Record) -> list[Point]:
    """Curves epoch by epoch, then final values and summaries at the last epoch; finite values only.

    MLflow would show an infinity as 1.8e308.
    """
    start, end = milliseconds(record.started), milliseconds(record.finished)
    points: dict[tuple[str, int], Point] = {}
    for name, values in record.curves.items():
        key, count = _key(name), len(values)
        for epoch, value in enumerate(values.tolist(), start=1):
            time = start + (end - start) * epoch // count
            points[key, epoch] = Point(key, value, time, epoch)
    last = record.epochs
    for name, final in {**record.metrics, **_scalars(record)}.items():
        if final is not None:
            points[_key(name), last] = Point(_key(name), float(final), end, last)
    return [point for point in points.values() if math.isfinite(point.value)]


def milliseconds(moment: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 time; one without a zone is taken as UTC."""
    time = datetime.fromisoformat(moment)
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return round(time.timestamp() * 1000)


def _scalars(record: Record) -> dict[str, float]:
    return {"epochs": record.epochs, "seconds": record.seconds}


def _not_finite(record: Record) -> str:
    """Which quantities have values that MLflow is not sent: ``train_loss from epoch 7``."""
    parts = []
    for name, values in record.curves.items():
        if bad := _lost(values):
            parts.append(f"{name} from epoch {bad}")
    finals = {**record.metrics, **_scalars(record)}
    parts += [
        name
        for name, final in finals.items()
        if final is not None and not math.isfinite(final) and name not in record.curves
    ]
    return "; ".join(parts)


def _lost(curve: NDArray[np.float32]) -> int | None:
    """The epoch from which a curve is not finite to its end, or at which it is infinite.

    NaN ahead of a finite value says that nothing was measured there.
    """
    finite = np.isfinite(curve)
    if finite.all():
        return None
    end = int(finite.nonzero()[0].max(initial=-1)) + 1  # epochs until the last that is finite
    infinite = np.isinf(curve[:end]).nonzero()[0].min(initial=end)
    return int(infinite) + 1 if infinite < len(curve) else None


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined by dots."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _texts(values: dict[str, Any], longest: int) -> dict[str, str]:
    return {_key(name): _cut(_text(value), longest) for name, value in values.items()}


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, list | tuple) else str(value)


@lru_cache(maxsize=4096)
def _key(name: str) -> str:
    """``name`` in the characters that MLflow takes."""
    return _cut(re.sub(r"[^\w.\- /]", "_", name), LONGEST_KEY)


def _cut(text: str, longest: int) -> str:
    """``text``, or its beginning and the hash of all of it if it is too long to be stored."""
    if len(text) <= longest:
        return text
    mark = f"...{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    return text[: longest - len(mark)] + mark


def chunks(view: RunView) -> Iterator[tuple[list[Point], dict[str, str]]]:
    """Metrics and params in requests of MLflow's size: 1000 entries, at most 100 of them params."""
    params, points = list(view.params.items()), view.metrics
    while params or points:
        yield points[:900], dict(params[:100])
        params, points = params[100:], points[900:]
