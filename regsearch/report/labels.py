"""Hundreds of short texts on one pair of axes, drawn at once.

Matplotlib lays every text out by itself, which takes most of the time of a heat map. These have
given places, so no layout is needed: an SVG gets them as text, any other format as one
path of glyph outlines per colour.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.textpath import TextPath
from matplotlib.transforms import IdentityTransform

from regsearch.report.stats import Array

_CAP_HEIGHT = 0.73  # of DejaVu Sans, in units of the font size
_UNIT = 100.0  # size at which glyph outlines are kept


class Label(NamedTuple):
    """A text at a point of the data, vertically centred; ``size`` in typographic points."""

    x: float
    y: float
    text: str
    size: float
    colour: str
    bold: bool = False
    align: Literal["center", "right"] = "center"


class Labels(Artist):
    """All ``labels`` of ``axes``, above everything else and outside the layout."""

    def __init__(self, axes: Axes, labels: list[Label]) -> None:
        super().__init__()
        self._labels = labels
        self.set_in_layout(False)
        self.set_zorder(4)
        axes.add_artist(self)

    def draw(self, renderer: RendererBase) -> None:
        """Draw them as text on an SVG canvas, else as outlines."""
        figure = self.get_figure(root=True)
        if not self._labels or self.axes is None or figure is None:
            return
        spots = self.axes.transData.transform([(label.x, label.y) for label in self._labels])
        if isinstance(figure.canvas, FigureCanvasSVG):
            self._draw_text(renderer, spots)
        else:
            self._draw_outlines(renderer, spots)

    def _draw_text(self, renderer: RendererBase, spots: Array) -> None:
        _, height = renderer.get_canvas_width_height()
        gc = renderer.new_gc()
        for label, (x, y) in zip(self._labels, spots, strict=True):
            anchor = Text(x, y, ha=label.align, transform=IdentityTransform())
            size = _pixels(renderer, label)
            gc.set_foreground(label.colour)
            baseline = height - y + _CAP_HEIGHT * size / 2
            renderer.draw_text(gc, x, baseline, label.text, _font(label), 0, mtext=anchor)
        gc.restore()

    def _draw_outlines(self, renderer: RendererBase, spots: Array) -> None:
        paths: dict[str, list[Path]] = {}
        for label, spot in zip(self._labels, spots, strict=True):
            size = _pixels(renderer, label)
            outline, width = _outline(label.text, label.bold)
            across = width * size * (1.0 if label.align == "right" else 0.5)
            shift = spot - [across, _CAP_HEIGHT * size / 2]
            path = Path(np.asarray(outline.vertices) * (size / _UNIT) + shift, outline.codes)
            paths.setdefault(label.colour, []).append(path)
        gc = renderer.new_gc()
        gc.set_linewidth(0)
        for colour, parts in paths.items():
            gc.set_foreground(colour)
            together = Path.make_compound_path(*parts)
            renderer.draw_path(gc, together, IdentityTransform(), gc.get_rgb())
        gc.restore()


@lru_cache(maxsize=4096)
def _outline(text: str, bold: bool) -> tuple[Path, float]:
    """Outline at size ``_UNIT`` from the origin, and its width in units of the font size."""
    parts, codes, at = [], [], 0.0
    for letter in text:
        path, advance = _glyph(letter, bold)
        if path.codes is not None:
            parts.append(np.asarray(path.vertices) + np.array([at, 0.0]))
            codes.append(path.codes)
        at += advance
    if not parts:
        return Path(np.empty((0, 2))), 0.0
    return Path(np.concatenate(parts), np.concatenate(codes)), at / _UNIT


@lru_cache(maxsize=512)
def _glyph(letter: str, bold: bool) -> tuple[Path, float]:
    """One letter and how far it advances, told by the width of two of them side by side."""
    font = FontProperties(weight="bold" if bold else "normal")
    one, two = (TextPath((0, 0), f"{letter * n}|", size=_UNIT, prop=font) for n in (1, 2))
    advance = float(two.get_extents().x1 - one.get_extents().x1)
    if letter.isspace():
        return Path(np.empty((0, 2))), advance
    return TextPath((0, 0), letter, size=_UNIT, prop=font), advance


def _pixels(renderer: RendererBase, label: Label) -> float:
    return float(renderer.points_to_pixels(label.size))  # type: ignore[arg-type]


def _font(label: Label) -> Any:
    return FontProperties(size=label.size, weight="bold" if label.bold else "normal")
