"""Draw the other methods on the value scale of a phase diagram."""

from __future__ import annotations

import math
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize

from regsearch.report.beside import Group
from regsearch.report.drawing import ACCENT, INK, MUTED
from regsearch.report.phase_info import Panel, PhaseDiagramInfo


def draw_beside(
    ax: Axes,
    panel: Panel,
    info: PhaseDiagramInfo,
    cmap: Colormap,
    norm: Normalize,
    first: bool,
) -> None:
    """Points with error bars by method; the baseline and the plane's best cell as levels."""
    scale, at, ticks, labels = info.what.scale, 0.0, [], []
    low, high = _limits(info)
    for group in panel.beside.groups:
        places = [at + i for i in range(len(group.points))]
        _draw_group(ax, group, places, scale, cmap, norm, (low, high))
        ticks += places
        labels += [point.tick for point in group.points]
        middle = (places[0] + places[-1]) / 2
        ax.text(
            middle, -0.24, group.label, transform=ax.get_xaxis_transform(), ha="center", va="top"
        )
        at = places[-1] + 1.6
    right = max(at - 1.0, 2.2)
    best = next((s.mean for s in panel.squares if s.best), None)
    base = panel.beside.baseline[0] if panel.beside.baseline else None
    above = best is not None and base is not None and best >= base
    _draw_level(ax, base, scale, info.baseline, (ACCENT, "--"), right, "top" if above else "bottom")
    _draw_level(ax, best, scale, "best cell", (INK, ":"), right, "bottom" if above else "top")
    ax.set(xlim=(-0.6, right), ylim=(low, high))
    ax.set_xticks(ticks, labels)
    ax.tick_params(axis="x", length=0)
    ax.grid(axis="y")
    ax.locator_params(axis="y", nbins=4)
    if first:
        ax.set_ylabel("other methods", color=MUTED)
    else:
        ax.tick_params(labelleft=False)


def _draw_group(
    ax: Axes,
    group: Group,
    places: list[float],
    scale: float,
    cmap: Colormap,
    norm: Normalize,
    ends: tuple[float, float],
) -> None:
    means = [point.mean * scale for point in group.points]
    ax.plot(places, means, color="#b6bcc8", lw=1, zorder=1)
    for x, mean, point in zip(places, means, group.points, strict=True):
        if not math.isfinite(mean):
            continue
        inside = min(max(mean, ends[0]), ends[1])
        marker = "o" if inside == mean else "v" if mean < inside else "^"
        error = point.sd * scale if math.isfinite(point.sd) else 0
        ax.errorbar(x, mean, error, color=MUTED, lw=1, capsize=2, zorder=2)
        ax.plot(
            x,
            inside,
            marker,
            ms=6,
            color=cmap(norm(mean)),
            mec=INK,
            mew=0.7,
            clip_on=False,
            zorder=3,
        )
        if point.diverged:
            ax.annotate(f"{point.diverged} div.", (x, inside), (5, 0), textcoords="offset points")


def _draw_level(
    ax: Axes,
    value: float | None,
    scale: float,
    name: str,
    look: tuple[str, str],
    right: float,
    align: Literal["top", "bottom"],
) -> None:
    if value is None:
        return
    colour, dash = look
    ax.axhline(value * scale, color=colour, lw=1.1, ls=dash, zorder=1)
    text = ax.annotate(
        name, (right, value * scale), (3, 0), textcoords="offset points", color=colour, size=7,
        va=align, annotation_clip=False,
    )  # fmt: skip
    text.set_in_layout(False)


def _limits(info: PhaseDiagramInfo) -> tuple[float, float]:
    low, high = (limit * info.what.scale for limit in info.limits)
    pad = 0.08 * (high - low)
    return low - pad, high + pad
