"""Matplotlib's SVG made fit for a page: small, deterministic, and without inline styles.

A page whose security policy allows no inline styles ignores ``style="..."``; the same properties
as attributes are kept.
"""

from __future__ import annotations

import io
import re
from html import escape

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

FONTS = "system-ui, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"

_PROLOGUE = re.compile(
    r"^.*?(?=<svg)|<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->", re.S
)
_STYLE = re.compile(r' style="([^"]*)"')
_ID = re.compile(r' id="([^"]*)"')
_REFERENCE = re.compile(r'(url\(#|href="#)')
_GEOMETRY = re.compile(r' (?:d|x|y|width|height|transform|viewBox)="[^"]*"')
_STEP = re.compile(r"\s*([MLQCz])\s*")
_DIGITS = re.compile(r"(\.\d\d)\d+")
_MARK = re.compile(r'<g id="(\d+:[^"]*)">')
_LONG_ID = re.compile(
    r' id="(?:figure|axes|patch|line2d|text|matplotlib|[xy]tick|Line|Path|legend|Poly|FillB|Quad)'
    r'[^"]*"'
)


def to_svg(figure: Figure, name: str, hover: dict[str, tuple[str, str]]) -> str:
    """The figure as an SVG element with ids that start with ``name``.

    ``hover`` gives, by the id of a mark, the cell it stands for and the words for its tooltip.
    """
    canvas = FigureCanvasSVG(figure)
    raw = io.StringIO()
    canvas.print_svg(raw, metadata={"Date": None})  # type: ignore[no-untyped-call]
    return clean(raw.getvalue(), name, hover)


def clean(svg: str, name: str, hover: dict[str, tuple[str, str]]) -> str:
    """Strip what a page does not need, and mark what can be hovered over and clicked."""
    svg = _PROLOGUE.sub("", svg)
    svg = _STYLE.sub(_attributes, svg)
    svg = _GEOMETRY.sub(_shortened, svg)
    svg = _LONG_ID.sub("", svg)
    marked: list[tuple[str, str]] = []

    def mark(found: re.Match[str]) -> str:
        if found[1] not in hover:
            return "<g>"
        marked.append(hover[found[1]])
        return f"<g \0{len(marked) - 1}\0>"

    svg = _MARK.sub(mark, svg)
    svg = _ID.sub(rf' id="{name}-\1"', svg)
    svg = _REFERENCE.sub(rf"\g<1>{name}-", svg)
    svg = re.sub(r"\n\s*", "\n", svg).strip()
    root = f'<svg font-family="{FONTS}" stroke-linejoin="round" role="img" '
    svg = svg.replace("<svg ", root, 1)
    return re.sub("<g \0(\\d+)\0>", lambda found: _clickable(*marked[int(found[1])]), svg)


def _clickable(cell: str, words: str) -> str:
    shown = escape(words)
    return f'<g class="cell" data-cell="{escape(cell)}" tabindex="0"><title>{shown}</title>'


def _shortened(found: re.Match[str]) -> str:
    """Hundredths of a point are enough, and the steps of a path need no blanks between them."""
    text = _DIGITS.sub(r"\1", found[0])
    return _STEP.sub(r"\1", text) if text.startswith(' d="') else text


def _attributes(found: re.Match[str]) -> str:
    """``fill: #fff; stroke: none`` as attributes; the family is set once, on the root."""
    pairs = [part.split(":", 1) for part in found[1].split(";") if ":" in part]
    kept = [(key.strip(), value.strip()) for key, value in pairs if key.strip() != "font-family"]
    return "".join(f' {key}="{value}"' for key, value in kept)
