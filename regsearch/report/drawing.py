"""The common look of all pictures: type, colours, and figures without pyplot's global state."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

INK, MUTED, FAINT, EMPTY = "#1f2430", "#6b7280", "#d6d9e0", "#f2f3f6"
ACCENT = "#e0245e"

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#5e4fa2"]
"""Colours that the colour-blind can tell apart (after Okabe and Ito), for lines and points."""

NAME = 62
"""Characters of a line's name that fit above the axes."""

MARKERS = ["o", "s", "^", "D", "v", "P", "X", "h"]

STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.0,
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 6.0,
    "axes.titley": 1.0,  # given, so that no tick is measured to find it
    "axes.labelsize": 8.5,
    "axes.edgecolor": "#9aa1ad",
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#e7e9ee",
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.size": 0.0,
    "ytick.minor.size": 0.0,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "hatch.linewidth": 0.7,
    "text.color": INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "regsearch",
    "figure.facecolor": "white",
}


@contextmanager
def style() -> Iterator[None]:
    """Everything drawn and saved inside looks alike, whatever the user's own settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)  # type: ignore[arg-type]
        yield


def new_figure(
    width: float, height: float, layout: Literal["constrained"] | None = "constrained"
) -> Figure:
    """An empty figure, in inches, without pyplot."""
    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    if engine := figure.get_layout_engine():
        engine.set(w_pad=0.06, h_pad=0.06, wspace=0.03, hspace=0.04)  # type: ignore[call-arg]
    return figure


def title_lines(title: str, letters: int) -> list[str]:
    """``label noise = 0.4, loss = cross_entropy`` as lines, each factor on its own if need be."""
    if len(title) <= letters:
        return [title]
    return [line for part in title.split(", ") for line in textwrap.wrap(part, letters)]


def look(kind: int) -> tuple[str, str]:
    """Colour and marker of a study's regularizer number ``kind``, the same in every picture."""
    return COLOURS[kind % len(COLOURS)], MARKERS[kind % len(MARKERS)]


def legend_above(figure: Figure, handles: list[Line2D]) -> None:
    """One legend for all axes, above them, in as many columns as the figure is wide enough for."""
    letters = max((len(str(handle.get_label())) for handle in handles), default=0)
    columns = int(float(figure.get_figwidth()) / (0.45 + 0.06 * letters))
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=max(1, min(columns, len(handles))),
        fontsize=7,
        labelspacing=0.35,
        columnspacing=1.4,
    )


def name_above(ax: Axes, title: str, height: float = 1.0) -> None:
    """A legend from ``height`` of the axes up, where long names cover nothing, below ``title``."""
    legend = ax.legend(
        title=title or None,
        title_fontproperties={"size": 9, "weight": "bold"},
        loc="lower left",
        bbox_to_anchor=(0, height),
        alignment="left",
        fontsize=6.5,
        handlelength=1.6,
        labelspacing=0.3,
    )
    for text in legend.get_texts():
        text.set_text(textwrap.fill(text.get_text(), NAME, subsequent_indent="  "))


def place(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Axes at a place given in inches from the lower left corner."""
    w, h = figure.get_size_inches()
    return figure.add_axes((x / w, y / h, width / w, height / h))


def colour_map(direction: int, diverging: bool) -> Colormap:
    """Bright is better (viridis); of a difference, blue is better and red is worse."""
    name = "RdBu" if diverging else "viridis"
    return mpl.colormaps[name if direction >= 0 else f"{name}_r"].resampled(128)


def colour_scale(limits: tuple[float, float], scale: float) -> Normalize:
    """Linear from the lower to the upper limit, in the numbers that are shown."""
    return Normalize(limits[0] * scale, limits[1] * scale)


def ink_on(colour: tuple[float, ...]) -> str:
    """Dark or white text, whichever can be read on ``colour`` (relative luminance, WCAG)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return INK if 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.22 else "white"


def colour_bar(
    ax: Axes | list[Axes],
    cmap: Colormap,
    norm: Normalize,
    label: str,
    clipped: tuple[bool, bool],
) -> None:
    """A narrow bar in ``ax``, or beside a list of them; a pointed end: values lie beyond."""
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}
    where: dict[str, Any] = {"cax": ax}
    if isinstance(ax, list):
        where = {"ax": ax, "aspect": 28, "pad": 0.012, "fraction": 0.03}
    first = ax[0] if isinstance(ax, list) else ax
    bar = first.get_figure(root=True).colorbar(  # type: ignore[union-attr]
        ScalarMappable(norm, cmap.resampled(48)),
        extend=extend[int(clipped[0]), int(clipped[1])],
        **where,
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=7)
    height = first.get_position().height * float(first.get_figure(root=True).get_figheight())  # type: ignore[union-attr]
    letters = max(20, int(height / 0.062))
    if len(textwrap.wrap(label, letters)) > 3:  # beside a low bar there is room for no more
        label = label.partition(" · ")[0]
    bar.set_label(textwrap.fill(label, letters), size=7.5)
