from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from regsearch.report.drawing import ink_on, style
from regsearch.report.labels import Label, Labels
from regsearch.report.svg import to_svg
from regsearch.report.tiles import Tile, Tiles

SVG = "{http://www.w3.org/2000/svg}"


def figure_with(*labels: Label) -> Figure:
    figure = Figure(figsize=(2, 2), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_axis_off()
    Labels(axes, list(labels))
    return figure


def pixels(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(float)


def test_labels_are_text_in_an_svg_at_their_places() -> None:
    figure = figure_with(Label(0.5, 0.5, "97.56", 8, "#112233"), Label(1, 0, "v", 8, "red", True))
    with style():
        root = ElementTree.fromstring(to_svg(figure, "a", {}))
    first, second = root.iter(f"{SVG}text")
    assert (first.text, second.text) == ("97.56", "v")
    assert first.get("text-anchor") == "middle"
    assert first.get("fill") == "#112233"
    assert second.get("font-weight") == "700"
    assert float(first.get("x", 0)) == 72
    assert 72 < float(first.get("y", 0)) < 77  # the baseline lies half a capital below the middle


def test_labels_are_outlines_in_a_png_centred_on_their_places() -> None:
    with style():
        ink = 255 - pixels(figure_with(Label(0.25, 0.75, "H", 20, "black"))).mean(-1)
    rows, columns = np.nonzero(ink > 100)
    assert abs(columns.mean() - 50) < 1.5
    assert abs(rows.mean() - 50) < 1.5
    assert 19 < np.ptp(rows) + 1 < 22  # a capital of 20 points at 100 dpi: 27.8 * 0.73 = 20.3


def test_right_aligned_labels_end_at_their_places() -> None:
    with style():
        ink = 255 - pixels(figure_with(Label(0.5, 0.5, "0.9999", 12, "black", align="right"))).mean(
            -1
        )
    assert 96 <= np.nonzero(ink > 100)[1].max() <= 101


def test_styles_become_attributes_and_ids_take_the_name_of_the_picture() -> None:
    figure = Figure()
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], marker="o", label="0.123456")
    axes.legend()
    with style():
        text = to_svg(figure, "mine", {})
        again = to_svg(figure, "mine", {})
    root = ElementTree.fromstring(text)
    assert "style=" not in text
    assert "0.123456" in text  # digits are cut in coordinates, never in texts
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert ids
    assert all(name.startswith("mine-") for name in ids)
    references = {
        e.get("{http://www.w3.org/1999/xlink}href", "")[1:] for e in root.iter(f"{SVG}use")
    }
    assert references <= set(ids)
    assert again == text


def test_a_mark_carries_its_cell_and_its_tooltip() -> None:
    figure = Figure()
    axes = figure.add_axes((0, 0, 1, 1))
    for name in ("0:abc", "0:other"):
        tile = Rectangle((0, 0), 1, 1)
        tile.set_gid(name)
        axes.add_artist(tile)
    with style():
        root = ElementTree.fromstring(to_svg(figure, "a", {"0:abc": ('c"1', "<v> & 0.123456")}))
    [mark] = [element for element in root.iter(f"{SVG}g") if element.get("data-cell")]
    assert mark.get("data-cell") == 'c"1'
    assert mark[0].text == "<v> & 0.123456"


def test_text_on_colours_can_be_read() -> None:
    """WCAG contrast of at least 3 on every colour of the map, for large marks and numbers."""
    import matplotlib as mpl

    def luminance(colour: tuple[float, ...]) -> float:
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    for name in ("viridis", "RdBu"):
        for value in np.linspace(0, 1, 64):
            colour = mpl.colormaps[name](value)[:3]
            a, b = sorted([luminance(colour), luminance(to_rgb(ink_on(colour)))])
            assert (b + 0.05) / (a + 0.05) > 3


def tiled(gap: float) -> Figure:
    """Two unit squares, red and blue, side by side in the middle of four by four inches."""
    figure = Figure(figsize=(4, 4), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-1.5, 2.5), ylim=(-2, 2))
    axes.set_axis_off()
    tiles = [Tile(0, 0, (1.0, 0.0, 0.0, 1.0), "0:a"), Tile(1, 0, (0.0, 0.0, 1.0, 1.0), "0:b")]
    Tiles(axes, tiles, gap)
    return figure


def test_tiles_fill_their_unit_squares_but_for_the_gap() -> None:
    shown = pixels(tiled(gap=7.2))  # 10 of 100 pixels to an inch, half of them at each side
    red, blue = (np.abs(shown - colour).max(-1) < 60 for colour in ((255, 0, 0), (0, 0, 255)))
    for found, left in ((red, 100), (blue, 200)):
        rows, columns = np.nonzero(found)
        assert abs(columns.min() - (left + 5)) <= 1
        assert abs(columns.max() - (left + 94)) <= 1
        assert abs(rows.min() - 155) <= 1
        assert abs(rows.max() - 244) <= 1


def test_a_tile_in_an_svg_is_found_by_its_name_and_short() -> None:
    with style():
        root = ElementTree.fromstring(to_svg(tiled(gap=0), "a", {"0:b": ("cell", "words")}))
    [mark] = [group for group in root.iter(f"{SVG}g") if group.get("data-cell") == "cell"]
    assert mark.findtext(f"{SVG}title") == "words"
    [path] = mark.findall(f"{SVG}path")
    assert path.get("fill") == "#0000ff"
    assert path.get("d") == "M144 180L216 180L216 108L144 108z"
