"""Thousands of squares on one pair of axes, drawn at once.

A patch of matplotlib's for each of them would take most of the time of a large heat map: it is an
object with transforms, units and a clip path of its own. Here each is one path, in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.path import Path
from matplotlib.transforms import IdentityTransform


class Tile(NamedTuple):
    """A unit square around a point of the data; ``name`` is its id in an SVG."""

    x: float
    y: float
    colour: tuple[float, float, float, float]
    name: str


class Tiles(Artist):
    """All ``tiles`` of ``axes``, below everything else, ``gap`` typographic points apart."""

    def __init__(self, axes: Axes, tiles: Sequence[Tile], gap: float) -> None:
        super().__init__()
        self._tiles, self._gap = tiles, gap
        self.set_in_layout(False)
        self.set_zorder(1)
        axes.add_artist(self)

    def draw(self, renderer: RendererBase) -> None:
        """Draw them; in an SVG each is a group that can be found by its id."""
        if not self._tiles or self.axes is None:
            return
        middles = np.array([(tile.x, tile.y) for tile in self._tiles])
        inset = cast(float, renderer.points_to_pixels(self._gap)) / 2
        low = self.axes.transData.transform(middles - 0.5) + inset
        high = self.axes.transData.transform(middles + 0.5) - inset
        gc, as_it_is = renderer.new_gc(), IdentityTransform()
        gc.set_linewidth(0)
        for tile, (left, bottom), (right, top) in zip(self._tiles, low, high, strict=True):
            renderer.open_group("tile", tile.name)
            corners = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
            renderer.draw_path(gc, Path(corners, closed=True), as_it_is, tile.colour)
            renderer.close_group("tile")
        gc.restore()
