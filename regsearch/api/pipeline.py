"""A checked pipeline file, and what can be done with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regsearch.datasets import DATASETS, DatasetConfig
from regsearch.errors import DataError, SpecError
from regsearch.metrics import COURSE, MEASUREMENTS
from regsearch.metrics.cost import TRAINING
from regsearch.records.frame import SUMMARIES
from regsearch.report import REPORTS
from regsearch.space import Kind, place_fields
from regsearch.study import spec as files
from regsearch.study.expand import count_cells, count_runs, examples, expand, is_open
from regsearch.study.preflight import check_runs
from regsearch.study.schedulers import Population
from regsearch.study.search.space import Space
from regsearch.study.settings import fits_targets, quantities
from regsearch.study.sources import SWITCHES, built_ins, locate
from regsearch.study.trials import PlannedRun
from regsearch.study.wrong_course import changeable
from regsearch.study.yaml_file import read_yaml

if TYPE_CHECKING:
    from regsearch.api.planning import Survey
    from regsearch.api.study import Study


def load(source: str | Path, overrides: Sequence[str] = ()) -> Pipeline:
    """Read and check a pipeline: a file, or the name of a built-in.

    ``overrides`` are ``PATH=VALUE``, as after ``-o``.

    Raises:
        SpecError: with one ``file:line: path: problem`` line for every problem.
    """
    pipeline = Pipeline(files.load_pipeline(source, overrides, reports=REPORTS))
    pipeline.check_reports()
    return pipeline


def validate(source: str | Path, overrides: Sequence[str] = ()) -> str:
    """Check a pipeline or a search space, and say what it amounts to; a pipeline may be overridden.

    Models are built where their data are at hand; nothing is downloaded.

    Raises:
        SpecError: with one ``file:line: path: problem`` line for every problem.
    """
    if not _is_search_space(source):
        pipeline = load(source, overrides)
        runs = pipeline.examples()
        amount = f"{len({run.cell for run in runs}):,} cells, {len(runs):,} runs"
        if pipeline.is_open:
            cells, most = count_cells(pipeline.spec), count_runs(pipeline.spec)
            amount = f"up to {cells:,} cells, {most:,} runs"
        try:
            check_runs(pipeline.spec, runs, download=False)
        except DataError as missing:
            fault = str(missing).partition(". ")[0]
            return f"{amount}; whether methods fit the model is open: {fault}"
        return amount
    size = Space(files.load_search_space(source).regularizers).size
    return f"a search space of {size:,} settings" if size else "a search space without end"


def _is_search_space(source: str | Path) -> bool:
    if source in built_ins("search_spaces") and source not in built_ins("pipelines"):
        return True
    value = read_yaml(locate(source, "pipelines"), switches=SWITCHES).value
    return "regularizers" in value and "search_space" not in value


def schema(of: str) -> dict[str, Any]:
    """JSON Schema of a ``pipeline`` or a ``search_space`` file."""
    return files.json_schema(REPORTS)[of]


class Pipeline:
    """A study that can be planned and run; ``spec`` holds every value of the file."""

    def __init__(self, spec: files.Pipeline) -> None:
        self.spec = spec

    @property
    def reports(self) -> list[Kind]:
        """What to report."""
        return list(self.spec.reports)

    @cached_property
    def _runs(self) -> list[PlannedRun]:
        return expand(self.spec)

    @property
    def is_open(self) -> bool:
        """Whether its search learns, so that the runs are not known beforehand."""
        return is_open(self.spec)

    def examples(self) -> list[PlannedRun]:
        """Runs that show all that may be wrong with those the file asks for."""
        return examples(self.spec) if self.is_open else self._runs

    def expand(self, recorded: Iterable[Mapping[str, Any]] = ()) -> list[PlannedRun]:
        """Every run that the file asks for, coarse to fine.

        Of a search that learns, those of the trials of which something is ``recorded``, tasks of
        records.
        """
        return expand(self.spec, recorded) if self.is_open else self._runs

    def plan(self, output: str | Path | None = None) -> Survey:
        """What ``run`` would train: packs, time and memory, measured here."""
        from regsearch.api.planning import survey

        return survey(self, output)

    def run(self, output: str | Path | None = None, **options: Any) -> Study:
        """Train what has no record yet; options as of ``regsearch.api.run``."""
        from regsearch.api.running import run
        from regsearch.api.study import open_study, study_folder

        run(self, output, **options)
        return open_study(study_folder(self.spec.name, output))

    def task_in_common(self) -> dict[str, Any]:
        """What all runs share, by path: a study of another one of these is another study.

        Without factors, which a study may gain, and without places on this machine; data are
        known by their content, unless a factor changes it.

        Raises:
            DataError: a data set whose content identifies a run cannot be read.
        """
        spec = self.spec
        whole = spec.model_dump(mode="json", include={"dataset", "model", "train"})
        for name in place_fields(type(spec.dataset)):
            del whole["dataset"][name]
        if self._data_in_common():
            fingerprint = DATASETS[spec.dataset.kind].fingerprint
            whole["dataset"]["fingerprint"] = fingerprint(spec.dataset)
        values = dict(_flatten(whole))
        for factor in spec.factors:
            values = {
                path: value
                for path, value in values.items()
                if path != factor and not path.startswith(f"{factor}.")
            }
        return values

    def _data_in_common(self) -> bool:
        """Whether no factor touches more of the data set than labels and split."""
        harmless = {f"dataset.{name}" for name in DatasetConfig.model_fields if name != "kind"}
        varied = {path for path in self.spec.factors if path.split(".")[0] == "dataset"}
        return varied <= harmless

    def check_reports(self) -> None:
        """Refuse a report that asks for what the study does not have.

        Raises:
            SpecError: all such problems, each with its line.
        """
        columns = self.columns()
        problems = [
            self.spec.problem(("reports", number), text)
            for number, config in enumerate(self.reports)
            for text in (
                *REPORTS[config.kind].check(config, columns),
                *self._of_what_changes(config),
                *self._biased(config),
            )
        ]
        if problems:
            raise SpecError(problems)

    def _of_what_changes(self, report: Kind) -> list[str]:
        """Whether it says what depends on settings that do not stay as they are."""
        if not (self._wanders and REPORTS[report.kind].of_settings):
            return []
        by = "train.course"
        if isinstance(self.spec.scheduler, Population):
            by = self.spec.scheduler.type
        told = f"{by} changes hyper-parameters while runs train, and this report says what depends"
        return [f"{told} on them; leave out one of the two"]

    @property
    def _wanders(self) -> bool:
        courses = self.spec.train.course or "train.course" in self.spec.factors
        return bool(courses) or isinstance(self.spec.scheduler, Population)

    def _biased(self, report: Kind) -> list[str]:
        """What a scheduler that stops cells early would do to a map of all cells."""
        scheduler = self.spec.scheduler.type
        if scheduler == "fifo" or getattr(report, "early_stopped", "allow") == "allow":
            return []
        return [
            f"the map would be biased: {scheduler} stops cells that begin slowly, and they would "
            "be missing; write early_stopped: allow, or leave the scheduler out"
        ]

    def columns(self) -> list[str]:
        """Columns that the records of this study will have."""
        hyperparameters = [
            f"{entry.kind}.{name}"
            for group in self.spec.search_space.regularizers
            for entry in group
            for name in entry.axes()
        ]
        measured = [name for name in quantities() if self._measures(name)]
        if self._wanders:
            names = changeable(self.spec.search_space.regularizers)
            hyperparameters += [f"{COURSE}{name}" for name in names]
        for config in self.spec.measure:
            measured += MEASUREMENTS[config.kind].names(config)
        summaries = [f"{name}_{summary}" for name in measured for summary in SUMMARIES]
        shared = ["dataset.label_noise", *self.spec.factors]
        return list(dict.fromkeys([*hyperparameters, *shared, *measured, *summaries, *TRAINING]))

    def _measures(self, name: str) -> bool:
        dataset = self.spec.dataset
        if name.startswith("validation_") and not dataset.validation:
            return False
        return fits_targets(name, dataset)


def _flatten(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for name, value in values.items():
        path = f"{prefix}{name}"
        flat += _flatten(value, f"{path}.") if isinstance(value, dict) else [(path, _plain(value))]
    return flat


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))
