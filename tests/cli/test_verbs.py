"""Every verb, over one study of four runs that were really trained."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from regsearch.api import load
from regsearch.api.names import REGISTRIES
from regsearch.cli import main
from regsearch.records import Record
from tests.tiny import recorded, write_tiny

VERBS = main.list_commands(click.Context(main))


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pipeline, its space, and its study."""
    home = tmp_path_factory.mktemp("home")
    file = write_tiny(home, reports=[{"kind": "table"}])
    (home / "space.yaml").write_text("regularizers: [{kind: weight_decay, decay: [0, 0.1]}]\n")
    load(file).run(home / "studies" / "tiny", in_process=True)
    return home


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(home)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # `ui` starts no server there
    yield
    assert not list(home.glob("mlflow*")), "a study without tracking leaves nothing"


def regsearch(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def records(home: Path) -> list[Record]:
    return list(recorded(home / "studies" / "tiny").values())


NO_CLUSTER = (
    (4, r"no Ray dashboard answers at http://127.0.0.1:9")
    if find_spec("aiohttp_cors")  # ray[default], which is optional
    else (2, r"pip install 'regsearch\[cluster\]'")
)

CALLS: list[tuple[str, int, str]] = [
    ("validate tiny.yaml space.yaml", 0, r"tiny.yaml: ok, 2 cells, 4 runs\nspace.yaml: ok, .* 2 s"),
    ("plan tiny.yaml -o seeds=1", 0, r"runs +2, 2 recorded, 0 to train\n$"),
    ("plan tiny.yaml --list", 0, r"(run +\w{16}  completed +weight_decay .*seed=[01]\n){4}$"),
    ("plan tiny.yaml --json", 0, r'"to_train": 0,'),
    ("schema", 0, r'"search_space"'),
    ("schema search_space", 0, r'"regularizers"'),
    ("run tiny.yaml --in-process", 0, r"All 4 runs are recorded already(.|\n)*report.html\n$"),
    ("stop tiny", 0, r"^Nobody runs tiny.\n$"),
    ("retry tiny --in-process", 0, r"All 4 runs are recorded already"),
    ("status tiny", 0, r"completed +4\n(.|\n)*running +no\ntraining +0 packs\n"),
    ("status studies/tiny --json", 0, r'"planned": 4,'),
    ("ls", 0, r"^tiny +4 of 4 runs recorded\n$"),
    ("ls regularizers", 0, r"volumization +\w"),
    ("ls models --json", 0, r'"mlp": '),
    ("report tiny", 0, r"studies/tiny/report.html\n$"),
    ("export tiny", 0, r"^run,cell,regularizer,weight_decay.decay,.*\n(\w{16},.*\n){4}$"),
    ("export tiny --curves", 0, r"^run,epoch,.*\n(\w{16},[12],.*\n){8}$"),
    ("compare tiny tiny", 2, r"two studies or more"),
    ("ui tiny", 2, r"open http://127.0.0.1:9"),
    ("submit tiny.yaml --address http://127.0.0.1:9", *NO_CLUSTER),
    ("logs tiny --address http://127.0.0.1:9", *NO_CLUSTER),
    ("doctor --json", 2, r'"what": "mlflow",\n +"ok": false'),
]


@pytest.mark.parametrize(("words", "code", "told"), CALLS)
def test_a_verb(words: str, code: int, told: str) -> None:
    ended = regsearch(*words.split())
    assert ended.exit_code == code, ended.output
    assert re.search(told, ended.output), ended.output


def test_the_help_of_all_is_laid_out_in_lines() -> None:
    lines = [line.strip() for line in regsearch("--help").output.splitlines()]
    assert "Start:   regsearch run quickstart" in lines
    assert not any("\\b" in line for line in lines)


def test_ls_names_all_that_it_can_list() -> None:
    told = regsearch("ls", "--help").output.replace("\n", " ")
    assert all(noun in told for noun in [*REGISTRIES, "studies", "pipelines", "search_spaces"])


def test_every_verb_is_called_here() -> None:
    assert {words.split()[0] for words, _, _ in CALLS} | {"repro"} == set(VERBS)


def test_repro_trains_one_run_again_and_finds_it_the_same(home: Path) -> None:
    run = records(home)[1]
    ended = regsearch("repro", "tiny", run.run[:6], "--check")
    assert ended.exit_code == 0, ended.output
    command, *table = ended.output.splitlines()
    assert command.startswith("regsearch run studies/tiny/resolved.yaml --in-process ")
    rows = [line for line in table if line.split()[0] == "train_loss"]
    assert rows[0].split()[1] == f"{run.metrics['train_loss']:.6g}"
    assert re.search("identical|largest difference of any curve: [0-9.]+e-0[5-9]", table[-1])


def test_json_is_for_programs(home: Path) -> None:
    listed = json.loads(regsearch("plan", "tiny.yaml", "--json", "--list").output)["list"]
    assert {run["run"] for run in listed} == {record.run for record in records(home)}
    status = json.loads(regsearch("status", "tiny", "--json").output)
    assert (status["completed"], status["missing"], status["running"]) == (4, 0, None)


def test_the_page_says_what_is_recorded(home: Path) -> None:
    page = Path(regsearch("report", "tiny").output.strip())
    assert page == home / "studies" / "tiny" / "report.html"
    assert "4 in 2 cells" in page.read_text()
    assert f"regsearch run {os.path.join('studies', 'tiny', 'resolved.yaml')}" in page.read_text()
    assert (page.parent / "records.csv").read_text() == regsearch("export", "tiny").output
