"""Which runs a table is about: one setting of all that it does not show."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from regsearch.errors import UnknownName
from regsearch.records.frame import LABEL_NOISE
from regsearch.records.words import in_words
from regsearch.registry import nearest


def require_columns(frame: pd.DataFrame, names: Collection[str]) -> None:
    """Refuse a column that the records do not have.

    Raises:
        UnknownName: says which, and which there are.
    """
    for name in names:
        if name not in frame:
            raise UnknownName(
                f"no column {name!r} in the records.{nearest(name, frame.columns)} "
                f"Columns: {', '.join(frame.columns)}"
            )


def rows_where(frame: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
    """The rows that have these values.

    Raises:
        UnknownName: there is no such column, or no run has the value; says which there are.
    """
    require_columns(frame, where)
    for name, value in where.items():
        wanted = in_words(name, value)
        rows = frame[frame[name] == wanted]
        if rows.empty:
            raise UnknownName(f"no run has {name} = {wanted!r}. There are: {_values(frame, name)}")
        frame = rows
    return frame


def hyperparameters(frame: pd.DataFrame) -> list[str]:
    """Columns that say which regularizer was applied, and how."""
    columns = list(frame.columns)
    return columns[columns.index("regularizer") : columns.index(LABEL_NOISE)]


def settings(frame: pd.DataFrame) -> list[str]:
    """Columns that say what a run was asked to do, but for its seed."""
    columns = list(frame.columns)
    return columns[columns.index("regularizer") : columns.index("seed")]


def require_one_setting(frame: pd.DataFrame, shown: Collection[str]) -> None:
    """Refuse rows that differ in more than what is shown and the seed: a mean would mix them.

    Raises:
        UnknownName: names every such column, and its values.
    """
    varying = [
        name
        for name in settings(frame)
        if name not in shown and frame[name].nunique(dropna=False) > 1
    ]
    if "regularizer" in varying:  # which of them is to be said first, then its hyper-parameters
        own = [name for name in hyperparameters(frame) if name != "regularizer"]
        varying = [name for name in varying if name not in own]
    if varying:
        told = " and ".join(f"{name} ({_values(frame, name)})" for name in varying)
        example = {name: _first(frame, name) for name in varying}
        raise UnknownName(
            f"the runs differ in {told}, and a mean over that says nothing: "
            f"choose, as in where={example}"
        )


def _first(frame: pd.DataFrame, name: str) -> Any:
    return frame[name].dropna().tolist()[0]


def _values(frame: pd.DataFrame, name: str) -> str:
    values = frame[name].drop_duplicates().tolist()
    return ", ".join(map(repr, values[:12])) + (" ..." if len(values) > 12 else "")
