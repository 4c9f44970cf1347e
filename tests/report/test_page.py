from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from regsearch.errors import UnknownName
from regsearch.report import Results, write_report
from regsearch.report.curves_info import Curves
from regsearch.report.page import make_sections
from regsearch.report.pareto import Pareto
from regsearch.report.phase_diagram import PhaseDiagram
from regsearch.report.table_info import TableReport

PLANE = {
    "volumization": {"v": [0.0, 1.0, 2.0], "alpha": [-1.0, 1.0]},
    "weight_decay": {"decay": [0.1, 0.2]},
    "none": {},
}
EVERYTHING = [
    PhaseDiagram(metrics=["last10", "gap"]),
    Pareto(objectives={"test_accuracy": "maximize", "weight_norm": "minimize"}),
    Curves(),
    TableReport(),
]
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)> {{ 7 * 7 }}"


def accuracy(kind: str, settings: dict[str, float], noise: float, seed: int) -> float | str | None:
    if settings == {"v": 0.0, "alpha": -1.0}:
        return "diverged"
    if settings == {"v": 2.0, "alpha": -1.0}:
        return None if seed else "failed"
    return 0.5 + 0.1 * settings.get("v", 0.0) + 0.01 * seed


class Outline(HTMLParser):
    """What of a page matters here: its tags, attributes and scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.content: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}", {}))

    def handle_data(self, data: str) -> None:
        if self.tags and (last := self.tags[-1][0]) in self.content:
            self.content[last].append(data)


@pytest.fixture(scope="module")
def results(make_study: Callable[..., Results]) -> Results:
    return make_study(accuracy, PLANE, noises=(0.0, 0.4))


@pytest.fixture(scope="module")
def written(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(results, EVERYTHING, tmp_path_factory.mktemp("study"))


def test_a_page_with_its_figures_and_numbers(written: Path) -> None:
    assert written.name == "report.html"
    folder = written.parent
    made = {path.name for path in (folder / "figures").iterdir()}
    stems = {name.rpartition(".")[0] for name in made if name.endswith(".png")}
    assert stems == {
        "phase_volumization_test_accuracy_last10",
        "phase_volumization_test_accuracy_last10_minus_none",
        "phase_volumization_test_accuracy_gap",
        "pareto_test_accuracy_weight_norm",
        "curves_test_accuracy",
    }
    assert {f"{stem}.{kind}" for stem in stems for kind in ("svg", "png", "csv")} <= made
    numbers = pd.read_csv(folder / "figures/phase_volumization_test_accuracy_last10.csv")
    assert len(numbers) == 12
    best = numbers[numbers["best"]]
    assert best["mean"].tolist() == pytest.approx([0.71, 0.71])
    for svg in (folder / "figures").glob("*.svg"):
        ElementTree.parse(svg)


def test_the_page_asks_the_network_for_nothing_and_runs_its_own_script_only(
    written: Path,
) -> None:
    outline = Outline(written.read_text())
    [policy] = [a["content"] for t, a in outline.tags if a.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    [style], script = outline.content["style"], outline.content["script"][-1]
    for kind, text in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    for _, attributes in outline.tags:
        assert "style" not in attributes  # the policy would ignore it
        assert not any(name.startswith("on") for name in attributes)
        links = [attributes.get(name) or "" for name in ("href", "src", "xlink:href")]
        assert not any(re.match(r"(?i)\s*(https?:|//|javascript:)", link) for link in links)


def test_texts_from_outside_stay_texts(results: Results, written: Path, tmp_path: Path) -> None:
    plain = Outline(written.read_text())
    records = results.records.assign(reason=EVIL)
    evil = results._replace(
        name=EVIL, question=EVIL, spec=EVIL, records=records, facts={EVIL: EVIL, "command": EVIL}
    )
    page = write_report(evil, [TableReport()], tmp_path).read_text()
    shown = Outline(page)
    assert (
        [t for t, _ in shown.tags].count("script")
        == [t for t, _ in plain.tags].count("script")
        == 2
    )
    assert [t for t, _ in shown.tags].count("img") == 0
    assert "{{ 7 * 7 }}" in page
    assert (
        json.loads(shown.content["script"][0])["command"] == f"regsearch repro {shlex.quote(EVIL)}"
    )


def test_a_cell_can_be_clicked_and_leads_to_its_runs(written: Path) -> None:
    outline = Outline(written.read_text())
    data = json.loads(outline.content["script"][0])
    clickable = {a["data-cell"] for _, a in outline.tags if "data-cell" in a}
    assert clickable == set(data["cells"])
    cell = data["cells"]["volumization-2-1-0.4"]
    assert cell["label"] == "volumization v=2 alpha=1 label_noise=0.4"
    assert cell["runs"][1] == [
        "volumization-2-1-0.4-1", 1, "completed", "71.00", [7100, 7100, 7100, 7100],
    ]  # fmt: skip
    assert data["cells"]["volumization-2--1-0"]["runs"][1][2:4] == ["missing", "not run yet"]


def test_the_same_results_give_the_same_bytes(results: Results, tmp_path: Path) -> None:
    config = [PhaseDiagram(metrics=["last10"]), Curves()]
    first = write_report(results, config, tmp_path / "a").read_bytes()
    assert write_report(results, config, tmp_path / "b").read_bytes() == first


def test_a_failure_leaves_the_previous_report(results: Results, written: Path) -> None:
    before = written.read_bytes()
    with pytest.raises(UnknownName):
        write_report(results, [PhaseDiagram(x="w")], written.parent)
    assert written.read_bytes() == before


def test_failures_are_grouped_by_cause(written: Path) -> None:
    page = written.read_text()
    assert "loss is not finite at epoch …" in page
    assert "volumization with v = 0, alpha = -1" in page
    assert "regsearch repro pencil volumization-0--1-0-0" in page


@pytest.mark.parametrize(
    ("value", "plane", "seeds"),
    [
        (None, PLANE, (0, 1)),
        ("diverged", PLANE, (0, 1)),
        ("failed", PLANE, (0, 1)),
        (0.5, PLANE, (0,)),
        (None, {"none": {}}, (0,)),
        ("diverged", {"none": {}}, (0,)),
        (0.5, {"none": {}}, (0,)),
    ],
    ids=["nothing ran", "all diverged", "all failed", "one seed", "one run", "lost", "alone"],
)
def test_every_kind_of_report_can_be_made_of_little(
    make_study: Callable[..., Results],
    value: float | str | None,
    plane: dict[str, dict[str, list[float]]],
    seeds: tuple[int, ...],
) -> None:
    sections = make_sections(make_study(lambda *_: value, plane, seeds=seeds), EVERYTHING)
    assert len(sections) >= len(EVERYTHING)
    for picture in (picture for section in sections for picture in section.pictures):
        assert picture.draw().axes


def test_without_configs_everything_that_needs_no_settings_is_made(results: Results) -> None:
    titles = [section.title for section in make_sections(results, [])]
    assert titles == [
        "Phase diagram of volumization", "volumization minus none", "Learning curves", "Table",
    ]  # fmt: skip


def test_every_picture_and_table_has_a_file_of_its_own(results: Results) -> None:
    """Other axes are told by name; what differs in nothing that a name tells is numbered."""
    configs = [
        PhaseDiagram(x="v", y="alpha", metrics=["last10"]),
        PhaseDiagram(x="alpha", y="dataset.label_noise", metrics=["last10"]),
        PhaseDiagram(x="v", y="alpha", metrics=["last10"], baseline="weight_decay"),
        Curves(best=1),
        Curves(best=2),
        Curves(best=2),
        TableReport(metrics=["last10"]),
        TableReport(metrics=["gap"]),
    ]
    sections = make_sections(results, configs)
    names = [
        name
        for section in sections
        for name in (*(p.name for p in section.pictures), *(t.name for t in section.tables))
    ]
    plane = "phase_volumization_test_accuracy_last10"
    assert names == [
        plane, f"{plane}_minus_none",
        "phase_volumization_alpha_label_noise_test_accuracy_last10",
        "phase_volumization_alpha_label_noise_test_accuracy_last10_minus_none",
        f"{plane}_2", f"{plane}_minus_weight_decay",
        "curves_test_accuracy", "curves_test_accuracy_2",
        "table_best", "table_best_2",
    ]  # fmt: skip


def test_each_report_shows_its_own_picture(results: Results, tmp_path: Path) -> None:
    write_report(results, [Curves(best=1), Curves(best=3)], tmp_path)
    first, second = (
        pd.read_csv(tmp_path / f"figures/curves_test_accuracy{end}.csv") for end in ("", "_2")
    )
    assert first["cell"].nunique() < second["cell"].nunique()
    svgs = [(tmp_path / f"figures/curves_test_accuracy{end}.svg").read_text() for end in ("", "_2")]
    assert svgs[0] != svgs[1]
    page = (tmp_path / "report.html").read_text()
    assert all(svg in page for svg in svgs)
