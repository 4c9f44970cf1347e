"""What would fail every run is told before the first."""

from __future__ import annotations

import pytest
import yaml

from regsearch.errors import DataError, RegsearchError
from regsearch.study.expand import expand
from regsearch.study.preflight import check_runs
from regsearch.study.sources import Sources
from regsearch.study.spec import check

PATHPROX = {"kind": "pathprox", "strength": [1e-4, 1e-3]}


def check_study(**parts: object) -> None:
    study = {
        "name": "tried",
        "search_space": {"regularizers": [PATHPROX]},
        "train": {"optimizer": {"kind": "sgd", "lr": 0.1}, "epochs": 1},
    } | parts
    check_runs(expand(check(Sources.of(yaml.safe_load(yaml.safe_dump(study))))))


def test_a_study_that_can_run_passes() -> None:
    check_study()


def test_a_model_that_a_regularizer_cannot_work_on_is_refused_with_the_reason() -> None:
    with pytest.raises(RegsearchError, match=r"no homogeneous units: .*BatchNorm1d.*weight_decay"):
        check_study(model={"kind": "mlp", "norm": "batch"})
    with pytest.raises(RegsearchError, match="enc has no layer to act on"):
        check_study(
            model={"kind": "mlp", "widths": []}, search_space={"regularizers": [{"kind": "enc"}]}
        )


def test_two_methods_that_both_rebuild_the_model_are_refused() -> None:
    both = [{"kind": "enc"}, {"kind": "weight_norm"}]
    with pytest.raises(RegsearchError, match="re-parametrised already"):
        check_study(search_space={"regularizers": [both]})


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
