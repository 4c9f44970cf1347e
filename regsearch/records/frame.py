"""Records as tables: one row a run, one row an epoch, and one row a bin of a histogram."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regsearch.records.record import Record
from regsearch.records.words import in_words

QUANTITIES = (
    "train_loss",
    "train_accuracy",
    "test_loss",
    "test_accuracy",
    "validation_loss",
    "validation_accuracy",
    "weight_norm",
    "max_weight",
)
SUMMARIES = ("best", "last10", "gap")
LABEL_NOISE = "dataset.label_noise"
FINGERPRINT = "dataset.fingerprint"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

ENDED = {
    "status": "str",
    "reason": "str",
    "epochs": "int64",
    "seconds": "float64",
    "started": "str",
    "finished": "str",
}
DTYPES = {
    **dict.fromkeys(("run", "cell", "regularizer"), "str"),
    LABEL_NOISE: "float64",
    "seed": "int64",
    **ENDED,
}


def records_frame(records: Iterable[Record], keep: Sequence[str] = ()) -> pd.DataFrame:
    """One row a run, in the order of the records.

    Columns: ``run``, ``cell``, ``regularizer``; hyper-parameters (``volumization.v``, NaN where a
    run has none); values of the task that differ between the runs, by path (``model.kind``);
    seed, status and times; final metrics, each with its summaries. Real numbers are float64
    (NaN: none), seed and epochs int64; a list is its JSON text.

    Args:
        records: any number, none included.
        keep: paths that are columns even where all runs agree, beside ``dataset.label_noise``; a
            whole section (``model``) is its JSON text.
    """
    records = list(records)
    metrics = _table(record.metrics for record in records)
    return _frame(
        {
            **_asked([(record.run, record.cell, record.task) for record in records], keep),
            **{name: [getattr(record, name) for record in records] for name in ENDED},
            **{name: metrics[name] for name in sorted(metrics, key=_metric_order(metrics))},
        },
        DTYPES | dict.fromkeys(metrics, "float64"),
    )


def planned_frame(
    runs: Iterable[tuple[str, str, dict[str, Any]]], keep: Sequence[str] = ()
) -> pd.DataFrame:
    """One row a planned run, given as run, cell and task: ``records_frame`` as far as the seed."""
    return _frame(_asked(list(runs), keep), DTYPES)


def curves_frame(records: Iterable[Record]) -> pd.DataFrame:
    """One row a run and finished epoch: ``run``, ``epoch`` (from 1), one column per quantity.

    A quantity that a run did not measure is NaN there.
    """
    records = [record for record in records if record.curves]
    lengths = [len(next(iter(record.curves.values()))) for record in records]
    measured = dict.fromkeys(name for record in records for name in record.curves)
    runs = pd.Series([record.run for record in records], dtype="str")
    columns: dict[str, Any] = {
        "run": runs.repeat(lengths).reset_index(drop=True),
        "epoch": _concatenate([np.arange(1, length + 1) for length in lengths], "int64"),
    }
    for name in sorted(measured, key=_metric_order(measured)):
        curves = [
            record.curves.get(name, np.full(length, np.nan))
            for record, length in zip(records, lengths, strict=True)
        ]
        columns[name] = _concatenate(curves, "float64")
    return pd.DataFrame(columns)


def distributions_frame(records: Iterable[Record]) -> pd.DataFrame:
    """One row a run, histogram and bin: ``run``, ``name``, ``low``, ``high``, ``count``.

    Bins are closed below and open above; those of a run reach to a power of two. Values that are
    not finite have a row without bounds.
    """
    columns: dict[str, list[Any]] = {"run": [], "name": [], "low": [], "high": [], "count": []}
    for record in records:
        for name, found in record.distributions.items():
            unbounded = [found.missing] if found.missing else []
            counts = [*found.counts.tolist(), *unbounded]
            columns["run"] += [record.run] * len(counts)
            columns["name"] += [name] * len(counts)
            columns["low"] += [*found.edges[:-1].tolist(), *(np.nan for _ in unbounded)]
            columns["high"] += [*found.edges[1:].tolist(), *(np.nan for _ in unbounded)]
            columns["count"] += counts
    dtypes = {"run": "str", "name": "str", "low": "float64", "high": "float64", "count": "int64"}
    return _frame(columns, dtypes)


def to_csv(frame: pd.DataFrame) -> bytes:
    """UTF-8 CSV; a text that a spreadsheet would take for a formula gets a ``'`` in front."""
    safe = frame.copy()
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]):
            safe[name] = safe[name].map(_disarmed)
    return safe.to_csv(index=False).encode()


def _disarmed(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _asked(
    runs: Sequence[tuple[str, str, dict[str, Any]]], keep: Sequence[str]
) -> dict[str, list[Any]]:
    """The columns that say what the runs were asked to do."""
    tasks = [task for _, _, task in runs]
    regularizers, applied = _apart([task["regularizers"] for task in tasks])
    shared, shares = _apart(
        [_without(task, "regularizers", "seed", "population") for task in tasks]
    )
    kept = {path: [_at(path, task) for task in shared] for path in (LABEL_NOISE, *keep)}
    settings = kept | _table(dict(_flatten(task)) for task in shared) | kept
    names = [" + ".join(each["kind"] for each in entries) for entries in regularizers]
    hyperparameters = _table(dict(_hyperparameters(entries)) for entries in regularizers)
    return {
        "run": [run for run, _, _ in runs],
        "cell": [cell for _, cell, _ in runs],
        "regularizer": [names[place] for place in applied],
        **{name: [values[place] for place in applied] for name, values in hyperparameters.items()},
        **{
            name: [settings[name][place] for place in shares]
            for name in _told(settings, kept.keys())
        },
        "seed": [task["seed"] for task in tasks],
    }


def _apart(parts: Sequence[Any]) -> tuple[list[Any], list[int]]:
    """Those of ``parts`` that differ, and which of them each is: runs have most in common."""
    texts = [repr(part) for part in parts]
    distinct = dict(zip(texts, parts, strict=True))
    places = {text: place for place, text in enumerate(distinct)}
    return list(distinct.values()), [places[text] for text in texts]


def _without(task: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in task.items() if name not in names}


def _hyperparameters(entries: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """``volumization.v`` and its value; a kind applied twice is numbered from the second on."""
    seen = Counter[str]()
    for entry in entries:
        seen[entry["kind"]] += 1
        again = f"_{seen[entry['kind']]}" if seen[entry["kind"]] > 1 else ""
        yield from _flatten(_without(entry, "kind"), f"{entry['kind']}{again}.")


def _flatten(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", in_words(f"{prefix}{name}", value)


def _at(path: str, task: dict[str, Any]) -> Any:
    value: Any = task
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return in_words(path, value)


def _table(rows: Iterable[dict[str, Any]]) -> dict[str, list[Any]]:
    """Columns by name, in order of first appearance; ``None`` where a row has no such entry."""
    rows = list(rows)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _told(settings: dict[str, list[Any]], keep: Set[str]) -> list[str]:
    """Settings to keep, and those that differ and are no part of one that is kept.

    A fingerprint that only restates the data set is left out.
    """
    whole = tuple(f"{name}." for name in keep)
    names = [
        name
        for name, values in settings.items()
        if name in keep or (len(set(values)) > 1 and not name.startswith(whole))
    ]
    if FINGERPRINT in names:
        data = [name for name in settings if name.startswith("dataset.") and name != FINGERPRINT]
        datasets = set(zip(*(settings[name] for name in data), strict=True))
        seen = set(zip(*(settings[name] for name in [*data, FINGERPRINT]), strict=True))
        if len(datasets) == len(seen):
            names.remove(FINGERPRINT)
    return names


def _frame(columns: dict[str, list[Any]], dtypes: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame(
        {name: pd.Series(values, dtype=dtypes.get(name)) for name, values in columns.items()}
    )


def _metric_order(names: Iterable[str]) -> Callable[[str], tuple[int, int]]:
    """Sort key: known quantities first, others as they come, summaries behind their quantity."""
    arrival = {name: place for place, name in enumerate(names, len(QUANTITIES))}
    places = arrival | {name: place for place, name in enumerate(QUANTITIES)}

    def order(name: str) -> tuple[int, int]:
        quantity, _, summary = name.rpartition("_")
        if summary not in SUMMARIES:
            return places[name], 0
        return places.get(quantity, arrival[name]), 1 + SUMMARIES.index(summary)

    return order


def _concatenate(arrays: Sequence[NDArray[Any]], dtype: str) -> NDArray[Any]:
    return np.concatenate(arrays or [np.empty(0)]).astype(dtype)
