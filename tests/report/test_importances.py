from __future__ import annotations

import itertools
import logging
from collections.abc import Callable

import numpy as np
import optuna
import pandas as pd
import pytest

from regsearch.report import REPORTS, Results
from regsearch.report.cell_values import gather_cells
from regsearch.report.importances import Importances, evaluate, importances_info, sections

LEVELS = {"a": [0.0, 1.0, 2.0, 3.0], "b": [0.0, 0.5, 1.0, 1.5], "c": [0.0, 0.25, 0.5, 0.75]}


def additive() -> tuple[pd.DataFrame, np.ndarray]:
    """Every combination of three settings that are spaced by ratio, and the sum of their levels."""
    grid = pd.DataFrame(itertools.product(range(4), repeat=3), columns=list(LEVELS))
    values = sum(np.array(LEVELS[name])[grid[name]] for name in LEVELS)
    return 10.0 ** (grid - 4), values


def test_fanova_of_a_sum_is_the_share_of_each_variance() -> None:
    """Var(a + b + c) = Var a + Var b + Var c: 16, 4 and 1 of 21; a forest is a little coarse."""
    settings, values = additive()
    shares = evaluate(settings, values, "maximize", "fanova")
    assert shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(shares, np.array([16, 4, 1]) / 21, atol=0.05)


def test_spacing_does_not_matter_for_values_enter_by_rank() -> None:
    settings, values = additive()
    by_ratio = evaluate(settings, values, "maximize", "ped_anova")
    by_step = evaluate(np.log10(settings), values, "maximize", "ped_anova")
    np.testing.assert_allclose(by_ratio, by_step)


def test_ped_anova_looks_at_the_good_end() -> None:
    """Where ``a`` is high only ``c`` matters, where it is low only ``b``."""
    grid = pd.DataFrame(itertools.product(range(2), range(12), range(5)), columns=["a", "b", "c"])
    values = np.where(grid["a"] > 0, 100 + grid["c"], grid["b"]).astype(float)
    best = evaluate(grid.astype(float), values, "maximize", "ped_anova")
    worst = evaluate(grid.astype(float), values, "minimize", "ped_anova")
    assert best.argmax() == 2
    assert worst.argmax() == 1
    assert max(best[1], worst[2]) < 0.05


def test_optuna_stays_as_loud_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    optuna.logging.enable_propagation()
    try:
        with caplog.at_level(logging.INFO):
            evaluate(*additive(), "maximize", "ped_anova")
        assert not caplog.records
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        optuna.logging.disable_propagation()


PLANES = {
    "volumization": {"v": [0.5, 1.0, 2.0], "alpha": [-1.0, 0.0, 1.0]},
    "weight_decay": {"decay": [0.1, 0.2, 0.3]},
}


def accuracy(kind: str, settings: dict[str, float], noise: float, seed: int) -> float | str:
    if settings.get("v") == 2.0 and settings["alpha"] == 1.0 and noise and seed == 0:
        return "diverged"
    return 0.9 - noise + 0.02 * settings.get("v", 1.0) + 0.001 * settings.get("alpha", 0) * seed


@pytest.fixture(scope="module")
def results(make_study: Callable[..., Results]) -> Results:
    return make_study(accuracy, PLANES, noises=(0.0, 0.2, 0.4), seeds=(0, 1))


def test_a_panel_for_each_regularizer_of_which_enough_varies(results: Results) -> None:
    info = importances_info(results, gather_cells(results), Importances(method="fanova"))
    own, together = info.panels
    assert (own.title, own.method, own.cells, own.left_out) == ("volumization", "fanova", 25, 2)
    assert own.names[:2] == ["label_noise", "v"]
    assert own.sds.shape == (3,)
    assert (together.title, together.method) == ("all regularizers", "ped_anova")
    assert set(together.names) == {
        "regularizer", "label_noise", "volumization.v", "volumization.alpha", "weight_decay.decay",
    }  # fmt: skip
    assert info.refused == ["weight_decay (decay, label_noise in 9 cells)"]


def test_without_the_facets_means_factors_take_no_share(results: Results) -> None:
    config = Importances(method="fanova", factors="subtract", regularizers=["volumization"])
    info = importances_info(results, gather_cells(results), config)
    assert not info.panels, "v and alpha are left, and two are too few"
    [section] = sections(results, config)
    assert "3 settings that vary" in section.text
    assert "volumization (v, alpha in 25 cells)" in section.text


def test_the_caption_names_the_method_and_the_numbers_are_the_shares(results: Results) -> None:
    [section] = sections(results, Importances(method="ped_anova"))
    [picture] = section.pictures
    assert "by PED-ANOVA" in picture.caption
    assert section.text.endswith("weight_decay (decay, label_noise in 9 cells).")
    assert picture.data.groupby("panel")["share"].sum().tolist() == pytest.approx([1, 1])
    bars = [ax for ax in picture.draw().axes if ax.get_visible()]
    assert [ax.get_title("left") for ax in bars] == ["volumization", "all regularizers"]


def test_a_study_too_small_is_refused_in_words(make_study: Callable[..., Results]) -> None:
    made = make_study(lambda *_: 0.5, {"weight_decay": {"decay": [0.1, 0.2]}, "none": {}})
    [section] = sections(made, Importances(method="ped_anova"))
    assert not section.pictures
    assert "weight_decay (decay in 2 cells); none (nothing in 1 cell)" in section.text


def test_an_unknown_metric_is_named() -> None:
    config = Importances(method="fanova", metric="test_acuracy")
    [problem] = REPORTS["importances"].check(config, ["test_accuracy", "weight_decay.decay"])
    assert "Did you mean 'test_accuracy'?" in problem
