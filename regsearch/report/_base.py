"""What a report is: a config and a function from the study's results to sections of a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from regsearch.histogram import Histogram
from regsearch.registry import Registry
from regsearch.space import Kind

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Metric(NamedTuple):
    """What the study judges runs by.

    ``goal`` is ``maximize`` or ``minimize``; ``at`` is ``last``, ``best``, ``last10``,
    ``last10pct``, ``area`` or ``epoch:N`` (1-based).
    """

    name: str
    goal: str = "maximize"
    at: str = "last"


class Results(NamedTuple):
    """A study as a report sees it; the frames have the columns of ``regsearch.records.frame``.

    ``planned`` has one row per planned run with the columns that say what it is (``run``,
    ``cell``, ``regularizer``, hyper-parameters, factors, ``seed``), so that a missing run is known.
    ``unasked`` has the same columns, for the runs of a declared grid that its search has not asked
    for. ``distributions`` holds the histograms of each run by name.
    """

    name: str
    question: str
    records: pd.DataFrame
    curves: pd.DataFrame
    planned: pd.DataFrame
    factors: list[str]
    metric: Metric
    spec: str = ""
    facts: dict[str, Any] = {}  # noqa: RUF012 - read only
    unasked: pd.DataFrame = pd.DataFrame()
    distributions: dict[str, Mapping[str, Histogram]] = {}  # noqa: RUF012 - read only


class Picture(NamedTuple):
    """One figure: its file name without suffix, what it shows in words, and how it is drawn.

    ``data`` holds the numbers behind it. ``hover`` maps the id of a drawn mark to the cell it
    stands for and the words shown when the mouse rests on it.
    """

    name: str
    caption: str
    draw: Callable[[], Figure]
    data: pd.DataFrame
    hover: dict[str, tuple[str, str]] = {}  # noqa: RUF012 - read only


class Entry(NamedTuple):
    """One field of a table; ``strong`` is set bold, ``code`` as code, ``note`` small below it."""

    text: str
    strong: bool = False
    code: bool = False
    note: str = ""


class Table(NamedTuple):
    """A table; a row of a single entry is a heading that spans all columns.

    ``groups`` head several columns each: their title and number, together all columns. ``latex``
    asks for the table as a LaTeX file, too.
    """

    caption: str
    header: list[str]
    rows: list[list[Entry]]
    data: pd.DataFrame
    name: str
    folded: bool = False
    groups: Sequence[tuple[str, int]] = ()
    latex: bool = False


class Section(NamedTuple):
    """A part of the page: plain text (escaped when the page is made), pictures and tables."""

    title: str
    text: str
    pictures: list[Picture]
    tables: list[Table]


class Report(NamedTuple):
    """One kind of report.

    ``check(config, columns)`` says what is wrong with a config for a study that has these columns,
    before anything runs: hyper-parameters, factors and measured quantities with their summaries.
    ``sections(results, config)`` makes the report. ``of_settings``: whether it says what depends on
    hyper-parameters, which must then stay as they are while a run trains.
    """

    config: type[Kind]
    description: str
    check: Callable[[Any, Sequence[str]], list[str]]
    sections: Callable[[Results, Any], list[Section]]
    of_settings: bool = False


REPORTS: Registry[Report] = Registry("report")
