"""A pipeline: a whole study, read from one YAML file, every value checked before anything runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
    create_model,
)

from regsearch.datasets import DATASETS, DatasetConfig
from regsearch.errors import SpecError
from regsearch.metrics import MEASUREMENTS, MeasurementConfig
from regsearch.mistakes import UNKNOWN_KEY, Where
from regsearch.models import MODELS
from regsearch.registry import Registry
from regsearch.regularizers import REGULARIZERS
from regsearch.space import Config, Kind, OneOf
from regsearch.study.domains import Choices, OneOfSearched, Searched, distinct
from regsearch.study.factors import (
    PARTS,
    Levels,
    one_by_one,
    read_levels,
    with_levels,
    without,
    written_at,
)
from regsearch.study.problems import Problem, explain
from regsearch.study.schedulers import SCHEDULERS, Fifo, Scheduling, named
from regsearch.study.search import ALGORITHMS, Searching
from regsearch.study.search.grid import Grid
from regsearch.study.search.samplers import SAMPLERS
from regsearch.study.settings import (
    Budget,
    Checkpoint,
    Limits,
    Metric,
    Resources,
    Seeds,
    StudyName,
    Tracking,
)
from regsearch.study.sources import SWITCHES, Sources, built_ins, gather, locate, settle_kinds
from regsearch.study.together import wrong_entries, wrong_measurements, wrong_metric, wrong_training
from regsearch.study.wrong_course import wrong_course
from regsearch.study.wrong_search import wrong_search
from regsearch.study.yaml_file import read_yaml
from regsearch.train.task import TrainConfig

Regularizers = Annotated[
    list[Annotated[Searched, OneOfSearched(REGULARIZERS)]],
    Field(min_length=1),
]


def _applied_together(raw: Any) -> Any:
    return [raw] if isinstance(raw, dict) else raw  # an entry alone is a list of one


def _switch(raw: Any) -> Any:
    return {"on": True, "off": False}.get(raw, raw) if isinstance(raw, str) else raw


def _algorithm(raw: Any) -> Any:
    """``grid``, if none is named."""
    if not isinstance(raw, dict):
        return raw
    name = raw.get("algorithm", "grid")
    if name in SAMPLERS and name not in ALGORITHMS:
        told = f"{{algorithm: optuna, sampler: {{kind: {name}}}}}"
        raise ValueError(f"{name} is one of Optuna's samplers; write {told}")
    return {"algorithm": name} | raw


def _same(raw: Any) -> Any:
    return raw


class SearchSpace(Config):
    """Which hyper-parameters of which regularizers may take which values."""

    regularizers: Annotated[
        list[
            Annotated[
                Regularizers,
                BeforeValidator(
                    _applied_together,
                    json_schema_input_type=Annotated[Searched, OneOfSearched(REGULARIZERS)]
                    | Regularizers,
                ),
            ]
        ],
        Field(min_length=1, description="entries, tried one after the other; a list: together"),
    ]


Factors = dict[str, Annotated[list[Any], Choices(), AfterValidator(distinct)]]
"""Levels by path, such as ``dataset.label_noise``."""


class Parts(Config):
    """What a run is, apart from its regularizers and its seed."""

    dataset: Annotated[DatasetConfig, OneOf(DATASETS)] = Field(
        default=DATASETS["digits"].config(kind="digits"),
        description="what is learnt, and with what noise",
    )
    model: Annotated[Kind, OneOf(MODELS)] = Field(
        default=MODELS["mlp"].config(kind="mlp"), description="the network that learns it"
    )
    train: TrainConfig = Field(description="how a run is trained")
    measure: list[Annotated[MeasurementConfig, OneOf(MEASUREMENTS)]] = Field(
        default=[], description="dear quantities beside those of every epoch"
    )


class Pipeline(Parts):
    """A whole study. Where a factor varies, ``dataset``, ``model``, ``train`` hold its first level.

    ``reports`` holds mappings, or configs if the kinds of reports were known when it was read.
    """

    name: StudyName = Field(description="of the study and its folder")
    search_space: Annotated[
        SearchSpace,
        BeforeValidator(_same, json_schema_input_type=SearchSpace | str),
        Field(description="regularizers and their values: here, a file, or a built-in's name"),
    ]
    factors: Factors = Field(
        default={},
        description="values under dataset, model or train to cross, by path; never tuned",
    )
    seeds: Seeds = Field(default=[0], description="a list, or how many from 0; runs of each cell")
    metric: Metric = Field(
        default=Metric(name="test_accuracy", goal="maximize"), description="what decides the best"
    )
    search: Annotated[Searching, OneOf(ALGORITHMS, "algorithm"), BeforeValidator(_algorithm)] = (
        Field(default=Grid(), description="how cells are chosen")
    )
    scheduler: Annotated[Scheduling, OneOf(SCHEDULERS, "type"), BeforeValidator(named)] = Field(
        default=Fifo(), description="Ray Tune's, by Ray's name"
    )
    resources_per_trial: Resources = Field(
        default=Resources(), description="what Ray reserves for one pack"
    )
    pack: Literal["auto", "off"] | Annotated[int, Field(ge=1, le=100_000)] = Field(
        default="auto", description="runs trained as one program; auto: measured; off: each alone"
    )
    compile: Annotated[Literal["auto"] | bool, BeforeValidator(_switch)] = Field(
        default="auto", description="whether torch.compile is used; auto: if it is worth its time"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="auto: a GPU where a pack has one"
    )
    checkpoint: Checkpoint = Field(
        default=Checkpoint(), description="how often a pack saves its state"
    )
    limits: Limits = Field(default=Limits(), description="what the study may not exceed")
    budget: Budget = Field(default=Budget(), description="when to stop although runs are left")
    tracking: Tracking | None = Field(
        default=Tracking(), description="who else is told about the runs; null: nobody"
    )
    reports: list[Any] = Field(default=[], description="sections of the report, in order")

    _sources: Sources | None = PrivateAttr(default=None)

    @property
    def question(self) -> str:
        """The comment at the top of the file; empty if there is none."""
        return self._sources.question if self._sources else ""

    @property
    def text(self) -> str:
        """The file as written."""
        return self._sources.main.text if self._sources else ""

    def problem(self, where: Where, message: str) -> str:
        """``file:line: path: message``, for the place that ``where`` was written at."""
        return (self._sources or Sources.of({})).problem(where, message)

    def error(self, problems: Iterable[Problem]) -> SpecError:
        """All ``problems`` as one error, a line for each."""
        return (self._sources or Sources.of({})).error(problems)

    def resolved(self) -> dict[str, Any]:
        """The pipeline with every default filled in, as plain values that a file can hold."""
        value = without(self.model_dump(mode="json"), list(self.factors))
        space = value["search_space"]
        space["regularizers"] = [e[0] if len(e) == 1 else e for e in space["regularizers"]]
        return value


@lru_cache
def pipeline_type(reports: Registry[Any] | None) -> type[Pipeline]:
    """The form of a pipeline whose reports are kinds of this registry."""
    if reports is None:
        return Pipeline
    field = Pipeline.model_fields["reports"]
    entries: Any = list[Annotated[Kind, OneOf(reports)]]
    return create_model(
        "Pipeline",
        __base__=Pipeline,
        __doc__=Pipeline.__doc__,
        reports=(entries, Field(default=[], description=field.description)),
    )


def load_pipeline(
    source: str | Path,
    overrides: Sequence[str] = (),
    *,
    reports: Registry[Any] | None = None,
) -> Pipeline:
    """Read and check a pipeline.

    Args:
        source: a file, or the name of a built-in pipeline.
        overrides: ``PATH=VALUE``, as given to ``-o``.
        reports: the kinds of reports there are; without it, reports stay mappings.

    Raises:
        SpecError: with one ``file:line: path: problem`` line for every problem.
    """
    return check(gather(source, overrides), reports)


def check(sources: Sources, reports: Registry[Any] | None = None) -> Pipeline:
    """Check the content of a pipeline, wherever it came from.

    Raises:
        SpecError: with one line for every problem.
    """
    value = sources.value
    settle_kinds(value)
    levels, problems = read_levels(value)
    first, *others = one_by_one(levels)
    pipeline, more = _read(pipeline_type(reports), value, levels, first)
    problems += more
    runs: list[tuple[dict[str, Any], Parts | None]] = [(first, pipeline)]
    for chosen in others:
        parts, more = _read(Parts, {n: value[n] for n in PARTS if n in value}, levels, chosen)
        problems += more
        runs.append((chosen, parts))
    if pipeline is None or problems:
        raise sources.error(problems)
    problems = wrong_entries(pipeline.search_space.regularizers, ("search_space", "regularizers"))
    problems += wrong_measurements(pipeline.measure)
    for chosen, run in runs:
        if run is not None:
            wrong = wrong_training(run.dataset, run.train)
            wrong += wrong_course(run.train, pipeline.search_space.regularizers)
            problems += [(written_at(where, levels, chosen), text) for where, text in wrong]
            problems += wrong_metric(pipeline.metric, run.dataset, run.train, pipeline.measure)
    problems += wrong_search(pipeline, sources.value)
    if problems:
        raise sources.error(problems)
    pipeline._sources = sources
    return pipeline


def load_search_space(source: str | Path) -> SearchSpace:
    """Read and check a search space: a file, or the name of a built-in.

    Raises:
        SpecError: with one ``file:line: path: problem`` line for every problem.
    """
    sources = Sources(read_yaml(locate(source, "search_spaces")))
    space, problems = _read(SearchSpace, sources.value, {}, {})
    if space is not None and not problems:
        problems = wrong_entries(space.regularizers, ("regularizers",))
    if space is None or problems:
        raise sources.error(problems)
    return space


def builtin_names(folder: str) -> dict[str, str]:
    """Names of the built-in ``pipelines`` or ``search_spaces``, and what each asks."""
    asked = {}
    for name in built_ins(folder):
        sources = Sources(read_yaml(locate(name, folder), switches=SWITCHES))
        asked[name] = sources.question.partition("\n")[0]
    return asked


def json_schema(reports: Registry[Any] | None = None) -> dict[str, dict[str, Any]]:
    """JSON Schemas of a ``pipeline`` and of a ``search_space`` file, for editors."""
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    pipeline = pipeline_type(reports).model_json_schema()
    for part in PARTS:
        _let_factors_give(pipeline["properties"][part], pipeline["$defs"])
    return {"pipeline": draft | pipeline, "search_space": draft | SearchSpace.model_json_schema()}


def _let_factors_give(schema: Any, defs: dict[str, Any]) -> None:
    """Let no key be required in a part of the pipeline: its values may be factors."""
    if isinstance(schema, dict):
        schema.pop("required", None)
        if "$ref" in schema:
            _let_factors_give(defs[schema["$ref"].rpartition("/")[2]], defs)
    below = schema.values() if isinstance(schema, dict) else schema
    for part in below if isinstance(schema, dict | list) else ():
        _let_factors_give(part, defs)


Form = TypeVar("Form", bound=Config)


def _read(
    form: type[Form], value: dict[str, Any], levels: Levels, chosen: dict[str, Any]
) -> tuple[Form | None, list[Problem]]:
    content = with_levels(value, chosen)
    try:
        return form.model_validate_json(json.dumps(content)), []
    except ValidationError as failed:
        return None, [
            (written_at(where, levels, chosen, as_key=text.startswith(UNKNOWN_KEY)), text)
            for where, text in explain(failed, form, content)
        ]
