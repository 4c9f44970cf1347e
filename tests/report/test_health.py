from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from regsearch.report import Metric, Results
from regsearch.report.edges import natural_range
from regsearch.report.health import Check, health_checks

LINE = {"weight_decay": {"decay": [0.0, 0.1, 0.2, 0.3]}, "none": {}}


def check(results: Results, title: str) -> Check:
    [found] = [check for check in health_checks(results) if check.title == title]
    return found


def titles(results: Results) -> list[str]:
    return [check.title for check in health_checks(results)]


def peak(kind: str, settings: dict[str, float], noise: float, seed: int) -> float:
    """Best at decay 0.2, by 4 points with a spread of 1."""
    gain = {0.0: 0.0, 0.1: 0.02, 0.2: 0.04, 0.3: 0.01}[settings.get("decay", 0.0)]
    return 0.5 + gain + [0.0, 0.01, 0.02][seed] + (0.002 * seed if gain else 0)


def test_a_sound_study_passes(make_study: Callable[..., Results]) -> None:
    results = make_study(
        peak, LINE, epochs=12, metric=Metric("test_accuracy", "maximize", "last10")
    )
    levels = {check.title: check.level for check in health_checks(results)}
    assert levels.pop("Cells are not chosen on test data") == "warn"
    assert set(levels.values()) == {"pass"}
    assert len(levels) == 6


def test_failed_runs_fail_and_missing_runs_warn(make_study: Callable[..., Results]) -> None:
    failed = make_study(lambda kind, *_: "failed" if kind == "none" else 0.5, LINE)
    missing = make_study(lambda kind, *_: None if kind == "none" else 0.5, LINE)
    assert check(failed, "Every run has a result").level == "fail"
    warning = check(missing, "Every run has a result")
    assert (warning.level, warning.text.split(" ")[0]) == ("warn", "3")


def test_divergence_is_told_by_region(make_study: Callable[..., Results]) -> None:
    plane = {"volumization": {"v": [0.0, 1.0, 2.0], "alpha": [-1.0, 0.0, 1.0]}}

    def accuracy(kind: str, settings: dict[str, float], noise: float, seed: int) -> float | str:
        return "diverged" if settings["v"] <= 1 and settings["alpha"] == -1 else 0.5

    found = check(make_study(accuracy, plane), "Runs diverged")
    assert found.level == "warn"
    assert "6 runs in 2 of 9 cells, all in volumization with v ≤ 1, alpha = -1" in found.text


def test_a_difference_within_the_noise_asks_for_seeds(make_study: Callable[..., Results]) -> None:
    def accuracy(kind: str, settings: dict[str, float], noise: float, seed: int) -> float:
        return 0.5 if kind == "none" else [0.53, 0.48, 0.52][seed]

    found = check(
        make_study(accuracy, {"weight_decay": {"decay": [0.1]}, "none": {}}),
        "Enough seeds for the difference claimed",
    )
    assert found.level == "warn"
    assert "weight_decay minus none: +1.00 ± 6.57" in found.text  # 2.65 * 4.303 / sqrt(3)
    assert "seeds would settle it" in found.text


def test_a_difference_of_nothing_asks_for_no_number(make_study: Callable[..., Results]) -> None:
    def accuracy(kind: str, settings: dict[str, float], noise: float, seed: int) -> float:
        return 0.5 if kind == "none" else [0.53, 0.4700001, 0.5][seed]

    found = check(
        make_study(accuracy, {"weight_decay": {"decay": [0.1]}, "none": {}}),
        "Enough seeds for the difference claimed",
    )
    assert "More than 1,000 seeds would settle it" in found.text


def test_two_facets_are_two_claims(make_study: Callable[..., Results]) -> None:
    """Gains of 2, 3 and 4 points: t = 5.2, p = 0.035, which does alone, but not beside a second."""

    def accuracy(kind: str, settings: dict[str, float], noise: float, seed: int) -> float:
        base = 0.5 + 0.1 * seed
        if kind == "none":
            return base
        return base + ([0.02, 0.03, 0.04][seed] if noise == 0 else [0.03, -0.02, 0.0][seed])

    plane: dict[str, dict[str, list[float]]] = {"weight_decay": {"decay": [0.1]}, "none": {}}
    title = "Enough seeds for the difference claimed"
    alone = check(make_study(accuracy, plane), title)
    assert (alone.level, "p < 5 %)" in alone.text) == ("pass", True)
    both = check(make_study(accuracy, plane, noises=(0.0, 0.4)), title)
    assert both.level == "warn"
    assert "label noise = 0: weight_decay minus none: +3.00 ± 2.48" in both.text
    assert "p < 5 % after Holm's correction over 2 comparisons" in both.text


def test_one_seed_can_claim_nothing(make_study: Callable[..., Results]) -> None:
    found = check(make_study(peak, LINE, seeds=(0,)), "Enough seeds for the difference claimed")
    assert found.level == "warn"
    assert "no spread" in found.text


def test_an_optimum_on_an_edge_asks_for_a_wider_grid(make_study: Callable[..., Results]) -> None:
    results = make_study(lambda kind, settings, *_: settings.get("decay", 0.0), LINE)
    found = check(results, "Optimum inside the grid")
    assert found.text == "best weight_decay at decay = 0.3, the highest tested: go higher."


def test_an_edge_that_nature_sets_is_no_fault(make_study: Callable[..., Results]) -> None:
    results = make_study(lambda kind, settings, *_: 0.9 - settings.get("decay", 0.0), LINE)
    assert natural_range("weight_decay.decay")[0] == 0
    assert check(results, "Optimum inside the grid").level == "pass"


@pytest.mark.parametrize(("off", "level"), [(0.0, "pass"), (0.001, "warn"), (0.2, "fail")])
def test_a_neutral_value_must_give_the_numbers_of_none(
    make_study: Callable[..., Results], off: float, level: str
) -> None:
    def accuracy(kind: str, settings: dict[str, float], noise: float, seed: int) -> float:
        return 0.5 + 0.01 * seed + (off if settings.get("decay") == 0 else 0)

    assert check(make_study(accuracy, LINE), "Limit cases agree").level == level


def test_methods_together_are_never_neutral(make_study: Callable[..., Results]) -> None:
    """volumization at alpha = 1 does nothing, the decay that is applied with it does."""
    both = {"volumization + weight_decay": {"alpha": [1.0]}, "none": {}}
    renamed = {"volumization + weight_decay.alpha": "volumization.alpha"}
    results = make_study(lambda kind, *_: 0.5 if kind == "none" else 0.9, both)
    results = results._replace(
        records=results.records.rename(columns=renamed),
        planned=results.planned.rename(columns=renamed),
    )
    assert "Limit cases agree" not in titles(results)


def test_curves_that_still_rise_are_told(make_study: Callable[..., Results]) -> None:
    """A rise of 0.01 per epoch is 5 points from one window of five epochs to the next."""
    results = make_study(peak, LINE, epochs=20)
    rising = results.curves.assign(test_accuracy=0.01 * results.curves["epoch"])
    found = check(results._replace(curves=rising), "Curves are flat at the end")
    assert found.level == "warn"
    assert "weight_decay decay=0.2 still improves by 5.00 per 5 epochs" in found.text


def test_choosing_on_validation_data_passes(make_study: Callable[..., Results]) -> None:
    results = make_study(peak, LINE, metric=Metric("validation_accuracy", "maximize", "last"))
    records = results.records.assign(validation_accuracy=results.records["test_accuracy"])
    results = results._replace(records=records)
    assert check(results, "Cells are not chosen on test data").level == "pass"


def test_an_empty_study_says_so_and_no_more(make_study: Callable[..., Results]) -> None:
    assert titles(make_study(lambda *_: None, LINE)) == ["Every run has a result"]


def test_a_study_that_only_diverged_is_told_by_its_runs(make_study: Callable[..., Results]) -> None:
    results = make_study(lambda *_: "diverged", LINE)
    assert isinstance(results.records, pd.DataFrame)
    assert titles(results) == ["Every run has a result", "Runs diverged"]


def test_of_settings_that_changed_no_edge_and_no_limit_is_told(
    make_study: Callable[..., Results],
) -> None:
    results = make_study(peak, LINE, epochs=12)
    changed = results._replace(curves=results.curves.assign(**{"course.weight_decay.decay": 0.1}))
    assert check(changed, "Settings stay as they are named").level == "warn"
    lost = {"Optimum inside the grid", "Limit cases agree"} & set(titles(results))
    assert lost
    assert not lost & set(titles(changed))
