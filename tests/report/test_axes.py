from __future__ import annotations

from collections.abc import Callable

import pytest

from regsearch.errors import UnknownName
from regsearch.report import Results
from regsearch.report.axes import check_axes, choose_axes, facet_groups, find_column
from regsearch.report.cell_values import gather_cells

COLUMNS = ["volumization.v", "volumization.alpha", "enc.alpha", "dataset.label_noise"]
PLANES = {
    "none": {},
    "weight_decay": {"decay": [0.1, 0.2]},
    "volumization": {"v": [1.0, 2.0], "alpha": [0.0, 1.0]},
}


def test_a_bare_name_finds_its_column() -> None:
    assert find_column("v", COLUMNS) == "volumization.v"
    assert find_column("enc.alpha", COLUMNS) == "enc.alpha"
    assert find_column("alpha", COLUMNS, "enc + weight_decay") == "enc.alpha"


def test_an_ambiguous_name_says_whose_it_may_be() -> None:
    with pytest.raises(UnknownName, match=r"volumization\.alpha or enc\.alpha"):
        find_column("alpha", COLUMNS)


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"'alhpa'.*Did you mean 'alpha'"):
        find_column("alhpa", COLUMNS)


def test_check_needs_no_prefix_where_x_and_y_share_an_owner() -> None:
    assert check_axes("v", "alpha", None, COLUMNS) == []
    assert check_axes("label_noise", "v", None, COLUMNS) == []
    assert check_axes(None, None, None, COLUMNS) == []
    [problem] = check_axes("w", "alpha", "enc", COLUMNS)
    assert problem.startswith("x: no hyper-parameter or factor named 'w'")
    assert "needs an x" in check_axes(None, "v", None, COLUMNS)[0]


def test_the_first_regularizer_with_two_varying_values_is_chosen(
    make_study: Callable[..., Results],
) -> None:
    cells = gather_cells(make_study(lambda *_: 0.5, PLANES, noises=(0.0, 0.4)))
    axes = choose_axes(cells, None, None, None)
    assert axes is not None
    assert axes == ("volumization", "volumization.v", "volumization.alpha", ["dataset.label_noise"])
    assert [title for title, _ in facet_groups(cells, axes)] == [
        "label noise = 0",
        "label noise = 0.4",
    ]
    line = choose_axes(cells, None, None, "weight_decay")
    assert line is not None
    assert (line.x, line.y) == ("weight_decay.decay", None)


def test_a_third_varying_value_facets_and_is_never_averaged_away(
    make_study: Callable[..., Results],
) -> None:
    plane = {"volumization": {"v": [1.0, 2.0], "alpha": [0.0, 1.0], "scale_momentum": [0.0, 1.0]}}
    cells = gather_cells(make_study(lambda *_: 0.5, plane))
    axes = choose_axes(cells, "v", "alpha", None)
    assert axes is not None
    assert axes.facets == ["volumization.scale_momentum"]
    assert [len(group) for _, group in facet_groups(cells, axes)] == [4, 4]


def test_a_study_where_nothing_varies_has_no_axes(make_study: Callable[..., Results]) -> None:
    cells = gather_cells(make_study(lambda *_: 0.5, {"none": {}}))
    assert choose_axes(cells, None, None, None) is None


def test_an_unknown_regularizer_is_refused(make_study: Callable[..., Results]) -> None:
    cells = gather_cells(make_study(lambda *_: 0.5, PLANES))
    with pytest.raises(UnknownName, match=r"'volumisation'.*Did you mean 'volumization'"):
        choose_axes(cells, "v", None, "volumisation")
