from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from regsearch.errors import UnknownName
from regsearch.report import REPORTS, Results
from regsearch.report.cell_values import gather_cells
from regsearch.report.profile import Profile, profile_info, sections

PLANES = {
    "weight_decay": {"decay": [0.0, 1e-3, 1e-2]},
    "adadecay": {"decay": [1e-3, 1e-2], "steepness": [1.0, 4.0]},
    "none": {},
}
COLUMNS = [
    "weight_decay.decay", "adadecay.decay", "adadecay.steepness", "dataset.label_noise",
    "test_accuracy", "pgd_0.03_accuracy",
]  # fmt: skip


def accuracy(kind: str, settings: dict[str, float], noise: float, seed: int) -> float | str:
    """AdaDecay at steepness 4 is better at 1e-3 and worse at 1e-2."""
    if kind == "none":
        return 0.5 + 0.1 * seed
    if kind == "weight_decay":
        return "diverged" if settings["decay"] == 1e-2 and seed == 0 else 0.6 + 0.1 * seed
    steep = {(1e-3, 1.0): 0.6, (1e-3, 4.0): 0.65, (1e-2, 1.0): 0.7, (1e-2, 4.0): 0.55}
    return steep[settings["decay"], settings["steepness"]] + 0.01 * seed


@pytest.fixture
def results(make_study: Callable[..., Results]) -> Results:
    return make_study(accuracy, PLANES)


def test_each_x_has_the_best_of_the_cells_that_differ_otherwise(results: Results) -> None:
    info = profile_info(results, gather_cells(results), Profile(x="decay"))
    [(_, [[decay, ada, none]])] = info.facets
    assert (decay.name, ada.name, none.name) == ("weight_decay", "adadecay, best steepness", "none")
    assert ada.x.tolist() == [1e-3, 1e-2]
    np.testing.assert_allclose(ada.mean, [0.66, 0.71])
    np.testing.assert_allclose(ada.band, 0.01)
    assert ada.cells == ["adadecay-0.001-4-0", "adadecay-0.01-1-0"]
    assert (none.x.size, none.mean.tolist(), none.band.tolist()) == (
        0, [pytest.approx(0.6)], [pytest.approx(0.1)],
    )  # fmt: skip
    assert info.scale.log


def test_where_every_cell_has_a_diverged_run_there_is_a_cross_and_no_point(
    results: Results,
) -> None:
    info = profile_info(results, gather_cells(results), Profile(x="weight_decay.decay"))
    [(_, [[decay, *levels]])] = info.facets
    assert decay.x.tolist() == [0, 1e-3]
    assert decay.lost == [1e-2]
    assert all(not line.x.size for line in levels), "adadecay has no weight_decay.decay"
    [section] = sections(results, Profile(x="weight_decay.decay"))
    assert "a cross on the axis" in section.pictures[0].caption
    assert "left of the break" in section.pictures[0].caption


def test_each_setting_of_the_others_can_have_its_line(results: Results) -> None:
    config = Profile(x="decay", others="each", regularizers=["adadecay"], band="error")
    [(_, [lines])] = profile_info(results, gather_cells(results), config).facets
    assert [line.name for line in lines] == ["adadecay steepness=1", "adadecay steepness=4"]
    np.testing.assert_allclose(lines[1].mean, [0.66, 0.56])
    np.testing.assert_allclose(lines[1].band, 0.01 / 3**0.5)
    assert [line.kind for line in lines] == [1, 1], "its colour in every other picture"
    assert [line.among for line in lines] == [(0, 2), (1, 2)]


def test_a_factor_as_x_is_no_facet(make_study: Callable[..., Results]) -> None:
    made = make_study(
        lambda kind, settings, noise, seed: 0.9 - noise + settings.get("decay", 0.0),
        {"weight_decay": {"decay": [0.0, 0.01]}, "none": {}},
        noises=(0.0, 0.2, 0.4),
    )
    info = profile_info(made, gather_cells(made), Profile(x="label_noise"))
    [(facet, [[decay, none]])] = info.facets
    assert facet == ""
    assert (info.x, info.scale.log) == ("label noise", False)
    np.testing.assert_allclose(decay.mean, [0.91, 0.71, 0.51])
    np.testing.assert_allclose(none.mean, [0.9, 0.7, 0.5])


def test_regularizers_may_name_x_differently(make_study: Callable[..., Results]) -> None:
    planes = {"weight_decay": {"decay": [0.1, 1.0]}, "pathprox": {"strength": [0.01, 0.1]}}
    made = make_study(lambda *_: 0.5, planes)
    info = profile_info(made, gather_cells(made), Profile(x=["decay", "strength"]))
    [(_, [[decay, prox]])] = info.facets
    assert (decay.x.tolist(), prox.x.tolist()) == ([0.1, 1.0], [0.01, 0.1])
    assert info.x == "decay or strength"


def test_too_many_lines_are_refused_in_words(make_study: Callable[..., Results]) -> None:
    plane = {"adadecay": {"decay": [0.1], "steepness": list(np.arange(25.0))}}
    made = make_study(lambda *_: 0.5, plane, seeds=(0,))
    [section] = sections(made, Profile(x="decay", others="each"))
    assert not section.pictures
    assert "25 lines" in section.text
    assert "others: best" in section.text


def test_a_study_without_runs_says_so(make_study: Callable[..., Results]) -> None:
    made = make_study(lambda *_: None, PLANES)
    [section] = sections(made, Profile(x="decay"))
    assert section.text == "No cell has a completed run yet."


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (Profile(x="dekay"), "x: no hyper-parameter or factor named 'dekay'. Did you mean 'decay'"),
        (Profile(x="test_accuracy"), "x: no hyper-parameter or factor named 'test_accuracy'"),
        (Profile(x="pgd_0.03_accuracy"), "x: no hyper-parameter or factor"),
        (Profile(x="decay", y=["gbr"]), "y[0]: no measured quantity named 'gbr'"),
        (Profile(x="decay", regularizers=["adadekay"]), "Did you mean 'adadecay'"),
        (Profile(x="decay", regularizers=["enc"]), "no regularizer 'enc' in this study"),
    ],
)
def test_what_the_study_does_not_have_is_named(config: Profile, problem: str) -> None:
    [found] = REPORTS["profile"].check(config, COLUMNS)
    assert problem in found


def test_what_it_has_is_accepted(results: Results) -> None:
    config = Profile(x=["label_noise", "decay"], y=["pgd_0.03_accuracy"], regularizers=["none"])
    assert REPORTS["profile"].check(config, COLUMNS) == []


def test_two_candidates_for_x_in_one_regularizer_are_told(
    make_study: Callable[..., Results],
) -> None:
    made = make_study(lambda *_: 0.5, {"weight_decay": {"decay": [0.1, 0.2]}})
    both = {"regularizer": "enc + weight_decay", "enc.decay": 1.0}
    made = made._replace(records=made.records.assign(**both), planned=made.planned.assign(**both))
    with pytest.raises(UnknownName, match=r"it may be weight_decay\.decay or enc\.decay"):
        profile_info(made, gather_cells(made), Profile(x="decay"))
