"""Reports of studies of which next to nothing is there yet."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from regsearch.report import REPORTS, Results
from regsearch.report.page import make_sections

PLANE = {"volumization": {"v": [0.0, 1.0], "alpha": [-1.0, 1.0]}, "none": {}}
CONFIGS = [
    REPORTS[entry["kind"]].config.model_validate(entry)
    for entry in [
        {"kind": "profile", "x": "v", "y": ["best", "weight_norm"]},
        {"kind": "profile", "x": "label_noise", "others": "each"},
        {"kind": "attack_curves"},
        {"kind": "importances", "method": "ped_anova"},
        {
            "kind": "hypervolume",
            "objectives": {"test_accuracy": "maximize", "weight_norm": "minimize"},
        },
    ]
]


@pytest.mark.parametrize(
    ("value", "seeds"),
    [(None, (0, 1)), ("diverged", (0, 1)), ("failed", (0, 1)), (0.5, (0,))],
    ids=["nothing ran", "all diverged", "all failed", "one seed"],
)
def test_each_says_what_it_can(
    make_study: Callable[..., Results], value: float | str | None, seeds: tuple[int, ...]
) -> None:
    made = make_study(lambda *_: value, PLANE, seeds=seeds)
    if value == 0.5:
        made = made._replace(records=made.records.assign(**{"fgsm_0.1_accuracy": 0.3}))
    sections = make_sections(made, CONFIGS)
    assert len(sections) == len(CONFIGS) - (value != 0.5), "no attack was measured"
    for section in sections:
        assert section.text
        for picture in section.pictures:
            assert len(picture.data)
            assert picture.draw().axes
