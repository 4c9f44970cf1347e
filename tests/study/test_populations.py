"""Who is trained with whom under PBT and PB2, and by what name their runs are known."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from regsearch.errors import SpecError
from regsearch.study.expand import expand
from regsearch.study.sources import Sources
from regsearch.study.spec import Pipeline, check
from regsearch.study.trials import PlannedRun

PLANE = {"kind": "volumization", "v": [0.5, 1, 2], "alpha": [-1, 1]}
DECAY = {"kind": "weight_decay", "decay": [0.1, 0.2], "coupled": [True, False]}
NONE = {"kind": "none"}
PBT = {"type": "pbt", "perturbation_interval": 1}


def pipeline(*regularizers: Any, **fields: Any) -> Pipeline:
    spec = {
        "name": "populations",
        "search_space": {"regularizers": list(regularizers)},
        "train": {"optimizer": {"kind": "adam", "lr": 0.001}, "epochs": 3},
        "scheduler": PBT,
    }
    return check(Sources.of(spec | fields))


def members(runs: list[PlannedRun]) -> dict[str | None, list[PlannedRun]]:
    found = defaultdict(list)
    for run in runs:
        found[run.task.population].append(run)
    return dict(found)


def test_a_population_are_the_settings_of_one_structure_under_one_combination_of_levels() -> None:
    factors = {"dataset.label_noise": [0.0, 0.4], "train.optimizer.lr": [0.001, 0.01]}
    wanted = pipeline(
        PLANE,
        DECAY,
        NONE,
        train={"optimizer": {"kind": "adam"}, "epochs": 3},
        factors=factors,
        seeds=2,
        search={"aggregate": ["train.optimizer.lr"]},
    )
    found = members(expand(wanted))
    alone = found.pop(None)
    assert {run.task.regularizers[0].kind for run in alone} == {"none"}
    assert len(found) == 2 * (1 + 2), "noise x (volumization, coupled decay, decoupled decay)"
    for runs in found.values():
        assert len({run.task.dataset.label_noise for run in runs}) == 1
        assert len({run.task.regularizers[0].model_dump().get("coupled") for run in runs}) == 1
        cells = {str(run.task.regularizers[0]) for run in runs}
        assert len(cells) == (6 if runs[0].entry == 0 else 2)
        assert len(runs) == len(cells) * 2 * 2, "times seeds and learning rates"


def test_what_decides_what_becomes_of_a_member_changes_its_name() -> None:
    def name(*regularizers: Any, **fields: Any) -> str:
        return expand(pipeline(*regularizers, **fields))[0].run

    names = [
        name(PLANE),
        name(PLANE | {"v": [0.5, 1, 2, 4]}),
        name(PLANE, seeds=2),
        name(PLANE, scheduler=PBT | {"quantile_fraction": 0.5}),
        name(PLANE, scheduler=PBT | {"type": "pb2"}),
        name(PLANE, metric={"name": "test_loss", "goal": "minimize"}),
        name(PLANE, scheduler={"type": "fifo"}),
    ]
    assert len(set(names)) == len(names)
    assert names[0] == name(PLANE, NONE), "another population is none of its business"
    plain = expand(pipeline(NONE, scheduler={"type": "fifo"}))[0].run
    assert plain in {run.run for run in expand(pipeline(PLANE, NONE))}


@pytest.mark.parametrize("alone", [NONE, {"kind": "volumization", "v": 1, "alpha": 0}])
def test_a_population_of_nobody_is_refused(alone: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="pbt finds nobody to copy: it needs 2 cells or more"):
        expand(pipeline(alone))
