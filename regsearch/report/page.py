"""Write the page: one HTML file that needs no network, with its pictures and numbers beside it."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from regsearch.disk import require_writable, write_atomically
from regsearch.records.frame import to_csv
from regsearch.report._base import REPORTS, Picture, Results, Section
from regsearch.report.cell_data import cell_data
from regsearch.report.cell_values import gather_cells
from regsearch.report.health import health_checks
from regsearch.report.latex import to_latex
from regsearch.report.opening import facts, failures, status_counts, versions
from regsearch.space import Kind

_TEMPLATES = Path(__file__).parent / "templates"
_DPI = 150


class Drawn(NamedTuple):
    """A picture with its renderings."""

    picture: Picture
    svg: str
    png: bytes


def write_report(results: Results, configs: Sequence[Kind], folder: Path) -> Path:
    """Write ``report.html`` in ``folder`` and the figures and their numbers in ``figures/``.

    Everything is made before anything is written, and the page is replaced last and at once: a
    failure leaves the previous report as it was. Without configs, every kind of report that
    needs no settings is made.

    Returns:
        The path of the page.

    Raises:
        UnknownName: a config names what the study does not have.
        StorageError: the disk refused.
    """
    sections = make_sections(results, configs)
    drawn = _draw_all(sections)
    page = render_page(results, sections, drawn)
    files = _figure_files(sections, drawn)
    require_writable(folder / "figures")
    for name, data in files.items():
        write_atomically(folder / "figures" / name, data)
    write_atomically(folder / "report.html", page.encode())
    return folder / "report.html"


def make_sections(results: Results, configs: Sequence[Kind]) -> list[Section]:
    """The sections of all reports, in the order in which the kinds are registered.

    Equal configs are one report. Pictures and tables that would share a name are numbered, from
    the second on.
    """
    order = list(REPORTS)
    chosen = list(configs) or [
        REPORTS[name].config(kind=name) for name in order if _needs_nothing(name)
    ]
    chosen = [config for i, config in enumerate(chosen) if config not in chosen[:i]]
    chosen.sort(key=lambda config: order.index(config.kind))
    made = (REPORTS[config.kind].sections(results, config) for config in chosen)
    return _number_repeats(section for sections in made for section in sections)


def render_page(results: Results, sections: list[Section], drawn: dict[str, Drawn]) -> str:
    """The HTML; every text is escaped, and the policy allows its own script and style only."""
    cells = gather_cells(results)
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "separators": (",", ":")}
    script, style = ((_TEMPLATES / name).read_text() for name in ("page.js", "page.css"))
    return environment.get_template("page.html").render(
        results=results,
        facts=facts(results, cells),
        statuses=status_counts(cells),
        checks=health_checks(results),
        sections=sections,
        svg={name: Markup(one.svg) for name, one in drawn.items()},  # noqa: S704 - escaped
        failures=failures(results, cells),
        versions=versions(results),
        data=cell_data(results, cells),
        script=Markup(script),  # noqa: S704 - our own file
        style=Markup(style),  # noqa: S704 - our own file
        policy=_policy(script, style),
    )


def _number_repeats(sections: Iterable[Section]) -> list[Section]:
    taken: set[str] = set()

    def free(name: str) -> str:
        numbered = (f"{name}_{i}" if i > 1 else name for i in count(1))
        found = next(candidate for candidate in numbered if candidate not in taken)
        taken.add(found)
        return found

    return [
        section._replace(
            pictures=[one._replace(name=free(one.name)) for one in section.pictures],
            tables=[one._replace(name=free(one.name)) for one in section.tables],
        )
        for section in sections
    ]


def _draw_all(sections: list[Section]) -> dict[str, Drawn]:
    """Renderings by the name of the picture."""
    from regsearch.report.drawing import style
    from regsearch.report.svg import to_svg

    drawn: dict[str, Drawn] = {}
    with style():
        for picture in (picture for section in sections for picture in section.pictures):
            figure = picture.draw()
            if engine := figure.get_layout_engine():
                engine.execute(figure)
                figure.set_layout_engine(None)
            png = io.BytesIO()
            figure.set_dpi(_DPI)
            figure.canvas.print_png(png, pil_kwargs={"compress_level": 2})  # type: ignore[attr-defined]
            svg = to_svg(figure, picture.name, picture.hover)
            drawn[picture.name] = Drawn(picture, svg, png.getvalue())
    return drawn


def _figure_files(sections: list[Section], drawn: dict[str, Drawn]) -> dict[str, bytes]:
    """Name and content of every file that goes beside the page."""
    files: dict[str, bytes] = {}
    for name, (picture, svg, png) in drawn.items():
        files[f"{name}.svg"], files[f"{name}.png"] = svg.encode(), png
        files[f"{name}.csv"] = to_csv(picture.data)
    for table in (table for section in sections for table in section.tables):
        files[f"{table.name}.csv"] = to_csv(table.data)
        if table.latex:
            files[f"{table.name}.tex"] = to_latex(table).encode()
    return files


def _needs_nothing(name: str) -> bool:
    fields = REPORTS[name].config.model_fields.values()
    return not any(field.is_required() for field in fields)


def _policy(script: str, style: str) -> str:
    hashes = (
        base64.b64encode(hashlib.sha256(t.encode()).digest()).decode() for t in (script, style)
    )
    script_hash, style_hash = hashes
    return (
        f"default-src 'none'; script-src 'sha256-{script_hash}'; style-src 'sha256-{style_hash}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
