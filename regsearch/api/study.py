"""A study on disk: its records as tables, its status, its report."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from regsearch import disk
from regsearch.api.pipeline import Pipeline, load
from regsearch.api.selecting import (
    hyperparameters,
    require_columns,
    require_one_setting,
    rows_where,
)
from regsearch.errors import ExitCode, RegsearchError, UnknownName
from regsearch.records import Record, Status, Store
from regsearch.records.frame import (
    curves_frame,
    distributions_frame,
    records_frame,
    to_csv,
)
from regsearch.registry import nearest
from regsearch.study.expand import count_runs
from regsearch.study.lock import holder
from regsearch.study.placement import Seat, in_training

STUDIES = Path("studies")


def study_folder(name: str, output: str | Path | None = None) -> Path:
    """Where the study called ``name`` lies: ``output``, or ``studies/NAME`` here."""
    return Path(output).absolute() if output else (STUDIES / name).absolute()


def studies_here() -> dict[str, Path]:
    """Studies below ``studies/``, by name."""
    return {found.parent.name: found.parent for found in sorted(STUDIES.glob("*/study.db"))}


def open_study(name_or_folder: str | Path) -> Study:
    """The study called so under ``studies/``, or the one in that folder.

    Raises:
        UnknownName: there is none.
    """
    for folder in (Path(name_or_folder), STUDIES / name_or_folder):
        if (folder / "study.db").exists():
            return Study(folder.absolute())
    known = studies_here()
    raise UnknownName(
        f"no study {str(name_or_folder)!r} in {STUDIES.absolute()}, and no folder of that name "
        f"holds one.{nearest(str(name_or_folder), known)} Known: {', '.join(known) or 'none yet'}"
    )


def status_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """A status for a person; the packs in training are a line each."""
    for name, value in told.items():
        if name != "training":
            yield f"{name:<12} {'no' if value is None else value}"
            continue
        yield f"{name:<12} {len(value)} packs" if len(value) != 1 else f"{name:<12} 1 pack"
        yield from (f"  {Seat.from_dict(seat)}" for seat in value)


class Study:
    """The records of one study, and what is made from them. Reading never disturbs a driver."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: tuple[bytes, Pipeline] | None = None

    @property
    def pipeline(self) -> Pipeline:
        """What the study was last asked to do, every default filled in.

        Raises:
            UnknownName: it was killed before that was written down.
        """
        resolved = self.folder / "resolved.yaml"
        if not resolved.exists():
            raise UnknownName(
                f"{self.folder} holds a study that was ended before it began; "
                "give its `regsearch run` again"
            )
        written = resolved.read_bytes()
        if self._loaded is None or self._loaded[0] != written:  # it grows while a notebook is open
            self._loaded = written, load(resolved)
        return self._loaded[1]

    def _all_records(self) -> list[Record]:
        with Store.open(self.folder, read_only=True) as store:
            return [record for _, record in store.records()]

    def asked_for(self) -> list[Record]:
        """Records of the runs that the study was last asked for, in order of arrival.

        ``records``, ``curves``, ``status``, the report and ``records.csv`` are all about these. A
        run that the file no longer asks for keeps its record, which counts again once it does.
        """
        records = self._all_records()
        planned = {run.run for run in self.pipeline.expand(record.task for record in records)}
        return [record for record in records if record.run in planned]

    @property
    def facts(self) -> dict[str, Any]:
        """What the store knows about the study itself."""
        with Store.open(self.folder, read_only=True) as store:
            return store.facts()

    @property
    def records(self) -> pd.DataFrame:
        """One row a run that the file asks for and that is recorded, as in ``records.csv``.

        Columns: hyper-parameters, factors, seed, status, metrics and their summaries.
        """
        return records_frame(self.asked_for(), list(self.pipeline.spec.factors))

    @property
    def curves(self) -> pd.DataFrame:
        """One row an epoch of these runs: ``run``, ``epoch``, one column per measured quantity."""
        return curves_frame(self.asked_for())

    @property
    def distributions(self) -> pd.DataFrame:
        """One row a bin of each histogram of these runs: run, name, low, high, count."""
        return distributions_frame(self.asked_for())

    def phase_diagram(
        self,
        x: str,
        y: str,
        metric: str = "test_accuracy_last10",
        where: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Mean of ``metric`` over seeds at each tested point: rows ``y``, columns ``x``.

        ``x`` and ``y`` are columns of ``records`` such as ``volumization.v``; ``where`` holds the
        value of every other column that varies (``{"dataset.label_noise": 0.4}``). Diverged and
        failed runs have no final value; a cell that has one is NaN.

        Raises:
            UnknownName: no such column or value, or runs that differ in another column are left.
        """
        frame = self.records
        require_columns(frame, [x, y, metric])
        frame = rows_where(frame, where or {}).dropna(subset=[x, y])
        require_one_setting(frame, [x, y])
        return frame.pivot_table(
            index=y, columns=x, values=metric, aggfunc=lambda v: v.mean(skipna=False), dropna=False
        ).sort_index(ascending=False)

    def pareto(
        self, objectives: Mapping[str, str], where: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """Cells that no other cell dominates: one setting each of regularizer and its values.

        ``objectives`` maps columns to ``maximize`` or ``minimize``; ``where`` holds the value of
        every other column that varies, as for ``phase_diagram``.

        Raises:
            UnknownName: no such column, value or goal, or runs that differ in another column.
        """
        from regsearch.report.pareto import front

        frame = self.records
        require_columns(frame, objectives)
        for name, goal in objectives.items():
            if goal not in ("maximize", "minimize"):
                raise UnknownName(f"{name}: needs maximize or minimize, got {goal!r}")
        frame = rows_where(frame, where or {})
        require_one_setting(frame, hyperparameters(frame))
        return front(frame, dict(objectives))

    def report(self) -> Path:
        """Draw the report from the records; returns the path of the page."""
        from regsearch.api.reporting import write

        return write(self)

    def status(self) -> dict[str, Any]:
        """How far the study is, as plain values; ``running`` and ``report`` may be ``None``.

        ``training`` lists the packs in training: where, since when, and how far they are.
        """
        asked, statuses = self._asked()
        counts = Counter(statuses.values())
        running, report = holder(self.folder), self.folder / "report.html"
        return {
            "study": self.pipeline.spec.name,
            "folder": str(self.folder),
            "planned": asked,
            **{status.value: counts[status] for status in Status},
            "missing": asked - len(statuses),
            "search": self._searched(asked),
            "running": str(running) if running else None,
            "training": [seat.to_dict() for seat in in_training(self.folder, running)],
            "report": str(report) if report.exists() else None,
        }

    def _asked(self) -> tuple[int, dict[str, Status]]:
        """How many runs the file asks for, at most if its search learns; how those there ended."""
        if self.pipeline.is_open:
            known = {record.run: record.status for record in self.asked_for()}
            return max(len(known), count_runs(self.pipeline.spec)), known
        planned = {run.run for run in self.pipeline.expand()}
        with Store.open(self.folder, read_only=True) as store:
            found = store.statuses()
        return len(planned), {run: status for run, status in found.items() if run in planned}

    def _searched(self, asked: int) -> str:
        """How the runs are chosen, in words."""
        search = self.pipeline.spec.search.algorithm
        return f"{search}, up to {asked:,} runs" if self.pipeline.is_open else search

    def export(self, form: str, curves: bool = False, output: str | None = None) -> str | None:
        """The records as ``csv``, ``json`` or ``parquet``; text, unless ``output`` is a file.

        Raises:
            RegsearchError: parquet, which is binary, without a file.
        """
        table = self.curves if curves else self.records
        match form:
            case "csv":
                text = to_csv(table).decode()
            case "json":
                text = table.to_json(orient="records", indent=1) + "\n"
            case _ if output is None:
                raise RegsearchError(f"--format {form} is binary: say where with --output FILE")
            case _:
                disk.write_atomically(Path(output), table.to_parquet(index=False))
                return None
        if output is None:
            return text
        disk.write_atomically(Path(output), text.encode())
        return None

    def retry(self, address: str | None = None, in_process: bool = False) -> ExitCode:
        """Forget the failed runs and train them again."""
        from regsearch.api.running import run

        return run(
            self.pipeline,
            self.folder,
            address=address,
            in_process=in_process,
            retry_failed=True,
            verbose=True,
        )

    def stop(self) -> str:
        """End whoever runs the study, on this machine; says what happened."""
        from regsearch.api.stopping import stop

        return stop(self.folder)

    def find(self, run: str) -> Record:
        """The record whose hash begins with ``run``, asked for by the file or not.

        Raises:
            UnknownName: none, or more than one.
        """
        found = [record for record in self._all_records() if record.run.startswith(run)]
        if len(found) != 1:
            raise UnknownName(
                f"{len(found)} runs of {self.folder.name} begin with {run!r}; "
                f"`regsearch export {os.path.relpath(self.folder)}` lists them in its first column"
            )
        return found[0]

    def reproduce(self, run: str) -> Any:
        """How to train one run again, and whether it gives the same numbers."""
        from regsearch.api.reproduction import Reproduction

        return Reproduction(self, self.find(run))
