"""Draw the teacher-student study: errors against V and sigma, and deviations from theory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from regsearch.report.drawing import ACCENT, COLOURS, INK, MARKERS, MUTED, new_figure, style
from regsearch.report.quantities import number, title
from regsearch.report.stats import Array
from regsearch.report.teacher_student_info import (
    SHIFTS,
    Level,
    Point,
    TeacherStudentInfo,
    best,
    verdict,
)
from regsearch.theory.teacher_student import (
    CONSTANT_ERROR,
    RIDGE_IS_BETTER_FROM,
    Noise,
    ridge_optimum,
    unregularized_error,
    volumized_error,
    volumized_optimum,
)

PER_ROW = 5
BOX, RIDGE, NONE = COLOURS[0], COLOURS[1], COLOURS[2]


def draw_errors(info: TeacherStudentInfo) -> Figure:
    """Error against V on logarithmic scales: one panel per sigma, the kinds of noise in rows."""
    bands = [
        levels[start : start + PER_ROW]
        for levels in map(info.of, info.noises)
        for start in range(0, len(levels), PER_ROW)
    ]
    columns = max(len(band) for band in bands)
    with style():
        figure = new_figure(max(2.05 * columns + 0.5, 6.0), 2.35 * len(bands) + 0.5)
        grid = figure.subplots(len(bands), columns, squeeze=False, sharey="row")
        for ax in grid.flat:
            ax.set_visible(False)
        for row, band in enumerate(bands):
            for column, level in enumerate(band):
                ax = grid[row, column]
                ax.set_visible(True)
                _draw_level(ax, level, info.levels.index(level))
            _label_errors(grid[row, 0], band)
        figure.legend(handles=_error_handles(), loc="outside lower left", ncols=4)
    return figure


def draw_optima(info: TeacherStudentInfo) -> Figure:
    """Smallest error against sigma, one panel per kind of noise on one scale."""
    with style():
        figure = new_figure(4.3 * len(info.noises) + 0.3, 3.4)
        axes = figure.subplots(1, len(info.noises), squeeze=False, sharey=True)[0]
        for ax, noise in zip(axes, info.noises, strict=True):
            _draw_optima(ax, noise, info.of(noise))
        axes[0].set_ylabel("smallest error per weight")
        handles = [
            Line2D([], [], color=colour, marker=marker, ms=5, label=name)
            for name, colour, marker in (
                ("volumization", BOX, "o"),
                ("ridge", RIDGE, "s"),
                ("no regularization", NONE, "^"),
            )
        ]
        handles.append(Line2D([], [], color=INK, ls="-.", lw=1, label="constant model"))
        figure.legend(handles=handles, loc="outside lower left", ncols=4)
    return figure


def draw_deviations(info: TeacherStudentInfo) -> Figure:
    """Measured minus closed form against V, in standard errors, one panel per kind of noise."""
    limit = verdict(info.levels).limit
    looks: dict[float, dict[str, Any]] = {
        sigma: {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
        for i, sigma in enumerate(sorted({level.sigma for level in info.levels}))
    }
    with style():
        figure = new_figure(4.3 * len(info.noises) + 0.3, 3.2)
        axes = figure.subplots(1, len(info.noises), squeeze=False, sharey=True)[0]
        for ax, noise in zip(axes, info.noises, strict=True):
            ax.axhspan(-2, 2, color=INK, alpha=0.06, lw=0)
            ax.axhline(0, color=MUTED, lw=0.8)
            if math.isfinite(limit):
                for level in (-limit, limit):
                    ax.axhline(level, color=MUTED, lw=0.8, ls="--")
            for one in info.of(noise):
                x, z = [p.at for p in one.boxes], [p.z for p in one.boxes]
                ax.plot(x, z, lw=0.5, ms=3.5, **looks[one.sigma])
            ax.set(title=title(SHIFTS[noise]), xlabel="V")
            ax.grid(True)
        axes[0].set_ylabel("simulation minus closed form\n(standard errors)")
        handles = [
            Line2D([], [], lw=0.5, ms=3.5, label=f"sigma = {number(sigma)}", **look)
            for sigma, look in looks.items()
        ]
        figure.legend(handles=handles, loc="outside lower left", ncols=min(len(handles), 8))
    return figure


def _draw_level(ax: Axes, level: Level, index: int) -> None:
    v = np.linspace(0, max([1.0, *(point.at for point in level.boxes)]), 301)
    ax.plot(v, volumized_error(v, level.sigma, level.noise), color=BOX, lw=1.3, zorder=2)
    lines = (
        (level.ridge[1], RIDGE, "--"),
        (level.unregularized, NONE, ":"),
        (CONSTANT_ERROR, INK, "-."),
    )
    for error, colour, dash in lines:
        if math.isfinite(error):
            ax.axhline(error, color=colour, ls=dash, lw=1, zorder=1)
    for point in level.boxes:
        _draw_point(ax, point.at, point, BOX, "o", f"{index}:{point.cell}")
    at, error = level.optimum
    ax.plot(at, error, "*", color=ACCENT, ms=9, mec="white", mew=0.6, zorder=5)
    measured = best(level.boxes)
    if measured is not None:
        ax.plot(measured.at, measured.mean, "o", ms=8, mfc="none", mec=ACCENT, mew=1, zorder=4)
    ax.set_title(f"sigma = {number(level.sigma)}")
    ax.set_xlabel("V")
    ax.grid(True)


def _draw_point(
    ax: Axes, x: float, point: Point, colour: str, marker: str, gid: str | None = None
) -> None:
    error = point.error if math.isfinite(point.error) else 0.0
    ax.errorbar(x, point.mean, error, color=colour, lw=0.9, zorder=3)
    drawn = ax.plot(x, point.mean, marker, ms=3.6, color=colour, mec="white", mew=0.4, zorder=3)
    drawn[0].set_gid(gid)


def _label_errors(ax: Axes, band: list[Level]) -> None:
    """A logarithmic scale with plain numbers, over all that is drawn in the row."""
    values = [p.mean for level in band for p in level.boxes]
    values += [error for level in band for error in (level.optimum[1], level.unregularized)]
    shown = [value for value in [*values, CONSTANT_ERROR] if 0 < value < math.inf]
    low, high = min(shown) / 1.25, max(shown) * 1.25
    ax.set_yscale("log")
    ax.set_ylim(low, high)
    decades = np.arange(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if high / low < 1e4 else (1,)
    ticks = [step * 10.0**d for d in decades for step in steps]
    ax.yaxis.set_major_locator(FixedLocator(ticks))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 3)))
    ax.set_ylabel(f"error per weight,\n{SHIFTS[band[0].noise]}")


def _error_handles() -> list[Line2D]:
    return [
        Line2D([], [], color=BOX, lw=1.3, label="volumization, closed form"),
        Line2D([], [], color=BOX, ls="none", marker="o", ms=4, label="volumization, simulation"),
        Line2D([], [], color=ACCENT, ls="none", marker="*", ms=8, label="V*, E* in theory"),
        Line2D(
            [], [], color=ACCENT, ls="none", marker="o", mfc="none", ms=7, label="best measured"
        ),
        Line2D([], [], color=RIDGE, ls="--", lw=1, label="best ridge"),
        Line2D([], [], color=NONE, ls=":", lw=1, label="no regularization"),
        Line2D([], [], color=INK, ls="-.", lw=1, label="constant model"),
    ]


def _draw_optima(ax: Axes, noise: Noise, levels: list[Level]) -> None:
    sigma = np.linspace(0, 1.05 * max(level.sigma for level in levels), 301)[1:]
    curves: tuple[tuple[Array, str], ...] = (
        (volumized_optimum(sigma, noise).error, BOX),
        (ridge_optimum(sigma, noise).error, RIDGE),
        (unregularized_error(sigma, noise), NONE),
    )
    for error, colour in curves:
        known = np.isfinite(error)
        if known.sum() > 1:
            ax.plot(sigma[known], error[known], color=colour, lw=1.4, zorder=2)
    ax.axhline(CONSTANT_ERROR, color=INK, ls="-.", lw=1, zorder=2)
    top = 1.3 * CONSTANT_ERROR
    for level in levels:
        groups = ((level.boxes, BOX, "o"), (level.ridges, RIDGE, "s"), (level.none, NONE, "^"))
        for points, colour, marker in groups:
            found = best(points)
            if found is not None and found.mean < top:
                _draw_point(ax, level.sigma, found, colour, marker)
    if noise == "uniform" and sigma[-1] > RIDGE_IS_BETTER_FROM:
        ax.axvline(RIDGE_IS_BETTER_FROM, color=MUTED, lw=0.8, ls=":", zorder=1)
        ax.annotate(
            f"ridge is better from {RIDGE_IS_BETTER_FROM:.3f} on",
            (RIDGE_IS_BETTER_FROM, 0.012), (5, 0), textcoords="offset points", size=7, color=MUTED,
        )  # fmt: skip
    if noise == "cauchy":
        ax.annotate(
            "no regularization: infinite; ridge: at best the constant model",
            (sigma[-1] / 2, CONSTANT_ERROR), (0, 5), textcoords="offset points", size=7,
            color=MUTED, ha="center",
        )  # fmt: skip
    ax.set(title=title(SHIFTS[noise]), xlabel="sigma", ylim=(0, top), xlim=(0, sigma[-1]))
    ax.grid(True)
