"""Whole optimizers and losses as one text, in tables and where a reader picks one."""

from __future__ import annotations

from typing import Any

import pytest

from regsearch.records.frame import planned_frame
from regsearch.records.words import in_words

SGD = {"kind": "sgd", "lr": 0.1, "momentum": 0.0, "nesterov": False}
CUTOUT = {"kind": "cutout", "size": 2, "fill": "mean"}


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("train.optimizer", SGD, "sgd lr=0.1"),
        ("train.optimizer", SGD | {"momentum": 0.9}, "sgd lr=0.1 momentum=0.9"),
        ("train.optimizer", {"kind": "adam", "lr": 1e-3, "betas": [0.9, 0.999]}, "adam"),
        ("train.loss", {"kind": "cross_entropy", "label_smoothing": 0.0}, "cross_entropy"),
        ("model", {"kind": "mlp", "widths": [64, 64]}, "mlp widths=[64, 64]"),
        ("train.optimizer", {"kind": "of another version"}, '{"kind": "of another version"}'),
        ("train.augment", [{"kind": "flip"}, CUTOUT], "flip + cutout size=2"),
        ("train.augment", [], "none"),
        ("train.augment", None, "none"),
        ("train.augment", [{"kind": "of another version"}], '[{"kind": "of another version"}]'),
        ("model.widths", [64, 64], "[64, 64]"),
        ("train.optimizer.lr", 0.1, 0.1),
        ("train.schedule", None, None),
    ],
)
def test_what_is_not_at_its_default_is_told(path: str, value: Any, words: Any) -> None:
    assert in_words(path, value) == words


def test_a_factor_that_is_a_whole_optimizer_is_one_column() -> None:
    def task(optimizer: dict[str, Any]) -> dict[str, Any]:
        return {"train": {"optimizer": optimizer}, "regularizers": [{"kind": "none"}], "seed": 0}

    tasks = [task(SGD), task({"kind": "adam", "lr": 1e-3})]
    runs = [(str(number), str(number), task) for number, task in enumerate(tasks)]
    frame = planned_frame(runs, ["train.optimizer"])
    assert frame["train.optimizer"].tolist() == ["sgd lr=0.1", "adam"]
    assert not [name for name in frame if name.startswith("train.optimizer.")]
    apart = planned_frame(runs)
    assert apart["train.optimizer.kind"].tolist() == ["sgd", "adam"]


def test_levels_of_augmentation_are_told_apart_also_where_there_is_none() -> None:
    """A task without augmentation does not say so."""
    trains: list[dict[str, Any]] = [{}, {"augment": [CUTOUT]}]
    tasks = [{"train": train, "regularizers": [{"kind": "none"}], "seed": 0} for train in trains]
    runs = [(str(number), str(number), task) for number, task in enumerate(tasks)]
    assert planned_frame(runs, ["train.augment"])["train.augment"].tolist() == [
        "none",
        "cutout size=2",
    ]
