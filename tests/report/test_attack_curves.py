from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from regsearch.metrics import MEASUREMENTS
from regsearch.report import REPORTS, Results
from regsearch.report.attack_curves import AttackCurves, attack_info, attack_sizes, sections
from regsearch.report.cell_values import gather_cells

PLANES = {"weight_decay": {"decay": [0.1, 0.2]}, "none": {}}


def attacked(make_study: Callable[..., Results], noises: tuple[float, ...] = (0.0,)) -> Results:
    """The best decay is 0.2; FGSM of eps costs eps, PGD twice as much."""
    made = make_study(
        lambda kind, settings, noise, seed: 0.5 + settings.get("decay", 0) + 0.01 * seed - noise,
        PLANES,
        noises=noises,
    )
    clean = made.records["test_accuracy"]
    columns = {f"fgsm_{eps:g}_accuracy": clean - eps for eps in (0.1, 0.03, 1e-5)}
    columns |= {f"pgd_{eps:g}_accuracy": clean - 2 * eps for eps in (0.0, 0.1)}
    return made._replace(records=made.records.assign(**columns))


def test_sizes_are_read_as_the_measurements_write_them() -> None:
    eps = [0.3, 0.0, 1e-5, 0.031, 2.0, 8 / 255]
    written = MEASUREMENTS["fgsm"].names(MEASUREMENTS["fgsm"].config(kind="fgsm", eps=eps))
    others = ["fgsm_0.03_accuracy_best", "test_accuracy", "gbr", "fog_3_accuracy", "pgd_accuracy"]
    found = attack_sizes([*written, *others])
    assert list(found) == ["fgsm"]
    assert [size.eps for size in found["fgsm"]] == pytest.approx(sorted(eps), rel=1e-5)
    assert {size.column for size in found["fgsm"]} == set(written)


def test_a_line_is_the_best_cell_from_the_clean_accuracy_on(
    make_study: Callable[..., Results],
) -> None:
    results = attacked(make_study)
    info = attack_info(results, gather_cells(results), AttackCurves())
    assert [row.name for row in info.rows] == ["fgsm", "pgd"]
    [(_, [[fgsm, fgsm_none], [pgd, _]])] = info.facets
    assert (fgsm.name, fgsm_none.name) == ("weight_decay decay=0.2", "none")
    np.testing.assert_allclose(fgsm.x, [0, 1e-5, 0.03, 0.1])
    np.testing.assert_allclose(fgsm.mean, [0.71, 0.70999, 0.68, 0.61])
    np.testing.assert_allclose(fgsm.band, 0.01)
    np.testing.assert_allclose(fgsm_none.mean, [0.51, 0.50999, 0.48, 0.41])
    np.testing.assert_allclose(pgd.x, [0, 0.1], err_msg="0 was measured, and is not added")
    np.testing.assert_allclose(pgd.mean, [0.71, 0.51])
    assert fgsm.cells == ["weight_decay-0.2-0"] * 4


def test_one_facet_for_each_noise(make_study: Callable[..., Results]) -> None:
    results = attacked(make_study, (0.0, 0.2))
    config = AttackCurves(attacks=["pgd"], regularizers=["none"])
    info = attack_info(results, gather_cells(results), config)
    assert [facet for facet, _ in info.facets] == ["label noise = 0", "label noise = 0.2"]
    [(_, [[first]]), (_, [[second]])] = info.facets
    np.testing.assert_allclose(first.mean - second.mean, 0.2)
    [section] = sections(results, config)
    assert section.pictures[0].name == "attack_curves_pgd"
    assert len(section.pictures[0].data) == 4


def test_a_study_that_measures_no_attack_is_told_what_to_add() -> None:
    [problem] = REPORTS["attack_curves"].check(AttackCurves(), ["test_accuracy"])
    assert "measures no attack" in problem
    assert "measure: [{kind: fgsm" in problem


def test_an_attack_that_is_not_measured_is_named() -> None:
    config = AttackCurves(attacks=["fgms"], regularizers=["none"])
    [problem] = REPORTS["attack_curves"].check(config, ["fgsm_0.1_accuracy"])
    assert "attacks[0]: the study does not measure 'fgms'. Did you mean 'fgsm'?" in problem


def test_nothing_is_drawn_where_nothing_was_measured(make_study: Callable[..., Results]) -> None:
    assert sections(make_study(lambda *_: 0.5, PLANES), AttackCurves()) == []
