"""How a study is searched, run and tracked: the parts of a pipeline that do not change a run."""

from __future__ import annotations

import re
from collections import Counter
from ipaddress import ip_address
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from regsearch.datasets import DATASETS, DatasetConfig
from regsearch.metrics import MEASUREMENTS, METRICS, reading
from regsearch.registry import nearest
from regsearch.space import Config

MAX_SEEDS = 100_000
SPLITS = ("test", "validation", "quantized")
"""What predictions are measured on; ``quantized``: the test set, with discrete weights."""
SUMMARIES = ("best", "last10", "last10pct", "area")
"""What a run may be judged by beside its last epoch; of its curve of the metric."""
TRACKING_SCHEMES = (
    "", "file", "sqlite", "http", "https", "postgresql", "mysql", "mssql", "databricks",
)  # fmt: skip


def quantities() -> dict[str, str]:
    """Everything that is measured after each epoch, such as ``test_accuracy``, and its metric."""
    named = {"train_loss": "loss", "train_accuracy": "accuracy"}
    for metric in METRICS:
        on_splits = METRICS[metric].of == "predictions"
        prefixes = [f"{split}_" for split in SPLITS] if on_splits else [""]
        named |= {f"{prefix}{metric}": metric for prefix in prefixes}
    return named


def fits_targets(name: str, dataset: DatasetConfig) -> bool:
    """Whether the quantity ``name`` is measured for targets such as those of ``dataset``."""
    if name not in quantities():
        return True
    metric = METRICS[quantities()[name]]
    is_of_them = metric.of == "predictions" and name != "train_loss"
    return not is_of_them or metric.targets == DATASETS[dataset.kind].targets


def _study_name(name: str) -> str:
    if re.fullmatch(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9_-])?", name):
        return name
    slug = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("._-")[:64].rstrip(".")
    raise ValueError(
        "needs 1 to 64 of a-z, 0-9, '.', '_' and '-', a letter or digit first and no '.' last, "
        f"got {name[:80]!r}" + (f"; write {slug}" if slug else "")
    )


def _quantity(name: str) -> str:
    """Names of measurements depend on their settings: ``together`` looks whether they are made."""
    known = list(quantities())
    if name in known or reading(name) is not None:
        return name
    base, _, summary = name.rpartition("_")
    if reading(base) is not None and summary in SUMMARIES:
        raise ValueError(f"no measured quantity {name!r}; write {{name: {base}, at: {summary}}}")
    raise ValueError(
        f"no measured quantity {name!r}.{nearest(name, known)} Known: {', '.join(known)}"
    )


def _quantity_schema(schema: dict[str, Any]) -> None:
    """Names of every epoch's quantities, and what names of measurements look like."""
    asked = [name for kind in MEASUREMENTS for name in MEASUREMENTS[kind].quantities]
    schema["anyOf"] = [
        {"enum": [*quantities(), *asked]},
        {"pattern": r"_[0-9][0-9.e-]*_"},  # such as pgd_0.03_accuracy
    ]


def _moment(at: str) -> str:
    if at in ("last", *SUMMARIES) or re.fullmatch(r"epoch:[1-9][0-9]{0,6}", at):
        return at
    known = ", ".join(("last", *SUMMARIES))
    raise ValueError(f"needs {known} or epoch:N with N from 1, got {at!r}")


def _seeds(raw: Any) -> Any:
    """``3`` stands for the seeds 0, 1, 2."""
    if not isinstance(raw, int) or isinstance(raw, bool):
        return raw
    if not 1 <= raw <= MAX_SEEDS:
        raise ValueError(f"needs 1 to {MAX_SEEDS:,} seeds, got {raw}")
    return list(range(raw))


def _distinct_seeds(seeds: list[int]) -> list[int]:
    seed, times = Counter(seeds).most_common(1)[0]
    if times > 1:
        raise ValueError(f"gives the seed {seed} twice; every seed needs to be another")
    return seeds


def _tracking_uri(uri: str) -> str:
    parts = urlsplit(uri)
    scheme = parts.scheme.split("+")[0]
    if scheme not in TRACKING_SCHEMES:
        raise ValueError(
            f"needs a path or a URI of {', '.join(TRACKING_SCHEMES[1:])}, got {scheme!r}."
            f"{nearest(scheme, TRACKING_SCHEMES)}"
        )
    if scheme in ("http", "https") and not parts.hostname:
        raise ValueError(f"needs a host, such as http://localhost:5000, got {uri!r}")
    if parts.password is not None:
        raise ValueError("holds a password; set MLFLOW_TRACKING_PASSWORD in the environment")
    try:
        address = ip_address(parts.hostname or "")
    except ValueError:
        return uri  # a name or a file
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        raise ValueError(f"needs the address of an MLflow server, got {parts.hostname}")
    return uri


StudyName = Annotated[
    str,
    AfterValidator(_study_name),
    Field(json_schema_extra={"pattern": "^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9_-])?$"}),
]
Seeds = Annotated[
    list[Annotated[int, Field(ge=0, lt=2**53)]],
    Field(min_length=1, max_length=MAX_SEEDS),
    AfterValidator(_distinct_seeds),
    BeforeValidator(_seeds, json_schema_input_type=int | list[int]),
]


class Metric(Config):
    """The quantity that decides which cell is best."""

    model_config = ConfigDict(json_schema_extra={"required": []})  # goal is filled in

    name: Annotated[
        str,
        AfterValidator(_quantity),
        Field(
            description="a quantity of every epoch, or of an entry of measure",
            json_schema_extra=_quantity_schema,
        ),
    ] = "test_accuracy"
    goal: Annotated[
        Literal["maximize", "minimize"], Field(description="default: the quantity's own direction")
    ]
    at: Annotated[
        str,
        AfterValidator(_moment),
        Field(
            description="last, best, last10 (mean of the last ten epochs), last10pct (of the last "
            "10 %), area (mean height of the curve) or epoch:N"
        ),
    ] = "last"

    @model_validator(mode="before")
    @classmethod
    def _natural_goal(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or "goal" in raw:
            return raw
        read = reading(str(raw.get("name", "test_accuracy")))
        higher = read is None or read.higher_is_better
        return raw | {"goal": "maximize" if higher else "minimize"}


def _whole_above_one(gpus: float) -> float:
    if gpus > 1 and gpus != int(gpus):
        raise ValueError(
            f"needs a fraction of one GPU or a whole number of them, got {gpus:g}: Ray does not "
            "divide the second one"
        )
    return gpus


class Resources(Config):
    """What Ray reserves for one pack; fractions share a device."""

    cpu: Annotated[float, Field(gt=0, le=100_000, description="processors")] = 1.0
    gpu: Annotated[
        float,
        AfterValidator(_whole_above_one),
        Field(ge=0, le=10_000, description="graphics processors; above 1 a whole number"),
    ] = 0.0


class Checkpoint(Config):
    """How often a pack saves its state, and how many states it keeps."""

    every_s: Annotated[float, Field(gt=0, le=1e6, description="seconds")] = 30.0
    keep: Annotated[int, Field(ge=2, le=1_000, description="one to fall back on is needed")] = 2


class Limits(Config):
    """What a study may not exceed, so that a typo does not start a million runs."""

    max_runs: Annotated[
        int, Field(ge=1, le=100_000_000, description="cells times seeds, at most")
    ] = 100_000


class Budget(Config):
    """When to stop although runs are left, and how often a pack that failed is tried again.

    Each is of one start: the next one has it anew.
    """

    time_budget_s: Annotated[
        Annotated[float, Field(gt=0, le=1e9)] | None, Field(description="seconds; null: no limit")
    ] = None
    runs: Annotated[
        Annotated[int, Field(ge=1, le=100_000_000)] | None,
        Field(description="runs to train; null: no limit"),
    ] = None
    gpu_hours: Annotated[
        Annotated[float, Field(gt=0, le=1e9)] | None,
        Field(description="hours times the GPUs that packs in training hold; null: no limit"),
    ] = None
    max_failures: Annotated[
        int, Field(ge=0, le=20, description="how often a pack that failed is tried again")
    ] = 2


class Mlflow(Config):
    """Where MLflow keeps the view of this study."""

    tracking_uri: Annotated[
        Annotated[str, AfterValidator(_tracking_uri)] | None,
        Field(description="null: MLflow's own default and environment"),
    ] = None
    experiment: Annotated[
        Annotated[str, Field(min_length=1, max_length=250)] | None,
        Field(description="null: MLFLOW_EXPERIMENT_NAME, else the study's name"),
    ] = None


class Tracking(Config):
    """Who else is told about the runs; the study's own store always is."""

    mlflow: Annotated[Mlflow | None, Field(description="null: MLflow is told nothing")] = Mlflow()
