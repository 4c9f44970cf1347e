"""All problems of all files at once, and the exit code of the gravest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from regsearch.cli import main
from regsearch.errors import ExitCode
from tests.tiny import write_tiny


def validate(*files: Path) -> Result:
    return CliRunner().invoke(main, ["validate", *map(str, files)])


def written(folder: Path, name: str, **changes: Any) -> Path:
    folder.joinpath(name).mkdir()
    return write_tiny(folder / name, **changes)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return written(tmp_path, "good")


@pytest.fixture
def misspelt(tmp_path: Path) -> Path:
    return written(tmp_path, "misspelt", sedes=3, pakc="auto")


@pytest.fixture
def without_data(tmp_path: Path) -> Path:
    return written(tmp_path, "bare", dataset={"kind": "arrays", "path": "nowhere.npz"})


@pytest.fixture
def large(tmp_path: Path) -> Path:
    return written(tmp_path, "large", limits={"max_runs": 3})


def test_every_file_is_looked_at(
    good: Path, misspelt: Path, without_data: Path, large: Path
) -> None:
    ended = validate(without_data, large, misspelt, good)
    assert ended.exit_code == ExitCode.POLICY
    assert f"{good}: ok, 2 cells, 4 runs" in ended.stdout
    problems = ended.stderr.splitlines()
    assert problems[0].startswith(f"{without_data}: arrays: no file ")
    assert "asks for 4 runs, more than limits.max_runs = 3" in problems[1]
    assert [problem.split(":")[0] for problem in problems[1:]] == [str(large), *[str(misspelt)] * 2]
    assert "Did you mean 'seeds'" in ended.stderr
    assert "Did you mean 'pack'" in ended.stderr


def test_missing_data_are_the_users_mistake(good: Path, without_data: Path) -> None:
    assert validate(without_data, good).exit_code == ExitCode.USER


def test_a_space_that_two_files_share_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text("regularizers: [{kind: weight_decya}]\n")
    files = [written(tmp_path, name, search_space="../space.yaml") for name in ("a", "b")]
    ended = validate(*files)
    assert ended.exit_code == ExitCode.USER
    assert len(ended.stderr.splitlines()) == 1


def test_a_method_that_a_model_has_nothing_for_is_told_with_its_line(tmp_path: Path) -> None:
    space = {"regularizers": [{"kind": "none"}, {"kind": "pathprox", "strength": 1e-3}]}
    model = {"kind": "mlp", "widths": [2], "norm": "batch"}
    file = written(tmp_path, "normed", search_space=space, model=model)
    line = 1 + file.read_text().splitlines().index("  - kind: pathprox")
    ended = validate(file)
    assert ended.exit_code == ExitCode.USER
    assert ended.stderr.startswith(f"{file}:{line}: search_space.regularizers[1]: pathprox on the ")


def test_models_are_left_open_where_data_would_have_to_be_fetched(tmp_path: Path) -> None:
    data = {"kind": "mnist", "data_root": str(tmp_path), "download": True}
    file = written(tmp_path, "far", dataset=data, model={"kind": "mlp", "norm": "batch"})
    ended = validate(file)
    assert ended.exit_code == 0
    ok = f"{file}: ok, 2 cells, 4 runs; whether methods fit the model is open: mnist: no file"
    assert ended.stdout.startswith(ok)
    assert not list(tmp_path.glob("MNIST*"))


def test_nothing_wrong_is_exit_0(good: Path) -> None:
    assert validate(good).exit_code == 0
