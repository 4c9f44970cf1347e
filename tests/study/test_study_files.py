"""The corpora of ``tests/cases``: study files, good and bad, and what must come of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
import yaml

from regsearch.errors import SpecError
from regsearch.registry import Registry
from regsearch.space import Kind
from regsearch.study.expand import expand
from regsearch.study.spec import Pipeline, load_pipeline, load_search_space
from regsearch.study.yaml_file import parse_yaml

CASES = Path(__file__).parents[1] / "cases"
Case = dict[str, Any]


class PhaseMap(Kind):
    """A kind of report that only these tests know."""

    kind: Literal["phase_map"] = "phase_map"
    x: str = "v"
    y: str = "alpha"


class ReportKind(NamedTuple):
    config: type[Kind]
    description: str = ""


REPORT_KINDS: Registry[ReportKind] = Registry("report")
REPORT_KINDS.add("phase_map", ReportKind(PhaseMap))


def cases(name: str) -> Any:
    read = yaml.safe_load((CASES / f"{name}.yaml").read_text(encoding="utf-8"))
    return pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in read])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files lie in the working directory, so that messages start with their bare names."""
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "case.yaml") -> str:
    Path(name).write_bytes(text.encode())
    return name


def assert_named(problems: list[str], wanted: list[str]) -> None:
    parts = [f"case.yaml:{part}" if part[0].isdigit() else part for part in wanted]
    for part in parts:
        assert any(part in problem for problem in problems), f"{part!r} not in {problems}"
    for problem in problems:
        assert any(part in problem for part in parts), f"nobody expected {problem!r}"


@cases("yaml_reader")
def test_reader(case: Case) -> None:
    if "value" in case:
        value = parse_yaml(case["case"], "case.yaml").value
        assert value == case["value"]
        assert repr(value) == repr(case["value"])  # 1, 1.0 and True are not the same
        return
    with pytest.raises(SpecError) as refused:
        parse_yaml(case["case"], "case.yaml")
    assert_named(refused.value.problems, case["errors"])
    assert os.listdir() == []


def pipeline_around(space: str) -> Pipeline:
    write(space, "space.yaml")
    return load_pipeline(
        write(
            "name: around\nsearch_space: space.yaml\n"
            "train: {optimizer: {kind: adam, lr: 1e-3}, epochs: 1}\n",
            "pipeline.yaml",
        )
    )


@cases("search_spaces")
def test_search_space(case: Case) -> None:
    if "errors" in case:
        with pytest.raises(SpecError) as refused:
            load_search_space(write(case["case"]))
        assert_named(refused.value.problems, case["errors"])
        with pytest.raises(SpecError) as refused_within:
            pipeline_around(case["case"])
        assert [p.replace("space.yaml", "case.yaml") for p in refused_within.value.problems] == (
            refused.value.problems
        )
        return
    runs = expand(pipeline_around(case["case"]))
    if "runs" in case:
        assert len(runs) == case["runs"]
    else:
        assert [r.run for r in runs] == [r.run for r in expand(pipeline_around(case["same_as"]))]


@cases("pipelines")
def test_pipeline(case: Case) -> None:
    if "errors" in case:
        with pytest.raises(SpecError) as refused:
            load_pipeline(write(case["case"]), reports=REPORT_KINDS)
        assert_named(refused.value.problems, case["errors"])
        return
    pipeline = load_pipeline(write(case["case"]), reports=REPORT_KINDS)
    runs = expand(pipeline)
    if "runs" in case:
        assert len(runs) == case["runs"]
    else:
        same = load_pipeline(write(case["same_as"], "same.yaml"), reports=REPORT_KINDS)
        assert pipeline.resolved() == same.resolved()
        assert [run.run for run in runs] == [run.run for run in expand(same)]
