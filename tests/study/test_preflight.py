"""What would fail every run is told before the first."""

from __future__ import annotations

import pytest
import torch
import yaml

from regsearch.errors import DataError, RegsearchError, SpecError
from regsearch.study import preflight
from regsearch.study.expand import expand
from regsearch.study.preflight import check_runs
from regsearch.study.sources import Sources
from regsearch.study.spec import check
from regsearch.study.yaml_file import parse_yaml
from regsearch.train.data import PackData
from regsearch.train.task import Task

PATHPROX = {"kind": "pathprox", "strength": [1e-4, 1e-3]}


def check_study(**parts: object) -> None:
    study = {
        "name": "tried",
        "search_space": {"regularizers": [PATHPROX]},
        "train": {"optimizer": {"kind": "sgd", "lr": 0.1}, "epochs": 1},
    } | parts
    pipeline = check(Sources.of(yaml.safe_load(yaml.safe_dump(study))))
    check_runs(pipeline, expand(pipeline))


def problems_of(**parts: object) -> list[str]:
    with pytest.raises(SpecError) as refused:
        check_study(**parts)
    return refused.value.problems


def test_a_study_that_can_run_passes() -> None:
    check_study()


def test_a_model_that_a_regularizer_cannot_work_on_is_refused_with_the_reason() -> None:
    [problem] = problems_of(model={"kind": "mlp", "norm": "batch"})
    place, said = problem.split(": ", 2)[1:]
    assert place == "search_space.regularizers[0]"
    assert said.startswith('pathprox on the model {"kind": "mlp", "norm": "batch"}: the model has')
    assert "BatchNorm1d" in said
    [problem] = problems_of(
        model={"kind": "mlp", "widths": []}, search_space={"regularizers": [{"kind": "enc"}]}
    )
    assert 'enc on the model {"kind": "mlp", "widths": []}: enc has no layer to act on' in problem


def test_all_that_is_wrong_is_told_at_once_each_in_its_place() -> None:
    entries = [
        {"kind": "weight_decay", "decay": 1e-3, "exclude": [["0.wieght"]]},
        PATHPROX,
        {"kind": "none"},
        [
            {"kind": "lasso", "strength": 1e-3},
            {"kind": "unit_pruning", "below": 0, "after_steps": 1},
        ],
    ]
    study = {
        "name": "tried",
        "search_space": {"regularizers": entries},
        "model": {"kind": "mlp"},
        "measure": [{"kind": "gbr"}, {"kind": "lipschitz", "bound": True}],
        "train": {"optimizer": {"kind": "sgd", "lr": 0.1}, "epochs": 1},
        "factors": {"model.norm": ["none", "batch"]},
    }
    pipeline = check(Sources(parse_yaml(yaml.safe_dump(study, sort_keys=False), "s.yaml")))
    with pytest.raises(SpecError) as refused:
        check_runs(pipeline, expand(pipeline))
    plain, batch = (f'{{"kind": "mlp", "norm": "{norm}"}}' for norm in ("none", "batch"))
    told = [
        ("search_space.regularizers[0]", f"weight_decay on the model {plain}: exclude: no "),
        ("search_space.regularizers[0]", f"weight_decay on the model {batch}: exclude: no "),
        ("search_space.regularizers[1]", f"pathprox on the model {batch}: "),
        ("search_space.regularizers[3]", f"unit_pruning on the model {batch}: "),
        ("measure[1]", f"lipschitz of the model {batch}: layer '2' is BatchNorm1d"),
    ]
    problems = refused.value.problems
    assert len(problems) == len(told)
    lines = []
    for problem, (place, said) in zip(problems, told, strict=True):
        file, line, found, rest = (part.strip() for part in problem.split(":", 3))
        assert (file, found) == ("s.yaml", place)
        assert rest.startswith(said), rest
        lines.append(int(line))
    assert lines == sorted(lines)
    assert len(set(lines)) == 4


def test_a_model_that_does_not_fit_its_data_is_told_once_and_no_method_is_blamed() -> None:
    [problem] = problems_of(
        model={"kind": "vgg", "layers": [8, "M", "M", "M", "M"]},
        dataset={"kind": "digits"},
        search_space={"regularizers": [PATHPROX, {"kind": "none"}]},
    )
    assert ': model: the model {"kind": "vgg", "layers": [8, "M", "M", "M", "M"]}: vgg ' in problem


def test_what_is_wrong_with_a_model_is_told_before_data_that_are_missing() -> None:
    missing = {"kind": "mnist", "data_root": "/nowhere"}
    [problem] = problems_of(
        model={"kind": "mlp", "norm": "batch"}, factors={"dataset": [missing, {"kind": "digits"}]}
    )
    assert "pathprox on the model" in problem


def test_data_are_downloaded_only_where_they_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load(tasks: list[Task], device: torch.device) -> PackData:
        asked.append(tasks[0].dataset.model_dump()["download"])
        raise DataError("not there")

    monkeypatch.setattr(preflight, "load_data", load)
    pipeline = check(
        Sources.of(
            {
                "name": "tried",
                "search_space": {"regularizers": [PATHPROX]},
                "dataset": {"kind": "mnist", "download": True},
                "train": {"optimizer": {"kind": "sgd", "lr": 0.1}, "epochs": 1},
            }
        )
    )
    for download in (True, False):
        with pytest.raises(DataError):
            check_runs(pipeline, expand(pipeline), download=download)
    assert asked == [True, False]


def test_data_that_cannot_be_read_are_named() -> None:
    with pytest.raises(DataError, match="nowhere"):
        check_study(dataset={"kind": "mnist", "data_root": "/nowhere"})


def test_a_loss_that_does_not_fit_the_targets_is_refused() -> None:
    data, model = {"kind": "teacher_student"}, {"kind": "mlp", "widths": [], "bias": False}
    with pytest.raises(RegsearchError, match=r"cross_entropy needs classes .* squared_error"):
        check_study(dataset=data, model=model, metric={"name": "test_squared_error"})


def test_a_metric_that_no_run_will_have_is_refused() -> None:
    with pytest.raises(RegsearchError, match="test_squared_error is not measured"):
        check_study(metric={"name": "test_squared_error"})
    with pytest.raises(RegsearchError, match="quantized_accuracy is measured only where"):
        check_study(metric={"name": "quantized_accuracy"})


def test_a_measurement_that_cannot_be_made_is_refused() -> None:
    none, bound = {"regularizers": [{"kind": "none"}]}, [{"kind": "lipschitz", "bound": True}]
    check_study(search_space=none, measure=bound)
    normed = {"kind": "mlp", "norm": "batch"}
    with pytest.raises(RegsearchError, match=r"layer '2' is BatchNorm1d.* or write bound: false"):
        check_study(search_space=none, measure=bound, model=normed)
