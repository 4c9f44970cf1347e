"""Augmentations that do not go together, or with the data, are told before anything is trained."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from regsearch.errors import SpecError
from regsearch.study.expand import expand
from regsearch.study.preflight import check_runs
from regsearch.study.sources import Sources
from regsearch.study.spec import Pipeline, check
from regsearch.study.yaml_file import parse_yaml

FLIP, MIXUP, CUTMIX = {"kind": "flip"}, {"kind": "mixup"}, {"kind": "cutmix"}


def study(train: dict[str, Any] | None = None, **parts: Any) -> Pipeline:
    content = {
        "name": "tried",
        "search_space": {"regularizers": [{"kind": "none"}]},
        "train": {"optimizer": {"kind": "sgd", "lr": 0.1}, "epochs": 1} | (train or {}),
    } | parts
    written = yaml.safe_dump(json.loads(json.dumps(content)), sort_keys=False)  # without aliases
    return check(Sources(parse_yaml(written, "s.yaml")))


def accept(train: dict[str, Any], **parts: Any) -> None:
    pipeline = study(train, **parts)
    check_runs(pipeline, expand(pipeline))


def problems_of(augment: list[Any] | None = None, **parts: Any) -> list[str]:
    train = parts.pop("train", {}) | ({} if augment is None else {"augment": augment})
    with pytest.raises(SpecError) as refused:
        accept(train, **parts)
    return [problem.split(": ", 1)[1] for problem in refused.value.problems]


def test_a_list_of_augmentations_that_fit_is_accepted() -> None:
    crop, square = {"kind": "crop", "padding": 1}, {"kind": "cutout", "size": 8}
    accept({"augment": [crop, FLIP, square, MIXUP]})


@pytest.mark.parametrize(
    ("entries", "place", "said"),
    [
        ([FLIP, {"kind": "flip", "probability": 0.1}], 1, "flip is there already"),
        ([MIXUP, CUTMIX], 1, "cutmix would mix again what mixup has mixed"),
        ([CUTMIX, FLIP], 0, "cutmix goes last"),
        ([{"kind": "crop", "padding": 8}], 0, "crop pads by 8 pixels"),
        ([FLIP, {"kind": "cutout", "size": 9}], 1, "cutout paints over 9x9 pixels"),
    ],
)
def test_an_entry_that_cannot_be_is_named(entries: list[Any], place: int, said: str) -> None:
    [problem] = problems_of(entries)
    assert problem.startswith(f"train.augment[{place}]: {said}")


def test_batches_of_one_have_no_partners() -> None:
    [problem] = problems_of([MIXUP], train={"batch_size": 1})
    assert problem == "train.augment[0]: mixup finds no partner in a train.batch_size of 1"


def test_images_are_needed_where_they_are_changed() -> None:
    [problem] = problems_of(
        [CUTMIX],
        dataset={"kind": "teacher_student"},
        train={"loss": {"kind": "squared_error"}},
        metric={"name": "test_squared_error"},
    )
    assert problem.startswith("train.augment[0]: cutmix needs images")


def test_each_level_of_a_factor_is_checked_in_its_place() -> None:
    levels = [[], [FLIP], [CUTMIX, FLIP], [FLIP, FLIP]]
    found = problems_of(factors={"train.augment": levels})
    places = [problem.partition(": ")[0] for problem in found]
    assert places == ["factors.train.augment[2][0]", "factors.train.augment[3][1]"]
    [too_large] = problems_of(factors={"train.augment": [[], [{"kind": "cutout", "size": 9}]]})
    assert too_large.startswith("factors.train.augment: cutout paints over 9x9 pixels")


def test_a_factor_of_augmentations_expands_with_its_levels() -> None:
    levels = [[], [{"kind": "cutout", "size": 2}, MIXUP]]
    runs = expand(study(factors={"train.augment": levels}))
    assert [[config.kind for config in run.task.train.augment] for run in runs] == [
        [],
        ["cutout", "mixup"],
    ]
    [plain] = expand(study())
    assert runs[0].run == plain.run
    assert runs[0].factors == {"train.augment": []}
