from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.axes import Axes

from regsearch.report.lines import Line, LinesInfo, Row, Scale, data, draw_lines, fit_scale, picture

ONE = np.ones(3)


def line(name: str = "weight_decay", x: tuple[float, ...] = (0.0, 1e-3, 1e-1)) -> Line:
    return Line(name, 0, np.array(x), 0.5 * ONE, 0.1 * ONE, 3 * ONE, ["a", "b", "c"])


def panels(info: LinesInfo) -> list[Axes]:
    return [ax for ax in draw_lines(info).axes if ax.get_visible()]


@pytest.mark.parametrize(
    ("values", "log"),
    [
        ([1e-5, 3e-5, 1e-4, 3e-4], True),
        ([0, 1e-8, 1e-6, 1e-4, 1e-3], True),
        ([0.5, 1, 2, 4, 8], True),
        ([0, 1e-3, 1e-1], True),
        ([0.1, 0.2, 0.3, 0.4], False),
        ([0, 0.2, 0.4, 0.8], False),
        ([0.01, 0.1], True),
        ([1e-4, 3e-4, 5e-4, 7e-4, 1e-3], False),
        ([0, 0.4, 0.8], False),
        ([-1, 1, 2, 4, 8], False),
        ([0.3], False),
    ],
)
def test_values_spread_by_ratio_get_a_logarithmic_scale(values: list[float], log: bool) -> None:
    assert fit_scale(np.array(values, dtype=float)).log is log


def test_zero_stands_left_of_the_smallest_value() -> None:
    scale = fit_scale(np.array([0, 1e-4, 1e-3, 1e-2]))
    np.testing.assert_allclose(scale.place(np.array([0, 1e-4, 1e-2])), [-5.25, -4, -2])


def test_the_tested_values_are_the_ticks_and_none_are_written_over_another() -> None:
    x = np.array([0, 1e-3, 1e-1])
    info = LinesInfo("decay", fit_scale(x), x, [Row("a", "A")], [("", [[line()]])])
    [ax] = panels(info)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "0.001", "0.1"]
    crowded = np.linspace(0, 1, 101)
    figure = draw_lines(info._replace(scale=Scale(), ticks=crowded))
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].get_xticklabels()]
    assert len(boxes) > 5
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes))


def test_the_band_of_a_fraction_stays_within_0_and_1() -> None:
    near_one = line()._replace(mean=0.98 * ONE, band=0.05 * ONE)
    info = LinesInfo(
        "decay", Scale(), None, [Row("a", "A (%)", 100.0, fraction=True)], [("", [[near_one]])]
    )
    [ax] = panels(info)
    [band] = ax.collections
    ends = band.get_paths()[0].vertices[:, 1]
    assert (ends.min(), ends.max()) == (pytest.approx(93), pytest.approx(100))


def test_a_line_without_x_is_a_level() -> None:
    level = Line("none", 1, np.empty(0), np.array([0.7]), np.array([0.1]), ONE[:1], ["d"])
    info = LinesInfo("decay", Scale(), None, [Row("a", "A")], [("", [[line(), level]])])
    [ax] = panels(info)
    [flat] = [drawn for drawn in ax.lines if set(drawn.get_ydata()) == {0.7}]
    assert flat.get_xdata() == [0, 1], "from edge to edge"
    frame = data(info)
    assert frame[frame["line"] == "none"]["decay"].isna().all()


def test_one_legend_where_lines_mean_the_same_in_every_facet() -> None:
    info = LinesInfo(
        "decay", Scale(), None, [Row("a", "A")], [("f = 1", [[line()]]), ("f = 2", [[line()]])]
    )
    figure = draw_lines(info)
    assert len(figure.legends) == 1
    assert all(ax.get_legend() is None for ax in figure.axes)
    other = info._replace(facets=[("f = 1", [[line()]]), ("f = 2", [[line("weight_decay d=1")]])])
    figure = draw_lines(other)
    assert not figure.legends
    assert [ax.get_legend().get_title().get_text() for ax in figure.axes] == ["f = 1", "f = 2"]


def test_a_point_can_be_clicked_where_there_are_words_for_its_cell() -> None:
    info = LinesInfo("decay", Scale(), None, [Row("a", "A")], [("", [[line()]])])
    assert picture("p", "", info, {"b": "words"}).hover == {"0:b": ("b", "words")}
